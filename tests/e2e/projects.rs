//! Projects: every endpoint, with the exact answers.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Caller, PLACEMENTS, suite};
use crate::schemas::redacted;

const PATH: &str = "/api/v1/projects";

fn one(id: &str) -> String {
    format!("{PATH}/{id}")
}

#[tokio::test]
async fn a_project_is_created_with_what_was_given() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let name = "  Ada's \"rocket\" \\ 100 % мир 🦀 ";
        let body = json!({ "name": name, "description": "'); drop table projects; --\n\ttwo ", "status": "paused" });

        let created = owner.post(PATH, body).await.expect(201);

        assert_eq!(
            redacted(&created.json),
            json!({
                "id": "<uuid>",
                "name": "Ada's \"rocket\" \\ 100 % мир 🦀",
                "description": "'); drop table projects; --\n\ttwo ",
                "status": "paused",
                "version": 1,
                "created_at": "<time>",
                "updated_at": "<time>",
            })
        );
        assert_eq!(created.header("content-type"), "application/json");
        assert_eq!(created.header("cache-control"), "no-store");
        assert_eq!(created.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn a_project_needs_nothing_but_a_name() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();

    for body in [json!({ "name": "Moon" }), json!({ "name": "Moon", "description": null, "status": null })] {
        let created = owner.post(PATH, body).await.expect(201).json;

        assert_eq!((&created["description"], &created["status"]), (&json!(""), &json!("active")));
        assert_eq!(created["created_at"], created["updated_at"]);
    }
}

#[tokio::test]
async fn a_created_project_is_found_where_its_location_says() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();

        let created = owner.post(PATH, json!({ "name": "Moon" })).await.expect(201);

        let found = owner.get(created.header("location")).await.expect(200);
        assert_eq!(found.text, created.text);
        assert_eq!(created.header("location"), one(created.json["id"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn putting_a_project_replaces_all_of_it() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let before = described(&owner).await;

        let after = owner.put(&before, json!({ "name": "Mars" })).await.expect(200);

        assert_eq!(
            redacted(&after.json),
            json!({
                "id": "<uuid>",
                "name": "Mars",
                "description": "",
                "status": "active",
                "version": 2,
                "created_at": "<time>",
                "updated_at": "<time>",
            })
        );
        assert_eq!(owner.get(&before).await.expect(200).text, after.text);
    }
}

#[tokio::test]
async fn putting_a_project_keeps_when_it_was_made_and_says_when_it_was_changed() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[1]).await.owner();
    let created = owner.post(PATH, json!({ "name": "Moon" })).await.expect(201);

    let replaced = owner.put(created.header("location"), json!({ "name": "Mars" })).await.expect(200);

    assert_eq!(replaced.json["created_at"], created.json["created_at"]);
    assert!(replaced.json["updated_at"].as_str() > created.json["updated_at"].as_str());
}

#[tokio::test]
async fn patching_a_project_changes_what_is_given_and_nothing_else() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let project = described(&owner).await;

        for (version, (patch, expected)) in (2..).zip([
            (json!({ "name": "Mars" }), ["Mars", "far away", "paused"]),
            (json!({ "description": "" }), ["Mars", "", "paused"]),
            (json!({ "status": "archived" }), ["Mars", "", "archived"]),
            (json!({ "name": "Sun", "status": "completed" }), ["Sun", "", "completed"]),
        ]) {
            let patched = owner.patch(&project, patch).await.expect(200);

            let fields = ["name", "description", "status"].map(|field| patched.json[field].as_str().unwrap());
            assert_eq!(fields, expected);
            assert_eq!(patched.json["version"], version);
            assert_eq!(owner.get(&project).await.expect(200).text, patched.text);
        }
    }
}

#[tokio::test]
async fn a_patch_may_call_itself_a_merge_patch() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let project = described(&owner).await;

    let request = owner.request(Method::PATCH, &project).header("content-type", "application/merge-patch+json");
    let patched = request.body(r#"{"name":"Mars"}"#).send().await.expect(200);

    assert_eq!(patched.json["name"], "Mars");
}

#[tokio::test]
async fn an_empty_patch_changes_nothing_not_even_the_version() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let project = described(&owner).await;
    let before = owner.get(&project).await.expect(200).text;

    let patched = owner.patch(&project, json!({})).await.expect(200);

    assert_eq!(patched.text, before);
    assert_eq!(owner.get(&project).await.expect(200).text, before);
}

