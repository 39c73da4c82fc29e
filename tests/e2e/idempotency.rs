//! `Idempotency-Key`: a request that comes twice has one effect and one answer, whatever happens in between.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tenancy::Role;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::harness::program::Folder;
use crate::harness::{Caller, PATIENCE, PLACEMENTS, Response, client, eventually, suite};
use crate::process::{QUICK, first_token};

const PROJECTS: &str = "/api/v1/projects";

fn key() -> String {
    Uuid::new_v4().to_string()
}

async fn post(caller: &Caller, path: &str, key: &str, body: Value) -> Response {
    caller.request(Method::POST, path).header("idempotency-key", key).json(&body).send().await
}

async fn projects(caller: &Caller) -> i64 {
    caller.get("/api/v1/projects/statistics").await.expect(200).json["projects"]["total"].as_i64().unwrap()
}

#[tokio::test]
async fn the_same_request_again_is_answered_as_the_first_time_and_does_nothing() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let key = key();

        let first = post(&owner, PROJECTS, &key, json!({ "name": "Moon", "status": "paused" })).await.expect(201);
        // The same document, spelled otherwise; the same key, in quotes.
        let again = owner.request(Method::POST, PROJECTS).header("idempotency-key", &format!("\"{key}\""));
        let again = again.header("content-type", "application/json").body(r#"{ "status":"paused","name" : "Moon"}"#);
        let again = again.send().await.expect(201);

        assert_eq!(again.text, first.text);
        for header in ["location", "etag", "content-type", "x-tenant-id"] {
            assert_eq!(again.header(header), first.header(header), "{header}");
        }
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert!(!first.headers.contains_key("idempotency-replayed"));
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
        assert_eq!(projects(&owner).await, 1);
    }
}

#[tokio::test]
async fn a_change_is_made_once() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let path = format!("{PROJECTS}/{}", owner.project("Moon").await);
    let change = async |key: &str, tag: &str| {
        let request = owner.request(Method::PATCH, &path).header("idempotency-key", key).header("if-match", tag);
        request.json(&json!({ "name": "Mars" })).send().await
    };
    let key = key();

    let first = change(&key, "\"1\"").await.expect(200);
    // Without the key this would be 412: the version is another by now.
    let again = change(&key, "\"1\"").await.expect(200);

    assert_eq!((again.text, first.json["version"].clone()), (first.text.clone(), json!(2)));
    change(&key, "\"2\"").await.expect(422);
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let key = key();
    post(&owner, PROJECTS, &key, json!({ "name": "Moon" })).await.expect(201);

    for (path, body) in [
        (PROJECTS, json!({ "name": "Mars" })),
        ("/api/v1/projects/bulk", json!({ "items": [{ "name": "Moon" }] })),
        ("/api/v1/tasks", json!({ "project": Uuid::now_v7(), "title": "x" })),
    ] {
        let refused = post(&owner, path, &key, body).await.expect(422);
        assert_eq!(refused.json["code"], "idempotency_key_reused");
    }
    assert_eq!(projects(&owner).await, 1);
}

#[tokio::test]
async fn nobody_meets_anothers_key() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (tenant, other) = (suite.tenant(placement).await, suite.tenant(placement).await);
        let (key, body) = (key(), json!({ "name": "Moon" }));

        let mut ids = HashSet::new();
        for caller in [tenant.owner(), tenant.caller(Role::Member), other.owner()] {
            let made = post(&caller, PROJECTS, &key, body.clone()).await.expect(201);
            ids.insert(made.json["id"].to_string());
        }

        assert_eq!(ids.len(), 3);
        post(&tenant.caller(Role::Viewer), PROJECTS, &key, body).await.expect(403);
    }
}

#[tokio::test]
async fn what_failed_may_be_tried_again_with_the_same_key() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let (key, project) = (key(), Uuid::now_v7().to_string());

    post(&owner, "/api/v1/tasks", &key, json!({ "project": project, "title": "x" })).await.expect(400);
    let project = owner.project("Moon").await;
    let made = post(&owner, "/api/v1/tasks", &key, json!({ "project": project, "title": "x" })).await.expect(201);

    assert!(!made.headers.contains_key("idempotency-replayed"));
}

#[tokio::test]
async fn of_many_at_once_one_has_an_effect() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[1]).await.owner();
    let key = key();

    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let (owner, key) = (owner.clone(), key.clone());
        requests.spawn(async move { post(&owner, PROJECTS, &key, json!({ "name": "Moon" })).await });
    }
    let mut ids = HashSet::new();
    while let Some(answer) = requests.join_next().await {
        let answer = answer.unwrap();
        match answer.status {
            201 => {
                ids.insert(answer.json["id"].to_string());
            }
            409 => assert_eq!(answer.json["code"], "idempotency_key_in_flight"),
            503 => {}
            other => panic!("{other}: {}", answer.text),
        }
    }

    assert_eq!((ids.len(), projects(&owner).await), (1, 1));
}

