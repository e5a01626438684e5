//! Just enough of Rust's lexer to tell code from comments, strings and test modules.

/// One token with the line it begins on. Comments and white space are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name, a keyword or a number.
    Word,
    /// A string, byte string or C string; `text` is what stands between the quotes.
    Text,
    /// One character of punctuation, or `::`.
    Mark,
}

/// The tokens of `source` without what compiles for tests only, and without attributes.
pub(crate) fn of_the_code(source: &str) -> Vec<Token> {
    without_attributes(without_tests(lex(source)))
}

/// All tokens of `source`.
pub(crate) fn lex(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: source, line: 1, tokens: Vec::new() };
    while !lexer.rest.is_empty() {
        lexer.next();
    }
    lexer.tokens
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn next(&mut self) {
        if self.rest.starts_with("//") {
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.take(block_comment(self.rest));
        } else if let Some((open, hashes)) = string_start(self.rest) {
            self.string(open, hashes);
        } else if self.rest.starts_with('\'') || self.rest.starts_with("b'") {
            self.quote();
        } else if self.rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
            self.push(Kind::Word, end, 0..end);
        } else if self.rest.starts_with("::") {
            self.push(Kind::Mark, 2, 0..2);
        } else {
            let end = self.rest.chars().next().map_or(0, char::len_utf8);
            if self.rest.starts_with(char::is_whitespace) {
                self.take(end);
            } else {
                self.push(Kind::Mark, end, 0..end);
            }
        }
    }

    fn take(&mut self, end: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(end.min(self.rest.len()));
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn push(&mut self, kind: Kind, end: usize, text: std::ops::Range<usize>) {
        let line = self.line;
        let text = self.rest[text].to_owned();
        self.take(end);
        self.tokens.push(Token { kind, text, line });
    }

    fn string(&mut self, open: usize, hashes: Option<usize>) {
        let body = &self.rest[open..];
        let (length, close) = match hashes {
            Some(hashes) => {
                let close = format!("\"{}", "#".repeat(hashes));
                (body.find(&close).unwrap_or(body.len()), close.len())
            }
            None => (escaped_until(body, '"'), 1),
        };
        self.push(Kind::Text, open + length + close, open..open + length);
    }

    /// A character, which is dropped, or a lifetime, of which the quote is dropped.
    fn quote(&mut self) {
        let open = self.rest.find('\'').map_or(1, |at| at + 1);
        let body = &self.rest[open..];
        let mut chars = body.chars();
        let (first, second) = (chars.next(), chars.next());
        let is_char = first == Some('\\') || second == Some('\'');
        let length = if is_char { open + escaped_until(body, '\'') + 1 } else { open };
        self.take(length);
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a string's start, and its number of `#` when it is raw.
fn string_start(text: &str) -> Option<(usize, Option<usize>)> {
    let prefix = ["br", "cr", "b", "c", "r", ""]
        .into_iter()
        .find(|p| text.strip_prefix(p).is_some_and(|rest| rest.trim_start_matches('#').starts_with('"')))?;
    let hashes = text[prefix.len()..].find('"')?;
    let raw = prefix.ends_with('r');
    (raw || hashes == 0).then_some((prefix.len() + hashes + 1, raw.then_some(hashes)))
}

fn escaped_until(body: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        if !escaped && c == end {
            return at;
        }
        escaped = !escaped && c == '\\';
    }
    body.len()
}

/// Drops each item that `#[cfg(test)]` or `#[test]` stands before.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is(&tokens[at..], &["#", "[", "cfg", "(", "test", ")", "]"]) || is(&tokens[at..], &["#", "[", "test", "]"]) {
            at = end_of_item(&tokens, at);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Drops `#[..]` and `#![..]`: what they say is for the compiler and the reader of docs.
fn without_attributes(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let open = if is(&tokens[at..], &["#", "["]) { 1 } else { 2 };
        if is(&tokens[at..], &["#", "["]) || is(&tokens[at..], &["#", "!", "["]) {
            at = closing(&tokens, at + open) + 1;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Whether `tokens` begin with these marks and words.
pub(crate) fn is(tokens: &[Token], start: &[&str]) -> bool {
    tokens.len() >= start.len() && tokens.iter().zip(start).all(|(t, s)| t.kind != Kind::Text && t.text == *s)
}

/// Past the item whose attributes begin at `at`: past its `;` or its closing brace.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    while at < tokens.len() {
        let token = &tokens[at];
        match token.text.as_str() {
            _ if token.kind != Kind::Mark => at += 1,
            ";" | "," => return at + 1,
            "{" => return closing(tokens, at) + 1,
            "(" | "[" => at = closing(tokens, at) + 1,
            _ => at += 1,
        }
    }
    at
}

/// The bracket that closes the one at `open`.
pub(crate) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            _ if token.kind != Kind::Mark => {}
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}
