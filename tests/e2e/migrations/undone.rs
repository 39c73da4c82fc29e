//! Every migration can be undone, and done again, to the letter.

use tenantry_infra::migrations::REGISTRY;

use super::*;

/// Everything that migrations make, as lines of text: relations, columns, constraints, indexes, policies, triggers,
/// functions, and who may do what with them.
pub(super) async fn catalogue(admin: &Client) -> BTreeSet<String> {
    let lines = admin.query(include_str!("catalogue.sql"), &[]).await.unwrap();
    lines.iter().map(|row| row.get(0)).collect()
}

/// What the catalogue is with the first of the migrations, by how many of them there are: the registry's, and the tenant set's
/// in the shared schema on top of all of those. Made without the runner under test.
struct Steps {
    registry: Vec<BTreeSet<String>>,
    tenant: Vec<BTreeSet<String>>,
}

impl Steps {
    async fn of(suite: &Suite) -> Self {
        let fresh = Fresh::new(suite).await;
        migrations::bootstrap(&fresh.database.urls.admin.as_ref().unwrap().parse().unwrap(), &[]).await.unwrap();
        let mut registry = vec![catalogue(&fresh.admin).await];
        for migration in REGISTRY {
            make(&fresh.admin, "pg_catalog", migration.up).await;
            registry.push(catalogue(&fresh.admin).await);
        }
        let mut tenant = vec![catalogue(&fresh.admin).await];
        for migration in TENANT {
            make(&fresh.admin, "pooled", migration.up).await;
            tenant.push(catalogue(&fresh.admin).await);
        }
        Self { registry, tenant }
    }
}

async fn make(admin: &Client, search_path: &str, up: &str) {
    let settings = format!("set local role tenantry_owner; set local search_path = {search_path}, pg_temp");
    admin.batch_execute(&format!("begin; {settings}; {up}; commit")).await.unwrap();
}

/// The lines about what lies in one schema of tenants, as if it were the shared one.
fn about(lines: &BTreeSet<String>, schema: SchemaName) -> BTreeSet<String> {
    let name = format!("{schema}.");
    lines.iter().filter(|line| line.contains(&name)).map(|line| line.replace(&name, "pooled.")).collect()
}

#[tokio::test]
async fn every_migration_of_a_tenants_schema_can_be_undone_and_redone() {
    let suite = harness::suite().await;
    let (fresh, steps) = (Fresh::migrated(&suite).await, Steps::of(&suite).await);
    let own = fresh.schemas(1).await[0];
    let whole = catalogue(&fresh.admin).await;

    for schema in [SchemaName::Pooled, own] {
        for undone in 1..=TENANT.len() {
            fresh.set_back(schema, undone).await;
            let expected = about(&steps.tenant[TENANT.len() - undone], SchemaName::Pooled);
            let left = about(&catalogue(&fresh.admin).await, schema);
            assert_eq!(left, expected, "after undoing {undone} of {schema}");

            fresh.migrate().await.unwrap();
            assert_eq!(catalogue(&fresh.admin).await, whole, "after undoing and redoing {undone} of {schema}");
        }
    }
}

#[tokio::test]
async fn every_migration_of_the_registry_can_be_undone_and_redone() {
    let suite = harness::suite().await;
    let (fresh, steps) = (Fresh::migrated(&suite).await, Steps::of(&suite).await);
    let whole = catalogue(&fresh.admin).await;
    // Tenant tables stand on the registry's functions.
    fresh.set_back(SchemaName::Pooled, TENANT.len()).await;

    for undone in 1..=REGISTRY.len() {
        for _ in 0..undone {
            fresh.migrator.undo(Target::Registry).await.unwrap().unwrap();
        }
        let left = catalogue(&fresh.admin).await;
        assert_eq!(left, steps.registry[REGISTRY.len() - undone], "after undoing {undone}");

        fresh.migrate().await.unwrap();
        assert_eq!(catalogue(&fresh.admin).await, whole, "after undoing and redoing {undone}");
        fresh.set_back(SchemaName::Pooled, TENANT.len()).await;
    }
}

#[tokio::test]
async fn undoing_everything_leaves_what_the_administrator_made() {
    let suite = harness::suite().await;
    let fresh = Fresh::new(&suite).await;
    let admin = fresh.database.urls.admin.as_ref().unwrap().parse().unwrap();
    migrations::bootstrap(&admin, &[]).await.unwrap();
    let before = catalogue(&fresh.admin).await;
    fresh.migrate().await.unwrap();
    assert_ne!(catalogue(&fresh.admin).await, before);

    fresh.set_back(SchemaName::Pooled, TENANT.len()).await;
    let nothing_left = fresh.migrator.undo(Target::Tenant(SchemaName::Pooled)).await.unwrap();
    for _ in REGISTRY {
        fresh.migrator.undo(Target::Registry).await.unwrap().unwrap();
    }

    assert_eq!(nothing_left, None);
    assert_eq!(catalogue(&fresh.admin).await, before);
}

#[tokio::test]
async fn a_registry_that_tenant_tables_stand_on_cannot_be_undone() {
    let suite = harness::suite().await;
    let fresh = Fresh::migrated(&suite).await;
    let before = catalogue(&fresh.admin).await;

    let mut undone = Vec::new();
    let error = loop {
        match fresh.migrator.undo(Target::Registry).await {
            Ok(name) => undone.push(name.unwrap()),
            Err(error) => break error.to_string(),
        }
    };

    assert!(error.starts_with("migration 0023_invoices of schema registry failed at: drop function"), "{error}");
    assert_eq!(undone.len(), REGISTRY.len() - 23);
    fresh.migrate().await.unwrap();
    assert_eq!(catalogue(&fresh.admin).await, before);
}
