//! Many things at once: made all or none, and taken away as a table or as lines.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Caller, PLACEMENTS, Response, suite};

async fn accepting(caller: &Caller, path: &str, media: &str) -> Response {
    caller.request(Method::GET, path).header("accept", media).send().await
}

async fn names(caller: &Caller, path: &str) -> Vec<String> {
    let page = caller.get(path).await.expect(200);
    page.json["data"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_thousand_things_are_made_at_once_and_audited_one_by_one() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let items: Vec<Value> = (0..1000).map(|n| json!({ "name": format!("p{n}") })).collect();

        let made = owner.post("/api/v1/projects/bulk", json!({ "items": items })).await.expect(201).json;

        let made = made["data"].as_array().unwrap();
        assert!(made.iter().enumerate().all(|(n, it)| it["name"] == format!("p{n}")));
        assert_eq!(owner.get("/api/v1/projects/statistics").await.json["projects"]["total"], 1000);
        let id = made[999]["id"].as_str().unwrap();
        let events = owner.get(&format!("/api/v1/audit-events?row_id={id}")).await.expect(200).json;
        assert_eq!(events["data"][0]["action"], "insert");
    }
}

#[tokio::test]
async fn one_bad_item_and_nothing_is_made() {
    let suite = suite().await;
    let (owner, stranger) = (suite.tenant(PLACEMENTS[0]).await.owner(), suite.tenant(PLACEMENTS[0]).await.owner());
    let (project, foreign) = (owner.project("Moon").await, stranger.project("Mars").await);
    let task = |project: &str| json!({ "project": project, "title": "x" });

    let items = json!({ "items": [task(&project), { "project": project }, task(&project), { "title": 7 }] });
    let refused = owner.post("/api/v1/tasks/bulk", items).await.expect(400).json;
    let fields: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|it| &it["field"]).collect();
    assert_eq!(fields, ["items[1].title", "items[3].title"]);

    // What is another tenant's is answered as what does not exist.
    let missing = uuid::Uuid::now_v7().to_string();
    let items = json!({ "items": [task(&project), task(&foreign), task(&missing)] });
    let refused = owner.post("/api/v1/tasks/bulk", items).await.expect(400).json;
    let errors: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|it| (&it["field"], &it["code"])).collect();
    assert_eq!(
        errors,
        [(&json!("items[1].project"), &json!("unknown")), (&json!("items[2].project"), &json!("unknown"))]
    );

    assert_eq!(owner.get("/api/v1/tasks").await.json["data"], json!([]));
    let made = owner.post("/api/v1/tasks/bulk", json!({ "items": [task(&project)] })).await.expect(201).json;
    assert_eq!(made["data"][0]["project"], json!(project));
}

#[tokio::test]
async fn a_list_is_exported_whole_in_either_form() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let items: Vec<Value> =
            (0..450).map(|n| json!({ "name": format!("p{n:03}"), "description": "=1+1" })).collect();
        owner.post("/api/v1/projects/bulk", json!({ "items": items })).await.expect(201);
        suite.tenant(placement).await.owner().project("other").await;

        let lines = accepting(&owner, "/api/v1/projects?sort=name", "application/x-ndjson").await.expect(200);
        let table = accepting(&owner, "/api/v1/projects?sort=-name", "text/csv").await.expect(200);

        assert_eq!(lines.header("content-type"), "application/x-ndjson");
        assert_eq!(lines.header("content-disposition"), "attachment; filename=\"projects.ndjson\"");
        let read: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read.len(), 450);
        assert!(read.iter().enumerate().all(|(n, it)| it["name"] == format!("p{n:03}") && it["description"] == "=1+1"));
        let rows: Vec<&str> = table.text.lines().collect();
        assert_eq!((rows.len(), rows[0]), (451, "id,name,description,status,version,created_at,updated_at"));
        // A spreadsheet would compute what begins with an equals sign.
        assert!(rows[1].contains(",p449,'=1+1,active,1,"), "{}", rows[1]);
        assert!(rows[450].contains(",p000,"));
    }
}

#[tokio::test]
async fn an_export_is_filtered_as_its_list_is_and_goes_on_behind_a_cursor() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let items =
        json!({ "items": [{ "name": "a" }, { "name": "b" }, { "name": "c" }, { "name": "d", "status": "paused" }] });
    owner.post("/api/v1/projects/bulk", items).await.expect(201);
    let first = owner.get("/api/v1/projects?sort=name&status=active&limit=1").await.expect(200);
    let cursor = first.json["next_cursor"].as_str().unwrap();

    let path = format!("/api/v1/projects?sort=name&status=active&cursor={cursor}");
    let rest = accepting(&owner, &path, "text/html, application/x-ndjson;q=0.9").await.expect(200);

    assert_eq!(rest.text.lines().count(), 2);
    let limited = accepting(&owner, "/api/v1/projects?limit=5", "text/csv").await;
    limited.expect_field(400, "limit");
    let empty = accepting(&owner, "/api/v1/tasks", "text/csv").await.expect(200);
    assert_eq!(empty.text, "");
}

#[tokio::test]
async fn who_may_not_read_exports_nothing() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let key = json!({ "name": "tasks only", "scopes": ["tasks:read"] });
    let key = owner.post("/api/v1/api-keys", key).await.expect(201).json["key"].as_str().unwrap().to_owned();
    let reader = Caller { token: key, base: owner.base.clone() };

    for format in ["text/csv", "application/x-ndjson"] {
        accepting(&reader, "/api/v1/tasks", format).await.expect(200);
        accepting(&reader, "/api/v1/projects", format).await.expect(403);
    }
}

#[tokio::test]
async fn a_list_is_sorted_filtered_and_searched_as_asked() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let items = json!({ "items": [
            { "name": "Beta", "description": "Rocket science" },
            { "name": "Alpha", "description": "rockets" },
            { "name": "Gamma", "description": "tea" },
        ] });
        owner.post("/api/v1/projects/bulk", items).await.expect(201);

        assert_eq!(names(&owner, "/api/v1/projects?sort=name").await, ["Alpha", "Beta", "Gamma"]);
        assert_eq!(names(&owner, "/api/v1/projects?sort=-name&q=ROCK").await, ["Beta", "Alpha"]);
        assert_eq!(names(&owner, "/api/v1/projects?sort=name&q=rock+sci").await, ["Beta"]);
        assert_eq!(names(&owner, "/api/v1/projects?updated_since=2999-01-01T00:00:00Z").await, [""; 0]);
        assert_eq!(names(&owner, "/api/v1/projects?sort=name&updated_since=2020-01-01T00:00:00Z").await.len(), 3);
        for (parameter, field) in [
            ("sort=color", "sort"),
            ("q=", "q"),
            ("q=a+b+c+d+e+f+g+h+i", "q"),
            ("updated_since=yesterday", "updated_since"),
            ("updated_since=99999-01-01T00:00:00Z", "updated_since"),
        ] {
            owner.get(&format!("/api/v1/projects?{parameter}")).await.expect_field(400, field);
        }
        owner.get("/api/v1/tasks?due_from=2028-13-01").await.expect_field(400, "due_from");
        // A cursor is good for the order and words it was made for.
        let page = owner.get("/api/v1/projects?sort=name&limit=1&q=rock").await.expect(200).json;
        let cursor = page["next_cursor"].as_str().unwrap();
        for other in ["sort=-name&q=rock", "sort=name&q=sci", "sort=name", ""] {
            owner.get(&format!("/api/v1/projects?{other}&cursor={cursor}")).await.expect_field(400, "cursor");
        }
    }
}
