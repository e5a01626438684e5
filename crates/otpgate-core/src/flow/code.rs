//! Codes: drawing one without bias, reading one strictly, and the MAC that stands for it in the store.

use crate::policy::CodeFormat;
use crate::record::{Slot, SlotKey};
use crate::secret::{Kid, Mac, Secrets, Space};
use crate::{Code, Identifier, Tenant, UserId};

/// Crockford's: no letter that reads like a digit.
const BASE32: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A uniform code from 32 random bytes; nothing in the rare case (below 1e-45) that all draws have to be thrown away.
pub(crate) fn draw(format: CodeFormat, random: &[u8; 32]) -> Option<Code> {
    match format {
        CodeFormat::Digits(length) => {
            let space = 10u64.pow(u32::from(length));
            let fair = u64::MAX - u64::MAX % space;
            let draws = random.chunks_exact(8).filter_map(|c| c.try_into().ok().map(u64::from_be_bytes));
            let number = draws.into_iter().find(|n| *n < fair)? % space;
            Some(Code::new(format!("{number:0width$}", width = usize::from(length))))
        }
        CodeFormat::Base32(length) => {
            // 32 divides 256: no byte has to be thrown away.
            let letters = random.iter().take(usize::from(length)).map(|b| char::from(BASE32[usize::from(b % 32)]));
            Some(Code::new(letters.collect::<String>()))
        }
    }
}

/// The code that was typed: exactly as long as a code, exactly its alphabet. Anything else is no guess at all. Base 32 is read
/// as its reader wrote it, in small letters or with a look-alike; this is the one place where that is undone.
pub(crate) fn read(format: CodeFormat, text: &str) -> Option<Code> {
    if text.len() != format.length() {
        return None;
    }
    let read: Option<String> = match format {
        CodeFormat::Digits(_) => text.chars().map(|c| c.is_ascii_digit().then_some(c)).collect(),
        CodeFormat::Base32(_) => text.bytes().map(|b| letter(b).map(char::from)).collect(),
    };
    read.map(Code::new)
}

fn letter(typed: u8) -> Option<u8> {
    let upper = match typed.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    BASE32.contains(&upper).then_some(upper)
}

/// The code that was typed as a whole number: the zeros in front, which a number cannot have, are put back.
pub(crate) fn read_number(format: CodeFormat, digits: &str) -> Option<Code> {
    match format {
        CodeFormat::Digits(_) => read(format, &format!("{digits:0>width$}", width = format.length())),
        CodeFormat::Base32(_) => None,
    }
}

/// Whose code it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) identifier: &'a Identifier,
}

impl Subject<'_> {
    /// A digest of the identifier, by which an account remembers that it was proven.
    pub(crate) fn digest(&self, secrets: &Secrets) -> [u8; 16] {
        let kind = [self.identifier.kind() as u8];
        secrets
            .short_digest(Space::Bound, &[self.tenant.as_str().as_bytes(), &kind, self.identifier.as_str().as_bytes()])
    }
}

/// The account that a code is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder<'a> {
    pub(crate) user: &'a UserId,
    /// The account's epoch.
    pub(crate) epoch: u64,
}

/// What a code was issued under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Issue<'a> {
    pub(crate) slot: SlotKey,
    /// Whose code it is; nobody's yet for a newcomer and a decoy.
    pub(crate) user: Option<&'a UserId>,
    pub(crate) epoch: u64,
    pub(crate) format: CodeFormat,
    pub(crate) salt: &'a [u8; 16],
}

/// The MAC of a code in everything it is bound to: tenant, identifier, slot, user, account epoch, format and a salt of its own.
/// With the user in it, an address that moves to somebody else leaves its open code behind (A31); with the format, a policy that
/// changes under a live code ends the code and never makes it easier.
pub(crate) fn mac(secrets: &Secrets, kid: Kid, subject: Subject<'_>, issue: Issue<'_>, code: &Code) -> Option<Mac> {
    let slot = postcard::to_allocvec(&issue.slot).ok()?;
    secrets.code_mac(
        kid,
        &[
            subject.tenant.as_str().as_bytes(),
            &[subject.identifier.kind() as u8],
            subject.identifier.as_str().as_bytes(),
            &slot,
            issue.user.map_or("", UserId::as_str).as_bytes(),
            &issue.epoch.to_be_bytes(),
            &issue.format.tag(),
            issue.salt,
            code.expose().as_bytes(),
        ],
    )
}

