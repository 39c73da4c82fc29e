//! `cargo xtask check`: the rules of the architecture that no compiler holds us to.
//!
//! A rule is a function from the [`Tree`] to what breaks it. Rules on dependencies are in `manifests.rs`, on Rust in
//! `code.rs`, on SQL in `migrations.rs`.

mod code;
mod manifests;
mod migrations;
mod source;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use self::manifests::Package;
use self::source::Source;

/// Everything that the rules look at.
struct Tree {
    root: PathBuf,
    packages: Vec<Package>,
    sources: Vec<Source>,
}

/// A place where a rule is broken. Paths are relative to the root.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    file: PathBuf,
    line: usize,
    rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.rule)
    }
}

type Rule = fn(&Tree) -> Result<Vec<Violation>>;

const RULES: &[Rule] = &[
    manifests::layers,
    manifests::reserved_crates,
    manifests::no_input_or_output,
    manifests::no_private_postgres_in_production,
    manifests::workspace_lints,
    code::grants,
    code::raw_queries,
    code::simple_messages,
    code::unfinished,
    code::no_mod_rs,
    code::no_orphans,
    code::short_files,
    code::todos_have_issues,
    migrations::listed,
    migrations::protected,
];

/// Prints every violation in the workspace around the current directory; fails if there is one.
pub(crate) fn run() -> Result<()> {
    let violations = violations(&Tree::around(Path::new("."))?, RULES)?;
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        count => bail!("{count} places break the rules of ARCHITECTURE.md"),
    }
}

fn violations(tree: &Tree, rules: &[Rule]) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    for rule in rules {
        found.extend(rule(tree)?);
    }
    found.sort();
    Ok(found)
}

impl Tree {
    /// The workspace that `directory` belongs to.
    fn around(directory: &Path) -> Result<Self> {
        let (root, packages) = manifests::read(directory)?;
        let mut sources = Vec::new();
        for folder in ["crates", "examples", "tests", "xtask"] {
            source::read_all(&root, &root.join(folder), &mut sources)?;
        }
        Ok(Self { root, packages, sources })
    }
}

/// The entries of a folder in the order of their names; none if there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let read =
        || -> std::io::Result<Vec<PathBuf>> { std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect() };
    let mut paths = read().with_context(|| format!("{} cannot be listed", folder.display()))?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

#[cfg(test)]
mod testing {
    use std::fs;

    use super::*;

    /// What one rule finds in a workspace of these files, as lines of output without the rule's words.
    ///
    /// Crates without a manifest or a library get one.
    pub(super) fn found(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let write = |path: &str, content: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n[workspace.lints]\n");
        // A workspace has at least one member.
        for (path, _) in files.iter().chain([&("crates/x/", "")]) {
            let Some((name, _)) = path.strip_prefix("crates/").and_then(|path| path.split_once('/')) else { continue };
            let manifest = format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n");
            write(&format!("crates/{name}/Cargo.toml"), &manifest);
            write(&format!("crates/{name}/src/lib.rs"), "");
        }
        for (path, content) in files {
            write(path, content);
        }

        let tree = Tree::around(&root.join("crates")).unwrap();
        let found = violations(&tree, &[rule]).unwrap();
        found.iter().map(|violation| format!("{}:{}", violation.file.display(), violation.line)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_keeps_every_rule() {
        let tree = Tree::around(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();

        assert_eq!(violations(&tree, RULES).unwrap(), []);
    }
}
