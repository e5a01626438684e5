//! Recipients, checked once more where a message is made (Q50, A49): the host's table may hold anything.

use otpgate_core::{DeliveryError, Identifier};

/// The local part and the domain of one plain address, in the spelling that the directory stored (Q14).
///
/// Only a non-ASCII domain is rewritten, to the punycode that it stands for.
pub(crate) fn mailbox(to: &str) -> Result<(&str, String), DeliveryError> {
    let refused = || DeliveryError::permanent("the stored address is not one plain e-mail address");
    // `Identifier` forgives white space at the ends; in a header or an envelope it has no place.
    if to.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(refused());
    }
    let canonical = Identifier::email(to).map_err(|_| refused())?;
    let (local, domain) = to.split_once('@').ok_or_else(refused)?;
    let (_, ascii) = canonical.as_str().split_once('@').ok_or_else(refused)?;
    Ok((local, if domain.is_ascii() { domain } else { ascii }.to_owned()))
}

/// One phone number in E.164 form.
pub(crate) fn phone(to: &str) -> Result<String, DeliveryError> {
    Identifier::phone(to)
        .map(|number| number.as_str().to_owned())
        .map_err(|_| DeliveryError::permanent("the stored number is not one phone number"))
}

#[cfg(test)]
pub(crate) const HOSTILE: [&str; 31] = [
    "",
    " ",
    "\"a b\"@example.com",
    "\"a\"@example.com",
    "\"a\r\nRCPT TO:<e@example.com>\"@example.com",
    "a@example.com,b@example.com",
    "a@example.com, b@example.com",
    "a@example.com;b@example.com",
    "a@example.com b@example.com",
    "<a@example.com>",
    "Name <a@example.com>",
    "\"Name\" <a@example.com>",
    "a@example.com <b@example.com>",
    "group:a@example.com,b@example.com;",
    "a@example.com\0@evil.example",
    "a\0@example.com",
    "a@[127.0.0.1]",
    "a@127.0.0.1",
    "a@[IPv6:::1]",
    "a@example.com%0d%0aBcc:b@example.com",
    "a@example.com\r\nBcc: b@example.com",
    "a@example.com\nBcc: b@example.com",
    "a@example.com\r",
    "a@example.com\n",
    "\r\na@example.com",
    " a@example.com",
    "a@example.com\u{85}",
    "a@example.com\u{2028}Bcc: b@example.com",
    "ä@example.com",
    "a(comment)@example.com",
    "a@b@example.com",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a49_no_address_is_two_or_none() {
        for to in HOSTILE {
            let error = mailbox(to).unwrap_err();
            assert!(!error.is_temporary(), "{to:?}");
        }
    }

    #[test]
    fn the_stored_spelling_stands() {
        for to in ["Ada.L+x@Example.COM", "o'hara@example.co.uk", "a%0d%0aBcc:x"] {
            let got = mailbox(to).map(|(local, domain)| format!("{local}@{domain}"));
            assert_eq!(got.ok().as_deref(), to.contains('@').then_some(to));
        }
    }

    #[test]
    fn a_number_is_one_number() {
        assert_eq!(phone("+49 (30) 901820-0").unwrap(), "+49309018200");
        for to in ["", "+", "12", "+1555\r\n0000000", "+15550000001,+15550000002", "+1555000000x", "a@example.com"] {
            assert!(!phone(to).unwrap_err().is_temporary(), "{to:?}");
        }
    }
}
