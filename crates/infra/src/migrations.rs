//! Brings the database to the newest version: the registry once, the tenant tables once per schema.
//!
//! A ledger says which schema has which migrations, so that only those behind are touched, and each migration is one
//! transaction together with its line in the ledger, so that an interrupted run continues where it stopped.

mod sets;

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tenantry_tenancy::provisioning::TenantStorage;
use tenantry_tenancy::{Placement, SchemaName, StoreError, Tenant};
use tokio_postgres::{Client, Config, NoTls};
use uuid::Uuid;

pub use sets::{REGISTRY, TENANT};

use crate::sql::statements;

/// One change to a schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its place in the order, from 1.
    pub version: i32,
    /// The name of its folder.
    pub name: &'static str,
    /// How it is made.
    pub up: &'static str,
    /// How it is undone.
    pub down: &'static str,
}

/// Why the database could not be brought to the newest version.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database does not answer or does not let us in.
    #[error("the database cannot be reached as {0}")]
    Connect(String, #[source] tokio_postgres::Error),
    /// The roles are missing and this login may not create them.
    #[error(
        "the roles of this database are missing; run migrate once with an administrator's login in ADMIN_DATABASE_URL"
    )]
    NoRoles,
    /// A migration failed; nothing of it stays.
    #[error("migration {name} of schema {schema} failed at: {statement}")]
    Failed {
        /// Which schema.
        schema: String,
        /// Which migration.
        name: &'static str,
        /// The beginning of the statement.
        statement: String,
        /// What the database said.
        source: tokio_postgres::Error,
    },
    /// The ledger has something else under this version than this program: it was changed after it had run.
    #[error("migration {name} of schema {schema} was changed after it had run")]
    Changed {
        /// Which schema.
        schema: String,
        /// Which migration.
        name: &'static str,
    },
    /// The database was migrated by a newer program.
    #[error("schema {schema} is at version {version}, which this program does not know")]
    Newer {
        /// Which schema.
        schema: String,
        /// Its version.
        version: i32,
    },
    /// Another statement failed.
    #[error("the schema cannot be read or prepared")]
    Database(#[from] tokio_postgres::Error),
}

impl From<MigrationError> for StoreError {
    fn from(error: MigrationError) -> Self {
        match error {
            MigrationError::Connect(..) => Self::unavailable(error),
            _ => Self::internal(error),
        }
    }
}

/// Changes schemas, as the role `tenantry_migrator`.
#[derive(Clone)]
pub struct Migrator {
    config: Config,
    /// How many tenant schemas are migrated at a time.
    parallel: usize,
}

/// What a run did: every migration it made, by schema.
pub type Applied = BTreeMap<String, Vec<&'static str>>;

/// Makes roles, schemas and the lockdown, as an administrator. Doing it twice changes nothing.
///
/// `passwords` are the service roles' own; a role that is not named keeps the password it has.
pub async fn bootstrap(admin: &Config, passwords: &[(String, String)]) -> Result<(), MigrationError> {
    let client = connect(admin).await?;
    // Two processes that start at once would otherwise trip over each other's roles.
    let lock = "begin; select pg_catalog.pg_advisory_xact_lock(7266031544081526)";
    client.batch_execute(lock).await?;
    for statement in statements(include_str!("../../../migrations/bootstrap.sql")) {
        client.batch_execute(statement).await.map_err(|source| failed("bootstrap", "bootstrap", statement, source))?;
    }
    for (role, password) in passwords {
        // The verifier has no quote in it, and the role is one of ours.
        let verifier = postgres_verifier(password);
        client.batch_execute(&format!("alter role {role} password '{verifier}'")).await?;
    }
    client.batch_execute("commit").await?;
    Ok(())
}

/// Whether the roles are there, so that an administrator is not needed.
pub async fn is_bootstrapped(any: &Config) -> Result<bool, MigrationError> {
    let client = connect(any).await?;
    let row = client
        .query_one("select count(*) = 2 from pg_namespace where nspname in ('registry', 'sec') and has_schema_privilege('tenantry_migrator', oid, 'create')", &[])
        .await;
    // Without the role the privilege cannot even be asked for.
    Ok(row.is_ok_and(|row| row.get(0)))
}

impl Migrator {
    /// Uses the login in `url`, four schemas at a time.
    pub fn new(config: Config) -> Self {
        Self { config, parallel: 4 }
    }

