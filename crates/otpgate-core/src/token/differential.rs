//! Our verifying of HS256 beside `jsonwebtoken`'s: the same answer to every token, minted, changed and signed anew.

use std::cell::Cell;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

use super::reference::Reference;
use super::*;
use crate::MasterSecret;

const NOW: i64 = 1_700_000_000_123;

/// What a token is minted of, and when it is shown.
#[derive(Clone, Debug)]
struct Minted {
    names: [String; 2],
    profile: Profile,
    ids: [[u8; 16]; 2],
    issued_at: Timestamp,
    life: Duration,
    shown_after: i64,
}

fn minted() -> impl Strategy<Value = Minted> {
    let name = prop_oneof!["[a-z0-9-]{1,16}", "[^\\p{Cc}]{1,30}"];
    let at = prop_oneof![8 => NOW - 90_000..NOW + 90_000, 1 => -9_000..9_000i64, 1 => Just(NOW), 1 => Just(i64::MAX)];
    let shown = prop_oneof![6 => 0..1_000_000i64, 1 => -70_000..0i64, 1 => Just(i64::MAX)];
    let life = prop_oneof![4 => 0..2_000_000u64, 1 => Just(900_000), 1 => Just(u64::MAX / 2)];
    (name.clone(), name, select(Profile::ALL.to_vec()), any::<[[u8; 16]; 2]>(), at, life, shown).prop_map(
        |(user, tenant, profile, ids, at, life, shown_after)| Minted {
            names: [user, tenant],
            profile,
            ids,
            issued_at: Timestamp::from_millis(at),
            life: Duration::from_millis(life),
            shown_after,
        },
    )
}

impl Minted {
    fn token(&self, by: &Tokens) -> String {
        let [user, tenant] = &self.names;
        let (user, tenant) = (UserId::new(user).unwrap(), Tenant::new(tenant).unwrap());
        let grant = Grant {
            user: &user,
            tenant: &tenant,
            profile: self.profile,
            session: SessionId::from_random(self.ids[0]),
            jti: self.ids[1],
            issued_at: self.issued_at,
            expires_at: self.issued_at.plus(self.life),
        };
        by.mint(grant).unwrap().expose().to_owned()
    }

    fn shown_at(&self) -> Timestamp {
        Timestamp::from_millis(self.issued_at.millis().saturating_add(self.shown_after))
    }
}

/// A ring of two keys with our verifier and the reference over it, and what both have accepted.
struct Both {
    tokens: Tokens,
    reference: Reference,
    asked: Cell<u32>,
    accepted: Cell<u32>,
}

impl Both {
    fn new(settings: &TokenSettings) -> Self {
        let master = |text: &str| MasterSecret::new(text).unwrap();
        let secrets = Secrets::new(master("the new secret, also long enough!"));
        let secrets = secrets.accept(master("an old secret of 32 bytes or more"));
        let (tokens, reference) = (Tokens::new(&secrets, settings).unwrap(), Reference::of(&secrets, settings));
        Self { tokens, reference, asked: Cell::new(0), accepted: Cell::new(0) }
    }

    /// A node that still signs with the other key of the ring.
    fn older() -> Tokens {
        Tokens::hs256(&Secrets::new(MasterSecret::new("an old secret of 32 bytes or more").unwrap()))
    }

    fn show(&self, token: &str, now: Timestamp, grace: Duration) -> bool {
        let accepted = self.reference.compare(&self.tokens, token, now, grace);
        self.asked.set(self.asked.get() + 1);
        self.accepted.set(self.accepted.get() + u32::from(accepted));
        accepted
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{header}.{claims}");
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.tokens.0.signer, Algorithm::HS256);
        format!("{message}.{}", signature.unwrap())
    }

    /// A case says something only if it goes both ways.
    fn went_both_ways(&self, at_least: f64) {
        let share = f64::from(self.accepted.get()) / f64::from(self.asked.get());
        assert!((at_least..=1.0 - at_least).contains(&share), "{share} of {} were accepted", self.asked.get());
    }
}

