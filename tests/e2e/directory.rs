//! What the role may ask that answers before a tenant is known: about what it can name, and never for a list.

use std::collections::BTreeMap;

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::harness::{PLACEMENTS, Suite, connect, suite};

/// Told to every instance that polls: what has changed, by id alone.
const FEED: [&str; 2] = ["changes_since", "changes_after"];

/// A function that the role may call, with the types of its arguments.
struct Question {
    name: String,
    arguments: Vec<String>,
}

async fn directory(suite: &Suite) -> Client {
    connect(&suite.postgres.url("tenantry_directory", "tenantry")).await
}

async fn questions(suite: &Suite) -> Vec<Question> {
    let found = suite
        .admin()
        .await
        .query(
            "select proname::text, array(select format_type(a, null) from unnest(proargtypes) with ordinality it (a, place) order by place)
             from pg_proc p join pg_namespace n on n.oid = p.pronamespace
             where nspname not in ('pg_catalog', 'information_schema') and prorettype <> 'trigger'::regtype
               and has_function_privilege('tenantry_directory', p.oid, 'execute')
             order by 1",
            &[],
        )
        .await
        .unwrap();
    found.iter().map(|row| Question { name: row.get(0), arguments: row.get(1) }).collect()
}

/// Something of this type that nobody has.
fn unknown(kind: &str) -> String {
    let value = match kind {
        "uuid" => format!("'{}'", uuid::Uuid::new_v4()),
        "text" => format!("'{}'", uuid::Uuid::new_v4()),
        "bytea" => format!(r"'\x{0}{0}'", uuid::Uuid::new_v4().simple()),
        "timestamp with time zone" => "'2028-02-29T12:00:00Z'".to_owned(),
        "interval" => "'10 seconds'".to_owned(),
        "bigint" | "integer" | "smallint" => "1".to_owned(),
        "boolean" => "true".to_owned(),
        "jsonb" => "'{}'".to_owned(),
        array if array.ends_with("[]") => "'{}'".to_owned(),
        other => panic!("what is nobody's {other}?"),
    };
    format!("{value}::{kind}")
}

/// What an answer tells of anything that was not in the question: texts, ids and the like.
async fn told(client: &Client, question: &Question, arguments: &[String]) -> Vec<String> {
    let call = format!("select * from registry.{}({})", question.name, arguments.join(", "));
    // What is refused tells nothing.
    let Ok(messages) = client.simple_query(&call).await else { return Vec::new() };
    let mut values = Vec::new();
    for message in &messages {
        let SimpleQueryMessage::Row(row) = message else { continue };
        values.extend((0..row.len()).filter_map(|place| row.get(place)).map(str::to_owned));
    }
    let is_plain = |value: &str| matches!(value, "t" | "f") || value.parse::<f64>().is_ok();
    let was_asked = |value: &str| arguments.iter().any(|argument| argument.contains(value));
    values.into_iter().filter(|value| !value.is_empty() && !is_plain(value) && !was_asked(value)).collect()
}

#[tokio::test]
async fn the_directory_reads_no_table() {
    let suite = suite().await;
    let readable = suite
        .admin()
        .await
        .query(
            "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
               and case relkind when 'S' then has_sequence_privilege('tenantry_directory', c.oid, 'usage, select, update')
                 else has_table_privilege('tenantry_directory', c.oid, 'select, insert, update, delete, truncate, references, trigger')
                   or has_any_column_privilege('tenantry_directory', c.oid, 'select, insert, update, references') end",
            &[],
        )
        .await
        .unwrap();

    let readable: Vec<String> = readable.iter().map(|row| row.get(0)).collect();
    assert_eq!(readable, [""; 0]);
}

#[tokio::test]
async fn the_directory_is_told_nothing_about_what_it_cannot_name() {
    let suite = suite().await;
    // There is something to tell.
    for placement in PLACEMENTS {
        suite.tenant(placement).await;
    }
    let client = directory(&suite).await;
    let questions = questions(&suite).await;
    assert!(questions.len() >= 8, "the role has lost its questions");

    let mut answers = BTreeMap::new();
    for question in questions.iter().filter(|question| !FEED.contains(&question.name.as_str())) {
        assert!(!question.arguments.is_empty(), "{} asks about nothing in particular", question.name);
        let unknown: Vec<String> = question.arguments.iter().map(|kind| unknown(kind)).collect();
        let nulls: Vec<String> = question.arguments.iter().map(|kind| format!("null::{kind}")).collect();
        for arguments in [unknown, nulls] {
            let told = told(&client, question, &arguments).await;
            if !told.is_empty() {
                answers.insert(format!("{}({})", question.name, arguments.join(", ")), told);
            }
        }
    }
    assert_eq!(answers, BTreeMap::new());
}

#[tokio::test]
async fn an_answer_about_somebody_would_be_noticed() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let question = Question { name: "tenant".to_owned(), arguments: vec!["uuid".to_owned()] };
    let known = format!("'{}'::uuid", tenant.tenant.id);

    let told = told(&directory(&suite).await, &question, &[known]).await;

    assert!(told.contains(&tenant.tenant.slug.to_string()), "{told:?}");
}
