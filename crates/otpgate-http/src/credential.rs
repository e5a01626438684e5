//! The token of a request: read from the headers of the mounted profiles, never from the query, never a silent choice.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use otpgate_core::secret::AccessToken;

use crate::profile::Table;

/// What a request carries.
#[derive(Debug)]
pub(crate) enum Credential {
    /// Nothing.
    None,
    /// One token, in the header of this profile (`None`: in `Authorization`).
    One(AccessToken, Option<&'static Table>),
    /// More than one, or one header twice.
    Many(Option<&'static Table>),
}

/// Whether `headers` carry anything that could be a credential.
pub(crate) fn is_there(headers: &HeaderMap, mut tables: impl Iterator<Item = &'static Table>, bearer: bool) -> bool {
    tables.any(|table| headers.contains_key(table.carrier)) || (bearer && headers.contains_key(AUTHORIZATION))
}

/// Reads the credential that `headers` carry.
pub(crate) fn read(headers: &HeaderMap, tables: impl Iterator<Item = &'static Table>, bearer: bool) -> Credential {
    let own = tables.flat_map(|table| {
        // Text that is no token, or no text, is a credential all the same: a bad one.
        headers.get_all(table.carrier).iter().map(move |v| (v.to_str().unwrap_or_default().to_owned(), Some(table)))
    });
    let bearers = headers.get_all(AUTHORIZATION).iter().filter(|_| bearer).filter_map(|v| {
        let (scheme, token) = v.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| (token.to_owned(), None))
    });
    let mut found = own.chain(bearers);
    match (found.next(), found.next()) {
        (None, _) => Credential::None,
        (Some((token, table)), None) => Credential::One(AccessToken::new(token), table),
        (Some((_, table)), Some(_)) => Credential::Many(table),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::profile::identity;

    fn read_lines(lines: &[(&'static str, &str)], bearer: bool) -> Credential {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        read(&headers, [&identity::TABLE].into_iter(), bearer)
    }

    #[test]
    fn a67_more_than_one_credential_is_never_a_silent_choice() {
        assert!(matches!(read_lines(&[], true), Credential::None));
        assert!(matches!(read_lines(&[("auth-token", "a")], true), Credential::One(t, Some(_)) if t.expose() == "a"));
        assert!(matches!(read_lines(&[("auth-token", "a"), ("auth-token", "a")], false), Credential::Many(_)));
        assert!(matches!(read_lines(&[("auth-token", "a"), ("authorization", "Bearer b")], true), Credential::Many(_)));
        assert!(
            matches!(read_lines(&[("auth-token", "a"), ("authorization", "Bearer b")], false), Credential::One(t, _) if t.expose() == "a")
        );
        assert!(
            matches!(read_lines(&[("authorization", "bearer b")], true), Credential::One(t, None) if t.expose() == "b")
        );
        assert!(matches!(read_lines(&[("authorization", "Basic b")], true), Credential::None));
        assert!(matches!(read_lines(&[("auth-token", "")], true), Credential::One(..)));
    }
}
