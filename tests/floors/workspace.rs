//! The rules about the workspace as a whole.

use std::process::Command;

use crate::house::{House, Source};
use crate::paths::paths;
use crate::rules::{Rule, matches, planted_file, planted_package};

/// No profile of `otpgate-http` imports another.
pub(crate) struct Profiles;

impl Rule for Profiles {
    fn offences(&self, house: &House) -> Vec<String> {
        const FOLDER: &str = "crates/otpgate-http/src/profile/";
        let name = |file: &Source| {
            let rest = file.path.strip_prefix(FOLDER)?;
            let name = rest.split(['/', '.']).next()?;
            (name != "mod").then(|| name.to_owned())
        };
        let mut names: Vec<String> = house.files.iter().filter_map(name).collect();
        names.extend(["identity", "platform", "engine"].map(str::to_owned));
        let mut found = Vec::new();
        for (file, me) in house.files.iter().filter_map(|file| Some((file, name(file)?))) {
            for (path, line) in paths(&file.code) {
                let other = |pair: &[String]| {
                    (pair[0] == "super" || pair[0] == "profile") && pair[1] != me && names.contains(&pair[1])
                };
                if path.windows(2).any(other) {
                    found.push(format!("{}:{line}: imports {}", file.path, path.join("::")));
                }
            }
        }
        found
    }

    fn prove(&self) {
        let path = "crates/otpgate-http/src/profile/identity.rs";
        for text in [
            "use super::platform::x;",
            "use super::{x, engine};",
            "crate::profile::engine::f();",
            "use super::super::engine;",
        ] {
            assert!(!self.offences(&planted_file(path, text)).is_empty(), "{text}");
            assert!(self.offences(&planted_file("crates/otpgate-http/src/profile/mod.rs", text)).is_empty(), "{text}");
        }
        for text in ["use otpgate_core::engine::Engine;", "use super::x;", "use super::identity::x;", "f(self.engine)"]
        {
            assert_eq!(self.offences(&planted_file(path, text)), Vec::<String>::new(), "{text}");
        }
    }
}

/// The testkit is for tests.
pub(crate) struct Testkit;

impl Rule for Testkit {
    fn offences(&self, house: &House) -> Vec<String> {
        const KIT: &str = "otpgate-testkit";
        let mut found = Vec::new();
        for package in &house.packages {
            if package.needs.iter().any(|need| need.name == KIT && !need.for_tests) {
                found.push(format!("{} depends on {KIT}", package.name));
            }
        }
        for file in house.files.iter().filter(|f| !f.is_test() && !f.path.starts_with("crates/otpgate-testkit/")) {
            let uses = paths(&file.code).into_iter().filter(|(path, _)| path[0] == "otpgate_testkit");
            found.extend(uses.map(|(_, line)| format!("{}:{line}: imports {KIT}", file.path)));
        }
        found
    }

    fn prove(&self) {
        assert!(!self.offences(&planted_package("otpgate", "otpgate-testkit", false)).is_empty());
        assert!(self.offences(&planted_package("otpgate", "otpgate-testkit", true)).is_empty());
        let text = "use otpgate_testkit::x;";
        for path in ["crates/otpgate/src/lib.rs", "examples/server/src/main.rs"] {
            assert!(!self.offences(&planted_file(path, text)).is_empty());
            assert!(self.offences(&planted_file(path, &format!("#[cfg(test)] mod tests {{ {text} }}"))).is_empty());
        }
        for path in
            ["tests/matrix.rs", "crates/otpgate-memory/tests/conformance.rs", "crates/otpgate-testkit/src/lib.rs"]
        {
            assert!(self.offences(&planted_file(path, text)).is_empty());
        }
    }
}

/// Every crate of the workspace has a floor, and depends on lower ones only, tests apart.
pub(crate) struct Floors;

const FLOORS: [(&str, u32); 21] = [
    ("otpgate-core", 0),
    ("otpgate-memory", 1),
    ("otpgate-sqlite", 1),
    ("otpgate-postgres", 1),
    ("otpgate-mysql", 1),
    ("otpgate-redis", 1),
    ("otpgate-mail", 1),
    ("otpgate-http", 2),
    ("otpgate-tower", 3),
    ("otpgate-testkit", 3),
    ("otpgate-servers", 3),
    ("otpgate-axum", 4),
    ("otpgate-actix", 4),
    ("otpgate", 5),
    ("custom-directory", 6),
    ("custom-store", 6),
    ("quickstart", 6),
    ("quickstart-actix", 6),
    ("otpgate-server", 6),
    ("otpgate-matrix", 6),
    ("xtask", 6),
];

