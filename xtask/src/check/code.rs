//! Rules on Rust files.

use std::path::Path;

use anyhow::Result;

use super::source::{Source, lines_with};
use super::{Tree, Violation};

/// How long a file may be before it wants to be several.
const LONGEST: usize = 400;

/// A `TenantScope` is the key to a tenant's data: whoever makes one decides who gets in.
pub(super) fn grants(tree: &Tree) -> Result<Vec<Violation>> {
    let may = |source: &Source| {
        const MAY: [&str; 2] = ["crates/server/src/collector.rs", "crates/server/src/seed.rs"];
        source.is_test() || source.is_in("crates/auth/src") || MAY.iter().any(|path| source.path == Path::new(path))
    };
    let rule = "only authorization (crates/auth), the collector and the seed grant a TenantScope";
    Ok(search(tree, |source| !may(source), Source::product_code, &["TenantScope::grant", "::grant("], rule))
}

/// Raw SQL escapes the helper that adds the tenant predicate.
pub(super) fn raw_queries(tree: &Tree) -> Result<Vec<Violation>> {
    const MAY: [&str; 2] = ["crates/infra/src/tenant_tx.rs", "crates/infra/src/directory.rs"];
    let may = |source: &Source| {
        source.is_in("crates/infra/src/directory") || MAY.iter().any(|path| source.path == Path::new(path))
    };
    let bound = |source: &Source| source.is_in("crates") && !may(source);
    let rule = "SQL as text belongs into tenant_tx.rs and the directory of infra; use diesel's DSL";
    Ok(search(tree, bound, Source::product_code, &["sql_query", "dsl::sql(", "dsl::sql::<"], rule))
}

/// A simple message may hold several statements, so text in it could change whose transaction it is.
pub(super) fn simple_messages(tree: &Tree) -> Result<Vec<Violation>> {
    const MAY: [&str; 3] =
        ["crates/infra/src/tenant_tx.rs", "crates/infra/src/migrations.rs", "crates/server/src/database.rs"];
    const MAY_FORMAT: &str = "crates/infra/src/migrations.rs";
    const CALLS: [&str; 2] = ["batch_execute", "simple_query"];
    let product = |source: &Source| source.is_in("crates") && !source.is_test();
    let bound = |source: &Source| product(source) && !MAY.iter().any(|path| source.path == Path::new(path));
    let rule = "simple messages are sent by tenant_tx.rs and migrations.rs of infra alone";
    let mut found = search(tree, bound, Source::product_code, &CALLS, rule);
    for source in tree.sources.iter().filter(|it| product(it) && it.path != Path::new(MAY_FORMAT)) {
        let code = source.product_code();
        let calls = CALLS.iter().flat_map(|call| code.match_indices(call));
        let formatted = calls.filter(|(at, _)| {
            let statement = code.get(*at..).and_then(|rest| rest.split(';').next()).unwrap_or_default();
            ["format!", "concat("].iter().any(|making| statement.contains(making))
        });
        found.extend(formatted.map(|(at, _)| Violation {
            file: source.path.clone(),
            line: code.get(..at).map_or(0, |before| before.matches('\n').count() + 1),
            rule: format!("only {MAY_FORMAT} formats text into a simple message"),
        }));
    }
    Ok(found)
}

/// What is not done, or hides what the lints say.
pub(super) fn unfinished(tree: &Tree) -> Result<Vec<Violation>> {
    let rule = "nothing unfinished and no allow: #[expect(lint, reason = \"…\")] says why";
    let wanted = ["todo!", "unimplemented!", "dbg!", "[allow(", " allow(", "(allow("];
    Ok(search(tree, |_| true, |source| &source.code, &wanted, rule))
}

/// The front door of a folder is the file beside it.
pub(super) fn no_mod_rs(tree: &Tree) -> Result<Vec<Violation>> {
    let named = |source: &&Source| source.path.file_name().is_some_and(|name| name == "mod.rs");
    let rule = "no mod.rs: the front door of a folder is the file beside it";
    Ok(tree.sources.iter().filter(named).map(|source| violation(source, 1, rule)).collect())
}

