//! The audit trail: every change leaves one row in the same transaction, and nobody can write or change it.

use serde_json::{Value, json};
use tenantry_tenancy::{Actor, Role, StoreError, UserId};
use tenantry_work::projects::{NewProject, ProjectDescription, ProjectError, ProjectId, ProjectName, ProjectStatus};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::harness::databases::OwnDatabase;
use crate::harness::{self, PLACEMENTS, Response, Suite, Tenant, connect};

/// A row of the audit trail.
#[derive(Debug, PartialEq)]
struct Event {
    resource: String,
    row_id: String,
    action: String,
    before: Value,
    after: Value,
    actor: String,
}

/// The audit trail of one tenant, as an auditor reads it.
struct Trail {
    admin: Client,
    tenant: String,
    table: String,
}

impl Trail {
    async fn of(suite: &Suite, tenant: &Tenant) -> Self {
        Self::read_by(suite.admin().await, tenant)
    }

    fn read_by(admin: Client, tenant: &Tenant) -> Self {
        let table = format!("{}.audit_events", tenant.tenant.schema());
        Self { admin, tenant: tenant.tenant.id.to_string(), table }
    }

    /// What a request left behind.
    async fn events(&self, response: &Response) -> Vec<Event> {
        self.events_of(response.header("x-request-id")).await
    }

    async fn events_of(&self, request: &str) -> Vec<Event> {
        let condition = format!("tenant_id = '{}' and request_id = '{request}'", self.tenant);
        self.query(&condition).await
    }

    async fn query(&self, condition: &str) -> Vec<Event> {
        let columns = "resource, row_id::text, action, before::text, after::text, actor";
        let query = format!("select {columns} from {} where {condition} order by resource, at, row_id", self.table);
        let json = |text: Option<&str>| text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
        let rows = self.admin.query(&query, &[]).await.unwrap();
        let event = |row: &tokio_postgres::Row| Event {
            resource: row.get(0),
            row_id: row.get(1),
            action: row.get(2),
            before: json(row.get(3)),
            after: json(row.get(4)),
            actor: row.get(5),
        };
        rows.iter().map(event).collect()
    }

    /// The one row that a request left behind.
    async fn only(&self, response: &Response) -> Event {
        let mut events = self.events(response).await;
        assert_eq!(events.len(), 1, "{events:#?}");
        events.remove(0)
    }
}

/// Fails unless a row of a table says what the API said of it.
#[track_caller]
fn assert_tells(row: &Value, view: &Value, fields: &[&str]) {
    for field in fields {
        assert_eq!(row[field], view[field], "{field} of {row}");
    }
}

const PROJECT: [&str; 5] = ["id", "name", "description", "status", "version"];
const TASK: [&str; 6] = ["id", "title", "description", "status", "priority", "version"];

#[tokio::test]
async fn every_write_of_a_project_leaves_one_row() {
    let suite = harness::suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let (trail, owner) = (Trail::of(&suite, &tenant).await, tenant.owner());

        let created = owner.post("/api/v1/projects", json!({ "name": "a" })).await.expect(201);
        let path = format!("/api/v1/projects/{}", created.json["id"].as_str().unwrap());
        let patched = owner.patch(&path, json!({ "status": "paused" })).await.expect(200);
        let replaced = owner.put(&path, json!({ "name": "b", "description": "c" })).await.expect(200);
        let deleted = owner.delete(&path).await.expect(204);

        let views = [&Value::Null, &created.json, &patched.json, &replaced.json, &Value::Null];
        let responses = [(&created, "insert"), (&patched, "update"), (&replaced, "update"), (&deleted, "delete")];
        for (index, (response, action)) in responses.into_iter().enumerate() {
            let event = trail.only(response).await;
            assert_eq!((event.resource.as_str(), event.action.as_str()), ("projects", action));
            assert_eq!(event.actor, format!("user:{}", tenant.user(Role::Owner)));
            assert_eq!(event.row_id, created.json["id"]);
            assert_tells(&event.before, views[index], &PROJECT);
            assert_tells(&event.after, views[index + 1], if action == "delete" { &[] } else { &PROJECT });
            assert_eq!(event.before.is_null(), action == "insert");
            assert_eq!(event.after.is_null(), action == "delete");
        }
    }
}