#[tokio::test]
async fn no_field_of_a_project_can_be_patched_to_null() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let project = described(&owner).await;
    let before = owner.get(&project).await.expect(200).text;

    for field in ["name", "description", "status"] {
        owner.patch(&project, json!({ field: null })).await.expect_field(400, field);
    }

    assert_eq!(owner.get(&project).await.expect(200).text, before);
}

#[tokio::test]
async fn a_deleted_project_is_gone_with_its_tasks() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let (project, kept) = (owner.project("Moon").await, owner.project("Mars").await);
        let task = owner.task(&project, "Fly").await;
        let other = owner.task(&kept, "Stay").await;

        let deleted = owner.delete(&one(&project)).await.expect(204);

        assert_eq!((deleted.text.as_str(), deleted.header("content-type")), ("", ""));
        for gone in [one(&project), format!("/api/v1/tasks/{task}"), format!("{}/tasks", one(&project))] {
            owner.get(&gone).await.expect(404);
        }
        owner.delete(&one(&project)).await.expect(404);
        owner.get(&format!("/api/v1/tasks/{other}")).await.expect(200);
    }
}

#[tokio::test]
async fn a_missing_project_is_404_for_every_method() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let missing = one(&uuid::Uuid::now_v7().to_string());

    let answers = [
        owner.get(&missing).await,
        owner.put(&missing, json!({ "name": "Mars" })).await,
        owner.patch(&missing, json!({ "name": "Mars" })).await,
        owner.patch(&missing, json!({})).await,
        owner.delete(&missing).await,
    ];

    for answer in answers {
        let answer = answer.expect(404);
        assert_eq!(
            redacted(&answer.json),
            json!({
                "type": "/problems/not_found",
                "title": "Not found",
                "status": 404,
                "detail": "there is no such project",
                "code": "not_found",
                "request_id": "<uuid>",
                "errors": [],
                "error": "there is no such project",
            })
        );
    }
}

#[tokio::test]
async fn a_stranger_sees_404() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let project = described(&owner).await;
        let before = owner.get(&project).await.expect(200).text;
        let stranger = suite.tenant(placement).await.owner();

        stranger.get(&project).await.expect(404);
        stranger.put(&project, json!({ "name": "Mine" })).await.expect(404);
        stranger.patch(&project, json!({ "name": "Mine" })).await.expect(404);
        stranger.delete(&project).await.expect(404);

        assert_eq!(owner.get(&project).await.expect(200).text, before);
    }
}

#[tokio::test]
async fn statistics_count_projects_and_tasks_by_status() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let mut project = String::new();
        for status in ["active", "active", "paused", "archived"] {
            let created = owner.post(PATH, json!({ "name": "Moon", "status": status })).await.expect(201);
            project = created.json["id"].as_str().unwrap().to_owned();
        }
        for status in ["todo", "todo", "todo", "in_progress", "done", "done", "cancelled"] {
            let task = json!({ "project": project, "title": "Fly", "status": status });
            owner.post("/api/v1/tasks", task).await.expect(201);
        }
        // Somebody else's work must not be counted.
        described(&suite.tenant(placement).await.owner()).await;

        let statistics = owner.get("/api/v1/projects/statistics").await.expect(200);

        assert_eq!(
            statistics.json,
            json!({
                "projects": { "total": 4, "active": 2, "paused": 1, "completed": 0, "archived": 1 },
                "tasks": { "total": 7, "todo": 3, "in_progress": 1, "blocked": 0, "done": 2, "cancelled": 1 },
            })
        );
    }
}

#[tokio::test]
async fn statistics_of_a_tenant_without_work_are_zero() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[1]).await.owner();

    let statistics = owner.get("/api/v1/projects/statistics").await.expect(200).json;

    assert_eq!((&statistics["projects"]["total"], &statistics["tasks"]["total"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn projects_are_listed_by_status() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        for (name, status) in [("A", "active"), ("B", "paused"), ("C", "active")] {
            owner.post(PATH, json!({ "name": name, "status": status })).await.expect(201);
        }

        let active = owner.get(&format!("{PATH}?status=active")).await.expect(200).json;
        let completed = owner.get(&format!("{PATH}?status=completed")).await.expect(200).json;

        let names: Vec<&str> =
            active["data"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!((names, &active["next_cursor"]), (vec!["C", "A"], &json!(null)));
        assert_eq!(completed, json!({ "data": [], "next_cursor": null }));
        owner.get(&format!("{PATH}?status=Active")).await.expect_field(400, "status");
    }
}

/// The path of a project with nothing left at its default.
async fn described(owner: &Caller) -> String {
    let body = json!({ "name": "Moon", "description": "far away", "status": "paused" });
    owner.post(PATH, body).await.expect(201).header("location").to_owned()
}