/// A file that nobody declares is not compiled, and its tests never run.
pub(super) fn no_orphans(tree: &Tree) -> Result<Vec<Violation>> {
    let is_declared = |source: &&Source| {
        let (Some(folder), Some(name)) = (source.path.parent(), source.path.file_stem().and_then(|it| it.to_str()))
        else {
            return true;
        };
        // Cargo finds these by itself.
        if matches!(name, "lib" | "main" | "build") || folder.ends_with("tests") {
            return true;
        }
        let doors = [folder.with_extension("rs"), folder.join("lib.rs"), folder.join("main.rs")];
        let declares = |door: &Source| door.code.lines().any(|line| line.ends_with(&format!("mod {name};")));
        tree.sources.iter().filter(|door| doors.contains(&door.path)).any(declares)
    };
    let rule = "a file is declared as a module, or it is neither compiled nor run";
    let orphans = tree.sources.iter().filter(|source| !is_declared(source));
    Ok(orphans.map(|source| violation(source, 1, rule)).collect())
}

/// A long file has more than one subject.
pub(super) fn short_files(tree: &Tree) -> Result<Vec<Violation>> {
    let long = |source: &&Source| !source.is_test() && source.code.lines().count() > LONGEST;
    let rule = format!("a file has at most {LONGEST} lines; split it by topic");
    Ok(tree.sources.iter().filter(long).map(|source| violation(source, LONGEST + 1, &rule)).collect())
}

/// What is left to do is an issue.
pub(super) fn todos_have_issues(tree: &Tree) -> Result<Vec<Violation>> {
    let nameless = |line: &str| {
        line.match_indices("TODO").any(|(at, word)| {
            let rest = line.get(at + word.len()..).unwrap_or_default();
            let issue = rest.strip_prefix("(#").and_then(|rest| rest.split_once(')')).map(|(issue, _)| issue);
            issue.is_none_or(|issue| issue.parse::<u32>().is_err())
        })
    };
    let mut found = Vec::new();
    for source in &tree.sources {
        let lines = source.comments.lines().enumerate().filter(|(_, line)| nameless(line));
        found.extend(lines.map(|(index, _)| violation(source, index + 1, "a TODO names its issue: TODO(#123)")));
    }
    Ok(found)
}

/// Every line of the `bound` sources where `part` of the source has one of the `wanted` texts.
fn search(
    tree: &Tree,
    bound: impl Fn(&Source) -> bool,
    part: fn(&Source) -> &str,
    wanted: &[&str],
    rule: &str,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for source in tree.sources.iter().filter(|source| bound(source)) {
        found.extend(
            wanted.iter().flat_map(|wanted| lines_with(part(source), wanted)).map(|line| violation(source, line, rule)),
        );
    }
    found.sort();
    found.dedup();
    found
}

