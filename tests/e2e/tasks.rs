//! Tasks: every endpoint, with the exact answers.

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tenancy::Role;

use crate::harness::{Caller, PLACEMENTS, Response, Tenant, suite};
use crate::schemas::redacted;

const PATH: &str = "/api/v1/tasks";

fn one(id: &str) -> String {
    format!("{PATH}/{id}")
}

#[tokio::test]
async fn a_task_is_created_with_what_was_given() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let (owner, member) = (tenant.owner(), tenant.user(Role::Member));
        let project = owner.project("Moon").await;

        let created = owner.post(PATH, full(&project, &member.to_string())).await.expect(201);

        assert_eq!(
            redacted(&created.json),
            json!({
                "id": "<uuid>",
                "project": project,
                "title": "Fly",
                "description": "far\naway",
                "status": "blocked",
                "priority": "urgent",
                "assignee": member.to_string(),
                "due": "2028-02-29",
                "completed_at": null,
                "creator": tenant.user(Role::Owner).to_string(),
                "version": 1,
                "created_at": "<time>",
                "updated_at": "<time>",
            })
        );
        assert_eq!(created.header("location"), one(created.json["id"].as_str().unwrap()));
        assert_eq!(owner.get(created.header("location")).await.expect(200).text, created.text);
    }
}

#[tokio::test]
async fn a_task_needs_nothing_but_a_project_and_a_title() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let project = owner.project("Moon").await;

    let created = owner.post(PATH, json!({ "project": project, "title": "Fly" })).await.expect(201);

    assert_eq!(redacted(&created.json), plain(&tenant, &project, 1));
}

#[tokio::test]
async fn putting_a_task_replaces_all_of_it() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let (project, other) = (owner.project("Moon").await, owner.project("Mars").await);
        let body = full(&project, &tenant.user(Role::Member).to_string());
        let task = owner.post(PATH, body).await.expect(201).header("location").to_owned();

        let replaced = owner.put(&task, json!({ "project": other, "title": "Fly" })).await.expect(200);

        assert_eq!(redacted(&replaced.json), plain(&tenant, &other, 2));
        assert_eq!(owner.get(&task).await.expect(200).text, replaced.text);
    }
}

#[tokio::test]
async fn patching_a_task_changes_what_is_given_and_nothing_else() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let (project, other) = (owner.project("Moon").await, owner.project("Mars").await);
        let viewer = tenant.user(Role::Viewer).to_string();
        let body = full(&project, &tenant.user(Role::Member).to_string());
        let created = owner.post(PATH, body).await.expect(201);
        let task = created.header("location");
        let mut expected = redacted(&created.json);

        for (version, (field, value)) in (2..).zip([
            ("title", json!("Land")),
            ("description", json!("")),
            ("status", json!("in_progress")),
            ("priority", json!("low")),
            ("assignee", json!(viewer)),
            ("due", json!("9999-12-31")),
            ("project", json!(other)),
            ("assignee", json!(null)),
            ("due", json!(null)),
        ]) {
            let patched = owner.patch(task, json!({ field: value })).await.expect(200);

            expected[field] = value;
            expected["version"] = json!(version);
            assert_eq!(redacted(&patched.json), expected);
            assert_eq!(owner.get(task).await.expect(200).text, patched.text);
        }
    }
}

#[tokio::test]
async fn a_patch_that_leaves_a_task_as_it_is_keeps_its_version() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let body = full(&owner.project("Moon").await, &tenant.user(Role::Member).to_string());
    let created = owner.post(PATH, body.clone()).await.expect(201);

    for same in [json!({}), body] {
        let patched = owner.patch(created.header("location"), same).await.expect(200);

        assert_eq!(patched.text, created.text);
    }
}

#[tokio::test]
async fn only_assignee_and_due_can_be_patched_to_null() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let task = one(&owner.task(&owner.project("Moon").await, "Fly").await);

    for field in ["project", "title", "description", "status", "priority"] {
        owner.patch(&task, json!({ field: null })).await.expect_field(400, field);
    }

    owner.patch(&task, json!({ "assignee": null, "due": null })).await.expect(200);
}

