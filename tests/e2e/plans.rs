//! Every list the API can show is read through an index that begins with the tenant, whoever else has how many rows.

use tenantry_app::{Access, TenantStore};
use tenantry_infra::statements::opening;
use tenantry_infra::{PgTenantStore, Pool, PoolSettings};
use tenantry_tenancy::{Limit, Order, PageQuery, Role, SchemaName, StoreError};
use tenantry_work::projects::{ProjectChange, ProjectId, ProjectQuery, ProjectStatus};
use tenantry_work::tasks::{TaskId, TaskPriority, TaskQuery, TaskStatus};
use tokio_postgres::{Client, SimpleQueryMessage};
use uuid::Uuid;

use crate::harness::databases::OwnDatabase;
use crate::harness::statements::{follow, unfollow};
use crate::harness::{PATIENCE, PLACEMENTS, Tenant, connect, suite};

#[tokio::test]
async fn every_list_is_read_through_an_index_that_begins_with_the_tenant() {
    let suite = suite().await;
    let own = OwnDatabase::new(&suite, "plans").await;
    let admin = own.admin().await;
    for placement in PLACEMENTS {
        let tenant = own.tenant(placement).await;
        fill(&admin, &tenant).await;
        let statements = sent(&own, &tenant).await;
        assert!(statements.len() > 60, "only {} lists", statements.len());

        let client = connect(&own.database.urls.api).await;
        for statement in statements {
            for mode in ["force_custom_plan", "force_generic_plan"] {
                let plan = plan(&client, &tenant, &statement, mode).await;
                assert_eq!(fault(&plan), None, "{placement}, {mode}: {statement}\n{plan}");
            }
        }
    }
    // The control: what nobody holds to a tenant reads them all.
    let rows = admin.simple_query("explain select * from pooled.projects where description = 'x'").await.unwrap();
    assert_eq!(fault(&text(&rows)), Some("reads the whole table"));
}

#[test]
fn a_plan_that_is_not_held_to_the_tenant_is_found() {
    for (plan, expected) in [
        (
            "Limit\n  ->  Index Scan using projects_pkey on projects\n        Index Cond: ((tenant_id = $1) AND (id < $2))",
            None,
        ),
        (
            "Bitmap Heap Scan on tasks\n  ->  Bitmap Index Scan on tasks_of_status\n        Index Cond: (tenant_id = $1)",
            None,
        ),
        ("Limit\n  ->  Seq Scan on projects\n        Filter: (tenant_id = $1)", Some("reads the whole table")),
        ("Index Scan using projects_pkey on projects\n  Filter: (tenant_id = $1)", Some("reads a whole index")),
        (
            "Index Scan using by_name on projects\n  Index Cond: (name = $1)\n  Filter: (tenant_id = $1)",
            Some("reads another tenant's part of an index"),
        ),
        ("Result\n  One-Time Filter: false", Some("reads a whole index")),
    ] {
        assert_eq!(fault(plan), expected, "{plan}");
    }
}

/// Some thousands of rows, of this tenant and, where the placement is shared, of many others.
async fn fill(admin: &Client, tenant: &Tenant) {
    let (schema, id) = (tenant.tenant.schema(), tenant.tenant.id);
    // As many rows of this tenant as it takes for an index to be worth it; ids in the order of time, as ours are.
    let (others, each) = if schema == SchemaName::Pooled { (30, 200) } else { (0, 6000) };
    let rows = format!(
        "alter table {schema}.projects disable trigger capture; alter table {schema}.tasks disable trigger capture;
         insert into {schema}.projects (tenant_id, id, name, description, status)
           select t, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'x', 'x',
             (array['active', 'paused', 'completed', 'archived'])[n % 4 + 1]
           from (select case n when 0 then '{id}' else gen_random_uuid() end t from generate_series(0, {others}) n) tenants,
             generate_series(1, {each}) n order by n;
         insert into {schema}.tasks (tenant_id, id, project_id, title, description, status, priority, assignee_id)
           select tenant_id, id, id, 'x', 'x', 'todo', 'low', gen_random_uuid() from {schema}.projects;
         analyze {schema}.projects; analyze {schema}.tasks"
    );
    admin.batch_execute(&rows).await.unwrap();
}

