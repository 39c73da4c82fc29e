//! Migrations: whole or not at all, only where they lack, in parallel, and undone without a trace.

mod interrupted;
mod refused;
mod undone;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use tenantry_embedded_pg::{Options, Server};
use tenantry_infra::migrations::{self, Applied, MigrationError, Migrator, TENANT, Target};
use tenantry_server::Database;
use tenantry_server::database::Urls;
use tenantry_tenancy::provisioning::TenantStorage;
use tenantry_tenancy::tenants::TenantSettings;
use tenantry_tenancy::{Placement, Plan, SchemaName, Slug, Tenant, TenantId, TenantStatus};
use tokio_postgres::Client;

use crate::harness::{self, PATIENCE, Suite, connect, eventually};

/// How many migrations go before one that alters a table there is, and so waits for whoever holds it: `0006_lists`.
const UNTIL_HELD: usize = 5;

/// A database of the test's own that nothing was done to yet.
struct Fresh {
    database: Database,
    migrator: Migrator,
    admin: Client,
}

impl Fresh {
    async fn new(suite: &Suite) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("fresh_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let maintenance = connect(&suite.postgres.url("postgres", "postgres")).await;
        maintenance.batch_execute(&format!("create database {name}")).await.unwrap();
        let url = suite.postgres.url("postgres", &name);
        let database = Database::at(Urls::of_admin(&url).unwrap());
        let migrator = database.migrator().unwrap().unwrap();
        Self { database, migrator, admin: connect(&url).await }
    }

    async fn migrated(suite: &Suite) -> Self {
        let fresh = Self::new(suite).await;
        fresh.database.migrate(&|_| {}).await.unwrap();
        fresh
    }

    /// So many schemas of tenants, with every migration, in the order of their names.
    async fn schemas(&self, count: usize) -> Vec<SchemaName> {
        let mut schemas = Vec::new();
        for _ in 0..count {
            let tenant = Tenant {
                id: TenantId::random(),
                slug: Slug::parse("unregistered").unwrap(),
                plan: Plan::Enterprise,
                placement: Placement::Schema,
                status: TenantStatus::Provisioning,
                settings: TenantSettings::default(),
                created_at: chrono::Utc::now(),
            };
            TenantStorage::create(&self.migrator, &tenant).await.unwrap();
            TenantStorage::migrate(&self.migrator, &tenant).await.unwrap();
            schemas.push(tenant.schema());
        }
        schemas.sort_by_key(ToString::to_string);
        schemas
    }

    /// Undoes the newest migrations of a schema.
    async fn set_back(&self, schema: SchemaName, count: usize) {
        for _ in 0..count {
            self.migrator.undo(Target::Tenant(schema)).await.unwrap().unwrap();
        }
    }

    async fn migrate(&self) -> Result<Applied, MigrationError> {
        self.migrator.migrate_all(&|_| {}).await
    }