#[tokio::test]
async fn every_write_of_a_task_leaves_one_row() {
    let suite = harness::suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let (trail, member) = (Trail::of(&suite, &tenant).await, tenant.caller(Role::Member));
        let project = member.project("a").await;

        let created = member.post("/api/v1/tasks", json!({ "project": project, "title": "a" })).await.expect(201);
        let path = format!("/api/v1/tasks/{}", created.json["id"].as_str().unwrap());
        let patched = member.patch(&path, json!({ "priority": "urgent" })).await.expect(200);
        let replaced = member.put(&path, json!({ "project": project, "title": "b" })).await.expect(200);
        let completed = member.request(reqwest::Method::POST, &format!("{path}/complete")).send().await.expect(200);
        let deleted = member.delete(&path).await.expect(204);

        let views = [&created.json, &patched.json, &replaced.json, &completed.json];
        let responses = [&created, &patched, &replaced, &completed, &deleted];
        for (index, response) in responses.into_iter().enumerate() {
            let event = trail.only(response).await;
            assert_eq!(event.resource, "tasks");
            assert_eq!(event.actor, format!("user:{}", tenant.user(Role::Member)));
            match index.checked_sub(1) {
                None => assert_eq!((event.action.as_str(), &event.before), ("insert", &Value::Null)),
                Some(previous) => assert_tells(&event.before, views[previous], &TASK),
            }
            match views.get(index) {
                None => assert_eq!((event.action.as_str(), &event.after), ("delete", &Value::Null)),
                Some(view) => assert_tells(&event.after, view, &TASK),
            }
        }
    }
}

#[tokio::test]
async fn deleting_a_project_leaves_a_row_for_each_of_its_tasks() {
    let suite = harness::suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let (trail, owner) = (Trail::of(&suite, &tenant).await, tenant.owner());
        let (project, other) = (owner.project("a").await, owner.project("b").await);
        let mut tasks = [owner.task(&project, "x").await, owner.task(&project, "y").await];
        owner.task(&other, "z").await;
        tasks.sort();

        let deleted = owner.delete(&format!("/api/v1/projects/{project}")).await.expect(204);

        let events = trail.events(&deleted).await;
        let mut rows: Vec<_> = events.iter().map(|event| (event.resource.as_str(), event.row_id.as_str())).collect();
        rows.sort_unstable();
        assert_eq!(rows, [("projects", project.as_str()), ("tasks", &tasks[0]), ("tasks", &tasks[1])]);
        assert!(events.iter().all(|it| it.action == "delete" && it.after.is_null() && !it.before.is_null()));
    }
}

#[tokio::test]
async fn what_changes_nothing_leaves_no_row() {
    let suite = harness::suite().await;
    for placement in PLACEMENTS {
        let (tenant, stranger) = (suite.tenant(placement).await, suite.tenant(placement).await);
        let (trail, owner, viewer) = (Trail::of(&suite, &tenant).await, tenant.owner(), tenant.caller(Role::Viewer));
        let project = owner.project("a").await;
        let task = owner.task(&project, "x").await;
        let (project, task) = (format!("/api/v1/projects/{project}"), format!("/api/v1/tasks/{task}"));
        owner.patch(&task, json!({ "status": "done" })).await.expect(200);
        let foreign = stranger.owner().project("b").await;

        let responses = [
            owner.get(&project).await.expect(200),
            owner.get("/api/v1/tasks").await.expect(200),
            owner.patch(&project, json!({})).await.expect(200),
            owner.request(reqwest::Method::POST, &format!("{task}/complete")).send().await.expect(200),
            viewer.delete(&project).await.expect(403),
            owner.patch(&project, json!({ "status": "unheard of" })).await.expect(400),
            owner.delete(&format!("/api/v1/projects/{foreign}")).await.expect(404),
            // This one got as far as the database before it was refused.
            owner.post("/api/v1/tasks", json!({ "project": foreign, "title": "x" })).await.expect(400),
        ];

        for response in responses {
            assert_eq!(trail.events(&response).await, [], "{response:?}");
        }
    }
}

