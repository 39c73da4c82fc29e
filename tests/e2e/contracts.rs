//! What the in-memory stores promise, Postgres keeps: the same checks, in both placements.

use std::sync::Arc;

use async_trait::async_trait;
use tenantry_app::TenantStore;
use tenantry_auth::testing::contract::{self, Fixture};
use tenantry_auth::{CredentialStore, TokenDigest};
use tenantry_billing::invoices::NewInvoice;
use tenantry_infra::{PgDirectory, PgRegistry, PgTenantStore, Pool, PoolSettings};
use tenantry_tenancy::provisioning::{NewTenant, provision};
use tenantry_tenancy::{
    Directory, Email, OperatorId, Placement, Plan, Role, Slug, StoreError, Tenant, TenantId, TenantStatus, UserId,
};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::harness::{PATIENCE, PLACEMENTS, Suite, suite};

#[tokio::test]
async fn the_repositories_of_the_work_module_keep_its_contract() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let store = TenantStore::new(PgTenantStore::new(pool(&suite.urls.api, 1)));

        for (name, check) in tenantry_work::testing::contract::ALL {
            eprintln!("{placement}: {name}");
            let scope = tenant.scope();
            let checked = store.write(&scope, async |tx| {
                check(tx.work(), tenant.user(Role::Member)).await;
                // Nothing of it is kept: the next check finds an empty tenant.
                Err::<(), _>(StoreError::internal("undone"))
            });
            assert!(matches!(checked.await, Err(StoreError::Internal(_))));
        }
    }
}

/// Holds a module's repositories to the contract that its in-memory ones keep.
macro_rules! contract {
    ($name:ident, $module:ident, $contract:path) => {
        #[tokio::test]
        async fn $name() {
            let suite = suite().await;
            for placement in PLACEMENTS {
                let tenant = suite.tenant(placement).await;
                let store = TenantStore::new(PgTenantStore::new(pool(&suite.urls.api, 1)));
                for (name, check) in $contract {
                    eprintln!("{placement}: {name}");
                    let scope = tenant.scope();
                    let checked = store.write(&scope, async |tx| {
                        check(tx.$module()).await;
                        Err::<(), _>(StoreError::internal("undone"))
                    });
                    assert!(matches!(checked.await, Err(StoreError::Internal(_))));
                }
            }
        }
    };
}

contract!(the_repositories_of_the_crm_module_keep_its_contract, crm, tenantry_crm::testing::CONTRACT);
contract!(the_repositories_of_the_inventory_module_keep_its_contract, inventory, tenantry_inventory::testing::CONTRACT);
contract!(the_repositories_of_the_billing_module_keep_its_contract, billing, tenantry_billing::testing::CONTRACT);
// xtask new: contracts

#[tokio::test]
async fn a_customer_with_an_invoice_is_in_use() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let store = TenantStore::new(PgTenantStore::new(pool(&suite.urls.api, 1)));
        let scope = tenant.scope();
        let checked = store.write(&scope, async |tx| {
            let made = tx.crm().customers().insert(&[tenantry_crm::testing::new_customer("Ada")]).await?.remove(0);
            let customer = Some(tenantry_billing::invoices::CustomerId::from_uuid(made.id.as_uuid()));
            let new = NewInvoice { customer, ..tenantry_billing::testing::new_invoice("Ada") };
            tx.billing().invoices().insert(&[new]).await.unwrap();
            tenantry_crm::testing::what_is_in_use_stays(tx.crm(), made.id).await;
            Err::<(), _>(StoreError::internal("undone"))
        });
        assert!(matches!(checked.await, Err(StoreError::Internal(_))));
    }
}

#[tokio::test]
async fn the_directory_keeps_the_contract_of_credential_stores() {
    let suite = suite().await;

    contract::all(&PgFixture::new(&suite).await).await;
}

fn pool(url: &str, size: usize) -> Pool {
    Pool::new(url, PoolSettings { size, wait: PATIENCE }).unwrap()
}

/// Fills the database with what the contract needs: through the registry, and as a superuser where that has no way.
struct PgFixture {
    directory: Arc<PgDirectory>,
    registry: PgRegistry,
    admin: Client,
}

impl PgFixture {
    async fn new(suite: &Suite) -> Self {
        let directory = Arc::new(PgDirectory::new(pool(&suite.urls.directory, 4)));
        let registry = PgRegistry::new(pool(&suite.urls.platform, 2));
        Self { directory, registry, admin: suite.admin().await }
    }
}

#[async_trait]
impl Fixture for PgFixture {
    fn store(&self) -> Arc<dyn CredentialStore> {
        self.directory.clone()
    }

    fn directory(&self) -> Arc<dyn Directory> {
        self.directory.clone()
    }

    async fn tenant(&self) -> Tenant {
        let name = format!("contract-{}", Uuid::now_v7());
        let new = NewTenant {
            slug: Slug::parse(&name).unwrap(),
            plan: Plan::Standard,
            placement: Placement::Pooled,
            owner: Email::parse(&format!("{name}@owners.example")).unwrap(),
        };
        provision(&self.registry, None, &new).await.unwrap()
    }

    async fn set_status(&self, tenant: TenantId, status: TenantStatus) {
        let update = format!("update registry.tenants set status = '{status}' where id = '{tenant}'");
        self.admin.batch_execute(&update).await.unwrap();
    }

    async fn user(&self, email: &Email) -> UserId {
        self.registry.ensure_user(email).await.unwrap()
    }

    async fn join(&self, user: UserId, tenant: TenantId, role: Role) {
        self.registry.ensure_member(tenant, user, role).await.unwrap();
    }

    async fn leave(&self, user: UserId, tenant: TenantId) {
        // Without the sessions, which a member who leaves takes along otherwise.
        let delete = format!(
            "begin; set local session_replication_role = replica;
             delete from registry.memberships where tenant_id = '{tenant}' and user_id = '{user}'; commit"
        );
        self.admin.batch_execute(&delete).await.unwrap();
    }

    async fn operator(&self, digest: &TokenDigest) -> OperatorId {
        let email = Email::parse(&format!("{}@operators.example", Uuid::now_v7())).unwrap();
        let expires_at = chrono::Utc::now() + chrono::TimeDelta::hours(1);
        self.registry.ensure_operator(&email, digest, expires_at).await.unwrap()
    }
}