#[tokio::test]
async fn while_the_first_is_under_way_others_are_told_so() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[1]).await;
    let (owner, key, schema) = (tenant.owner(), key(), tenant.tenant.schema());
    // Nobody else uses this tenant's own schema. The first request holds its key and waits for the table for up to a second.
    let holder = suite.admin().await;
    holder.batch_execute(&format!("begin; lock table {schema}.projects in share mode")).await.unwrap();
    let request = {
        let (owner, key) = (owner.clone(), key.clone());
        tokio::spawn(async move { post(&owner, PROJECTS, &key, json!({ "name": "Moon" })).await })
    };
    let looker = suite.admin().await;
    let waiting =
        format!("select count(*) from pg_locks where not granted and relation = '{schema}.projects'::regclass");
    let is_held = async || looker.query_one(&waiting, &[]).await.unwrap().get::<_, i64>(0) == 1;
    eventually("the request waits", PATIENCE, is_held).await;

    let (second, ()) = tokio::join!(post(&owner, PROJECTS, &key, json!({ "name": "Moon" })), async {
        // Let go once the second waits as well: for the key.
        let both = "select count(*) from pg_locks where not granted and locktype = 'transactionid'";
        let waits = async || looker.query_one(both, &[]).await.unwrap().get::<_, i64>(0) >= 1;
        eventually("the second waits", PATIENCE, waits).await;
    });
    holder.batch_execute("commit").await.unwrap();
    let first = request.await.unwrap();

    second.expect(409);
    // The first may have waited for the table for too long.
    assert!(matches!(first.status, 201 | 409), "{first:?}");
    let third = post(&owner, PROJECTS, &key, json!({ "name": "Moon" })).await.expect(201);
    assert_eq!(projects(&owner).await, 1);
    assert_eq!(owner.get(third.header("location")).await.expect(200).json["name"], "Moon");
}

#[tokio::test]
async fn a_secret_is_shown_again_but_kept_sealed() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[1]).await;
    let (owner, key) = (tenant.owner(), key());
    let body = json!({ "name": "ci", "scopes": ["projects:read"] });

    let first = post(&owner, "/api/v1/api-keys", &key, body.clone()).await.expect(201);
    let again = post(&owner, "/api/v1/api-keys", &key, body).await.expect(201);

    assert_eq!(first.text, again.text);
    let secret = first.json["key"].as_str().unwrap();
    let kept = format!("select answer from {}.idempotency_keys", tenant.tenant.schema());
    let rows = suite.admin().await.query(&kept, &[]).await.unwrap();
    let kept: Vec<u8> = rows[0].get(0);
    assert_eq!(rows.len(), 1);
    assert!(!kept.windows(secret.len()).any(|window| window == secret.as_bytes()));
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let (owner, key) = (tenant.owner(), key());
    let body = json!({ "name": "Moon" });
    let first = post(&owner, PROJECTS, &key, body.clone()).await.expect(201).json["id"].clone();
    let age = async |age: &str| {
        let id = tenant.tenant.id;
        let age = format!(
            "update pooled.idempotency_keys set created_at = now() - interval '{age}' where tenant_id = '{id}'"
        );
        suite.admin().await.batch_execute(&age).await.unwrap();
    };

    age("23 hours 59 minutes").await;
    assert_eq!(post(&owner, PROJECTS, &key, body.clone()).await.expect(201).json["id"], first);
    age("24 hours 1 minute").await;

    assert_ne!(post(&owner, PROJECTS, &key, body).await.expect(201).json["id"], first);
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();

    for bad in ["", "\"\"", "a b", "a\"b", &"x".repeat(256), "\\"] {
        post(&owner, PROJECTS, bad, json!({ "name": "Moon" })).await.expect_field(400, "idempotency-key");
    }
    post(&owner, PROJECTS, &"x".repeat(255), json!({ "name": "Moon" })).await.expect(201);
    // A read has no effect to be had once.
    owner.request(Method::GET, PROJECTS).header("idempotency-key", "").send().await.expect(200);
}

#[tokio::test]
async fn what_a_killed_server_was_doing_is_done_once() {
    let folder = Folder::new();
    let mut program = folder.serve(QUICK).await;
    let token = first_token(&folder);
    let before = projects(&program.caller(&token)).await;

    let keys: Vec<String> = (0..60).map(|_| key()).collect();
    for round in keys.chunks(20) {
        let (client, base) = (client(), program.base());
        let mut requests = JoinSet::new();
        for key in round {
            let request = client.post(format!("{base}{PROJECTS}")).bearer_auth(&token).header("idempotency-key", key);
            requests.spawn(request.json(&json!({ "name": key })).timeout(Duration::from_secs(20)).send());
        }
        // In the middle of them: when the first is answered.
        requests.join_next().await.unwrap().unwrap().unwrap();
        program.signal("KILL");
        program.ended().await;
        requests.shutdown().await;
        program = folder.serve(QUICK).await;
    }
    let caller = program.caller(&token);
    for key in &keys {
        let answer = post(&caller, PROJECTS, key, json!({ "name": key })).await.expect(201);
        assert_eq!(&answer.json["name"], key);
    }

    assert_eq!(projects(&caller).await, before + 60);
}
