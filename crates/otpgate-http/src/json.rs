//! Bounded JSON: no key twice at any level, at most eight levels deep.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

/// How deep a value may nest.
const DEEPEST: usize = 8;

/// The value that `text` is; nothing for what is no JSON.
pub(crate) fn value(text: &[u8]) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Level(DEEPEST).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// How many more levels may open.
struct Level(usize);

impl Level {
    fn below<E: Error>(&self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.below()?)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(Key(key)) = entries.next_key()? {
            let value = entries.next_value_seed(self.below()?)?;
            // Whoever stands in front of us may have read the other one.
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[derive(Deserialize)]
struct Key(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &[u8]) -> Option<Map<String, Value>> {
        value(text).and_then(|v| v.as_object().cloned())
    }

    #[test]
    fn a62_a_key_twice_is_refused_at_every_level_however_it_is_spelled() {
        for bad in
            [r#"{"a":1,"a":1}"#, r#"{"b":{"a":1,"a":2}}"#, r#"{"b":[{"a":1,"a":2}]}"#, r#"{"email":1,"em\u0061il":1}"#]
        {
            assert!(object(bad.as_bytes()).is_none(), "{bad}");
        }
        assert_eq!(object(br#"{"a":{"a":1},"A":2}"#).map(|m| m.len()), Some(2));
    }

    #[test]
    fn a64_depth_is_bounded() {
        let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(object(nested(7).as_bytes()).is_some());
        for n in [8, 9, 200, 5_000] {
            assert!(object(nested(n).as_bytes()).is_none(), "{n}");
        }
        assert!(object("[".repeat(100_000).as_bytes()).is_none());
        assert!(object("{\"a\":".repeat(5_000).as_bytes()).is_none());
    }

    #[test]
    fn a51_a58_a65_what_is_not_one_object_of_json_is_refused() {
        for bad in [
            &b""[..],
            b"null",
            b"[]",
            b"1",
            b"\"a\"",
            b"{",
            b"{}{}",
            b"{} x",
            b"\xef\xbb\xbf{}",
            b"{'a':1}",
            b"{\"a\":1,}",
            b"{\"a\":NaN}",
            b"{\"a\":01}",
            b"{\"a\":1e400}",
            b"{\"a\":0x1}",
            b"{\"a\":1_0}",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":\"\xc0\xaf\"}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":\"\n\"}",
        ] {
            assert!(object(bad).is_none(), "{}", String::from_utf8_lossy(bad));
        }
        assert!(object(b" {\"a\": [1, -2, 1.5, true, null, \"x\\u0000\"]} ").is_some());
    }
}
