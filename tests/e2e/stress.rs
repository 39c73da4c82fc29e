//! Many tenants at once over few connections, with clients that hang up in the middle: nobody sees or changes anything of
//! anybody else, every count is right, and no connection keeps a transaction.

mod client;
mod dice;

use std::collections::BTreeSet;

use client::{Client, foreign, mark};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::harness::databases::OwnDatabase;
use crate::harness::{PATIENCE, PLACEMENTS, Tenant, eventually, suite};

const TENANTS: usize = 20;
const OPERATIONS: usize = 10_000;
const SETTINGS: &[(&str, &str)] = &[("TENANTRY_HTTP__WORKERS", "2"), ("TENANTRY_DATABASE__CONNECTIONS", "4")];

#[tokio::test]
async fn ten_thousand_operations_of_twenty_tenants_stay_apart() {
    let suite = suite().await;
    let own = OwnDatabase::served(&suite, "stress", SETTINGS).await;
    let admin = own.admin().await;
    let mut tenants = Vec::new();
    let mut clients = Vec::new();
    for number in 0..TENANTS {
        let tenant = own.tenant(PLACEMENTS[number % 2]).await;
        clients.push(Client::new(number, tenant.owner()).await);
        tenants.push(tenant);
    }
    let homes: Vec<String> = clients.iter().map(|client| client.home.clone()).collect();
    for client in &mut clients {
        client.foreign = homes.iter().filter(|home| **home != client.home).cloned().collect();
    }

    let mut running = JoinSet::new();
    for mut client in clients {
        running.spawn(async move {
            for _ in 0..OPERATIONS / TENANTS {
                client.act().await;
            }
            client
        });
    }
    let mut clients = running.join_all().await;
    clients.sort_by(|a, b| a.mark.cmp(&b.mark));

    let cancelled: usize = clients.iter().map(|client| client.cancelled).sum();
    assert!(cancelled > OPERATIONS / 20, "only {cancelled} requests were cut short");
    settle(&admin).await;
    for (client, tenant) in clients.iter().zip(&tenants) {
        check(&admin, client, tenant).await;
    }
    plant(&admin, &clients, &tenants).await;
}

/// Waits for what was cut short to end. Nothing may stay in a transaction, and no connection be left over.
async fn settle(admin: &tokio_postgres::Client) {
    let sessions = "select count(*), count(*) filter (where state <> 'idle') from pg_stat_activity
        where datname = current_database() and usename = 'tenantry_api'";
    let look = async || {
        let row = admin.query_one(sessions, &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    eventually("no connection is in a transaction", PATIENCE, async || {
        let (all, busy) = look().await;
        all <= 4 && busy == 0
    })
    .await;
}

/// The tenant has what was acknowledged, and nothing that was not at least attempted.
async fn check(admin: &tokio_postgres::Client, client: &Client, tenant: &Tenant) {
    let expected = &client.expected;
    let rows = stored(admin, tenant).await;
    assert_eq!(foreign(&rows, &client.mark), None);
    let rows: Value = serde_json::from_str(&rows).unwrap();
    let of = |table: &str, field: &str| -> BTreeSet<String> {
        rows[table].as_array().unwrap().iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
    };

    let ids = of("projects", "id");
    for id in expected.projects.keys().filter(|id| !expected.doubtful.contains(*id)) {
        assert!(ids.contains(id), "{}: project {id} is lost", client.mark);
    }
    assert!(ids.is_disjoint(&expected.gone), "{}: a deleted project is back", client.mark);
    let names: BTreeSet<String> = expected.projects.values().chain(&expected.attempted).cloned().collect();
    assert!(of("projects", "name").is_subset(&names), "{}: nobody made these", client.mark);
    let (titles, tasks) = (of("tasks", "title"), rows["tasks"].as_array().unwrap().len());
    assert!(expected.tasks.is_subset(&titles), "{}: a task is lost", client.mark);
    assert!(titles.iter().all(|title| expected.tasks.contains(title) || expected.attempted_tasks.contains(title)));
    // Nothing was done twice, and nothing without a trace.
    assert_eq!(tasks, titles.len());
    let traced = |action: &str, table: &str| {
        let events = rows["audit_events"].as_array().unwrap();
        events.iter().filter(|event| event["action"] == *action && event["resource"] == *table).count()
    };
    assert_eq!(traced("insert", "projects") - traced("delete", "projects"), ids.len());
    assert_eq!(traced("insert", "tasks") - traced("delete", "tasks"), tasks);

    let statistics = client.caller.get("/api/v1/projects/statistics").await.expect(200);
    assert_eq!(statistics.json["projects"]["total"], ids.len());
    assert_eq!(statistics.json["tasks"]["total"], tasks);
}

/// All rows of a tenant, as a superuser sees them.
async fn stored(admin: &tokio_postgres::Client, tenant: &Tenant) -> String {
    let (schema, id) = (tenant.tenant.schema(), tenant.tenant.id);
    let table = |name: &str| {
        format!("'{name}', (select coalesce(jsonb_agg(t), '[]') from {schema}.{name} t where tenant_id = '{id}')")
    };
    let tables = ["projects", "tasks", "audit_events"].map(table).join(", ");
    admin.query_one(&format!("select jsonb_build_object({tables})::text"), &[]).await.unwrap().get(0)
}

/// The control: a row of another tenant among a tenant's own is seen, in an answer and among the rows.
async fn plant(admin: &tokio_postgres::Client, clients: &[Client], tenants: &[Tenant]) {
    for (client, tenant) in clients.iter().zip(tenants).take(2) {
        let stray = mark(TENANTS - 1);
        let opening = tenantry_infra::statements::opening(&tenant.scope(), tenantry_app::Access::Write);
        let insert = format!(
            "{opening}; insert into {}.projects (id, name, description, status)
             values ('ffffffff-ffff-7fff-8000-000000000000', '{stray}', '', 'active'); commit",
            tenant.tenant.schema(),
        );
        admin.batch_execute(&insert).await.unwrap();

        let answer = client.caller.get("/api/v1/projects").await.expect(200);

        assert_eq!(foreign(&answer.text, &client.mark), Some(stray.as_str()));
        assert_eq!(foreign(&stored(admin, tenant).await, &client.mark), Some(stray.as_str()));
    }
}
