//! The unit of work: one transaction of one tenant.

use std::sync::Arc;

use async_trait::async_trait;
use tenantry_tenancy::{AccessTx, StoreError, TenantId, TenantScope};
use tenantry_work::WorkTx;

use crate::answers::AnswerRepo;

/// What a unit of work may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only look: the store itself refuses a write.
    Read,
    /// Look and change.
    Write,
    /// The same, waiting for nobody longer than a second.
    WriteAtOnce,
}

/// Opens units of work. Implemented once, by the store behind [`TenantStore`].
#[async_trait]
pub trait TenantStorePort: Send + Sync {
    /// Opens a unit of work inside the tenant of `scope`.
    async fn begin(&self, scope: &TenantScope, access: Access) -> Result<Box<dyn TenantTxPort>, StoreError>;
}

/// An open unit of work, as its store sees it. Dropping it undone must undo it.
#[async_trait]
pub trait TenantTxPort: Send {
    /// The work module's share.
    fn work(&mut self) -> &mut dyn WorkTx;

    /// The crm module's share.
    fn crm(&mut self) -> &mut dyn tenantry_crm::CrmTx;
    /// The inventory module's share.
    fn inventory(&mut self) -> &mut dyn tenantry_inventory::InventoryTx;
    /// The billing module's share.
    fn billing(&mut self) -> &mut dyn tenantry_billing::BillingTx;
    // xtask new: shares

    /// The share of administration.
    fn access(&mut self) -> &mut dyn AccessTx;

    /// The answers that are kept.
    fn answers(&mut self) -> &mut dyn AnswerRepo;

    /// Makes everything done durable.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;

    /// Undoes everything done.
    async fn rollback(self: Box<Self>);
}

/// One open transaction, bound to one tenant. Only [`TenantStore`] opens, commits and rolls back.
///
/// It ends with the closure that was given it, so it cannot be kept:
///
/// ```compile_fail,E0521
/// # use tenantry_app::{TenantStore, TenantTx};
/// # use tenantry_tenancy::{StoreError, TenantScope};
/// async fn escape(store: &TenantStore, scope: &TenantScope) {
///     let mut kept: Option<&mut TenantTx> = None;
///     let _ = store.write(scope, async |tx| { kept = Some(tx); Ok::<_, StoreError>(()) }).await;
/// }
/// ```
///
/// nor ended by anybody else:
///
/// ```compile_fail,E0599
/// # use tenantry_app::{TenantStore, TenantTx};
/// # use tenantry_tenancy::{StoreError, TenantScope};
/// async fn sneak(store: &TenantStore, scope: &TenantScope) -> Result<(), StoreError> {
///     store.write(scope, async |tx| tx.commit().await).await
/// }
/// ```
pub struct TenantTx(Box<dyn TenantTxPort>);

impl TenantTx {
    /// Projects, tasks and documents.
    pub fn work(&mut self) -> &mut dyn WorkTx {
        self.0.work()
    }

    /// Who may do what: members, roles and what else the tenant's administrators manage.
    pub fn access(&mut self) -> &mut dyn AccessTx {
        self.0.access()
    }

    /// The crm module's share.
    pub fn crm(&mut self) -> &mut dyn tenantry_crm::CrmTx {
        self.0.crm()
    }
    /// The inventory module's share.
    pub fn inventory(&mut self) -> &mut dyn tenantry_inventory::InventoryTx {
        self.0.inventory()
    }
    /// The billing module's share.
    pub fn billing(&mut self) -> &mut dyn tenantry_billing::BillingTx {
        self.0.billing()
    }
    // xtask new: accessors

    /// Answers kept for requests that may come again.
    pub fn answers(&mut self) -> &mut dyn AnswerRepo {
        self.0.answers()
    }
}

/// A unit of work that is done but not yet durable. Dropping it undoes it.
pub struct HeldTx {
    tx: TenantTx,
    tenant: TenantId,
}