#[tokio::test]
async fn concurrent_changes_of_different_fields_all_count() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let task = one(&owner.task(&owner.project("Moon").await, "Fly").await);
        let patches = [
            json!({ "title": "Land" }),
            json!({ "description": "softly" }),
            json!({ "status": "blocked" }),
            json!({ "priority": "high" }),
            json!({ "due": "2028-02-29" }),
        ];

        let answers = futures_util::future::join_all(patches.iter().map(|patch| owner.patch(&task, patch.clone())));
        answers.await.into_iter().for_each(|answer| drop(answer.expect(200)));

        let after = owner.get(&task).await.expect(200).json;
        for (field, value) in patches.iter().flat_map(|patch| patch.as_object().unwrap()) {
            assert_eq!(&after[field], value);
        }
        assert_eq!(after["version"], 6);
    }
}

#[tokio::test]
async fn a_completed_task_says_when_and_completing_it_again_changes_nothing() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let project = owner.project("Moon").await;
        let task = one(&owner.task(&project, "Fly").await);

        let completed = complete(&owner, &task).await.expect(200);
        let again = complete(&owner, &task).await.expect(200);

        let mut expected = plain(&tenant, &project, 2);
        expected["status"] = json!("done");
        expected["completed_at"] = json!("<time>");
        assert_eq!(redacted(&completed.json), expected);
        assert_eq!(again.text, completed.text);
        assert_eq!(owner.get(&task).await.expect(200).text, completed.text);
    }
}

#[tokio::test]
async fn a_reopened_task_is_not_completed_any_more() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let task = one(&owner.task(&owner.project("Moon").await, "Fly").await);
    complete(&owner, &task).await.expect(200);

    let reopened = owner.patch(&task, json!({ "status": "todo" })).await.expect(200).json;

    assert_eq!((&reopened["status"], &reopened["completed_at"]), (&json!("todo"), &json!(null)));
}

#[tokio::test]
async fn a_deleted_task_is_gone_and_its_project_stays() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let project = owner.project("Moon").await;
        let task = one(&owner.task(&project, "Fly").await);

        assert_eq!(owner.delete(&task).await.expect(204).text, "");

        owner.get(&task).await.expect(404);
        owner.put(&task, json!({ "project": project, "title": "Fly" })).await.expect(404);
        owner.patch(&task, json!({ "title": "Fly" })).await.expect(404);
        owner.delete(&task).await.expect(404);
        let missing = complete(&owner, &task).await.expect(404);
        assert_eq!(missing.json["detail"], "there is no such task");
        owner.get(&format!("/api/v1/projects/{project}")).await.expect(200);
    }
}

#[tokio::test]
async fn a_stranger_sees_404() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let task = one(&owner.task(&owner.project("Moon").await, "Fly").await);
        let before = owner.get(&task).await.expect(200).text;
        let stranger = suite.tenant(placement).await.owner();
        let own = stranger.project("Mine").await;

        stranger.get(&task).await.expect(404);
        stranger.put(&task, json!({ "project": own, "title": "Mine" })).await.expect(404);
        stranger.patch(&task, json!({ "title": "Mine" })).await.expect(404);
        complete(&stranger, &task).await.expect(404);
        stranger.delete(&task).await.expect(404);

        assert_eq!(owner.get(&task).await.expect(200).text, before);
    }
}

#[tokio::test]
async fn another_tenants_project_is_answered_like_a_missing_one() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let task = one(&owner.task(&owner.project("Moon").await, "Fly").await);
        let foreign = suite.tenant(placement).await.owner().project("Theirs").await;
        let missing = uuid::Uuid::now_v7().to_string();

        let mut answers = Vec::new();
        for project in [foreign, missing] {
            let body = json!({ "project": project, "title": "Spy" });
            let refused = [
                owner.post(PATH, body.clone()).await,
                owner.put(&task, body).await,
                owner.patch(&task, json!({ "project": project })).await,
            ];
            answers.push(refused.map(|it| it.expect_field(400, "project").without_request_id()));
        }

        assert_eq!(answers[0], answers[1]);
    }
}

#[tokio::test]
async fn somebody_elses_member_is_answered_like_nobody() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let project = owner.project("Moon").await;
        let task = one(&owner.task(&project, "Fly").await);
        let foreign = suite.tenant(placement).await.user(Role::Member).to_string();
        let missing = uuid::Uuid::now_v7().to_string();

        let mut answers = Vec::new();
        for assignee in [foreign, missing] {
            let body = json!({ "project": project, "title": "Spy", "assignee": assignee });
            let refused = [
                owner.post(PATH, body.clone()).await,
                owner.put(&task, body).await,
                owner.patch(&task, json!({ "assignee": assignee })).await,
            ];
            answers.push(refused.map(|it| it.expect_field(400, "assignee").without_request_id()));
        }

        assert_eq!(answers[0], answers[1]);
    }
}