    /// Brings the registry, the shared schema and every tenant's schema to the newest version.
    ///
    /// `progress` hears of every migration before it runs.
    pub async fn migrate_all(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<Applied, MigrationError> {
        let mut applied = Applied::new();
        applied.insert("registry".to_owned(), self.migrate(Target::Registry, progress).await?);
        let pooled = Target::Tenant(SchemaName::Pooled);
        applied.insert("pooled".to_owned(), self.migrate(pooled, progress).await?);

        let others = self.not_newest().await?;
        let runs = stream::iter(others).map(async |schema| {
            let made = self.migrate(Target::Tenant(schema), progress).await?;
            Ok::<_, MigrationError>((schema.to_string(), made))
        });
        applied.extend(runs.buffer_unordered(self.parallel).try_collect::<Vec<_>>().await?);
        applied.retain(|_, made| !made.is_empty());
        Ok(applied)
    }

    /// The tenants' own schemas that lack a migration, or have one that this program does not know.
    pub async fn not_newest(&self) -> Result<Vec<SchemaName>, MigrationError> {
        let client = connect(&self.config).await?;
        let rows = client
            .query(
                "select n.nspname::text from pg_namespace n \
                 where n.nspname ~ '^t_[0-9a-f]{32}$' \
                   and (select coalesce(max(version), 0) from registry.schema_ledger where schema_name = n.nspname) <> $1 \
                 order by 1",
                &[&newest(TENANT)],
            )
            .await?;
        Ok(rows.iter().filter_map(|row| own_schema(row.get(0))).collect())
    }

    async fn migrate(
        &self,
        target: Target,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Vec<&'static str>, MigrationError> {
        let mut client = connect(&self.config).await?;
        let mut made = Vec::new();
        for migration in target.set() {
            let progress = || progress(&format!("{target}: {}", migration.name));
            if apply(&mut client, target, migration, progress).await? {
                made.push(migration.name);
            }
        }
        check_not_newer(&client, target).await?;
        Ok(made)
    }

    /// Undoes the newest migration of one schema; tells its name, or nothing if there was none.
    pub async fn undo(&self, target: Target) -> Result<Option<&'static str>, MigrationError> {
        let mut client = connect(&self.config).await?;
        let tx = client.transaction().await?;
        prepare(&tx, target).await?;
        let version = version(&tx, target).await?;
        let Some(migration) = target.set().iter().find(|migration| migration.version == version) else {
            return Ok(None);
        };
        let schema = target.to_string();
        // The ledger itself goes with the first migration of the registry.
        if !(target == Target::Registry && version == 1) {
            tx.execute(
                "delete from registry.schema_ledger where schema_name = $1 and version = $2",
                &[&schema, &version],
            )
            .await?;
        }
        run(&tx, target, migration, migration.down).await?;
        tx.commit().await?;
        Ok(Some(migration.name))
    }
}

#[async_trait]
impl TenantStorage for Migrator {
    async fn create(&self, tenant: &Tenant) -> Result<(), StoreError> {
        if tenant.placement == Placement::Pooled {
            return Ok(());
        }
        let mut client = connect(&self.config).await?;
        let schema = tenant.schema();
        let create = async {
            let tx = client.transaction().await?;
            prepare(&tx, Target::Tenant(schema)).await?;
            tx.batch_execute(&format!("create schema if not exists {schema}")).await?;
            tx.batch_execute(&format!("grant usage on schema {schema} to tenantry_api, tenantry_sec")).await?;
            tx.commit().await?;
            Ok(())
        };
        create.await.map_err(|error: MigrationError| error.into())
    }

    async fn migrate(&self, tenant: &Tenant) -> Result<(), StoreError> {
        Self::migrate(self, Target::Tenant(tenant.schema()), &|_| {}).await?;
        Ok(())
    }
}

/// What a set of migrations is run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// What is global.
    Registry,
    /// The tenant tables of one schema.
    Tenant(SchemaName),
}

impl Target {
    fn set(self) -> &'static [Migration] {
        match self {
            Self::Registry => REGISTRY,
            Self::Tenant(_) => TENANT,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registry => f.write_str("registry"),
            Self::Tenant(schema) => schema.fmt(f),
        }
    }
}