/// At least 2 000 cases; `PROPTEST_CASES` may ask for more.
fn runner() -> TestRunner {
    let usual = Config::default();
    TestRunner::new(Config { cases: usual.cases.max(2_000), failure_persistence: None, ..usual })
}

#[test]
fn what_is_minted_reads_the_same_for_any_issuer_and_at_any_time() {
    let accepted = Cell::new(0);
    let run = runner().run(&(minted(), ".{1,20}", ".{1,20}", 0..100_000u64), |(minted, issuer, audience, grace)| {
        let both = Both::new(&TokenSettings { issuer, audience, keys: Vec::new() });
        let token = minted.token(&both.tokens);
        let parts: Vec<_> = token.split('.').collect();
        assert!(both.tokens.0.verifiers[0].wrote(parts[0]), "the short way is the usual one");
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        let plain = !minted.names.concat().contains(['"', '\\']) && minted.issued_at.seconds() >= SKEW_SECONDS;
        assert_eq!(both.tokens.0.usual.read(&claims).is_some(), plain, "{claims}");
        both.show(&token, minted.shown_at(), Duration::from_millis(grace));
        accepted.set(accepted.get() + both.accepted.get());
        let issued = minted.issued_at.millis();
        if minted.life.as_millis() > 0 && minted.life.as_millis() < 1 << 40 && (60_000..1 << 47).contains(&issued) {
            assert!(both.show(&token, minted.issued_at, Duration::ZERO), "{token}");
        }
        Ok(())
    });
    run.unwrap();
    assert!(accepted.get() > 200, "{} of 2000 were accepted", accepted.get());
}

