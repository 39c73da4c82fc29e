//! The audit as a tenant's auditors read it.

use serde_json::{Value, json};
use tenantry_tenancy::Role;

use crate::harness::{Caller, PLACEMENTS, suite};

const EVENTS: &str = "/api/v1/audit-events";

/// Everything that a query finds, page by page.
async fn all(caller: &Caller, query: &str) -> Vec<Value> {
    let mut events = Vec::new();
    let mut path = format!("{EVENTS}?limit=2&{query}");
    loop {
        let page = caller.get(&path).await.expect(200).json;
        events.extend(page["data"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break events };
        path = format!("{EVENTS}?limit=2&{query}&cursor={cursor}");
    }
}

#[tokio::test]
async fn what_happened_is_told_the_newest_first_with_who_and_by_which_request() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let created = owner.post("/api/v1/projects", json!({ "name": "Moon" })).await.expect(201);
        let id = created.json["id"].as_str().unwrap();
        let changed = owner.patch(&format!("/api/v1/projects/{id}"), json!({ "name": "Mars" })).await.expect(200);

        let events = all(&owner, &format!("row_id={id}")).await;

        let [newest, oldest] = &events[..] else { panic!("{events:#?}") };
        assert_eq!((&newest["action"], &oldest["action"]), (&json!("update"), &json!("insert")));
        assert_eq!(newest["request_id"], changed.header("x-request-id"));
        assert_eq!(oldest["request_id"], created.header("x-request-id"));
        assert_eq!((&newest["before"]["name"], &newest["after"]["name"]), (&json!("Moon"), &json!("Mars")));
        assert_eq!(oldest["before"], Value::Null);
        for event in &events {
            assert_eq!(event["actor"], format!("user:{}", tenant.user(Role::Owner)));
            assert_eq!((&event["resource"], &event["row_id"]), (&json!("projects"), &json!(id)));
        }
    }
}

#[tokio::test]
async fn each_filter_finds_what_it_names_and_pages_neither_repeat_nor_skip() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let (owner, member) = (tenant.owner(), tenant.caller(Role::Member));
        let project = owner.project("Moon").await;
        for title in ["one", "two", "three"] {
            member.task(&project, title).await;
        }
        // Many rows of one moment: the tasks go with their project.
        owner.delete(&format!("/api/v1/projects/{project}")).await.expect(204);

        let every = all(&owner, "").await;
        let of_member = all(&owner, &format!("actor=user:{}", tenant.user(Role::Member))).await;
        let deleted = all(&owner, "resource=tasks&action=delete").await;
        let newest = every[0]["at"].as_str().unwrap().replace('+', "%2B");
        let (since, before) =
            (all(&owner, &format!("from={newest}")).await, all(&owner, &format!("to={newest}")).await);

        let mut ids: Vec<&str> = every.iter().map(|event| event["id"].as_str().unwrap()).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert!(every.iter().map(|event| event["at"].as_str().unwrap()).is_sorted_by(|newer, older| newer >= older));
        assert_eq!((of_member.len(), deleted.len()), (3, 3));
        assert!(of_member.iter().all(|event| event["action"] == "insert" && event["resource"] == "tasks"));
        assert_eq!(since.len(), 4);
        assert_eq!(since.len() + before.len(), count);
    }
}

#[tokio::test]
async fn nobody_reads_the_audit_of_another_tenant_and_no_member_any() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (tenant, other) = (suite.tenant(placement).await, suite.tenant(placement).await);
        let foreign = other.owner().project("Moon").await;
        let page = other.owner().get(&format!("{EVENTS}?limit=1")).await.expect(200);
        let cursor = page.json["next_cursor"].as_str().map(str::to_owned);

        assert_eq!(all(&tenant.owner(), &format!("row_id={foreign}")).await, [Value::Null; 0]);
        if let Some(cursor) = cursor {
            tenant.owner().get(&format!("{EVENTS}?limit=1&cursor={cursor}")).await.expect_field(400, "cursor");
        }
        for role in [Role::Member, Role::Viewer] {
            tenant.caller(role).get(EVENTS).await.expect(403);
        }
    }
}

/// With many events of many tenants, a page is read from the index in its order.
#[tokio::test]
async fn a_page_is_read_from_the_index() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let admin = suite.admin().await;
    let id = tenant.tenant.id;
    let question = format!(
        "explain select id from pooled.audit_events where tenant_id = '{id}' and at <= now()
           and (at < now() or id > gen_random_uuid()) order by at desc, id limit 51"
    );
    admin.batch_execute("begin; set local enable_seqscan = off; set local enable_sort = off").await.unwrap();

    let plan = admin.query(&question, &[]).await.unwrap();

    admin.batch_execute("rollback").await.unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    assert!(plan.iter().any(|line| line.contains("Index") && line.contains("audit_events_newest")), "{plan:#?}");
    assert!(!plan.iter().any(|line| line.contains("Sort")), "{plan:#?}");
}