impl HeldTx {
    /// Whose it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Does what is left to do and makes everything durable, or undoes everything.
    pub async fn commit<E: From<StoreError>>(
        mut self,
        last: impl AsyncFnOnce(&mut TenantTx) -> Result<(), E>,
    ) -> Result<(), E> {
        let done = last(&mut self.tx).await;
        self.tx.end(done).await
    }
}

/// The only way to a tenant's data: a scope goes in, a transaction bound to its tenant comes out.
///
/// Without a scope nothing compiles:
///
/// ```compile_fail,E0061
/// # use tenantry_app::TenantStore;
/// # use tenantry_tenancy::StoreError;
/// # use tenantry_work::projects::ProjectQuery;
/// async fn unscoped(store: &TenantStore) {
///     let _ = store.read(async |tx| tx.work().projects().list(&ProjectQuery::default()).await).await;
/// }
/// ```
///
/// and a repository takes no tenant id, so no caller can name another's:
///
/// ```compile_fail,E0061
/// # use tenantry_app::TenantTx;
/// # use tenantry_tenancy::TenantId;
/// # use tenantry_work::projects::ProjectId;
/// async fn peek(tx: &mut TenantTx, other: TenantId, id: ProjectId) {
///     let _ = tx.work().projects().find(other, id).await;
/// }
/// ```
///
/// With one:
///
/// ```
/// # use tenantry_app::TenantStore;
/// # use tenantry_tenancy::TenantScope;
/// # use tenantry_work::projects::{self, Project, ProjectError, ProjectId};
/// async fn show(store: &TenantStore, scope: &TenantScope, id: ProjectId) -> Result<Project, ProjectError> {
///     store.read(scope, async |tx| projects::show(tx.work(), id).await).await
/// }
/// ```
#[derive(Clone)]
pub struct TenantStore(Arc<dyn TenantStorePort>);

impl TenantStore {
    /// Wraps a store.
    pub fn new(port: impl TenantStorePort + 'static) -> Self {
        Self(Arc::new(port))
    }

    /// Runs `work` on a read-only view of the tenant's data.
    pub async fn read<T, E>(
        &self,
        scope: &TenantScope,
        work: impl AsyncFnOnce(&mut TenantTx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        self.run(scope, Access::Read, work).await
    }

    /// Runs `work` and commits if it succeeds, undoes everything if it fails, panics or is dropped.
    pub async fn write<T, E>(
        &self,
        scope: &TenantScope,
        work: impl AsyncFnOnce(&mut TenantTx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        self.run(scope, Access::Write, work).await
    }

    /// Runs `work` as [`write`](Self::write) does, but leaves it to the caller when it becomes durable: whoever answers a
    /// request that may come again keeps the answer in the same transaction.
    pub async fn hold<T, E>(
        &self,
        scope: &TenantScope,
        work: impl AsyncFnOnce(&mut TenantTx) -> Result<T, E>,
    ) -> Result<(T, HeldTx), E>
    where
        E: From<StoreError>,
    {
        let mut tx = TenantTx(self.0.begin(scope, Access::WriteAtOnce).await?);
        match work(&mut tx).await {
            Ok(value) => Ok((value, HeldTx { tx, tenant: scope.tenant() })),
            Err(error) => tx.end(Err(error)).await,
        }
    }

    async fn run<T, E>(
        &self,
        scope: &TenantScope,
        access: Access,
        work: impl AsyncFnOnce(&mut TenantTx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        let mut tx = TenantTx(self.0.begin(scope, access).await?);
        let done = work(&mut tx).await;
        tx.end(done).await
    }
}

impl TenantTx {
    async fn end<T, E: From<StoreError>>(self, done: Result<T, E>) -> Result<T, E> {
        match done {
            Ok(value) => {
                self.0.commit().await?;
                Ok(value)
            }
            Err(error) => {
                self.0.rollback().await;
                Err(error)
            }
        }
    }
}
