//! What an operator may read of a failed delivery: never the recipient, never the code (Q53).

use std::error::Error;
use std::net::{IpAddr, SocketAddr};

use crate::DeliveryError;

/// Characters that are told at most.
const LONGEST: usize = 300;

/// Digits in a word from which on it may be a code or a number to call.
const DIGITS: usize = 6;

/// The error and its causes in one line. Senders are the host's: what they say may repeat the recipient or the message, so each
/// word is taken out that holds an address, a longer number, or one of `hidden`.
pub(crate) fn told(error: &DeliveryError, hidden: &[&str]) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    let hidden: Vec<String> = hidden.iter().flat_map(|text| parts(text)).collect();
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .map(|word| if speaks_of_someone(word, &hidden) { "[..]" } else { word })
        .collect();
    words.join(" ").chars().take(LONGEST).collect()
}

/// What gives a hidden text away: all of it, and of an address the part before the `@`.
fn parts(text: &str) -> Vec<String> {
    let local = text.split_once('@').map(|(local, _)| local);
    [Some(text), local].into_iter().flatten().filter(|part| !part.is_empty()).map(str::to_lowercase).collect()
}

fn speaks_of_someone(word: &str, hidden: &[String]) -> bool {
    let small = word.to_lowercase();
    let bare = small.trim_matches(|c: char| !c.is_alphanumeric());
    let named = |text: &String| if text.len() < DIGITS { bare == text } else { small.contains(text.as_str()) };
    let place = word.trim_end_matches([':', ',', '.', ')']).trim_start_matches('(');
    let of_a_machine = place.parse::<SocketAddr>().is_ok() || place.parse::<IpAddr>().is_ok();
    let digits = word.chars().filter(char::is_ascii_digit).count();
    small.contains('@') || small.contains("%40") || (digits >= DIGITS && !of_a_machine) || hidden.iter().any(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let hidden = ["Ada.L@example.com", "ABCD2345"];
        told(&DeliveryError::permanent(text), &hidden)
    }

    #[test]
    fn q53_the_recipient_and_the_code_are_taken_out_and_the_rest_stays() {
        for (text, want) in [
            ("the mail server answered 550 5.1.1 to RCPT TO", "the mail server answered 550 5.1.1 to RCPT TO"),
            ("tcp connect error: 127.0.0.1:2525 refused", "tcp connect error: 127.0.0.1:2525 refused"),
            ("550 <ada.l@EXAMPLE.com> unknown", "550 [..] unknown"),
            ("no mailbox 'ada.l' here", "no mailbox [..] here"),
            ("https://sms.example/send?to=ada%40example.com", "[..]"),
            ("code abcd2345 refused", "code [..] refused"),
            ("body=\"ABCD2345\"; 012345, 12345", "[..] [..] 12345"),
            ("to +1 (555)000-0001 and +15550000001", "to +1 [..] and [..]"),
            ("a\r\nfake log line\u{1b}[31m", "a fake log line [31m"),
            ("of somebody_else@other.example", "of [..]"),
        ] {
            assert_eq!(said(text), format!("the message was refused: {want}"));
        }
        assert_eq!(said(&"x".repeat(10_000)).chars().count(), LONGEST);
        let temporary = DeliveryError::temporary(std::io::Error::other("down"));
        assert_eq!(told(&temporary, &[]), "the message could not be handed over now: down");
    }
}
