//! The kinds of rules. Each can be run on the workspace, and each proves on planted offences that it can fail.

use std::path::PathBuf;

use crate::house::{House, Need, Package, Source};
use crate::paths::paths;
use crate::tokens::{Kind, Token};

pub(crate) trait Rule {
    /// What breaks the rule, one line each.
    fn offences(&self, house: &House) -> Vec<String>;
    /// Panics unless the rule catches what it forbids and nothing else.
    fn prove(&self);
}

/// These crates never depend on those, tests apart, nor name them in a path. A `*` at the end stands for any ending.
pub(crate) struct Imports {
    pub(crate) who: &'static [&'static str],
    pub(crate) never: &'static [&'static str],
}

/// These files never say that.
pub(crate) struct Words {
    /// How their paths begin.
    pub(crate) files: &'static [&'static str],
    pub(crate) never: &'static [Never],
    /// Offences that must be caught, besides the plain one of each `never`.
    pub(crate) caught: &'static [&'static str],
    /// Code that must pass.
    pub(crate) passes: &'static [&'static str],
}

#[derive(Clone, Copy)]
pub(crate) enum Never {
    /// A name.
    Word(&'static str),
    /// A name that begins so.
    WordStart(&'static str),
    /// A path that begins so.
    Path(&'static [&'static str]),
    /// `Type::CONSTANT`.
    Constant(&'static str),
    /// `Type::Capitalised`.
    Constructor(&'static str),
    /// A number that is a status of HTTP.
    Status,
    /// A string, or a file that is no Rust, that holds this in any case.
    Text(&'static str),
    /// A string that begins so.
    TextStart(&'static str),
    /// A string of two words or more.
    Sentence,
}

const STATUSES: [&str; 28] = [
    "200", "201", "202", "204", "301", "302", "303", "304", "307", "308", "400", "401", "402", "403", "404", "405",
    "406", "408", "409", "410", "413", "415", "422", "429", "431", "500", "502", "503",
];

impl Rule for Imports {
    fn offences(&self, house: &House) -> Vec<String> {
        let forbidden = |me: &str, name: &str| name != me && self.never.iter().any(|pattern| matches(pattern, name));
        let mut found = Vec::new();
        for package in house.packages.iter().filter(|p| self.who.contains(&p.name.as_str())) {
            let needs = package.needs.iter().filter(|need| !need.for_tests && forbidden(&package.name, &need.name));
            found.extend(needs.map(|need| format!("{} depends on {}", package.name, need.name)));
        }
        for me in self.who {
            let folder = format!("crates/{me}/src/");
            for file in house.files.iter().filter(|f| f.path.starts_with(&folder) && !f.is_test()) {
                let roots = paths(&file.code).into_iter().filter(|(path, _)| forbidden(me, &path[0].replace('_', "-")));
                found.extend(roots.map(|(path, line)| format!("{}:{line}: imports {}", file.path, path.join("::"))));
            }
        }
        found
    }

    fn prove(&self) {
        let me = self.who[0];
        for name in
            self.never.iter().map(|pattern| pattern.trim_end_matches(['*', '-', '_'])).filter(|name| *name != me)
        {
            let root = name.replace('-', "_");
            assert!(!self.offences(&planted_package(me, name, false)).is_empty(), "{me} -> {name}");
            assert!(self.offences(&planted_package(me, name, true)).is_empty(), "{me} -> {name}, for tests");
            assert!(self.offences(&planted_package("quickstart", name, false)).is_empty(), "another crate may");
            let path = format!("crates/{me}/src/planted.rs");
            let caught = [
                format!("use {root}::x;"),
                format!("use {root};"),
                format!("use {{std::io, {root}::{{a, b}}}};"),
                format!("pub(crate) use ::{root}::x as y;"),
                format!("fn f() {{ let x = {root}::x::<u8>(); }}"),
                format!("extern crate {root};"),
            ];
            for text in caught {
                assert!(!self.offences(&planted_file(&path, &text)).is_empty(), "{text}");
            }
            let passes = [
                format!("// use {root}::x;\nfn f() {{}}"),
                format!("/* {root}::x */ const X: &str = \"{root}::x\";"),
                format!("use crate::{root}::x;"),
                format!("use std::{{{root}::x, io}};"),
                format!("#[cfg(test)] mod tests {{ use {root}::x; }}"),
                format!("let {root} = 1; f({root});"),
            ];
            for text in passes {
                assert_eq!(self.offences(&planted_file(&path, &text)), Vec::<String>::new(), "{text}");
            }
        }
    }
}

impl Rule for Words {
    fn offences(&self, house: &House) -> Vec<String> {
        let mut found = Vec::new();
        for file in
            house.files.iter().filter(|f| self.files.iter().any(|start| f.path.starts_with(start)) && !f.is_test())
        {
            for never in self.never {
                found.extend(
                    never.lines(file).into_iter().map(|(line, what)| format!("{}:{line}: says {what}", file.path)),
                );
            }
        }
        found
    }

    fn prove(&self) {
        for start in self.files {
            let path = format!("{start}/planted.rs");
            for text in self.caught.iter().map(ToString::to_string).chain(self.never.iter().map(Never::example)) {
                assert!(!self.offences(&planted_file(&path, &text)).is_empty(), "{text}");
                assert!(self.offences(&planted_file("crates/elsewhere/src/planted.rs", &text)).is_empty());
            }
            for text in self.passes {
                assert_eq!(self.offences(&planted_file(&path, text)), Vec::<String>::new(), "{text}");
            }
        }
    }
}

impl Never {
    fn lines(&self, file: &Source) -> Vec<(usize, String)> {
        let texts = || file.code.iter().filter(|t| t.kind == Kind::Text);
        let words = || file.code.iter().filter(|t| t.kind == Kind::Word);
        let said = |tokens: Vec<&Token>| tokens.iter().map(|t| (t.line, format!("`{}`", t.text))).collect();
        let in_a_path = |kind: &str, fits: fn(&str) -> bool| {
            let pair = |path: &[String]| path.windows(2).any(|pair| pair[0] == kind && fits(&pair[1]));
            let found = paths(&file.code).into_iter().filter(|(path, _)| pair(path));
            found.map(|(path, line)| (line, path.join("::"))).collect()
        };
        match self {
            Self::Word(word) => said(words().filter(|t| t.text == *word).collect()),
            Self::WordStart(start) => said(words().filter(|t| t.text.starts_with(start)).collect()),
            Self::Status => said(
                words().filter(|t| STATUSES.contains(&t.text.trim_end_matches("u16").trim_end_matches('_'))).collect(),
            ),
            Self::Path(start) => {
                let found = paths(&file.code)
                    .into_iter()
                    .filter(|(path, _)| path.iter().zip(*start).filter(|(a, b)| a == b).count() == start.len());
                found.map(|(path, line)| (line, path.join("::"))).collect()
            }
            Self::Constant(kind) => in_a_path(kind, |name| name.chars().all(|c| !c.is_lowercase())),
            Self::Constructor(kind) => in_a_path(kind, |name| name.starts_with(char::is_uppercase)),
            Self::Text(part) if !file.path.ends_with(".rs") => {
                let lines = file.text.lines().map(|line| line.split("--").next().unwrap_or_default().to_lowercase());
                lines.zip(1..).filter(|(line, _)| line.contains(part)).map(|(line, n)| (n, line)).collect()
            }
            Self::Text(part) => said(texts().filter(|t| t.text.to_lowercase().contains(part)).collect()),
            Self::TextStart(start) => said(texts().filter(|t| t.text.starts_with(start)).collect()),
            Self::Sentence => {
                let word =
                    |word: &&str| word.len() > 1 && word.chars().all(|c| c.is_alphabetic() || ".,;:!?'`".contains(c));
                said(texts().filter(|t| t.text.split_whitespace().filter(word).count() > 1).collect())
            }
        }
    }

    /// The plainest offence.
    fn example(&self) -> String {
        match self {
            Self::Word(word) | Self::WordStart(word) => format!("f({word});"),
            Self::Path(path) => format!("f({});", path.join("::")),
            Self::Constant(kind) => format!("f({kind}::NOT_FOUND);"),
            Self::Constructor(kind) => format!("{kind}::NotFound()"),
            Self::Status => "f(404_u16)".to_owned(),
            Self::Text(text) | Self::TextStart(text) => format!("f(\"{text}\")"),
            Self::Sentence => "f(\"two words\")".to_owned(),
        }
    }
}

pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let name = name.replace('_', "-");
    match pattern.replace('_', "-").strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern.replace('_', "-"),
    }
}

pub(crate) fn planted_package(name: &str, needs: &str, for_tests: bool) -> House {
    let need = Need { name: needs.to_owned(), for_tests };
    let package = Package { name: name.to_owned(), manifest: String::new(), needs: vec![need] };
    House { root: PathBuf::new(), packages: vec![package], files: Vec::new() }
}

pub(crate) fn planted_file(path: &str, text: &str) -> House {
    House { root: PathBuf::new(), packages: Vec::new(), files: vec![Source::new(path, text.to_owned())] }
}
