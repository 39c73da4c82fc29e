//! A key is shown once and found nowhere afterwards.

use serde_json::json;

use super::{KEYS, Made, rejection};
use crate::harness::program::Folder;
use crate::harness::{Caller, PATIENCE, PLACEMENTS, Tenant, eventually, suite};
use tenantry_auth::{ApiKeyText, KeyEnvironment};
use tokio_postgres::Client;

#[tokio::test]
async fn a_key_is_shown_in_the_answer_that_makes_it_and_in_no_other() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let made = Made::by(&owner, &["projects:read"]).await;
    let text = made.key.token.as_str();

    assert_eq!(made.view["prefix"], text[..29]);
    for answer in [
        owner.get(&made.path()).await.expect(200),
        owner.get(KEYS).await.expect(200),
        owner.patch(&made.path(), json!({ "name": "again" })).await.expect(200),
    ] {
        assert!(answer.text.contains(&text[..29]) && !answer.text.contains(&text[29..]), "{}", answer.text);
        assert!(!answer.text.contains("\"key\"") && !answer.text.contains("digest"), "{}", answer.text);
    }
    let rotated = Made::of(&owner, made.rotate(&owner, json!({})).await);
    assert_ne!(rotated.key.token, made.key.token);
}

/// Where any column of any of our tables has the text.
async fn found_in(admin: &Client, tenant: &Tenant, text: &str) -> Vec<String> {
    found_in_schema(admin, &tenant.tenant.schema().to_string(), text).await
}

/// The same, where the schema of the tenants' tables is known by its name.
pub async fn found_in_schema(admin: &Client, schema: &str, text: &str) -> Vec<String> {
    let columns = format!(
        "select format('%I.%I', table_schema, table_name), quote_ident(column_name) from information_schema.columns
         where table_schema in ('registry', 'sec', 'pooled', '{}')
           and data_type in ('text', 'jsonb', 'bytea', 'ARRAY', 'character varying')",
        schema
    );
    let mut found = Vec::new();
    for row in admin.query(&columns, &[]).await.unwrap() {
        let (table, column): (String, String) = (row.get(0), row.get(1));
        let query = format!(
            "select count(*) from {table} where position($1 in {column}::text) > 0
               or position(encode(convert_to($1, 'UTF8'), 'hex') in {column}::text) > 0"
        );
        if admin.query_one(&query, &[&text]).await.unwrap().get::<_, i64>(0) > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn the_secret_is_nowhere_in_the_database() {
    let suite = suite().await;
    let admin = suite.admin().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let made = Made::by(&owner, &["projects:read"]).await;
        made.key.get("/api/v1/projects").await.expect(200);
        let rotated = Made::of(&owner, made.rotate(&owner, json!({})).await);
        owner.delete(&made.path()).await.expect(204);

        for key in [&made, &rotated] {
            let (prefix, secret) = key.key.token.split_at(29);
            assert_eq!(found_in(&admin, &tenant, &secret[..43]).await, [""; 0]);
            // The control: what may be known of it is found, also by this search.
            assert!(!found_in(&admin, &tenant, prefix).await.is_empty());
        }
        let digests = "select count(*) from registry.api_keys where length(digest) = 32 and prefix = $1";
        let prefix = &rotated.key.token[..29];
        assert_eq!(admin.query_one(digests, &[&prefix]).await.unwrap().get::<_, i64>(0), 1);
    }
}

#[tokio::test]
async fn every_key_that_is_no_good_gets_the_same_answer() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let expected = rejection(&tenant).await;
    let made = Made::by(&tenant.owner(), &["projects:read"]).await;
    let text = made.key.token.clone();
    let alien = |environment| ApiKeyText::generate(environment).reveal().to_owned();

    for token in [
        alien(KeyEnvironment::Test),
        alien(KeyEnvironment::Live),
        text[..77].to_owned(),
        format!("{}{}", &text[..77], if text.ends_with('0') { '1' } else { '0' }),
        text.to_uppercase(),
        "tenantry_sk_".to_owned(),
        format!("{}{}", &text[..29], &alien(KeyEnvironment::Test)[29..]),
    ] {
        let refused = Caller { token, ..made.key.clone() }.get("/api/v1/projects").await.expect(401);
        assert_eq!(refused.without_request_id(), expected);
        assert!(refused.header("www-authenticate").contains("error=\"invalid_token\""));
    }
    made.key.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn a_seeded_key_works_and_no_log_line_has_it() {
    let folder = Folder::new();
    let program = folder.serve(&[("APP_ENV", "development"), ("TENANTRY_LOG__FILTER", "debug")]).await;
    let tokens = std::fs::read_to_string(folder.path("test_tokens.json")).unwrap();
    let tokens: serde_json::Value = serde_json::from_str(&tokens).unwrap();

    for tenant in tokens["tenants"].as_array().unwrap() {
        let text = tenant["api_key"].as_str().unwrap();
        let key = program.caller(text);
        key.get("/api/v1/projects").await.expect(200);
        let made = Made::by(&key, &["projects:read"]).await;
        made.key.get("/api/v1/tasks").await.expect(403);
        program.caller(&text[..77]).get("/api/v1/projects").await.expect(401);

        for secret in [&text[29..], &made.key.token[29..]] {
            assert!(!program.output.text().contains(&secret[..43]) && !program.errors.text().contains(&secret[..43]));
        }
        let named = format!("api_key:{}", made.id);
        eventually("the log names the key", PATIENCE, async || program.output.text().contains(&named)).await;
    }
}