fn violation(source: &Source, line: usize, rule: &str) -> Violation {
    Violation { file: source.path.clone(), line, rule: rule.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::super::testing::found;
    use super::*;

    /// Nothing is found in `good`, and the line in each of `bad`.
    #[track_caller]
    fn assert_rule(rule: Rule, good: &[(&str, &str)], bad: &[(&str, &str, usize)]) {
        assert_eq!(found(rule, good), [""; 0]);
        for (path, content, line) in bad {
            assert_eq!(found(rule, &[(path, content)]), [format!("{path}:{line}")], "{content}");
        }
    }

    #[test]
    fn a_scope_granted_elsewhere_is_found() {
        let grant = "\nfn f() {\n    TenantScope::grant(a)\n}\n";
        let in_tests = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{{grant}}}\n");
        assert_rule(
            grants,
            &[
                ("crates/auth/src/principal.rs", grant),
                ("crates/server/src/seed.rs", grant),
                ("tests/e2e/harness.rs", grant),
                ("crates/infra/src/scope.rs", &in_tests),
                ("crates/tenancy/src/scope.rs", "/// TenantScope::grant(…)\npub const fn grant() {}\n"),
            ],
            &[
                ("crates/api/src/projects.rs", grant, 3),
                ("crates/server/src/serve.rs", grant, 3),
                ("crates/api/src/a.rs", "use TenantScope as T;\nlet f = T::grant(a);", 2),
                ("xtask/src/bench.rs", "let f = TenantScope::grant;", 1),
            ],
        );
    }

    #[test]
    fn sql_as_text_is_found() {
        let raw = "use a;\nlet q = diesel::sql_query(b);\n";
        assert_rule(
            raw_queries,
            &[("crates/infra/src/tenant_tx.rs", raw), ("crates/infra/src/directory.rs", raw), ("tests/e2e/a.rs", raw)],
            &[
                ("crates/infra/src/registry.rs", raw, 2),
                ("crates/infra/src/projects.rs", "let q = diesel::dsl::sql::<Integer>(b);", 1),
            ],
        );
    }

    #[test]
    fn a_simple_message_from_elsewhere_or_with_text_in_it_is_found() {
        let constant = "fn f() {\n    conn.batch_execute(\"COMMIT\").await\n}\n";
        let formatted = "fn f() {\n    conn.batch_execute(\n        &format!(\"{a}\"),\n    ).await;\n}\n";
        assert_rule(
            simple_messages,
            &[
                ("crates/infra/src/tenant_tx.rs", constant),
                ("crates/infra/src/migrations.rs", formatted),
                ("crates/infra/src/scope.rs", "// batch_execute(&format!())\n"),
                ("tests/e2e/harness.rs", formatted),
            ],
            &[
                ("crates/infra/src/projects.rs", constant, 2),
                ("crates/infra/src/tenant_tx.rs", formatted, 2),
                ("crates/server/src/database.rs", "\nx.simple_query(&format!(\"{a}\"));", 2),
            ],
        );
    }

    #[test]
    fn what_is_unfinished_or_allowed_is_found() {
        let outer = "#[allow(dead_code)]\nfn f() {}\n";
        assert_rule(
            unfinished,
            &[("crates/a/src/lib.rs", "/// todo!() and #[allow(x)]\n#[expect(x, reason = \"todo!\")]\nfn f() {}\n")],
            &[
                ("crates/a/src/lib.rs", "\n\nfn f() { todo!() }", 3),
                ("crates/a/src/b.rs", "fn f() { unimplemented!() }", 1),
                ("tests/e2e/a.rs", "\ndbg!(1);", 2),
                ("crates/a/src/lib.rs", outer, 1),
                ("crates/a/src/lib.rs", "#![allow(dead_code)]", 1),
                ("crates/a/src/lib.rs", "#[cfg_attr(test, allow(dead_code))]", 1),
            ],
        );
    }

    #[test]
    fn a_mod_rs_is_found() {
        assert_rule(no_mod_rs, &[("crates/a/src/a.rs", "")], &[("crates/a/src/a/mod.rs", "", 1)]);
    }

    #[test]
    fn a_file_that_nobody_declares_is_found() {
        let declared = [
            ("crates/a/src/lib.rs", "mod b;\n"),
            ("crates/a/src/b.rs", "pub(crate) mod c;\n"),
            ("crates/a/src/b/c.rs", ""),
            ("crates/a/tests/d.rs", ""),
            ("tests/e2e/main.rs", "mod e;\n"),
            ("tests/e2e/e.rs", ""),
        ];
        let orphans =
            [("tests/e2e/f.rs", "", 1), ("crates/a/src/g.rs", "", 1), ("crates/a/src/b/h.rs", "// mod h;", 1)];

        assert_rule(no_orphans, &declared, &orphans);
    }

    #[test]
    fn a_long_file_is_found_unless_it_is_a_test() {
        let (long, longest) = ("\n".repeat(401), "\n".repeat(400));
        assert_rule(
            short_files,
            &[("crates/a/src/a.rs", &longest), ("crates/a/src/a/tests.rs", &long), ("tests/e2e/a.rs", &long)],
            &[("crates/a/src/a.rs", &long, 401)],
        );
    }

    #[test]
    fn a_todo_without_an_issue_is_found() {
        assert_rule(
            todos_have_issues,
            &[("crates/a/src/a.rs", "// TODO(#12): later\nlet text = \"TODO\";\n")],
            &[
                ("crates/a/src/a.rs", "\n// TODO: later\n", 2),
                ("crates/a/src/a.rs", "/* TODO(#12) and\n TODO(later) */", 2),
                ("tests/e2e/a.rs", "//! TODO(#)", 1),
            ],
        );
    }
}
