//! The token of a request: read from the headers and cookies of the mounted profiles, never from the query, never a silent
//! choice.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use otpgate_core::secret::AccessToken;

use crate::cookies::Cookies;
use crate::gate::Mount;
use crate::glance::{Glance, Watched};
use crate::profile::Table;

/// What a request carries.
#[derive(Debug)]
pub(crate) enum Credential<'h> {
    /// Nothing.
    None,
    /// One token, in the header of this profile (`None`: in `Authorization`).
    One(Carried<'h>, Option<&'static Table>),
    /// One token, in a cookie of this profile, where a browser puts it by itself.
    Cookie(AccessToken, &'static Table),
    /// More than one, or one header twice.
    Many(Option<&'static Table>),
}

/// A token where the request has it. `Debug` does not print it.
pub(crate) struct Carried<'h>(&'h str);

impl<'h> Carried<'h> {
    pub(crate) fn expose(&self) -> &'h str {
        self.0
    }
}

impl fmt::Debug for Carried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carried(..)")
    }
}

/// Where tokens are looked for.
#[derive(Debug)]
pub(crate) struct Carriers {
    headers: Vec<&'static Table>,
    bearer: bool,
    cookies: Option<(&'static Table, Arc<Cookies>)>,
    watched: Watched,
}

impl Carriers {
    /// Those of the profiles, a header once though two profiles have it, and `Authorization` where the host says so.
    pub(crate) fn of(mounts: &[Mount], bearer: bool) -> Self {
        let mut headers: Vec<&'static Table> = Vec::new();
        for mount in mounts.iter().filter(|m| m.cookies.as_ref().is_none_or(|c| c.with_header)) {
            if headers.iter().all(|table| table.carrier != mount.table.carrier) {
                headers.push(mount.table);
            }
        }
        let cookies = mounts.iter().find_map(|m| Some((m.table, Arc::clone(m.cookies.as_ref()?))));
        Self::these(headers, bearer, cookies)
    }

    fn these(headers: Vec<&'static Table>, bearer: bool, cookies: Option<(&'static Table, Arc<Cookies>)>) -> Self {
        let watched = Watched::of(&headers, bearer, cookies.is_some());
        Self { headers, bearer, cookies, watched }
    }

    /// The settings of the cookies, where a profile has them.
    pub(crate) fn cookies(&self) -> Option<&Cookies> {
        self.cookies.as_ref().map(|(_, cookies)| &**cookies)
    }

    /// One pass over the lines, in which most requests show all that they carry: what [`Carriers::read`] would find, too.
    pub(crate) fn glance<'h>(&self, lines: impl Iterator<Item = (&'h str, &'h [u8])>) -> Option<Glance<'h>> {
        self.watched.glance(lines)
    }

    /// Reads the credential that `headers` carry.
    pub(crate) fn read<'h>(&self, headers: &'h HeaderMap) -> Credential<'h> {
        let own = self.headers.iter().flat_map(|table| {
            let lines = headers.get_all(&table.carrier).iter();
            // Text that is no token, or no text, is a credential all the same: a bad one.
            lines.map(|v| Credential::One(Carried(v.to_str().unwrap_or_default()), Some(*table)))
        });
        let bearers = headers.get_all(AUTHORIZATION).iter().filter(|_| self.bearer).filter_map(|v| {
            let (scheme, token) = v.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| Credential::One(Carried(token), None))
        });
        let in_cookies = self.cookies.iter().flat_map(|(table, cookies)| {
            cookies.tokens(headers).into_iter().map(|token| Credential::Cookie(token, table))
        });
        let mut found = own.chain(bearers).chain(in_cookies);
        match (found.next(), found.next()) {
            (None, _) => Credential::None,
            (Some(only), None) => only,
            (Some(first), Some(_)) => Credential::Many(first.table()),
        }
    }
}

