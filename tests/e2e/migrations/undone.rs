//! Every migration can be undone, and done again, to the letter.

use tenantry_infra::migrations::REGISTRY;

use super::*;

/// Everything that migrations make, as lines of text: relations, columns, constraints, indexes, policies, triggers,
/// functions, and who may do what with them.
pub(super) async fn catalogue(admin: &Client) -> BTreeSet<String> {
    let lines = admin.query(include_str!("catalogue.sql"), &[]).await.unwrap();
    lines.iter().map(|row| row.get(0)).collect()
}

/// Undoes one migration after the other and makes all again after each: nothing of it stays, nothing is lost.
async fn assert_undone_and_redone(fresh: &Fresh, target: Target, count: usize) {
    let whole = catalogue(&fresh.admin).await;
    for undone in 1..=count {
        for _ in 0..undone {
            fresh.migrator.undo(target).await.unwrap().unwrap();
        }
        assert_only_takes_away(&whole, &catalogue(&fresh.admin).await);
        fresh.migrate().await.unwrap();
        assert_eq!(catalogue(&fresh.admin).await, whole, "after undoing and redoing {undone} of {target}");
    }
}

fn assert_only_takes_away(before: &BTreeSet<String>, after: &BTreeSet<String>) {
    let added: Vec<_> = after.difference(before).collect();
    assert!(added.is_empty() && after.len() < before.len(), "added: {added:#?}");
}

#[tokio::test]
async fn every_migration_of_a_tenants_schema_can_be_undone_and_redone() {
    let suite = harness::suite().await;
    let fresh = Fresh::migrated(&suite).await;
    let own = fresh.schemas(1).await[0];

    for schema in [SchemaName::Pooled, own] {
        assert_undone_and_redone(&fresh, Target::Tenant(schema), TENANT.len()).await;
    }
}

#[tokio::test]
async fn every_migration_of_the_registry_can_be_undone_and_redone() {
    let suite = harness::suite().await;
    let fresh = Fresh::migrated(&suite).await;
    let whole = catalogue(&fresh.admin).await;
    // Tenant tables stand on the registry's functions.
    fresh.set_back(SchemaName::Pooled, TENANT.len()).await;

    for undone in 1..=REGISTRY.len() {
        for _ in 0..undone {
            fresh.migrator.undo(Target::Registry).await.unwrap().unwrap();
        }
        assert_only_takes_away(&whole, &catalogue(&fresh.admin).await);
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

    assert!(error.starts_with("migration 0002_context of schema registry failed at: drop function"), "{error}");
    assert_eq!(undone.len(), REGISTRY.len() - 2);
    fresh.migrate().await.unwrap();
    assert_eq!(catalogue(&fresh.admin).await, before);
}