/// Every list query, with every filter and none, in both orders, at the beginning and after a cursor; and what else is read
/// or changed by id. As the service sends them.
async fn sent(own: &OwnDatabase, tenant: &Tenant) -> Vec<String> {
    let pool = Pool::new(&own.database.urls.api, PoolSettings { size: 1, wait: PATIENCE }).unwrap();
    let (store, scope) = (TenantStore::new(PgTenantStore::new(pool)), tenant.scope());
    let id = tenant.tenant.id.to_string();
    let user = tenant.user(Role::Owner);
    follow(&id);

    let pages = [Order::Newest, Order::Oldest].into_iter().flat_map(|order| {
        [None, Some(Uuid::now_v7())].map(|after| PageQuery { after, order, limit: Limit::default() })
    });
    let read = store.read(&scope, async |tx| {
        for page in pages {
            for status in [None, Some(ProjectStatus::Active)] {
                tx.work().projects().list(&ProjectQuery { status, page }).await?;
            }
            for filters in 0..16 {
                let given = |bit: u8| filters & (1 << bit) != 0;
                let query = TaskQuery {
                    project: given(0).then(ProjectId::generate),
                    status: given(1).then_some(TaskStatus::Todo),
                    priority: given(2).then_some(TaskPriority::Low),
                    assignee: given(3).then_some(user),
                    page,
                };
                tx.work().tasks().list(&query).await?;
            }
        }
        tx.work().projects().find(ProjectId::generate()).await?;
        tx.work().tasks().find(TaskId::generate()).await
    });
    read.await.unwrap();
    let write = store.write(&scope, async |tx| {
        let change = ProjectChange { status: Some(ProjectStatus::Paused), ..ProjectChange::default() };
        tx.work().projects().update(ProjectId::generate(), &change).await?;
        tx.work().tasks().find_for_update(TaskId::generate()).await?;
        tx.work().tasks().delete(TaskId::generate()).await?;
        tx.work().projects().delete(ProjectId::generate()).await?;
        Ok::<_, StoreError>(())
    });
    write.await.unwrap();
    unfollow(&id)
}

/// How the role `tenantry_api` would carry out a statement of the tenant.
async fn plan(client: &Client, tenant: &Tenant, statement: &str, mode: &str) -> String {
    let (sql, values) = statement.split_once(" -- binds: ").unwrap();
    let values: Vec<String> =
        values.trim_matches(['[', ']']).split(", ").map(|value| format!("'{}'", value.trim_matches('"'))).collect();
    let explain = format!(
        "{opening}; set local plan_cache_mode = {mode}; prepare statement as {sql};
         explain execute statement ({values})",
        opening = opening(&tenant.scope(), Access::Write),
        values = values.join(", "),
    );
    let rows = client.simple_query(&explain).await.unwrap();
    client.batch_execute("rollback; deallocate statement").await.unwrap();
    text(&rows)
}

fn text(rows: &[SimpleQueryMessage]) -> String {
    let lines = rows.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What is wrong with a plan.
fn fault(plan: &str) -> Option<&'static str> {
    let lines = || plan.lines().map(|line| line.trim().trim_start_matches("->").trim_start());
    let conditions: Vec<&str> = lines().filter_map(|line| line.strip_prefix("Index Cond: ")).collect();
    let scans = lines()
        .filter(|line| line.starts_with("Index") && line.contains(" Scan") || line.starts_with("Bitmap Index Scan"));
    if lines().any(|line| line.contains("Seq Scan")) {
        Some("reads the whole table")
    } else if conditions.is_empty() || scans.count() != conditions.len() {
        Some("reads a whole index")
    } else if !conditions.iter().all(|condition| condition.trim_start_matches('(').starts_with("tenant_id = ")) {
        Some("reads another tenant's part of an index")
    } else {
        None
    }
}