/// A change to a text of bytes.
#[derive(Clone, Debug)]
enum Edit {
    Put(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Swap(Index, Index),
    Cut(Index),
    Repeat(Index, Index),
}

fn edit(alphabet: &'static [u8]) -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    let byte = move || prop_oneof![9 => select(alphabet), 1 => 0..128u8];
    prop_oneof![
        4 => (at(), byte()).prop_map(|(at, byte)| Edit::Put(at, byte)),
        2 => (at(), byte()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        2 => at().prop_map(Edit::Remove),
        1 => (at(), at()).prop_map(|(a, b)| Edit::Swap(a, b)),
        1 => at().prop_map(Edit::Cut),
        1 => (at(), at()).prop_map(|(a, b)| Edit::Repeat(a, b)),
    ]
}

impl Edit {
    fn apply(&self, text: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let n = text.len();
        match self {
            Self::Put(at, byte) => text[at.index(n)] = *byte,
            Self::Insert(at, byte) => text.insert(at.index(n + 1), *byte),
            Self::Remove(at) => drop(text.remove(at.index(n))),
            Self::Swap(a, b) => text.swap(a.index(n), b.index(n)),
            Self::Cut(at) => text.truncate(at.index(n)),
            Self::Repeat(a, b) => {
                let (a, b) = (a.index(n).min(b.index(n)), a.index(n).max(b.index(n)));
                let part = text[a..b].to_vec();
                text.splice(b..b, part);
            }
        }
    }
}

#[test]
fn edited_bytes_are_refused_alike() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_..==";
    let both = Both::new(&TokenSettings::default());
    let edits = vec(edit(ALPHABET), 0..3);
    let run = runner().run(&(minted(), edits, any::<bool>(), any::<bool>()), |(minted, edits, signed, old)| {
        let older = Both::older();
        let token = minted.token(if old { &older } else { &both.tokens });
        let mut bytes = token.clone().into_bytes();
        if signed {
            bytes.truncate(token.rfind('.').unwrap());
        }
        edits.iter().for_each(|edit| edit.apply(&mut bytes));
        let mut text = String::from_utf8(bytes).unwrap();
        if signed {
            let (header, claims) = text.split_once('.').unwrap_or((&text, ""));
            text = both.sign(header, claims);
        }
        both.show(&text, minted.issued_at, Duration::ZERO);
        Ok(())
    });
    run.unwrap();
    both.went_both_ways(0.1);
}

/// An object, member by member, so that it can say things that no map holds.
type Members = Vec<(String, String)>;

#[derive(Clone, Debug)]
enum Change {
    Value(Index, String),
    Name(Index, String),
    Drop(Index),
    Twice(Index, String),
    Add(Index, String, String),
    Swap(Index, Index),
    /// The same text in other letters: `\u0061` for `a`.
    Escape(Index, Index),
    Later(Index, i64),
}

const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-0",
    "1",
    "-1",
    "1.0",
    "1e9",
    "1.7e9",
    "-1.5",
    "1E400",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1700000000",
    "1700000000.0",
    "01",
    "+1",
    "\"\"",
    "\"otpgate\"",
    "\"Otpgate\"",
    "\"otpgate\\u0000\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "[]",
    "[\"otpgate\"]",
    "[\"otpgate\",\"x\"]",
    "{}",
    "{\"Single\":\"otpgate\"}",
    "\"identity\"",
    "\"platform\"",
    "\"Identity\"",
    "{\"identity\":null}",
    "\"HS256\"",
    "\"none\"",
    "\"at+jwt\"",
    "\"JWT\"",
    "\"01010101-0101-4101-8101-010101010101\"",
    "\"0101010101014101810101010101010a\"",
    "",
    "\"",
    "\u{1}",
];
const NAMES: &[&str] = &[
    "iss", "aud", "sub", "sid", "jti", "tenant", "profile", "iat", "nbf", "exp", "role", "EXP", "", "alg", "kid",
    "typ", "crit", "jwk", "b64",
];

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    let value = || prop_oneof![3 => select(VALUES).prop_map(str::to_owned), 1 => "\"[ -~&&[^\"\\\\]]{0,8}\"", 1 => "[ -~]{0,6}"];
    let name = || select(NAMES).prop_map(str::to_owned);
    prop_oneof![
        3 => (at(), value()).prop_map(|(at, value)| Change::Value(at, value)),
        1 => (at(), name()).prop_map(|(at, name)| Change::Name(at, name)),
        1 => at().prop_map(Change::Drop),
        1 => (at(), value()).prop_map(|(at, value)| Change::Twice(at, value)),
        1 => (at(), name(), value()).prop_map(|(at, name, value)| Change::Add(at, name, value)),
        3 => (at(), at()).prop_map(|(a, b)| Change::Swap(a, b)),
        3 => (at(), at()).prop_map(|(at, letter)| Change::Escape(at, letter)),
        3 => (at(), -70..70i64).prop_map(|(at, by)| Change::Later(at, by)),
    ]
}

impl Change {
    fn apply(&self, members: &mut Members) {
        let n = members.len();
        if n == 0 {
            return;
        }
        match self {
            Self::Value(at, value) => members[at.index(n)].1.clone_from(value),
            Self::Name(at, name) => members[at.index(n)].0.clone_from(name),
            Self::Drop(at) => drop(members.remove(at.index(n))),
            Self::Twice(at, value) => {
                let name = members[at.index(n)].0.clone();
                members.insert(at.index(n + 1), (name, value.clone()));
            }
            Self::Add(at, name, value) => members.insert(at.index(n + 1), (name.clone(), value.clone())),
            Self::Swap(a, b) => members.swap(a.index(n), b.index(n)),
            Self::Escape(at, letter) => {
                let (name, value) = &mut members[at.index(n)];
                let text = if letter.index(3) == 0 { name } else { value };
                let letters: Vec<_> = text.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).collect();
                if let Some((i, c)) = (!letters.is_empty()).then(|| letters[letter.index(letters.len())]) {
                    text.replace_range(i..=i, &format!("\\u{:04x}", u32::from(c)));
                }
            }
            Self::Later(at, by) => {
                let times = members.iter_mut().filter(|(_, value)| value.parse::<i64>().is_ok());
                let mut times: Vec<_> = times.collect();
                let n = times.len();
                if n > 0 {
                    let value = &mut times[at.index(n)].1;
                    *value = value.parse::<i64>().unwrap().saturating_add(*by).to_string();
                }
            }
        }
    }
}

