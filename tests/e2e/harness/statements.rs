//! Listens to every statement the suite sends, and judges it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use tenantry_infra::TENANT_TABLES;

use super::rules;

static BAD: Mutex<Vec<String>> = Mutex::new(Vec::new());
static HEARD: AtomicUsize = AtomicUsize::new(0);
/// What is being followed: a text, and the statements that have it among their values.
static FOLLOWED: Mutex<Vec<(String, Vec<String>)>> = Mutex::new(Vec::new());

/// Begins to listen. Must come before the first connection.
pub(super) fn listen() {
    tenantry_infra::statements::listen(hear);
}

/// How many statements on tenant tables were heard so far.
pub fn heard() -> usize {
    HEARD.load(Ordering::Relaxed)
}

/// Fails if any statement so far was not a good one.
pub(super) fn assert_all_good() {
    let bad = BAD.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(bad.is_empty(), "statements that must not be sent: {bad:#?}");
}

/// Collects the statements that have `value` among their values from now on.
pub fn follow(value: &str) {
    FOLLOWED.lock().unwrap().push((value.to_owned(), Vec::new()));
}

/// Tells what was collected, and collects no more.
pub fn unfollow(value: &str) -> Vec<String> {
    let mut followed = FOLLOWED.lock().unwrap();
    let at = followed.iter().position(|(of, _)| of == value).unwrap();
    followed.swap_remove(at).1
}

fn hear(statement: &str) {
    let (sql, values) = statement.split_once(" -- binds:").unwrap_or((statement, ""));
    HEARD.fetch_add(usize::from(judged(sql)), Ordering::Relaxed);
    for (value, collected) in FOLLOWED.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
        if values.contains(value.as_str()) {
            collected.push(statement.to_owned());
        }
    }
}

/// Judges a text the first time it is heard. Tells whether it is a statement on a tenant table.
fn judged(sql: &str) -> bool {
    static JUDGED: LazyLock<Mutex<HashMap<String, bool>>> = LazyLock::new(Mutex::default);
    let mut known = JUDGED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(is_on_tenant_table) = known.get(sql) {
        return *is_on_tenant_table;
    }
    if let Some(objection) = objection(sql) {
        BAD.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{objection}: {sql}"));
    }
    let is_on_tenant_table = carries_the_predicate(sql).is_some();
    known.insert(sql.to_owned(), is_on_tenant_table);
    is_on_tenant_table
}

/// Why a statement must not be sent, if there is a reason.
pub fn objection(sql: &str) -> Option<&'static str> {
    if carries_the_predicate(sql) == Some(false) {
        return Some("a statement on a tenant table has the tenant predicate");
    }
    rules::broken_by_message(sql)
}

/// Whether a statement has `tenant_id = $n` for each tenant table it names; nothing if it names none.
///
/// An INSERT has no predicate: its tenant is the column's default, which the policies check.
pub fn carries_the_predicate(sql: &str) -> Option<bool> {
    let words: Vec<&str> = sql.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let mut tables = TENANT_TABLES.iter().filter(|table| words.contains(table)).peekable();
    tables.peek()?;
    if sql.starts_with("INSERT INTO") {
        let names_the_tenant = sql.split("VALUES").next().is_some_and(|columns| columns.contains("tenant_id"));
        return Some(!words.contains(&"SELECT") && !names_the_tenant);
    }
    Some(tables.all(|table| binds(sql, &format!("\"{table}\".\"tenant_id\" = $"))))
}

/// Whether the condition stands in the statement and no `OR` beside or above it makes it optional.
fn binds(sql: &str, condition: &str) -> bool {
    let Some(at) = sql.find(condition) else { return false };
    sql.match_indices(" OR ").all(|(or, _)| {
        let between = if or < at { &sql[or..at] } else { &sql[at..or] };
        // How deep it gets on the way from one to the other, seen from the `OR`.
        let mut depth = 0;
        let mut lowest = 0;
        let step = |c: char| match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        let steps: Vec<i32> = if or < at {
            between.chars().map(step).collect()
        } else {
            between.chars().rev().map(|c| -step(c)).collect()
        };
        for step in steps {
            depth += step;
            lowest = lowest.min(depth);
        }
        // An `OR` that the way must leave lies in a bracket of its own.
        lowest < 0
    })
}
