//! The paths that code names.

use crate::tokens::{Kind, Token, is};

/// Every path in the code with its line, those of `use` spelt out: `use a::{b, c::d}` is `a::b` and `a::c::d`. A single
/// name is a path only after `use` or `extern crate`.
pub(crate) fn paths(code: &[Token]) -> Vec<(Vec<String>, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < code.len() {
        // `use<'a>` in a type is no import.
        if is(&code[at..], &["use"]) && !is(&code[at..], &["use", "<"]) {
            at = use_tree(code, at + 1, &[], &mut found);
        } else if is(&code[at..], &["extern", "crate"]) {
            at = use_tree(code, at + 2, &[], &mut found);
        } else if code[at].kind == Kind::Word {
            let line = code[at].line;
            let mut path = vec![code[at].text.clone()];
            // After `>` stands the rest of a path such as `Vec::<u8>::new`, whose root is elsewhere.
            let rest = at >= 2 && is(&code[at - 1..], &["::"]) && is(&code[at - 2..], &[">"]);
            at += 1;
            while is(&code[at.min(code.len())..], &["::"]) && code.get(at + 1).is_some_and(|t| t.kind == Kind::Word) {
                path.push(code[at + 1].text.clone());
                at += 2;
            }
            let goes_on = is(&code[at.min(code.len())..], &["::"]);
            if (path.len() > 1 || goes_on) && !rest {
                found.push((path, line));
            }
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one branch of a `use` from `at`; answers where it ends.
fn use_tree(code: &[Token], mut at: usize, above: &[String], found: &mut Vec<(Vec<String>, usize)>) -> usize {
    let mut path = above.to_vec();
    let line = code.get(at).map_or(0, |t| t.line);
    while let Some(token) = code.get(at) {
        match token.text.as_str() {
            "{" => {
                at += 1;
                while at < code.len() && !is(&code[at..], &["}"]) {
                    let end = use_tree(code, at, &path, found);
                    // Past the comma; and never stuck on what is no Rust.
                    let stopped = code.get(end).is_some_and(|t| t.text == "," || t.text == ";");
                    at = end + usize::from(stopped);
                }
                return at + 1;
            }
            "," | "}" | ";" => break,
            "as" => at += 1,
            "::" => {}
            name => path.push(name.to_owned()),
        }
        at += 1;
    }
    if !path.is_empty() {
        found.push((path, line));
    }
    at
}

#[test]
fn paths_are_spelt_out() {
    let rows = [
        ("use a::b;", "a::b"),
        ("use a;", "a"),
        ("use a::{b, c::{d, e as f}, self};", "a::b a::c::d a::c::e a::self"),
        ("use {a, b::c};", "a b::c"),
        ("pub(crate) use ::a::b::*;", "a::b::*"),
        ("extern crate a as b;", "a"),
        ("fn f() -> impl T + use<'a> { a::b(); }", "a::b"),
        ("a::b::<c::D>::e(f)", "a::b c::D"),
        ("<a::B as c::D>::e()", "a::B c::D"),
        ("a.b(c); let d = e;", ""),
        ("use {a; b};", "a b"),
    ];
    for (source, want) in rows {
        let got: Vec<_> =
            paths(&crate::tokens::of_the_code(source)).into_iter().map(|(path, _)| path.join("::")).collect();
        assert_eq!(got.join(" "), want, "{source}");
    }
}
