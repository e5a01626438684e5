//! The first look at a request: one pass over its header lines, in whichever type a framework keeps them, which is enough for most
//! requests. What it does not settle is read again, in full, by `credential.rs`.

use std::fmt;

use crate::profile::Table;

/// The header in which a client of `identity` names the organisation that it acts for.
pub(crate) const ORGANIZATION: &str = "organization-id";

/// Which lines are looked at.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The lengths of the names, a bit each: most lines of a request are passed over by this alone.
    lengths: u64,
    names: Vec<(&'static str, Line)>,
}

/// What a line is to us.
#[derive(Clone, Copy, Debug)]
enum Line {
    /// The token of a profile.
    Own(&'static Table),
    /// `Authorization`.
    Bearer,
    /// Cookies, which may hold a token.
    Cookies,
    Organization,
}

/// What the lines of a request hold.
#[derive(Default)]
pub(crate) struct Glance<'h> {
    /// The one token, and in whose header it came (`None`: in `Authorization`).
    pub(crate) token: Option<(&'h [u8], Option<&'static Table>)>,
    pub(crate) organization: Option<&'h [u8]>,
}

impl fmt::Debug for Glance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Glance(..)")
    }
}

impl Watched {
    pub(crate) fn of(headers: &[&'static Table], bearer: bool, cookies: bool) -> Self {
        let own = headers.iter().map(|table| (table.carrier.as_str(), Line::Own(table)));
        let bearer = bearer.then_some(("authorization", Line::Bearer));
        let cookies = cookies.then_some(("cookie", Line::Cookies));
        let names: Vec<_> = own.chain(bearer).chain(cookies).chain([(ORGANIZATION, Line::Organization)]).collect();
        Self { lengths: names.iter().fold(0, |bits, (name, _)| bits | bit(name)), names }
    }

    /// Looks at every line, names in lower case; nothing where the lines need a closer look: a token or an organisation twice,
    /// or cookies.
    pub(crate) fn glance<'h>(&self, lines: impl Iterator<Item = (&'h str, &'h [u8])>) -> Option<Glance<'h>> {
        let mut seen = Glance::default();
        for (name, value) in lines {
            if self.lengths & bit(name) == 0 {
                continue;
            }
            let twice = match self.names.iter().find(|(watched, _)| *watched == name).map(|(_, line)| *line) {
                None => false,
                Some(Line::Own(table)) => seen.token.replace((value, Some(table))).is_some(),
                Some(Line::Bearer) => {
                    after_bearer(value).is_some_and(|token| seen.token.replace((token, None)).is_some())
                }
                Some(Line::Cookies) => true,
                Some(Line::Organization) => seen.organization.replace(value).is_some(),
            };
            if twice {
                return None;
            }
        }
        Some(seen)
    }
}

fn bit(name: &str) -> u64 {
    1 << (name.len() % 64)
}

/// What follows the scheme, where that is ours. Nobody has looked yet whether it is text.
fn after_bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}
