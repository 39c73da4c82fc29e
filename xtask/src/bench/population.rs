//! The tenants of the bench and their projects.
//!
//! They are numbered, so that Rust, SQL and pgbench's arithmetic name the same ones: a UUID here is 13 fixed digits, with
//! version 4 or 7 at their end, and a number of 19 digits that begins with [`BASE`]'s, whose 8 is the UUID's variant.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tenantry_auth::Holder;
use tenantry_server::Services;
use tenantry_server::keys::write_private;
use tenantry_tenancy::provisioning::{NewTenant, TenantRegistry, provision};
use tenantry_tenancy::{Email, Placement, Plan, Role, SchemaName, SessionId, Slug, TenantId};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::cluster::Cluster;
use super::{Arguments, say};

/// What every number is added to.
pub(crate) const BASE: u64 = 1_008_000_000_000_000_000;
/// How far the projects of two tenants are apart.
pub(crate) const STRIDE: u64 = 1_000_000;
/// The fixed digits of tenants (UUIDv4) and projects (UUIDv7).
const TENANT_DIGITS: &str = "0000000000004";
const PROJECT_DIGITS: &str = "019a000000007";
/// How many tenants are made at a time.
const LANES: usize = 4;
/// Longer than any run; the server is told to accept it.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// One tenant with its owner.
#[derive(Clone, Debug)]
pub(crate) struct BenchTenant {
    pub(crate) number: u64,
    pub(crate) id: TenantId,
    pub(crate) schema: SchemaName,
    pub(crate) token: String,
    pub(crate) key: String,
}

/// All tenants of one placement.
#[derive(Debug)]
pub(crate) struct Population {
    pub(crate) placement: Placement,
    /// In the order of their numbers, which have no gaps.
    pub(crate) tenants: Vec<BenchTenant>,
    /// What `wrk.lua` reads: a line for each tenant, its token, its key and its projects.
    pub(crate) file: PathBuf,
    /// Where further files of this population go.
    pub(crate) folder: PathBuf,
    projects: u64,
}

impl Population {
    /// Makes the tenants as an operator would, gives them projects, and each owner a token.
    pub(crate) async fn settle(cluster: &Cluster, arguments: &Arguments, placement: Placement) -> Result<Self> {
        say(&format!("making {} tenants of placement {placement}", arguments.tenants));
        let first = first_number(placement);
        register(cluster, placement, first..=first + arguments.tenants - 1).await?;
        let services = Arc::new(cluster.services().await?);
        let mut lanes = JoinSet::new();
        for lane in 0..LANES {
            let numbers = (first..first + arguments.tenants).skip(lane).step_by(LANES);
            lanes.spawn(make(services.clone(), placement, numbers));
        }
        let mut tenants = Vec::new();
        while let Some(made) = lanes.join_next().await {
            tenants.extend(made??);
        }
        tenants.sort_unstable_by_key(|tenant: &BenchTenant| tenant.number);
        write_keys(cluster, &services, &mut tenants).await?;

        let folder = cluster.folder().join(placement.as_str());
        std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let file = folder.join("tenants.txt");
        let population = Self { placement, tenants, file, folder, projects: arguments.projects };
        write_private(&population.file, &population.lines())?;
        Ok(population)
    }

    /// Puts the tables back to what they were before anything was created, compact and vacuumed.
    pub(crate) async fn restore(&self, cluster: &Cluster) -> Result<()> {
        let schemas: Vec<(SchemaName, u64, u64)> = match (self.placement, self.tenants.as_slice()) {
            (Placement::Pooled, [first, .., last]) => vec![(SchemaName::Pooled, first.number, last.number)],
            (_, tenants) => tenants.iter().map(|tenant| (tenant.schema, tenant.number, tenant.number)).collect(),
        };
        for (schema, first, last) in schemas {
            let fill = include_str!("fill.sql")
                .replace("SCHEMA", &schema.to_string())
                .replace("FIRST", &first.to_string())
                .replace("LAST", &last.to_string())
                .replace("PROJECTS", &self.projects.to_string());
            cluster.execute(&fill).await.with_context(|| format!("schema {schema} cannot be filled"))?;
            cluster.execute(&format!("vacuum analyze {schema}.projects, {schema}.audit_events")).await?;
        }
        Ok(())
    }