impl Rule for Floors {
    fn offences(&self, house: &House) -> Vec<String> {
        let floor = |name: &str| FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor);
        let mut found = Vec::new();
        for package in &house.packages {
            let Some(mine) = floor(&package.name) else {
                found.push(format!("{} has no floor: give it one in tests/floors/workspace.rs", package.name));
                continue;
            };
            let needs =
                package.needs.iter().filter(|need| !need.for_tests && floor(&need.name).is_some_and(|f| f >= mine));
            found.extend(needs.map(|need| format!("{} depends on {}, which is no lower", package.name, need.name)));
        }
        found
    }

    fn prove(&self) {
        for (who, needs) in [
            ("otpgate-core", "otpgate-http"),
            ("otpgate-memory", "otpgate-sqlite"),
            ("otpgate-axum", "otpgate-actix"),
            ("a-new-crate", "serde"),
        ] {
            assert!(!self.offences(&planted_package(who, needs, false)).is_empty(), "{who} -> {needs}");
        }
        assert!(self.offences(&planted_package("otpgate-memory", "otpgate-testkit", true)).is_empty());
        assert!(self.offences(&planted_package("otpgate-http", "otpgate-core", false)).is_empty());
    }
}

/// What the core depends on depends on no runtime and no framework, either, with all features on.
pub(crate) struct Reach;

impl Reach {
    const NEVER: [&str; 10] =
        ["tokio*", "async-std", "smol", "http", "hyper*", "sqlx*", "rand", "axum*", "actix*", "tower*"];

    fn among(tree: &str) -> Vec<String> {
        let names = tree.lines().filter_map(|line| line.split_whitespace().next());
        let bad = names.filter(|name| Self::NEVER.iter().any(|never| matches(never, name)));
        bad.map(|name| format!("otpgate-core reaches {name}")).collect()
    }
}

impl Rule for Reach {
    fn offences(&self, house: &House) -> Vec<String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args([
            "tree",
            "--package",
            "otpgate-core",
            "--edges",
            "normal,build",
            "--all-features",
            "--prefix",
            "none",
        ]);
        let output = command.current_dir(&house.root).output().unwrap();
        let tree = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && tree.starts_with("otpgate-core "),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Self::among(&tree)
    }

    fn prove(&self) {
        assert_eq!(
            Self::among("otpgate-core v0.1.0 (/x)\nserde v1.0.0\ntime v0.3.0\nrand_core v0.9.0 (*)\nhttparse v1.0.0\n"),
            Vec::<String>::new()
        );
        for bad in ["tokio v1.0.0", "tokio-util v0.7.0", "rand v0.9.0 (*)", "http v1.0.0", "hyper v1.0.0"] {
            assert_eq!(Self::among(&format!("otpgate-core v0.1.0\n{bad}\n")).len(), 1, "{bad}");
        }
    }
}

/// Every crate takes the lints of the workspace, which forbid unsafe code.
pub(crate) struct Lints;

impl Lints {
    fn taken(manifest: &str) -> bool {
        let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]");
        lines.next().is_some() && lines.find(|line| !line.is_empty()) == Some("workspace = true")
    }
}

impl Rule for Lints {
    fn offences(&self, house: &House) -> Vec<String> {
        let root = std::fs::read_to_string(house.root.join("Cargo.toml")).unwrap();
        let table = root.split("[workspace.lints.rust]").nth(1).unwrap_or_default();
        let forbids = table
            .lines()
            .skip(1)
            .take_while(|line| !line.starts_with('['))
            .any(|line| line.trim() == "unsafe_code = \"forbid\"");
        let mut found: Vec<String> =
            (!forbids).then(|| "the workspace does not forbid unsafe code".to_owned()).into_iter().collect();
        let without = house.packages.iter().filter(|package| !Self::taken(&package.manifest));
        found.extend(without.map(|package| format!("{} does not take the workspace's lints", package.name)));
        found
    }

    fn prove(&self) {
        assert!(Self::taken("[package]\nname = \"x\"\n\n[lints]\nworkspace = true\n"));
        for bad in [
            "",
            "[lints]\n",
            "[lints]\nworkspace = false",
            "[lints.rust]\nworkspace = true",
            "[x]\nworkspace = true\n[lints]\n[y]\n",
        ] {
            assert!(!Self::taken(bad), "{bad}");
        }
    }
}

/// A file that long is two files.
pub(crate) struct Length;

impl Rule for Length {
    fn offences(&self, house: &House) -> Vec<String> {
        let long = house.files.iter().filter(|file| file.text.lines().count() > 600);
        long.map(|file| format!("{} has {} lines", file.path, file.text.lines().count())).collect()
    }

    fn prove(&self) {
        assert!(self.offences(&planted_file("crates/x/src/lib.rs", &"\n".repeat(600))).is_empty());
        assert!(!self.offences(&planted_file("crates/x/src/lib.rs", &"\n".repeat(601))).is_empty());
    }
}
