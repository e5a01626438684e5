//! A41: no code is in some builds only. What is compiled for tests stands behind `cfg(test)`, and what a debug build has that a
//! release has not is a back door that one forgets.

use crate::house::House;
use crate::rules::{Rule, planted_file};

/// No source of the library or of the server asks how it is built, and no crate has a feature for tests.
pub(crate) struct NoBuildIsSpecial;

const NEVER: [&str; 4] = ["debug_assertions", "cfg!(test)", "option_env!", "cfg(not(test))"];

fn is_shipped(path: &str) -> bool {
    let kit = path.starts_with("crates/otpgate-testkit/");
    !kit && (path.starts_with("crates/") || path.starts_with("examples/")) && path.contains("/src/")
}

impl Rule for NoBuildIsSpecial {
    fn offences(&self, house: &House) -> Vec<String> {
        let mut found = Vec::new();
        for file in house.files.iter().filter(|file| is_shipped(&file.path) && !file.is_test()) {
            for (line, n) in file.text.lines().zip(1..) {
                let code = line.split("//").next().unwrap_or_default();
                found.extend(
                    NEVER.iter().filter(|word| code.contains(**word)).map(|word| format!("{}:{n}: {word}", file.path)),
                );
            }
        }
        for package in house.packages.iter().filter(|package| package.name != "otpgate-testkit") {
            let features = package.manifest.split("[features]").nth(1).unwrap_or_default();
            let names =
                features.lines().take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once('='));
            let named = |name: &str| ["test", "debug", "dev", "bypass", "mock"].iter().any(|word| name.contains(word));
            found.extend(
                names.filter(|(name, _)| named(name)).map(|(name, _)| format!("{} has a feature {name}", package.name)),
            );
        }
        found
    }

    fn prove(&self) {
        for text in [
            "if cfg!(debug_assertions) { return Ok(()) }",
            "#[cfg(debug_assertions)] const MASTER: &str = \"000000\";",
            "let code = option_env!(\"CODE\");",
            "#[cfg(not(test))] fn f() {}",
        ] {
            for path in ["crates/otpgate-core/src/flow/verify.rs", "examples/server/src/main.rs"] {
                assert!(!self.offences(&planted_file(path, text)).is_empty(), "{text}");
            }
            assert!(self.offences(&planted_file("crates/otpgate-testkit/src/lib.rs", text)).is_empty());
            assert!(self.offences(&planted_file("crates/otpgate-core/src/x.rs", &format!("// {text}"))).is_empty());
        }
        for (feature, bad) in [("testing = []", true), ("dev-codes = []", true), ("sqlite = []", false)] {
            let mut house = planted_file("x", "");
            let manifest =
                format!("[package]\nname = \"x\"\n\n[features]\n{feature}\n\n[dependencies]\ntest = \"1\"\n");
            house.packages.push(crate::house::Package { name: "x".into(), manifest, needs: Vec::new() });
            assert_eq!(!self.offences(&house).is_empty(), bad, "{feature}");
        }
    }
}

#[test]
fn a41_no_build_lets_in_what_another_does_not() {
    let offences = NoBuildIsSpecial.offences(&House::read());
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
    NoBuildIsSpecial.prove();
}
