//! A run that is cut short.

use super::*;

/// What a tenant's schema has at each version.
fn tables_at(version: usize) -> BTreeSet<String> {
    let texts = TENANT[..version].iter().flat_map(|migration| migration.up.split("create table ").skip(1));
    texts.filter_map(|rest| rest.split_whitespace().next()).map(str::to_owned).collect()
}

impl Fresh {
    /// Whether a schema has exactly what its ledger says: nothing of a migration that is not in there.
    async fn is_whole(&self, schema: SchemaName) -> bool {
        let schema = schema.to_string();
        let ledger = self.ledger(&schema).await;
        let expected: Vec<&str> = TENANT[..ledger.len()].iter().map(|migration| migration.name).collect();
        ledger == expected && self.tables(&schema).await == tables_at(ledger.len())
    }

    /// Five schemas without any migration but for the first, whose next one cannot go on.
    async fn stuck(&self) -> (Vec<SchemaName>, Client) {
        let schemas = self.schemas(5).await;
        self.set_back(schemas[0], TENANT.len() - UNTIL_HELD).await;
        for schema in &schemas[1..] {
            self.set_back(*schema, TENANT.len()).await;
        }
        let hold = self.hold(schemas[0]).await;
        (schemas, hold)
    }

    async fn assert_continues(&self, schemas: &[SchemaName]) {
        for schema in schemas {
            assert!(self.is_whole(*schema).await, "{schema}");
        }
        self.migrate().await.unwrap();
        for schema in schemas {
            assert_eq!(self.ledger(&schema.to_string()).await, newest(TENANT.len()), "{schema}");
            assert!(self.is_whole(*schema).await, "{schema}");
        }
    }
}

#[tokio::test]
async fn a_run_whose_connection_is_killed_leaves_whole_migrations_and_is_continued() {
    let suite = harness::suite().await;
    let fresh = Fresh::migrated(&suite).await;
    let (schemas, hold) = fresh.stuck().await;

    let run = tokio::spawn({
        let migrator = fresh.migrator.clone();
        async move { migrator.migrate_all(&|_| {}).await }
    });
    let waiting = fresh.who_waits(schemas[0]).await;
    fresh.admin.execute("select pg_terminate_backend($1)", &[&waiting]).await.unwrap();
    let error = run.await.unwrap().unwrap_err().to_string();
    drop(hold);

    let name = TENANT[UNTIL_HELD].name;
    assert!(error.starts_with(&format!("migration {name} of schema {} failed at: ", schemas[0])), "{error}");
    assert_eq!(fresh.ledger(&schemas[0].to_string()).await.len(), UNTIL_HELD);
    fresh.assert_continues(&schemas).await;
}

#[tokio::test]
async fn a_run_that_is_dropped_leaves_whole_migrations_and_is_continued() {
    let suite = harness::suite().await;
    let fresh = Fresh::migrated(&suite).await;
    let (schemas, hold) = fresh.stuck().await;

    let run = tokio::spawn({
        let migrator = fresh.migrator.clone();
        async move { migrator.migrate_all(&|_| {}).await }
    });
    fresh.who_waits(schemas[0]).await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    drop(hold);

    fresh.assert_continues(&schemas).await;
}

#[tokio::test]
async fn half_a_migration_would_be_noticed() {
    let suite = harness::suite().await;
    let fresh = Fresh::migrated(&suite).await;
    let schema = fresh.schemas(1).await[0];
    assert!(fresh.is_whole(schema).await);

    fresh.admin.batch_execute(&format!("drop table {schema}.tasks")).await.unwrap();

    assert!(!fresh.is_whole(schema).await);
}
