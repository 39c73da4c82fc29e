//! A reference to another tenant's row, and a filter by one, are answered like those to a row that nobody has.

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_api::Access;
use tenantry_tenancy::Role;
use uuid::Uuid;

use super::{World, ask, rows, seen};
use crate::examples::Examples;
use crate::harness::{Caller, PLACEMENTS, Response, suite};

/// Of each body and each query, whatever is an id, with the router and the document to tell (`examples.rs`).
#[tokio::test]
async fn no_body_and_no_filter_refers_to_anything_of_another_tenant() {
    let suite = suite().await;
    let (victim, stranger) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[0]).await);
    let theirs = Examples::new(&suite, &victim).await;
    let own = Examples::new(&suite, &stranger).await;
    let caller = stranger.owner();
    let (mut fields, mut filters) = (Vec::new(), Vec::new());

    for route in tenantry_api::routes().into_iter().filter(|it| matches!(it.access, Access::Tenant(_))) {
        let (their, mine) = (theirs.of(&route).await, own.of(&route).await);
        for place in mine.body.iter().flat_map(|body| ids(body, "")) {
            let naming = |id: &str| {
                let mut body = mine.body.clone().unwrap();
                *body.pointer_mut(&place).unwrap() = id.into();
                body
            };
            let id = their.body.as_ref().unwrap().pointer(&place).unwrap().as_str().unwrap();

            let answer = twins(&caller, &mine.method(), &mine.path, id, &naming).await;

            assert!(matches!(answer.status, 400 | 409), "{} {place}: {}", mine.path, answer.text);
            fields.push(place);
        }
        for parameter in own.query_parameters(&route) {
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            if own.resolved(schema)["format"] != "uuid" {
                continue;
            }
            let id = theirs.value(name, schema).await;
            let asked = |id: &str| mine.path_with(&format!("{name}={id}"));

            let answer = ask(&caller, &mine.method(), &asked(id.as_str().unwrap()), None).await;
            let missing = ask(&caller, &mine.method(), &asked(&Uuid::now_v7().to_string()), None).await;

            assert_eq!(seen(&answer), seen(&missing), "{} {name}", mine.path);
            filters.push(format!("{} {name}", mine.path));
        }
    }

    assert!(fields.len() >= 8 && filters.len() >= 4, "{fields:?} {filters:?}");
}

/// Where in a body there are ids.
fn ids(value: &Value, place: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => fields.iter().flat_map(|(name, it)| ids(it, &format!("{place}/{name}"))).collect(),
        Value::Array(items) => items.iter().enumerate().flat_map(|(n, it)| ids(it, &format!("{place}/{n}"))).collect(),
        Value::String(text) if Uuid::try_parse(text).is_ok() => vec![place.to_owned()],
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn a_project_of_another_tenant_is_refused_like_a_missing_one() {
    let suite = suite().await;
    let admin = suite.admin().await;
    for victims in PLACEMENTS {
        for strangers in PLACEMENTS {
            let (victim, stranger) = (suite.tenant(victims).await, suite.tenant(strangers).await);
            let theirs = World::of(&victim.owner()).await;
            let own = World::of(&stranger.owner()).await;
            let (victims_rows, strangers_rows) = (rows(&admin, &victim).await, rows(&admin, &stranger).await);
            let naming = |project: &str| json!({ "project": project, "title": "Taken" });

            for (method, path) in changes(&own) {
                let answer = twins(&stranger.owner(), &method, &path, &theirs.project, &naming).await;

                answer.expect_field(400, "project");
            }

            assert_eq!(rows(&admin, &victim).await, victims_rows);
            assert_eq!(rows(&admin, &stranger).await, strangers_rows);
        }
    }
}

#[tokio::test]
async fn a_member_of_another_tenant_is_refused_like_a_missing_one() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (victim, stranger) = (suite.tenant(placement).await, suite.tenant(placement).await);
        let own = World::of(&stranger.owner()).await;
        let user = victim.user(Role::Member).to_string();
        let naming = |user: &str| json!({ "project": own.project, "title": "Taken", "assignee": user });

        for (method, path) in changes(&own) {
            let answer = twins(&stranger.owner(), &method, &path, &user, &naming).await;

            answer.expect_field(400, "assignee");
        }
    }
}

#[tokio::test]
async fn a_filter_by_something_of_another_tenant_finds_what_a_random_one_finds() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (victim, stranger) = (suite.tenant(placement).await, suite.tenant(placement).await);
        let theirs = World::of(&victim.owner()).await;
        World::of(&stranger.owner()).await;
        let user = victim.user(Role::Owner).to_string();

        for (filter, id) in [("project", &theirs.project), ("assignee", &user)] {
            let path = |id: &str| format!("/api/v1/tasks?{filter}={id}");
            let answer = ask(&stranger.owner(), &Method::GET, &path(id), None).await;
            let missing = ask(&stranger.owner(), &Method::GET, &path(&Uuid::now_v7().to_string()), None).await;

            assert_eq!(seen(&answer), seen(&missing));
            assert_eq!(answer.expect(200).json, json!({ "data": [], "next_cursor": null }));
        }
    }
}

#[tokio::test]
async fn a_cursor_of_another_tenant_is_refused_like_a_damaged_one() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (victim, stranger) = (suite.tenant(placement).await, suite.tenant(placement).await);
        for caller in [&victim.owner(), &stranger.owner()] {
            World::of(caller).await;
            World::of(caller).await;
        }
        let page = victim.owner().get("/api/v1/projects?limit=1").await.expect(200);
        let cursor = page.json["next_cursor"].as_str().unwrap().to_owned();
        let path = |cursor: &str| format!("/api/v1/projects?limit=1&cursor={cursor}");

        let answer = ask(&stranger.owner(), &Method::GET, &path(&cursor), None).await;
        let damaged = ask(&stranger.owner(), &Method::GET, &path(&"A".repeat(cursor.len())), None).await;

        assert_eq!(seen(&answer), seen(&damaged));
        answer.expect_field(400, "cursor");
        // It is a good cursor where it belongs.
        victim.owner().get(&path(&cursor)).await.expect(200);
    }
}

/// The control: the same bodies with one's own project and member are taken.
#[tokio::test]
async fn the_same_references_to_ones_own_are_taken() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let own = World::of(&tenant.owner()).await;
        let body = json!({ "project": own.project, "title": "Taken", "assignee": tenant.user(Role::Member) });

        for (method, path) in changes(&own) {
            let answer = ask(&tenant.owner(), &method, &path, Some(&body)).await;

            assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.text);
        }
    }
}

/// The requests that name a project and an assignee.
fn changes(own: &World) -> [(Method, String); 3] {
    let task = format!("/api/v1/tasks/{}", own.task);
    [(Method::POST, "/api/v1/tasks".to_owned()), (Method::PUT, task.clone()), (Method::PATCH, task)]
}

/// The answer to a body that names `id`, which must be the one to a body that names something nobody has.
async fn twins(caller: &Caller, method: &Method, path: &str, id: &str, body: &dyn Fn(&str) -> Value) -> Response {
    let answer = ask(caller, method, path, Some(&body(id))).await;
    let missing = ask(caller, method, path, Some(&body(&Uuid::now_v7().to_string()))).await;
    assert_eq!(seen(&answer), seen(&missing), "{method} {path}");
    assert!(!answer.text.contains(id), "{method} {path} repeats the id");
    answer
}
