//! Conditional requests: nobody overwrites what they have not seen, and nobody is sent what they have.

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::examples::operator;
use crate::harness::{Caller, PLACEMENTS, Response, eventually, suite};

/// A project, and where it is.
async fn project(caller: &Caller) -> String {
    format!("/api/v1/projects/{}", caller.project("Moon").await)
}

async fn rename(caller: &Caller, path: &str, name: &str, tag: &str) -> Response {
    caller.request(Method::PATCH, path).header("if-match", tag).json(&json!({ "name": name })).send().await
}

#[tokio::test]
async fn every_version_has_a_tag_of_its_own() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();

        let created = owner.post("/api/v1/projects", json!({ "name": "Moon" })).await.expect(201);
        let path = created.header("location").to_owned();
        let read = owner.get(&path).await.expect(200);
        let changed = owner.patch(&path, json!({ "name": "Mars" })).await.expect(200);

        assert_eq!((created.header("etag"), read.header("etag")), ("\"1\"", "\"1\""));
        assert_eq!(changed.header("etag"), "\"2\"");
        assert_eq!(owner.get(&path).await.header("etag"), "\"2\"");
    }
}

#[tokio::test]
async fn who_has_the_newest_version_is_not_sent_it_again() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let path = project(&owner).await;
    let read = async |tag: &str| owner.request(Method::GET, &path).header("if-none-match", tag).send().await;

    for known in ["\"1\"", "W/\"1\"", "\"7\", \"1\"", "*"] {
        let answer = read(known).await;
        assert_eq!((answer.status, answer.text.as_str(), answer.header("etag")), (304, "", "\"1\""), "{known}");
    }
    for other in ["\"2\"", "1", "\"01\"", "garbage"] {
        read(other).await.expect(200);
    }
    owner.patch(&path, json!({ "name": "Mars" })).await.expect(200);
    assert_eq!(read("\"1\"").await.expect(200).json["name"], "Mars");
}

#[tokio::test]
async fn a_change_made_from_an_old_version_is_refused_and_changes_nothing() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let path = project(&owner).await;
        rename(&owner, &path, "Mars", "\"1\"").await.expect(200);

        for tag in ["\"1\"", "W/\"2\"", "2", "\"x\"", "\"1\", \"3\""] {
            let refused = rename(&owner, &path, "Venus", tag).await.expect(412);
            assert_eq!(refused.json["code"], "precondition_failed", "{tag}");
            let put = owner.request(Method::PUT, &path).header("if-match", tag).json(&json!({ "name": "Venus" }));
            put.send().await.expect(412);
            owner.request(Method::DELETE, &path).header("if-match", tag).send().await.expect(412);
        }

        let now = owner.get(&path).await.expect(200);
        assert_eq!((&now.json["name"], now.header("etag")), (&json!("Mars"), "\"2\""));
        rename(&owner, &path, "Venus", "\"1\", \"2\"").await.expect(200);
        rename(&owner, &path, "Ceres", "*").await.expect(200);
        owner.request(Method::DELETE, &path).header("if-match", "\"4\"").send().await.expect(204);
        rename(&owner, &path, "Pluto", "*").await.expect(404);
        rename(&owner, &path, "Pluto", "\"4\"").await.expect(404);
    }
}

#[tokio::test]
async fn of_many_changes_from_one_version_one_wins() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let path = project(&owner).await;

    let mut changes = JoinSet::new();
    for number in 0..16 {
        let (owner, path) = (owner.clone(), path.clone());
        changes.spawn(async move { rename(&owner, &path, &format!("Moon {number}"), "\"1\"").await.status });
    }

    let mut statuses = changes.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![412; 15]].concat());
}

#[tokio::test]
async fn a_tenant_may_demand_that_every_change_names_its_version() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let (owner, operator) = (tenant.owner(), operator(&suite).await);
    let path = project(&owner).await;
    let settings = |demands: bool| json!({ "settings": { "require_if_match": demands } });

    operator.patch(&format!("/operator/v1/tenants/{}", tenant.tenant.id), settings(true)).await.expect(200);
    eventually("the setting is known", std::time::Duration::from_secs(2), async || {
        owner.patch(&path, json!({})).await.status == 428
    })
    .await;

    let refused = owner.patch(&path, json!({ "name": "Mars" })).await.expect(428);
    assert_eq!(refused.json["code"], "precondition_required");
    owner.put(&path, json!({ "name": "Mars" })).await.expect(428);
    owner.delete(&path).await.expect(428);
    rename(&owner, &path, "Mars", "\"1\"").await.expect(200);
    rename(&owner, &path, "Venus", "*").await.expect(200);
    owner.get(&path).await.expect(200);
    // There is no version to name yet.
    owner.project("Another").await;
}