    /// The migrations that the ledger has of a schema.
    async fn ledger(&self, schema: &str) -> Vec<String> {
        let query = "select name from registry.schema_ledger where schema_name = $1 order by version";
        self.admin.query(query, &[&schema]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// The tables of a schema.
    async fn tables(&self, schema: &str) -> BTreeSet<String> {
        let query = "select tablename::text from pg_tables where schemaname = $1";
        self.admin.query(query, &[&schema]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Keeps a migration that touches a table of the schema from going on while the answer lives.
    async fn hold(&self, schema: SchemaName) -> Client {
        let holder = connect(self.database.urls.admin.as_ref().unwrap()).await;
        let tables: Vec<String> =
            self.tables(&schema.to_string()).await.iter().map(|it| format!("{schema}.{it}")).collect();
        let lock = format!("begin; lock table {} in access exclusive mode", tables.join(", "));
        holder.batch_execute(&lock).await.unwrap();
        holder
    }

    /// Waits until somebody waits for a schema that is held; tells who.
    async fn who_waits(&self, schema: SchemaName) -> i32 {
        let schema = schema.to_string();
        let query = "select distinct pid from pg_locks l join pg_class c on c.oid = l.relation
                     where not granted and relnamespace = $1::text::regnamespace";
        let waiting = async || self.admin.query_opt(query, &[&schema]).await.unwrap().map(|row| row.get::<_, i32>(0));
        eventually("somebody waits for the schema", PATIENCE, async || waiting().await.is_some()).await;
        waiting().await.unwrap()
    }
}

/// The names of the newest migrations of the tenant set, oldest first.
fn newest(count: usize) -> Vec<&'static str> {
    TENANT[TENANT.len() - count..].iter().map(|migration| migration.name).collect()
}

#[tokio::test]
async fn a_fresh_database_gets_every_migration_and_a_second_run_does_nothing() {
    let suite = harness::suite().await;
    let fresh = Fresh::new(&suite).await;

    let first = fresh.database.migrate(&|_| {}).await.unwrap();
    let before = undone::catalogue(&fresh.admin).await;
    let second = fresh.database.migrate(&|_| {}).await.unwrap();
    let after = undone::catalogue(&fresh.admin).await;

    let all = |set: &[migrations::Migration]| set.iter().map(|migration| migration.name).collect::<Vec<_>>();
    assert_eq!(first["registry"], all(migrations::REGISTRY));
    assert_eq!(first["pooled"], all(TENANT));
    assert!(second.is_empty(), "{second:?}");
    assert_eq!(before, after);
}

#[tokio::test]
async fn only_the_schemas_that_are_behind_are_brought_forward_and_in_parallel() {
    let suite = harness::suite().await;
    let fresh = Fresh::migrated(&suite).await;
    let schemas = fresh.schemas(15).await;
    let (behind, current) = schemas.split_at(12);
    let missing = |index: usize| if index == 0 { TENANT.len() - UNTIL_HELD } else { 1 + index % TENANT.len() };
    for (index, schema) in behind.iter().enumerate() {
        fresh.set_back(*schema, missing(index)).await;
    }
    // The first one cannot go on until we let it: if they went one by one, none would.
    let hold = fresh.hold(behind[0]).await;

    let run = tokio::spawn({
        let migrator = fresh.migrator.clone();
        async move { migrator.migrate_all(&|_| {}).await }
    });
    let done = async || fresh.migrator.not_newest().await.unwrap() == [behind[0]];
    eventually("all but the first are done", PATIENCE, done).await;
    drop(hold);
    let applied = run.await.unwrap().unwrap();

    let expected: Applied =
        behind.iter().enumerate().map(|(index, schema)| (schema.to_string(), newest(missing(index)))).collect();
    assert_eq!(applied, expected);
    assert!(current.iter().all(|schema| !applied.contains_key(&schema.to_string())));
    assert_eq!(fresh.migrator.not_newest().await.unwrap(), []);
}

#[tokio::test]
async fn two_runs_at_once_share_the_work() {
    let suite = harness::suite().await;
    let fresh = Fresh::new(&suite).await;

    let (one, other) = tokio::join!(fresh.database.migrate(&|_| {}), fresh.database.migrate(&|_| {}));

    let (one, other) = (one.unwrap(), other.unwrap());
    for (schema, set) in [("registry", migrations::REGISTRY), ("pooled", TENANT)] {
        let made = |applied: &Applied| applied.get(schema).cloned().unwrap_or_default();
        let mut together = [made(&one), made(&other)].concat();
        together.sort_unstable();
        assert_eq!(together, set.iter().map(|migration| migration.name).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn an_administrators_part_is_done_once_by_any_number_at_once() {
    let suite = harness::suite().await;
    let fresh = Fresh::new(&suite).await;
    let admin = fresh.database.urls.admin.as_ref().unwrap().parse().unwrap();
    migrations::bootstrap(&admin, &[]).await.unwrap();
    let before = undone::catalogue(&fresh.admin).await;

    let runs = futures_util::future::join_all((0..6).map(|_| migrations::bootstrap(&admin, &[]))).await;

    for run in runs {
        run.unwrap();
    }
    assert_eq!(undone::catalogue(&fresh.admin).await, before);
    assert!(migrations::is_bootstrapped(&admin).await.unwrap());
}

#[tokio::test]
async fn a_server_without_roles_gets_them_once_from_any_number_at_once() {
    let postgres = tokio::task::spawn_blocking(|| Server::start(&Options::test())).await.unwrap().unwrap();
    connect(&postgres.url("postgres", "postgres")).await.batch_execute("create database tenantry").await.unwrap();
    let urls = Urls::of_admin(&postgres.url("postgres", "tenantry")).unwrap();
    let databases: Vec<_> = (0..4).map(|_| Database::at(urls.clone())).collect();

    let runs = futures_util::future::join_all(databases.iter().map(|database| database.migrate(&|_| {}))).await;

    let made: usize = runs.into_iter().flat_map(|run| run.unwrap().into_values()).map(|made| made.len()).sum();
    assert_eq!(made, migrations::REGISTRY.len() + TENANT.len());
}

#[tokio::test]
async fn two_databases_of_one_server_are_made_at_once() {
    let suite = harness::suite().await;
    let fresh = futures_util::future::join_all((0..6).map(|_| Fresh::new(&suite))).await;

    let runs = futures_util::future::join_all(fresh.iter().map(|fresh| fresh.database.migrate(&|_| {}))).await;

    for run in runs {
        assert_eq!(run.unwrap().len(), 2);
    }
}