/// The members of an object in the order in which they stand there.
fn members(part: &str) -> Members {
    let json = String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let value: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
    let mut members: Vec<_> = value.into_iter().map(|(name, value)| (name, value.to_string())).collect();
    members.sort_by_key(|(name, _)| json.find(&format!("\"{name}\":")));
    members
}

/// How an object is written: between which brackets, and with what white space.
fn written(members: &Members, style: u8) -> String {
    let values = || members.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>().join(",");
    let text = |between: &str, colon: &str| {
        members.iter().map(|(name, value)| format!("\"{name}\"{colon}{value}")).collect::<Vec<_>>().join(between)
    };
    match style {
        0 => format!("[{}]", values()),
        1 => format!("{{ {} }}", text(" ,\n", "\t: ")),
        2 => format!(" {{{}}}", text(",", ":")),
        3 => format!("{{{}}}\r\n", text(",", ":")),
        4 => format!("{{{}}}x", text(",", ":")),
        5 => format!("{{{},}}", text(",", ":")),
        _ => format!("{{{}}}", text(",", ":")),
    }
}

#[test]
fn changed_claims_and_headers_are_refused_alike_though_the_right_key_signed_them() {
    let both = Both::new(&TokenSettings::default());
    let styles = || prop_oneof![1 => 0..6u8, 9 => Just(9u8)];
    let changes =
        (vec(change(), 0..3), styles(), prop_oneof![3 => Just(Vec::new()), 1 => vec(change(), 0..3)], styles());
    let run =
        runner().run(&(minted(), changes, any::<bool>()), |(minted, (of_claims, style, of_header, its), on_time)| {
            let token = minted.token(&both.tokens);
            let parts: Vec<_> = token.split('.').collect();
            let (mut header, mut claims) = (members(parts[0]), members(parts[1]));
            of_header.iter().for_each(|change| change.apply(&mut header));
            of_claims.iter().for_each(|change| change.apply(&mut claims));
            let token = both
                .sign(&URL_SAFE_NO_PAD.encode(written(&header, its)), &URL_SAFE_NO_PAD.encode(written(&claims, style)));
            both.show(&token, if on_time { minted.issued_at } else { minted.shown_at() }, Duration::ZERO);
            Ok(())
        });
    run.unwrap();
    both.went_both_ways(0.05);
}

/// `jsonwebtoken` reads five claims of an array in an order of its own, and then ours in another: no array is both.
#[test]
fn claims_in_an_array_are_none() {
    let (both, now) = (Both::new(&TokenSettings::default()), Timestamp::from_millis(NOW));
    let names = ["u", "t"].map(str::to_owned);
    let ids = [[1; 16]; 2];
    let minted =
        Minted { names, profile: Profile::Identity, ids, issued_at: now, life: Duration::from_secs(9), shown_after: 0 };
    let token = minted.token(&both.tokens);
    assert!(both.show(&token, now, Duration::ZERO));
    let parts: Vec<_> = token.split('.').collect();
    let ours = written(&members(parts[1]), 0);
    let theirs = format!("[{},{},\"u\",\"otpgate\",\"otpgate\"]", NOW / 1_000 + 9, NOW / 1_000);
    for text in [ours, theirs] {
        assert!(text.starts_with('['));
        let token = both.sign(parts[0], &URL_SAFE_NO_PAD.encode(text));
        assert!(!both.show(&token, now, Duration::ZERO), "{token}");
    }
}
