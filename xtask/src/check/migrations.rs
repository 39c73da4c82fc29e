//! Rules on migrations.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Tree, Violation};

const SETS: [&str; 2] = ["registry", "tenant"];
/// Where the sets are listed.
const LIST: &str = "crates/infra/src/migrations/sets.rs";

/// Every folder is in its set, in the order of its number, and can be undone.
pub(super) fn listed(tree: &Tree) -> Result<Vec<Violation>> {
    let list = tree.root.join(LIST);
    let list = if list.exists() { super::read(&list)? } else { String::new() };
    let mut found = Vec::new();
    for set in SETS {
        let folders = folders(tree, set)?;
        let names = folders.iter().map(|folder| name(folder).to_owned()).collect::<Vec<_>>();
        let (line, entries) = entries(&list, set);
        let expected = names.iter().enumerate().map(|(index, name)| (index + 1, name.clone())).collect::<Vec<_>>();
        if entries != expected {
            found.push(violation(
                Path::new(LIST),
                line,
                format!("the set {set} lists every folder of migrations/{set} under its number"),
            ));
        }
        for (index, folder) in folders.iter().enumerate() {
            if !name(folder).starts_with(&format!("{:04}_", index + 1)) {
                found.push(violation(folder, 1, "the numbers of migrations have no gap".to_owned()));
            }
            for file in ["up.sql", "down.sql"] {
                if !tree.root.join(folder).join(file).exists() {
                    found.push(violation(&folder.join(file), 1, "a migration has an up.sql and a down.sql".to_owned()));
                }
            }
        }
    }
    Ok(found)
}

/// The last line of a migration that creates a tenant table protects it.
pub(super) fn protected(tree: &Tree) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    for folder in folders(tree, "tenant")? {
        let file = folder.join("up.sql");
        let path = tree.root.join(&file);
        let text = if path.exists() { super::read(&path)?.to_lowercase() } else { String::new() };
        for (index, line) in text.lines().enumerate() {
            let Some(rest) = line.trim_start().strip_prefix("create table ") else { continue };
            let rest = rest.trim_start_matches("if not exists ");
            let table = rest.split([' ', '(']).next().unwrap_or_default();
            let protects = ["sec.protect", "sec.protect_log", "sec.protect_derived", "sec.protect_unaudited"]
                .iter()
                .any(|by| text.contains(&format!("select {by}('{table}')")));
            if !protects {
                found.push(violation(
                    &file,
                    index + 1,
                    format!("a tenant table is protected: select sec.protect('{table}')"),
                ));
            }
        }
    }
    Ok(found)
}

/// The folders of a set, relative to the root.
fn folders(tree: &Tree, set: &str) -> Result<Vec<PathBuf>> {
    let folder = Path::new("migrations").join(set);
    let paths = super::entries(&tree.root.join(&folder))?;
    Ok(paths
        .iter()
        .filter(|path| path.is_dir())
        .map(|path| folder.join(path.file_name().unwrap_or_default()))
        .collect())
}

/// The line where a set begins in the list, and its entries: `1 "0001_ledger",` and so on.
fn entries(list: &str, set: &str) -> (usize, Vec<(usize, String)>) {
    let opening = format!("migrations!(\"{set}\":");
    let Some(start) = list.lines().position(|line| line.contains(&opening)) else { return (1, Vec::new()) };
    let entry = |line: &str| {
        let (version, name) = line.trim().trim_end_matches(',').split_once(' ')?;
        Some((version.parse().ok()?, name.trim_matches('"').to_owned()))
    };
    (start + 1, list.lines().skip(start + 1).map_while(entry).collect())
}

fn name(folder: &Path) -> &str {
    folder.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn violation(file: &Path, line: usize, rule: String) -> Violation {
    Violation { file: file.to_owned(), line, rule }
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;
    use super::*;

    const BOTH: &str = "const A: &[M] = migrations!(\"registry\":\n    1 \"0001_a\",\n);\n\nconst B: &[M] = migrations!(\"tenant\":\n    1 \"0001_b\",\n);\n";
    const FOLDERS: [(&str, &str); 4] = [
        ("migrations/registry/0001_a/up.sql", ""),
        ("migrations/registry/0001_a/down.sql", ""),
        ("migrations/tenant/0001_b/up.sql", ""),
        ("migrations/tenant/0001_b/down.sql", ""),
    ];

    fn found_with(more: &[(&str, &str)]) -> Vec<String> {
        found(listed, &[[(LIST, BOTH)].as_slice(), &FOLDERS, more].concat())
    }

    #[test]
    fn a_migration_that_is_not_listed_or_cannot_be_undone_is_found() {
        let whole = [("migrations/tenant/0002_c/up.sql", ""), ("migrations/tenant/0002_c/down.sql", "")];
        let gap = [("migrations/registry/0003_c/up.sql", ""), ("migrations/registry/0003_c/down.sql", "")];

        assert_eq!(found_with(&[]), [""; 0]);
        assert_eq!(found_with(&whole), [format!("{LIST}:5")]);
        assert_eq!(found_with(&gap), [format!("{LIST}:1"), "migrations/registry/0003_c:1".to_owned()]);
        assert_eq!(found_with(&whole[..1]), [format!("{LIST}:5"), "migrations/tenant/0002_c/down.sql:1".to_owned()]);
    }

    #[test]
    fn a_tenant_table_without_protection_is_found() {
        let up = "migrations/tenant/0001_b/up.sql";
        let found = |text| found(protected, &[(up, text)]);

        assert_eq!(found("create table b (\n);\nselect sec.protect('b');\n"), [""; 0]);
        assert_eq!(found("create table b (\n);\nselect sec.protect_log('b');\n"), [""; 0]);
        assert_eq!(found("-- One.\nCREATE TABLE b (\n);\nselect sec.protect('c');\n"), [format!("{up}:2")]);
    }
}
