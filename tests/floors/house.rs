//! The workspace as the rules see it: packages, what they depend on, and their sources.

use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::tokens::{self, Token};

pub(crate) struct House {
    pub(crate) root: PathBuf,
    pub(crate) packages: Vec<Package>,
    pub(crate) files: Vec<Source>,
}

pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: String,
    pub(crate) needs: Vec<Need>,
}

/// One line under `[dependencies]`, `[build-dependencies]` or `[dev-dependencies]`.
#[derive(Clone)]
pub(crate) struct Need {
    pub(crate) name: String,
    pub(crate) for_tests: bool,
}

/// One file, by its path from the root with forward slashes.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    /// Without tests, attributes and comments; all of it for a file that is no Rust.
    pub(crate) code: Vec<Token>,
}

impl House {
    pub(crate) fn read() -> Self {
        let metadata = MetadataCommand::new().no_deps().exec().unwrap();
        let root = metadata.workspace_root.clone().into_std_path_buf();
        let packages = metadata.packages.iter().map(|package| Package {
            name: package.name.to_string(),
            manifest: fs::read_to_string(&package.manifest_path).unwrap(),
            needs: package
                .dependencies
                .iter()
                .map(|d| Need { name: d.name.clone(), for_tests: d.kind == DependencyKind::Development })
                .collect(),
        });
        let packages = packages.collect();
        let mut files = Vec::new();
        for folder in ["crates", "examples", "tests", "xtask"] {
            walk(&root.join(folder), &root, &mut files);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { root, packages, files }
    }
}

impl Source {
    pub(crate) fn new(path: &str, text: String) -> Self {
        let code = if path.ends_with(".rs") { tokens::of_the_code(&text) } else { Vec::new() };
        Self { path: path.to_owned(), text, code }
    }

    /// Whether it is compiled for tests only.
    pub(crate) fn is_test(&self) -> bool {
        let path = &self.path;
        path.starts_with("tests/")
            || path.contains("/tests/")
            || path.contains("/benches/")
            || path.ends_with("tests.rs")
    }
}

fn walk(folder: &Path, root: &Path, files: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let kind = path.extension().and_then(|e| e.to_str());
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            walk(&path, root, files);
        } else if matches!(kind, Some("rs" | "sql" | "lua")) {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            files.push(Source::new(&name, fs::read_to_string(&path).unwrap()));
        }
    }
}
