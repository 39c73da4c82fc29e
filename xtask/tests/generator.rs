//! `cargo xtask new` in a copy of the workspace: what it writes builds and passes its tests without an edit.

#![expect(clippy::unwrap_used, reason = "a test may fail that way")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FIELDS: [&str; 6] =
    ["name:line", "notes:text", "status:open|won|lost", "size:integer", "hot:boolean", "due:date"];

/// What no copy needs: what was built, fetched or made by running.
const LEFT: [&str; 4] = ["target", ".git", ".data", "node_modules"];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (name, kind) = (entry.file_name(), entry.file_type().unwrap());
        if LEFT.iter().any(|left| name == *left) {
            continue;
        }
        if kind.is_dir() {
            copy(&entry.path(), &to.join(&name));
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(&name)).unwrap();
        }
    }
}

/// Lends the crates of others, which are compiled already, to the copy. Its own target folder is needed all the same:
/// cargo tells two copies of one workspace apart by nothing, so what is built of one would pass for the other's.
fn lend_compiled_crates(target: &Path) {
    let ours = |name: &str| {
        let name = name.trim_start_matches("lib");
        ["tenantry", "xtask", "embed", "e2e", "generator", "servers", "commands"].iter().any(|it| name.starts_with(it))
    };
    for part in [".fingerprint", "build", "deps"] {
        let from = workspace().join("target/debug").join(part);
        let to = target.join("debug").join(part);
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            if !ours(&entry.file_name().to_string_lossy()) {
                link(&entry.path(), &to.join(entry.file_name()));
            }
        }
    }
}

/// Links a file, or all files of a folder; what is there already stays.
fn link(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            link(&entry.path(), &to.join(entry.file_name()));
        }
    } else if !to.exists() {
        fs::hard_link(from, to).unwrap();
    }
}

fn run(folder: &Path, program: impl AsRef<OsStr>, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments).env("CARGO_TARGET_DIR", built());
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

/// Where the copy is built: beside it, so that a second run builds little.
fn built() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated-target")
}

/// Every source with its length.
fn files(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            all.append(&mut files(&entry.path()));
        } else {
            all.insert(entry.path(), entry.metadata().unwrap().len());
        }
    }
    all
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn a_new_resource_builds_and_passes_without_an_edit() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated");
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    copy(&workspace(), &folder);
    lend_compiled_crates(&built());
    let xtask = env!("CARGO_BIN_EXE_xtask");

    let made = run(&folder, xtask, &[&["new", "sales/leads"], &FIELDS[..]].concat());

    assert!(made.contains("made crates/sales/src/leads.rs"), "{made}");
    run(&folder, xtask, &["check"]);
    run(&folder, env!("CARGO"), &["fmt", "--all", "--", "--check"]);
    let clippy = ["clippy", "--offline", "-p", "tenantry-sales", "--all-targets", "--", "-D", "warnings"];
    run(&folder, env!("CARGO"), &clippy);
    let module = run(&folder, env!("CARGO"), &["test", "--offline", "-p", "tenantry-sales"]);
    assert!(module.contains("the_contract_is_kept_in_memory ... ok"), "{module}");
    // The programs, with the features that the tests want: so everything is compiled once.
    let programs = ["test", "--offline", "--workspace", "--no-run", "--test", "commands", "--test", "generator"];
    run(&folder, env!("CARGO"), &programs);
    run(&folder, built().join("debug/xtask"), &["openapi"]);
    // Its own tests, and some of those that walk over every route and table.
    let filters = [
        "leads::",
        "contracts::",
        "openapi::",
        "schemas::",
        "roles::every_route",
        "bodies::fields::a_field_of_the_wrong_type",
        "isolation::strangers",
        "migrations::undone",
    ];
    let tests = ["test", "--offline", "--workspace", "--test", "e2e", "--"];
    let tests = run(&folder, env!("CARGO"), &[&tests[..], &filters[..]].concat());
    for passed in ["leads::a_lead_is_created", "the_repositories_of_the_sales_module_keep_its_contract"] {
        assert!(tests.contains(passed), "{passed}: {tests}");
    }

    // Nothing that exists is overwritten, and where something is amiss nothing is written.
    for refused in ["sales/leads", "auth/plans"] {
        let before = files(&folder);
        let again = Command::new(xtask).current_dir(&folder).args(["new", refused, "name:line"]).output().unwrap();
        assert!(!again.status.success());
        assert_eq!(files(&folder), before);
    }
}