/// Makes one migration unless the ledger has it; false when it has.
async fn apply(
    client: &mut Client,
    target: Target,
    migration: &Migration,
    progress: impl Fn(),
) -> Result<bool, MigrationError> {
    let schema = target.to_string();
    let checksum = checksum(migration);
    let tx = client.transaction().await?;
    prepare(&tx, target).await?;
    match recorded(&tx, &schema, migration.version).await? {
        Some(recorded) if recorded == checksum => return Ok(false),
        Some(_) => return Err(MigrationError::Changed { schema, name: migration.name }),
        None => progress(),
    }
    run(&tx, target, migration, migration.up).await?;
    tx.batch_execute("set local role tenantry_owner").await?;
    tx.execute(
        "insert into registry.schema_ledger (schema_name, version, name, checksum) values ($1, $2, $3, $4)",
        &[&schema, &migration.version, &migration.name, &checksum],
    )
    .await?;
    tx.commit().await?;
    Ok(true)
}

async fn run(
    tx: &tokio_postgres::Transaction<'_>,
    target: Target,
    migration: &Migration,
    text: &str,
) -> Result<(), MigrationError> {
    for statement in statements(text) {
        tx.batch_execute(statement)
            .await
            .map_err(|source| failed(&target.to_string(), migration.name, statement, source))?;
    }
    Ok(())
}

/// Acts as the owner, in the schema, alone: a second run on the same schema waits here.
async fn prepare(tx: &tokio_postgres::Transaction<'_>, target: Target) -> Result<(), MigrationError> {
    let key = i64::from_be_bytes(first_eight(&Sha256::digest(format!("tenantry migration of {target}"))));
    tx.batch_execute("set local role tenantry_owner").await?;
    // A table that is in use for long stops the run, not the service: whoever waits behind us would wait as long.
    tx.batch_execute("set local lock_timeout = '10s'").await?;
    tx.query("select pg_catalog.pg_advisory_xact_lock($1)", &[&key]).await?;
    if let Target::Tenant(schema) = target {
        tx.batch_execute(&format!("set local search_path = {schema}, pg_temp")).await?;
    }
    Ok(())
}

/// The checksum under which the ledger has this version, if it has it.
async fn recorded(
    tx: &tokio_postgres::Transaction<'_>,
    schema: &str,
    version: i32,
) -> Result<Option<String>, MigrationError> {
    let ledger = tx.query_one("select to_regclass('registry.schema_ledger') is not null", &[]).await?;
    if !ledger.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = tx
        .query_opt(
            "select checksum from registry.schema_ledger where schema_name = $1 and version = $2",
            &[&schema, &version],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}

async fn version(client: &impl tokio_postgres::GenericClient, target: Target) -> Result<i32, MigrationError> {
    let row = client
        .query_one(
            "select coalesce(max(version), 0) from registry.schema_ledger where schema_name = $1",
            &[&target.to_string()],
        )
        .await?;
    Ok(row.get(0))
}

async fn check_not_newer(client: &Client, target: Target) -> Result<(), MigrationError> {
    let version = version(client, target).await?;
    if version > newest(target.set()) {
        return Err(MigrationError::Newer { schema: target.to_string(), version });
    }
    Ok(())
}

pub(crate) fn newest(set: &[Migration]) -> i32 {
    set.last().map_or(0, |migration| migration.version)
}

fn checksum(migration: &Migration) -> String {
    Sha256::digest(migration.up).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn own_schema(name: &str) -> Option<SchemaName> {
    let tenant = Uuid::try_parse(name.strip_prefix("t_")?).ok()?;
    Some(SchemaName::Own(tenantry_tenancy::TenantId::from_uuid(tenant)))
}

fn failed(schema: &str, name: &'static str, statement: &str, source: tokio_postgres::Error) -> MigrationError {
    let statement = statement.lines().next().unwrap_or_default().to_owned();
    MigrationError::Failed { schema: schema.to_owned(), name, statement, source }
}

fn first_eight(digest: &[u8]) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(digest.get(..8).expect("a SHA-256 digest has 32 bytes"));
    bytes
}

/// What Postgres stores for a password (RFC 5803), so that the password itself is never sent.
fn postgres_verifier(password: &str) -> String {
    postgres_protocol::password::scram_sha_256(password.as_bytes())
}

pub(crate) async fn connect(config: &Config) -> Result<Client, MigrationError> {
    let (client, connection) = config
        .connect(NoTls)
        .await
        .map_err(|error| MigrationError::Connect(config.get_user().unwrap_or("nobody").to_owned(), error))?;
    tokio::spawn(async move {
        // A broken connection shows as the error of whoever uses it.
        let _ = connection.await;
    });
    Ok(client)
}