    fn lines(&self) -> String {
        let line = |tenant: &BenchTenant| {
            let ids: Vec<String> = (1..=self.projects).map(|project| tenant.project(project).to_string()).collect();
            format!("{} {} {}\n", tenant.token, tenant.key, ids.join(" "))
        };
        self.tenants.iter().map(line).collect()
    }
}

impl BenchTenant {
    /// The id of one of its projects.
    pub(crate) fn project(&self, project: u64) -> Uuid {
        uuid(PROJECT_DIGITS, BASE + self.number * STRIDE + project)
    }
}

/// Pooled tenants and those with a schema have numbers of their own, all below a million.
const fn first_number(placement: Placement) -> u64 {
    match placement {
        Placement::Pooled => 1,
        Placement::Schema => 500_001,
    }
}

fn tenant_id(number: u64) -> TenantId {
    TenantId::from_uuid(uuid(TENANT_DIGITS, BASE + number))
}

/// Thirteen hexadecimal digits and a number of 19 digits are always a UUID.
fn uuid(digits: &str, number: u64) -> Uuid {
    Uuid::try_parse(&format!("{digits}{number}")).unwrap_or_default()
}

fn named(placement: Placement, number: u64) -> Result<NewTenant> {
    let slug = format!("bench-{number}");
    let owner = Email::parse(&format!("owner@{slug}.example"))?;
    let plan = match placement {
        Placement::Pooled => Plan::Standard,
        Placement::Schema => Plan::Enterprise,
    };
    Ok(NewTenant { slug: Slug::parse(slug.as_str())?, plan, placement, owner })
}

/// Asks for the tenants under ids of our choice; provisioning continues from there.
async fn register(cluster: &Cluster, placement: Placement, numbers: impl IntoIterator<Item = u64>) -> Result<()> {
    let mut rows = Vec::new();
    for number in numbers {
        let NewTenant { slug, plan, owner, .. } = named(placement, number)?;
        rows.push(format!("('{}', '{slug}', '{plan}', '{placement}', 'provisioning', '{owner}')", tenant_id(number)));
    }
    let columns = "id, slug, plan, placement, status, owner_email";
    cluster.execute(&format!("insert into registry.tenants ({columns}) values {}", rows.join(", "))).await
}

/// Gives every owner a key, as if they had made it themselves.
async fn write_keys(cluster: &Cluster, services: &Services, tenants: &mut [BenchTenant]) -> Result<()> {
    let mut rows = Vec::new();
    for tenant in tenants {
        let key = services.auth.new_api_key();
        let imprint = key.imprint();
        let digest: String = imprint.digest.iter().map(|byte| format!("{byte:02x}")).collect();
        rows.push(format!("('{}'::uuid, '{}', '\\x{digest}'::bytea)", tenant.id, imprint.prefix));
        tenant.key = key.reveal().to_owned();
    }
    let insert = format!(
        "insert into registry.api_keys (tenant_id, id, user_id, name, prefix, digest, scopes)
         select k.tenant, gen_random_uuid(), m.user_id, 'Bench', k.prefix, k.digest, array['projects:read']
         from (values {}) k (tenant, prefix, digest)
         join registry.memberships m on m.tenant_id = k.tenant and m.role = 'owner'",
        rows.join(", ")
    );
    cluster.execute(&insert).await
}

async fn make(
    services: Arc<Services>,
    placement: Placement,
    numbers: impl Iterator<Item = u64>,
) -> Result<Vec<BenchTenant>> {
    let mut tenants = Vec::new();
    for number in numbers {
        let new = named(placement, number)?;
        let tenant = provision(&*services.registry, services.storage.as_deref(), &new).await?;
        let owner = services.registry.add_owner(tenant.id, &new.owner).await?;
        let holder = Holder::member(owner, tenant.id, SessionId::generate(), Role::Owner);
        let token = services.auth.issue_for(&holder, TOKEN_LIFETIME)?;
        let key = String::new();
        tenants.push(BenchTenant { number, id: tenant.id, schema: tenant.schema(), token, key });
    }
    Ok(tenants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_uuids_of_the_right_versions() {
        let tenant = tenant_id(17).as_uuid();
        let project = uuid(PROJECT_DIGITS, BASE + 17 * STRIDE + 3);

        assert_eq!(tenant.to_string(), "00000000-0000-4100-8000-000000000017");
        assert_eq!(project.to_string(), "019a0000-0000-7100-8000-000017000003");
    }
}
