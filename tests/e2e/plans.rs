//! Every list the API can show is read through an index that begins with the tenant, whoever else has how many rows.

mod modules;

use tenantry_app::{Access, TenantStore};
use tenantry_infra::statements::opening;
use tenantry_infra::{PgTenantStore, Pool, PoolSettings};
use tenantry_tenancy::{Day, Limit, Moment, Role, SchemaName, Search, SortedQuery, StoreError};
use tenantry_work::projects::{ProjectChange, ProjectId, ProjectOrder, ProjectQuery, ProjectStatus};
use tenantry_work::tasks::{TaskId, TaskOrder, TaskPriority, TaskQuery, TaskStatus};
use tokio_postgres::{Client, SimpleQueryMessage};

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
        assert!(statements.len() > 300, "only {} lists", statements.len());

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

/// Two hundred thousand rows of each table, of this tenant and, where the placement is shared, of many others.
async fn fill(admin: &Client, tenant: &Tenant) {
    let (schema, id) = (tenant.tenant.schema(), tenant.tenant.id);
    let (others, each) = if schema == SchemaName::Pooled { (39, 5_000) } else { (0, 200_000) };
    // Ids in the order of time, as ours are.
    let rows = format!(
        "set session_replication_role = replica;
         alter table {schema}.projects disable trigger capture; alter table {schema}.tasks disable trigger capture;
         insert into {schema}.projects (tenant_id, id, name, description, status, updated_at)
           select t, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'word' || n % 1000, repeat('x', 500),
             (array['active', 'paused', 'completed', 'archived'])[n % 4 + 1], timestamptz '2028-01-01' + n * interval '1 minute'
           from (select case n when 0 then '{id}' else gen_random_uuid() end t from generate_series(0, {others}) n) tenants,
             generate_series(1, {each}) n order by n;
         insert into {schema}.tasks (tenant_id, id, project_id, title, description, status, priority, assignee_id, due, updated_at)
           select tenant_id, id, id, name, description, (array['todo', 'blocked'])[length(name) % 2 + 1], (array['low', 'high'])[length(name) % 2 + 1],
             gen_random_uuid(), date '2027-01-01' + ('x' || right(id::text, 4))::bit(16)::int % 1000, updated_at
           from {schema}.projects;
         insert into {schema}.search_words (tenant_id, resource, word, row_id)
           select tenant_id, resource, name, id from {schema}.projects, (values ('projects'), ('tasks')) resources (resource);
         analyze {schema}.projects; analyze {schema}.tasks; analyze {schema}.search_words"
    );
    admin.batch_execute(&rows).await.unwrap();
    if schema == SchemaName::Pooled {
        admin.batch_execute(&modules::rows(schema)).await.unwrap();
    }
}

/// Every list query, with every filter and none, in both orders, at the beginning and after a cursor; and what else is read
/// or changed by id. As the service sends them.
async fn sent(own: &OwnDatabase, tenant: &Tenant) -> Vec<String> {
    let pool = Pool::new(&own.database.urls.api, PoolSettings { size: 1, wait: PATIENCE }).unwrap();
    let (store, scope) = (TenantStore::new(PgTenantStore::new(pool)), tenant.scope());
    let id = tenant.tenant.id.to_string();
    let user = tenant.user(Role::Owner);
    follow(&id);

    let (day, moment) = (Day::parse("2028-02-29").ok(), Moment::parse("2028-02-29T12:00:00Z").ok());
    // What a cursor holds: the key of whatever the list is sorted by.
    let project = store.read(&scope, async |tx| tx.work().projects().list(&ProjectQuery::default()).await);
    let project = project.await.unwrap().items.remove(0);
    let task = store
        .read(&scope, async |tx| tx.work().tasks().list(&TaskQuery::default()).await)
        .await
        .unwrap()
        .items
        .remove(0);
    let read = store.read(&scope, async |tx| {
        for order in ProjectOrder::ALL {
            for after in [None, Some(order.position(&project))] {
                for filters in 0..8 {
                    let given = |bit: u8| filters & (1 << bit) != 0;
                    let query = ProjectQuery {
                        status: given(0).then_some(ProjectStatus::Active),
                        updated_since: moment.filter(|_| given(1)),
                        search: Search::parse("word7 word1").ok().filter(|_| given(2)),
                        page: SortedQuery { after: after.clone(), order: *order, limit: Limit::default() },
                    };
                    tx.work().projects().list(&query).await?;
                }
            }
        }
        for order in TaskOrder::ALL {
            for after in [None, Some(order.position(&task))] {
                // Each filter alone and with each other.
                for filters in (0..256_u32).filter(|filters| filters.count_ones() < 3) {
                    let given = |bit: u8| filters & (1 << bit) != 0;
                    let query = TaskQuery {
                        project: given(0).then(ProjectId::generate),
                        status: given(1).then_some(TaskStatus::Todo),
                        priority: given(2).then_some(TaskPriority::Low),
                        assignee: given(3).then_some(user),
                        due_from: day.filter(|_| given(4)),
                        due_to: day.filter(|_| given(5)),
                        updated_since: moment.filter(|_| given(6)),
                        search: Search::parse("word7").ok().filter(|_| given(7)),
                        page: SortedQuery { after: after.clone(), order: *order, limit: Limit::default() },
                    };
                    tx.work().tasks().list(&query).await?;
                }
            }
        }
        // In a schema of its own a tenant's rows are the whole of a table, and when they are few bytes each it is
        // sometimes cheapest to read them all.
        if tenant.tenant.schema() == SchemaName::Pooled {
            modules::ask(tx).await?;
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
    let lines =
        || plan.lines().map(|line| line.trim().trim_start_matches("->").trim_start().trim_start_matches("Parallel "));
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