/// Whether `code` is the one of `slot` for `user`, in constant time; false when its key left the ring.
pub(crate) fn is_right(
    secrets: &Secrets,
    subject: Subject<'_>,
    user: Option<&UserId>,
    format: CodeFormat,
    slot: &Slot,
    code: &Code,
) -> bool {
    let issue = Issue { slot: slot.key, user, epoch: slot.epoch, format, salt: &slot.salt };
    mac(secrets, slot.kid, subject, issue, code).is_some_and(|mac| slot.mac.matches(mac.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only MACs are compared, and in constant time. An early exit would not tell a digit either: codes that begin alike have MACs
    /// that do not.
    #[test]
    fn a61_a_code_that_begins_right_is_no_nearer_than_any_other() {
        let secrets = Secrets::new(crate::MasterSecret::new("a secret for tests of 32 bytes or more").unwrap());
        let (tenant, identifier) = (Tenant::new("t").unwrap(), Identifier::email("a@example.com").unwrap());
        let subject = Subject { tenant: &tenant, identifier: &identifier };
        let slot = SlotKey::Open(crate::Profile::Identity, crate::record::Purpose::Login);
        let format = CodeFormat::Digits(6);
        let (mut shared, mut most) = ([0u32; 6], 0);
        for round in 0..200u32 {
            let mut salt = [7; 16];
            salt[..4].copy_from_slice(&round.to_be_bytes());
            let issue = Issue { slot, user: None, epoch: 0, format, salt: &salt };
            let of =
                |code: u32| mac(&secrets, secrets.current(), subject, issue, &Code::new(format!("{code:06}"))).unwrap();
            let right = round * 4_787 % 1_000_000;
            for (wrong_from, step) in [100_000, 10_000, 1_000, 100, 10, 1].into_iter().enumerate() {
                // As many digits from the front are right as there are steps before this one.
                let other = of((right + step) % 1_000_000);
                let alike = of(right).as_bytes().iter().zip(other.as_bytes()).take_while(|(a, b)| a == b).count();
                most = most.max(alike);
                shared[wrong_from] += u32::from(alike > 0);
                assert!(!of(right).matches(other.as_bytes()));
            }
            assert!(of(right).matches(of(right).as_bytes()));
        }
        // One byte is shared by chance in 256: of 200, some 0.8; three in a row once in 16 million.
        assert!(shared.iter().all(|n| *n <= 8) && most <= 2, "{shared:?}, at most {most} bytes");
        // And nobody compares them, or the codes, by `==`.
        assert_eq!([IsEq::<u8>::IS, IsEq::<Mac>::IS, IsEq::<Code>::IS], [true, false, false]);
    }

    /// Whether a type has `==`: the constant of the impl hides that of the trait where there is one.
    struct IsEq<T>(std::marker::PhantomData<T>);
    trait HasNone {
        const IS: bool = false;
    }
    impl<T> HasNone for IsEq<T> {}
    impl<T: PartialEq> IsEq<T> {
        const IS: bool = true;
    }

    #[test]
    fn w113_a_number_gets_its_zeros_back() {
        let six = |digits| read_number(CodeFormat::Digits(6), digits).map(|c| c.expose().to_owned());
        assert_eq!(six("12345").as_deref(), Some("012345"));
        assert_eq!(six("0").as_deref(), Some("000000"));
        assert_eq!(six("123456").as_deref(), Some("123456"));
        assert_eq!(six("1234567"), None);
        assert!(read_number(CodeFormat::Base32(8), "234567").is_none());
    }

    #[test]
    fn w149_codes_are_uniform_and_keep_their_zeros() {
        // Chi-square over each position and each adjacent pair; the bounds are those of p = 1e-4.
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed.wrapping_mul(0x2545_f491_4f6c_dd1d)
        };
        let (mut single, mut pair) = ([[0u32; 10]; 6], [[0u32; 100]; 5]);
        let rounds = 200_000;
        for _ in 0..rounds {
            let mut random = [0; 32];
            random.chunks_exact_mut(8).for_each(|c| c.copy_from_slice(&next().to_be_bytes()));
            let code = draw(CodeFormat::Digits(6), &random).unwrap();
            let digits: Vec<usize> = code.expose().bytes().map(|b| usize::from(b - b'0')).collect();
            assert_eq!(digits.len(), 6);
            (0..6).for_each(|i| single[i][digits[i]] += 1);
            (0..5).for_each(|i| pair[i][digits[i] * 10 + digits[i + 1]] += 1);
        }
        let chi = |counts: &[u32]| {
            let want = f64::from(rounds) / counts.len() as f64;
            counts.iter().map(|c| (f64::from(*c) - want).powi(2) / want).sum::<f64>()
        };
        single.iter().for_each(|c| assert!(chi(c) < 33.7, "{c:?}"));
        pair.iter().for_each(|c| assert!(chi(c) < 158.0, "{c:?}"));
    }

    #[test]
    fn q01_base_32_codes_are_uniform() {
        let mut counts = [0u32; 32];
        for byte in 0..=255u8 {
            let code = draw(CodeFormat::Base32(8), &[byte; 32]).unwrap();
            assert_eq!(read(CodeFormat::Base32(8), code.expose()).unwrap().expose(), code.expose());
            let place = BASE32.iter().position(|b| *b == code.expose().as_bytes()[0]).unwrap();
            counts[place] += 1;
        }
        assert_eq!(counts, [8; 32], "every byte is as likely, so every character is");
    }

    #[test]
    fn a_draw_outside_the_fair_range_is_thrown_away() {
        let mut random = [0xff; 32];
        random[8..16].copy_from_slice(&7u64.to_be_bytes());
        assert_eq!(draw(CodeFormat::Digits(6), &random).unwrap().expose(), "000007");
        assert!(draw(CodeFormat::Digits(6), &[0xff; 32]).is_none());
        assert_eq!(draw(CodeFormat::Base32(8), &[31; 32]).unwrap().expose(), "ZZZZZZZZ");
    }

    #[test]
    fn a56_only_the_exact_form_is_a_code() {
        let six = CodeFormat::Digits(6);
        assert_eq!(read(six, "012345").unwrap().expose(), "012345");
        for bad in [
            "",
            "12345",
            "0012345",
            " 012345",
            "012 345",
            "01234a",
            "1e5",
            "123456.0",
            "0x1E24",
            "-12345",
            "+12345",
            "1_0000",
            "\u{ff11}\u{ff12}\u{ff13}\u{ff14}\u{ff15}\u{ff16}",
            "\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}",
            "12345\0",
        ] {
            assert!(read(six, bad).is_none(), "{bad:?}");
        }
        let eight = CodeFormat::Base32(8);
        for (typed, code) in [("ABCDEFG7", "ABCDEFG7"), ("abcdefg7", "ABCDEFG7"), ("oOiIlLzZ", "001111ZZ")] {
            assert_eq!(read(eight, typed).unwrap().expose(), code);
        }
        for bad in [
            "",
            "ABCDEFG",
            "ABCDEFGHJ",
            "ABCDEFGU",
            "ABCD-FGH",
            "ABCDEFG ",
            " ABCDEFG",
            "ABCDEF\u{e9}",
            "\u{ff21}\u{ff22}AB",
            "ABCDEFG\0",
            "ABC\u{131}DEF",
        ] {
            assert!(read(eight, bad).is_none(), "{bad:?}");
        }
    }
}
