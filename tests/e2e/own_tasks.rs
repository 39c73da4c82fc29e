//! Whose tasks somebody may change: a member their own, an administrator everybody's.

use serde_json::{Value, json};
use tenantry_tenancy::Role;

use crate::harness::{Caller, PLACEMENTS, Response, suite};

/// Every way to change a task, with its answer.
async fn changes(caller: &Caller, project: &str, id: &str) -> [Response; 4] {
    let path = format!("/api/v1/tasks/{id}");
    [
        caller.patch(&path, json!({ "priority": "high" })).await,
        caller.put(&path, json!({ "project": project, "title": "Replaced" })).await,
        caller.post(&format!("{path}/complete"), json!({})).await,
        caller.delete(&path).await,
    ]
}

#[tokio::test]
async fn a_member_changes_the_tasks_they_made_and_an_administrator_all() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let (owner, admin, member) = (tenant.owner(), tenant.caller(Role::Admin), tenant.caller(Role::Member));
        let project = owner.project("Moon").await;

        for (maker, editor) in [(&member, &member), (&member, &admin), (&owner, &admin)] {
            let task = maker.task(&project, "Fly").await;
            for answer in changes(editor, &project, &task).await {
                assert!((200..300).contains(&answer.status), "{}", answer.text);
            }
        }
    }
}

#[tokio::test]
async fn somebody_elses_task_is_seen_and_not_changed() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let (owner, member) = (tenant.owner(), tenant.caller(Role::Member));
        let project = owner.project("Moon").await;
        let task = owner.task(&project, "Fly").await;
        let path = format!("/api/v1/tasks/{task}");
        let before = member.get(&path).await.expect(200).json;

        for answer in changes(&member, &project, &task).await {
            assert_eq!(answer.expect(403).json["detail"], "this needs the permission tasks:manage");
        }

        assert_eq!(member.get(&path).await.expect(200).json, before);
        assert_eq!(before["creator"], tenant.user(Role::Owner).to_string());
    }
}

#[tokio::test]
async fn whoever_is_to_do_a_task_may_change_it_and_tasks_may_be_made_for_anybody() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let (owner, member) = (tenant.owner(), tenant.caller(Role::Member));
    let project = owner.project("Moon").await;
    let body = |assignee: Role| json!({ "project": project, "title": "Fly", "assignee": tenant.user(assignee) });

    let for_me = owner.post("/api/v1/tasks", body(Role::Member)).await.expect(201).json;
    let for_another = member.post("/api/v1/tasks", body(Role::Viewer)).await.expect(201).json;

    for task in [for_me, for_another] {
        let path = format!("/api/v1/tasks/{}/complete", task["id"].as_str().unwrap());
        assert_eq!(member.post(&path, json!({})).await.expect(200).json["status"], "done");
    }
}

#[tokio::test]
async fn a_members_key_changes_what_its_holder_may() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let (owner, admin) = (tenant.owner(), tenant.caller(Role::Admin));
    let project = owner.project("Moon").await;
    let (own, others) = (admin.task(&project, "Own").await, owner.task(&project, "Others").await);
    let scopes = json!({ "name": "narrow", "scopes": ["tasks:read", "tasks:write"] });
    let key = admin.post("/api/v1/api-keys", scopes).await.expect(201).json["key"].as_str().unwrap().to_owned();
    let key = Caller { token: key, base: suite.base.clone() };
    let complete = |id: &str| format!("/api/v1/tasks/{id}/complete");

    key.post(&complete(&own), json!({})).await.expect(200);
    key.post(&complete(&others), json!({})).await.expect(403);
    let made = key.task(&project, "By key").await;

    let shown = key.get(&format!("/api/v1/tasks/{made}")).await.expect(200).json;
    assert_eq!(shown["creator"], tenant.user(Role::Admin).to_string());
}

#[tokio::test]
async fn nobody_says_who_made_a_task() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let project = owner.project("Moon").await;
    let mut body = json!({ "project": project, "title": "Fly" });
    body["creator"] = Value::from(tenant.user(Role::Member).to_string());

    owner.post("/api/v1/tasks", body).await.expect_field(400, "creator");
}