#[tokio::test]
async fn tasks_are_filtered_by_each_field_and_by_all_together() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let member = tenant.user(Role::Member).to_string();
        let (moon, mars) = (owner.project("Moon").await, owner.project("Mars").await);
        for (title, project, status, priority, assignee) in [
            ("A", &moon, "todo", "low", None),
            ("B", &moon, "done", "high", Some(&member)),
            ("C", &mars, "todo", "high", Some(&member)),
            ("D", &mars, "todo", "low", None),
        ] {
            let body = json!({
                "project": project, "title": title, "status": status, "priority": priority, "assignee": assignee,
            });
            owner.post(PATH, body).await.expect(201);
        }

        for (path, expected) in [
            (PATH.to_owned(), vec!["D", "C", "B", "A"]),
            (format!("{PATH}?project={moon}"), vec!["B", "A"]),
            (format!("{PATH}?status=todo"), vec!["D", "C", "A"]),
            (format!("{PATH}?priority=high"), vec!["C", "B"]),
            (format!("{PATH}?assignee={member}"), vec!["C", "B"]),
            (format!("{PATH}?project={mars}&status=todo&priority=high&assignee={member}"), vec!["C"]),
            (format!("{PATH}?project={}", uuid::Uuid::now_v7()), vec![]),
            (format!("{PATH}/by-status?status=todo"), vec!["D", "C", "A"]),
            (format!("{PATH}/by-status?status=todo&project={mars}&sort=created_at"), vec!["C", "D"]),
            (format!("{PATH}/by-status?status=blocked"), vec![]),
            (format!("/api/v1/projects/{mars}/tasks"), vec!["D", "C"]),
            (format!("/api/v1/projects/{moon}/tasks?status=done"), vec!["B"]),
            (format!("/api/v1/projects/{moon}/tasks?priority=low&sort=created_at"), vec!["A"]),
            (format!("/api/v1/projects/{moon}/tasks?assignee={member}"), vec!["B"]),
        ] {
            assert_eq!(titles(&owner, &path).await, expected, "{path}");
        }
    }
}

#[tokio::test]
async fn a_list_by_status_must_be_told_which() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();

    let missing = owner.get("/api/v1/tasks/by-status").await.expect_field(400, "status");

    assert_eq!(missing.json["errors"][0]["code"], "required");
    owner.get("/api/v1/tasks/by-status?status=finished").await.expect_field(400, "status");
}

#[tokio::test]
async fn the_tasks_of_a_missing_project_are_404() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let foreign = suite.tenant(placement).await.owner().project("Theirs").await;

        let foreign = owner.get(&format!("/api/v1/projects/{foreign}/tasks")).await.expect(404);
        let missing = owner.get(&format!("/api/v1/projects/{}/tasks", uuid::Uuid::now_v7())).await.expect(404);

        assert_eq!(foreign.without_request_id(), missing.without_request_id());
    }
}

/// A task with nothing left at its default.
fn full(project: &str, assignee: &str) -> Value {
    json!({
        "project": project,
        "title": "Fly",
        "description": "far\naway",
        "status": "blocked",
        "priority": "urgent",
        "assignee": assignee,
        "due": "2028-02-29",
    })
}

/// How a task of the owner looks that was given nothing but project and title.
fn plain(tenant: &Tenant, project: &str, version: u8) -> Value {
    json!({
        "id": "<uuid>",
        "project": project,
        "title": "Fly",
        "description": "",
        "status": "todo",
        "priority": "medium",
        "assignee": null,
        "due": null,
        "completed_at": null,
        "creator": tenant.user(Role::Owner).to_string(),
        "version": version,
        "created_at": "<time>",
        "updated_at": "<time>",
    })
}

async fn complete(owner: &Caller, task: &str) -> Response {
    owner.request(Method::POST, &format!("{task}/complete")).send().await
}

async fn titles(owner: &Caller, path: &str) -> Vec<String> {
    let page = owner.get(path).await.expect(200).json;
    page["data"].as_array().unwrap().iter().map(|it| it["title"].as_str().unwrap().to_owned()).collect()
}
