//! What a run refuses.

use tenantry_infra::gate;

use super::*;

#[tokio::test]
async fn a_migration_that_was_changed_is_refused_by_its_name() {
    let suite = harness::suite().await;
    let fresh = Fresh::migrated(&suite).await;
    for (schema, name) in [("registry", "0003_tenants"), ("pooled", "0002_projects")] {
        let tamper = "update registry.schema_ledger set checksum = $3 || checksum where schema_name = $1 and name = $2";
        fresh.admin.execute(tamper, &[&schema, &name, &"0"]).await.unwrap();

        let error = fresh.migrate().await.unwrap_err();

        assert_eq!(error.to_string(), format!("migration {name} of schema {schema} was changed after it had run"));
        let mend =
            "update registry.schema_ledger set checksum = substr(checksum, 2) where schema_name = $1 and name = $2";
        fresh.admin.execute(mend, &[&schema, &name]).await.unwrap();
    }
    assert!(fresh.migrate().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_newer_database_is_refused_by_its_version() {
    let suite = harness::suite().await;
    let fresh = Fresh::migrated(&suite).await;
    let own = fresh.schemas(1).await[0].to_string();
    let platform = fresh.database.urls.platform.parse().unwrap();
    for schema in ["registry", "pooled", &own] {
        let newer =
            "insert into registry.schema_ledger (schema_name, version, name, checksum) values ($1, 99, '0099_x', 'x')";
        fresh.admin.execute(newer, &[&schema]).await.unwrap();

        let refused = fresh.migrate().await;
        let findings = gate::findings(&platform).await.unwrap();

        let error = refused.unwrap_err().to_string();
        assert_eq!(error, format!("schema {schema} is at version 99, which this program does not know"));
        assert!(findings.iter().any(|it| it.object == schema && it.rule.contains("version 99")), "{findings:?}");
        fresh.admin.execute("delete from registry.schema_ledger where version = 99", &[]).await.unwrap();
    }
    assert_eq!(gate::findings(&platform).await.unwrap(), []);
}

#[tokio::test]
async fn a_schema_that_is_behind_is_refused_by_the_gate() {
    let suite = harness::suite().await;
    let fresh = Fresh::migrated(&suite).await;
    let schema = fresh.schemas(1).await[0];
    let platform = fresh.database.urls.platform.parse().unwrap();
    fresh.set_back(schema, 1).await;

    let findings = gate::findings(&platform).await.unwrap();

    let newest = TENANT.len();
    let expected = format!("{schema}: is at version {} of {newest}; run migrate", newest - 1);
    assert!(findings.iter().any(|finding| finding.to_string() == expected), "{findings:?}");
}

#[tokio::test]
async fn a_database_without_roles_names_who_can_make_them() {
    let suite = harness::suite().await;
    let fresh = Fresh::new(&suite).await;
    let urls = Urls { admin: None, ..fresh.database.urls.clone() };

    let error = Database::at(urls).migrate(&|_| {}).await.unwrap_err();

    assert!(error.to_string().contains("ADMIN_DATABASE_URL"), "{error}");
}