impl Credential<'_> {
    /// Whose header or cookie carried it.
    fn table(&self) -> Option<&'static Table> {
        match self {
            Self::None => None,
            Self::One(_, table) | Self::Many(table) => *table,
            Self::Cookie(_, table) => Some(*table),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::profile::{identity, platform};

    fn lines(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn read(headers: &HeaderMap, bearer: bool) -> Credential<'_> {
        Carriers::these(vec![&identity::TABLE], bearer, None).read(headers)
    }

    #[test]
    fn a67_more_than_one_credential_is_never_a_silent_choice() {
        assert!(matches!(read(&lines(&[]), true), Credential::None));
        assert!(matches!(read(&lines(&[("auth-token", "a")]), true), Credential::One(t, Some(_)) if t.expose() == "a"));
        assert!(matches!(read(&lines(&[("auth-token", "a"), ("auth-token", "a")]), false), Credential::Many(_)));
        assert!(matches!(
            read(&lines(&[("auth-token", "a"), ("authorization", "Bearer b")]), true),
            Credential::Many(_)
        ));
        assert!(
            matches!(read(&lines(&[("auth-token", "a"), ("authorization", "Bearer b")]), false), Credential::One(t, _) if t.expose() == "a")
        );
        assert!(
            matches!(read(&lines(&[("authorization", "bearer b")]), true), Credential::One(t, None) if t.expose() == "b")
        );
        assert!(matches!(read(&lines(&[("authorization", "Basic b")]), true), Credential::None));
        assert!(matches!(read(&lines(&[("auth-token", "")]), true), Credential::One(..)));
    }

    #[test]
    fn w097_header_and_cookie_are_each_switchable_and_together_too_many() {
        let carriers = |cookies: Cookies| {
            let headers = if cookies.with_header { vec![&platform::TABLE] } else { Vec::new() };
            Carriers::these(headers, false, Some((&platform::TABLE, Arc::new(cookies))))
        };
        let both = carriers(Cookies::new());
        let (header, cookie) = (("token", "a"), ("cookie", "__Host-token=b"));
        let request = |lines: &[(&'static str, &'static str)]| {
            lines.iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect::<HeaderMap>()
        };
        assert!(matches!(both.read(&request(&[header])), Credential::One(t, Some(_)) if t.expose() == "a"));
        assert!(matches!(both.read(&request(&[cookie])), Credential::Cookie(t, _) if t.expose() == "b"));
        assert!(matches!(both.read(&request(&[header, cookie])), Credential::Many(Some(_))));
        let alone = carriers(Cookies::new().without_header());
        assert!(matches!(alone.read(&request(&[header])), Credential::None));
        assert!(matches!(alone.read(&request(&[header, cookie])), Credential::Cookie(t, _) if t.expose() == "b"));
    }

    #[test]
    fn two_profiles_with_one_header_do_not_make_one_token_two() {
        let builder = crate::Profiles::builder();
        let tenant = |name| otpgate_core::Tenant::new(name).unwrap();
        let two = builder.identity(tenant("a")).identity(crate::Identity::new(tenant("b")).prefix("/b")).build();
        let carriers = Carriers::of(&two.unwrap().mounts(), false);
        let headers = HeaderMap::from_iter([("auth-token".parse().unwrap(), HeaderValue::from_static("a"))]);
        assert!(matches!(carriers.read(&headers), Credential::One(..)));
    }

    #[test]
    fn a67_one_look_finds_what_a_full_reading_finds_or_leaves_it_to_that() {
        const LINES: [(&str, &[u8]); 15] = [
            ("auth-token", b"a"),
            ("auth-token", b"b"),
            ("auth-token", b""),
            ("auth-token", b"\xff"),
            ("token", b"c"),
            ("authorization", b"Bearer d"),
            ("authorization", b"bEARER "),
            ("authorization", b"bearer"),
            ("authorization", b"Basic e"),
            ("authorization", b"bearer \xff"),
            ("cookie", b"__Host-token=f"),
            ("cookie", b"x=1"),
            ("organization-id", b"o"),
            ("host", b"example.com"),
            ("user-agent", b"auth-token"),
        ];
        let request = |bits: u32| {
            let chosen = LINES.iter().enumerate().filter(move |(i, _)| bits >> i & 1 == 1).map(|(_, line)| line);
            let mut headers = HeaderMap::new();
            chosen.for_each(|(name, value)| {
                headers.append(*name, HeaderValue::from_bytes(value).unwrap());
            });
            headers
        };
        let mut settled = 0;
        for setting in 0..4 {
            let cookies = (setting & 1 == 1).then(|| (&platform::TABLE, Arc::new(Cookies::new())));
            let carriers = Carriers::these(vec![&identity::TABLE, &platform::TABLE], setting & 2 == 2, cookies);
            for headers in (0..1 << LINES.len()).map(request) {
                let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
                let Some(glance) = carriers.glance(lines) else { continue };
                settled += 1;
                let named: Vec<&[u8]> = headers.get_all("organization-id").iter().map(HeaderValue::as_bytes).collect();
                assert_eq!(glance.organization.as_slice(), named, "{headers:?}");
                match (glance.token, carriers.read(&headers)) {
                    (None, Credential::None) => {}
                    // What is no text is no token that was ever found good, so that nothing comes of it at once.
                    (Some((token, _)), read) if !token.is_ascii() => {
                        assert!(matches!(read, Credential::None | Credential::One(..)), "{headers:?}");
                    }
                    (Some((token, table)), Credential::One(carried, of)) => {
                        assert_eq!(
                            (token, table.map(|t| t.profile)),
                            (carried.expose().as_bytes(), of.map(|t| t.profile))
                        );
                    }
                    (glance, read) => panic!("{headers:?}: {glance:?} is not {read:?}"),
                }
            }
        }
        assert!(settled > 1_000, "{settled}");
    }
}