#[tokio::test]
async fn a_write_that_is_rolled_back_takes_its_row_along() {
    let suite = harness::suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let trail = Trail::of(&suite, &tenant).await;
        let store = suite.services.store(1).unwrap();
        let (scope, id) = (tenant.scope(), ProjectId::generate());
        let new = NewProject {
            id,
            name: ProjectName::parse("a").unwrap(),
            description: ProjectDescription::default(),
            status: ProjectStatus::Active,
        };

        let undone = store
            .write(&scope, async |tx| {
                tx.work().projects().insert(&new).await?;
                Err::<(), _>(ProjectError::Store(StoreError::internal("changed our mind")))
            })
            .await;
        let during = trail.events_of(&scope.request().to_string()).await;
        let scope = tenant.scope();
        let done =
            store.write(&scope, async |tx| Ok::<_, ProjectError>(tx.work().projects().insert(&new).await?)).await;

        assert!(undone.is_err());
        assert_eq!(during, []);
        assert_eq!(done.unwrap().id, id);
        assert_eq!(trail.events_of(&scope.request().to_string()).await.len(), 1);
    }
}

#[tokio::test]
async fn a_request_id_that_the_client_chose_is_the_one_in_the_trail() {
    let suite = harness::suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let (trail, chosen) = (Trail::of(&suite, &tenant).await, Uuid::now_v7().to_string());
    let request = tenant.owner().request(reqwest::Method::POST, "/api/v1/projects");

    let created = request.header("x-request-id", &chosen).json(&json!({ "name": "a" })).send().await.expect(201);

    assert_eq!(created.header("x-request-id"), chosen);
    assert_eq!(trail.events_of(&chosen).await.len(), 1);
}

#[tokio::test]
async fn the_service_can_neither_write_nor_change_nor_silence_the_trail() {
    let suite = harness::suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let project = tenant.owner().project("a").await;
        let schema = tenant.tenant.schema();
        let service = connect(&suite.urls.api).await;
        let (id, actor) = (tenant.tenant.id, Actor::User(UserId::generate()));
        let opening = format!(
            "begin; set local app.tenant = '{id}'; set local search_path = {schema}; \
             set local app.actor = '{actor}'; set local app.request = '{}'",
            Uuid::now_v7()
        );
        for attack in [
            "insert into audit_events (resource, row_id, action, actor, request_id) values ('projects', gen_random_uuid(), 'delete', 'x', gen_random_uuid())",
            "update audit_events set actor = 'system'",
            "delete from audit_events",
            "truncate audit_events",
            "alter table audit_events disable row level security",
            "alter table projects disable trigger capture",
            "drop trigger capture on projects",
            "set local session_replication_role = replica",
        ] {
            service.batch_execute(&opening).await.unwrap();

            let refused = service.batch_execute(attack).await.unwrap_err();

            let code = refused.code().unwrap().code();
            assert_eq!(code, "42501", "{attack}: {refused}");
            service.batch_execute("rollback").await.unwrap();
        }
        let trail = Trail::of(&suite, &tenant).await;
        let kept = trail.query(&format!("row_id = '{project}'")).await;
        assert_eq!(kept.len(), 1);
    }
}

#[tokio::test]
async fn a_tenant_cannot_read_anothers_trail() {
    let suite = harness::suite().await;
    let (tenant, other) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[0]).await);
    tenant.owner().project("a").await;
    other.owner().project("b").await;
    let service = connect(&suite.urls.api).await;
    service.batch_execute(&format!("begin; set local app.tenant = '{}'", tenant.tenant.id)).await.unwrap();

    let seen = service.query("select distinct tenant_id::text from audit_events", &[]).await.unwrap();

    let seen: Vec<String> = seen.iter().map(|row| row.get(0)).collect();
    assert_eq!(seen, [tenant.tenant.id.to_string()]);
}

#[tokio::test]
async fn without_the_trigger_the_missing_row_would_be_noticed() {
    let suite = harness::suite().await;
    let own = OwnDatabase::served(&suite, "audit_without_trigger", &[]).await;
    for placement in PLACEMENTS {
        let tenant = own.tenant(placement).await;
        let trail = Trail::read_by(own.admin().await, &tenant);
        let disable = format!("alter table {}.projects disable trigger capture", tenant.tenant.schema());
        trail.admin.batch_execute(&disable).await.unwrap();

        let created = tenant.owner().post("/api/v1/projects", json!({ "name": "a" })).await.expect(201);

        assert_eq!(trail.events(&created).await, []);
    }
}
