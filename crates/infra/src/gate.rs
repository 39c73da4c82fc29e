//! The catalogue gate: refuses a database whose isolation is broken, and says which table breaks which rule.

use tenantry_tenancy::StoreError;
use tokio_postgres::{Client, Config};

use crate::migrations::{self, REGISTRY, TENANT};

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What must hold.
    pub rule: String,
    /// What breaks it.
    pub object: String,
}

impl Finding {
    /// Whether the rule is one that some providers do not let us keep.
    pub fn is_lockdown(&self) -> bool {
        self.rule.starts_with("lockdown: ")
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.object, self.rule)
    }
}

/// Every broken rule of the database, over `pooled`, `registry`, `sec` and every tenant's schema.
///
/// Also a schema that lacks a migration is a finding: the code would not fit its tables. Reads the catalogue only, so the
/// role `tenantry_platform` may run it.
pub async fn findings(platform: &Config) -> Result<Vec<Finding>, StoreError> {
    let client = migrations::connect(platform).await?;
    findings_on(&client).await
}

/// The same on an open connection, which also sees what its own transaction has changed.
pub async fn findings_on(client: &Client) -> Result<Vec<Finding>, StoreError> {
    inspect(client).await.map_err(StoreError::internal)
}

async fn inspect(client: &Client) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let ledger = client.query_one("select to_regclass('registry.schema_ledger') is not null", &[]).await?;
    if !ledger.get::<_, bool>(0) {
        return Ok(vec![Finding { rule: "the database is migrated".to_owned(), object: "registry".to_owned() }]);
    }
    let behind = client
        .query(
            "with heads as (
               select s.nspname::text as schema, coalesce((select max(version) from registry.schema_ledger where schema_name = s.nspname), 0) as version,
                 case s.nspname when 'registry' then $1::int else $2::int end as newest
               from pg_namespace s where s.nspname in ('registry', 'pooled') or s.nspname ~ '^t_[0-9a-f]{32}$')
             select schema, version, newest from heads where version <> newest order by schema",
            &[&migrations::newest(REGISTRY), &migrations::newest(TENANT)],
        )
        .await?;
    let mut findings: Vec<Finding> = behind
        .iter()
        .map(|row| Finding {
            rule: format!("is at version {} of {}; run migrate", row.get::<_, i32>(1), row.get::<_, i32>(2)),
            object: row.get(0),
        })
        .collect();
    // An older database lacks tables that the gate reads.
    if findings.iter().all(|finding| finding.object != "registry") {
        let rows = client.query(include_str!("gate.sql"), &[]).await?;
        findings.extend(rows.iter().map(|row| Finding { rule: row.get(0), object: row.get(1) }));
    }
    Ok(findings)
}

/// The oldest release that has the fixes to row-level security we rely on (CVE-2025-8713 and before), by major version.
const PATCHED: [(i32, i32); 3] = [(15, 14), (16, 10), (17, 6)];

/// What is weaker than it could be without breaking a rule: a server without the newest security fixes.
pub async fn weaknesses(platform: &Config) -> Result<Vec<String>, StoreError> {
    let client = migrations::connect(platform).await?;
    let row = client
        .query_one("select current_setting('server_version_num')::int", &[])
        .await
        .map_err(StoreError::internal)?;
    let number: i32 = row.get(0);
    let (major, minor) = (number / 10_000, number % 10_000);
    let outdated = major < 15 || PATCHED.iter().any(|(of, from)| *of == major && minor < *from);
    Ok(if outdated {
        vec![format!("PostgreSQL {major}.{minor} lacks security fixes to row-level security; update it")]
    } else {
        Vec::new()
    })
}
