//! Our SQL keeps to what a distributed Postgres takes. `harness/rules.rs` has the rules; every statement that is sent
//! while the suite runs is held to them too.

use std::path::{Path, PathBuf};

use tenantry_infra::migrations::{Migration, REGISTRY, TENANT};
use tenantry_infra::statements;

use crate::harness::rules::{self, EVERYWHERE, MESSAGES};
use crate::harness::suite;

#[test]
fn a_planted_statement_breaks_its_rule_and_no_other() {
    for rule in EVERYWHERE {
        assert_eq!(rules::broken_by_migration(rule.planted), [rule.says], "{}", rule.planted);
        assert_eq!(rules::broken_by_message(rule.planted), Some(rule.says), "{}", rule.planted);
    }
    for rule in MESSAGES {
        assert_eq!(rules::broken_by_message(rule.planted), Some(rule.says), "{}", rule.planted);
    }
}

#[test]
fn only_the_opening_message_may_set_something_or_hold_a_semicolon() {
    let opening =
        "BEGIN READ ONLY;SET LOCAL app.tenant='018f0c5e-7f6a-7cc0-8000-3f1d5c9b2a10';SET LOCAL search_path=t_0f";

    assert_eq!(rules::broken_by_message(opening), None);
    for bad in [
        &opening.replace("BEGIN READ ONLY;", ""),
        &opening.replace("SET LOCAL app", "SET app"),
        &opening.replace("app.tenant", "row_security"),
        &opening.replace("t_0f", "t_0f,pooled"),
        &opening.replace("t_0f", "''t''"),
        &format!("{opening};SELECT 1"),
        "SET app.tenant = 'x'",
        "SET LOCAL app.tenant = 'x'",
        "COMMIT;BEGIN",
    ] {
        assert!(rules::broken_by_message(bad).is_some(), "{bad}");
    }
}

#[test]
fn no_migration_breaks_a_rule() {
    for migration in migrations() {
        for text in [migration.up, migration.down] {
            assert_eq!(rules::broken_by_migration(text), [""; 0], "{}", migration.name);
        }
    }
}

#[test]
fn a_migration_sets_nothing_but_the_role_it_acts_as() {
    for migration in migrations() {
        for statement in statements::of_migration(migration.up) {
            let text = rules::plain(statement);
            assert!(!text.starts_with("set ") || text.starts_with("set local role tenantry_"), "{text}");
        }
    }
}

#[test]
fn every_table_of_tenants_is_protected_by_the_migration_that_makes_it() {
    let mut tables = Vec::new();
    for migration in TENANT {
        let text = rules::plain(migration.up);
        let made: Vec<&str> = text.split("create table ").skip(1).filter_map(|rest| rest.split(' ').next()).collect();

        for table in &made {
            let protected = ["protect", "protect_log", "protect_derived", "protect_unaudited"]
                .map(|kind| format!("select sec.{kind}('{table}')"));
            assert!(protected.iter().any(|call| text.contains(call.as_str())), "{}: {table}", migration.name);
        }
        tables.extend(made.into_iter().map(str::to_owned));
    }
    tables.sort();
    let mut known = tenantry_infra::TENANT_TABLES.to_vec();
    known.sort_unstable();
    assert_eq!(tables, known);
}

#[tokio::test]
async fn a_migration_is_sent_one_statement_at_a_time() {
    let suite = suite().await;
    let admin = suite.admin().await;
    admin.batch_execute("set search_path = pooled").await.unwrap();
    let refusal = async |message: &str| {
        // Preparing is enough: Postgres looks how many statements there are before it looks for what they name.
        let refused = admin.prepare(message).await.err()?;
        let error = refused.as_db_error().unwrap();
        error.message().contains("multiple commands").then(|| error.message().to_owned())
    };

    for migration in migrations() {
        for statement in statements::of_migration(migration.up).iter().chain(&statements::of_migration(migration.down))
        {
            assert_eq!(refusal(statement).await, None, "{statement}");
        }
    }

    assert!(refusal("select 1; select 2").await.is_some());
    assert!(refusal(TENANT[1].up).await.is_some());
}

#[test]
fn only_the_scope_and_the_migrations_put_text_into_a_simple_message() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 50, "the sources are elsewhere");

    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        found.extend(simple_messages(&text).into_iter().map(|argument| (name.clone(), argument)));
    }

    found.retain(|(name, _)| name != "infra/src/migrations.rs");
    found.sort();
    found.dedup();
    // `send` is given constants and what `scope::opening` wrote; nobody outside its file can call it.
    let allowed =
        ["closing", "message", "opening"].map(|argument| ("infra/src/tenant_tx.rs".to_owned(), argument.to_owned()));
    assert_eq!(found, allowed);
}

#[test]
fn text_in_a_simple_message_is_found() {
    for (planted, argument) in [
        ("conn.batch_execute(&format!(\"set x = {y}\")).await", "&format!(\"set x = {y}\")"),
        ("client\n    .simple_query(sql)", "sql"),
        ("sql_query(format!(\"select {x}\")).load(conn)", "format!(\"select {x}\")"),
        ("send(conn, text);", "text"),
    ] {
        assert_eq!(simple_messages(planted), [argument]);
    }
    assert_eq!(simple_messages("conn.batch_execute(\"COMMIT\")"), [""; 0]);
}

fn migrations() -> impl Iterator<Item = &'static Migration> {
    REGISTRY.iter().chain(TENANT)
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What is sent as a simple message, or as a query of raw text, and is not a constant.
fn simple_messages(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (call, argument_at) in [("batch_execute(", 0), ("simple_query(", 0), ("sql_query(", 0), ("send(conn, ", 0)] {
        for (at, _) in source.match_indices(call) {
            let rest = source[at + call.len() + argument_at..].trim_start();
            let argument = &rest[..end_of_argument(rest)];
            let is_declaration = source[..at].ends_with("fn ");
            if !is_declaration && !argument.starts_with('"') {
                found.push(argument.trim().to_owned());
            }
        }
    }
    found
}

/// Where the bracket closes that was open before `rest`.
fn end_of_argument(rest: &str) -> usize {
    let mut depth = 0;
    let closes = rest.char_indices().find(|(_, c)| {
        depth += i32::from(matches!(c, '(' | '{')) - i32::from(matches!(c, ')' | '}'));
        depth < 0
    });
    closes.map_or(rest.len(), |(at, _)| at)
}
