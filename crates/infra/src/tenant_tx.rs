//! Tenant transactions: the one place where a connection meets a tenant.
//!
//! The opening message, the first query and, for a read, the commit travel together, so that a request waits for the
//! network once. A read gives every statement a transaction of its own: at READ COMMITTED each statement sees a snapshot
//! of its own anyway, and nothing is left open between two of them.

use std::any::TypeId;
use std::future::{Future, poll_fn};
use std::pin::pin;

use async_trait::async_trait;
use deadpool::managed::Object;
use diesel::deserialize::FromSqlRow;
use diesel::expression::QueryMetadata;
use diesel::pg::Pg;
use diesel::query_builder::{AsQuery, QueryFragment, QueryId};
use diesel::query_dsl::CompatibleType;
use diesel::query_dsl::methods::FilterDsl;
use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};
use diesel_async::{AsyncConnectionCore, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use tenantry_app::{Access, AnswerRepo, TenantStorePort, TenantTxPort};
use tenantry_tenancy::api_clients::ApiClientRepo;
use tenantry_tenancy::api_keys::ApiKeyRepo;
use tenantry_tenancy::audit::AuditRepo;
use tenantry_tenancy::domains::DomainRepo;
use tenantry_tenancy::invitations::InvitationRepo;
use tenantry_tenancy::memberships::MembershipRepo;
use tenantry_tenancy::own_tenant::OwnTenantRepo;
use tenantry_tenancy::roles::custom::RoleRepo;
use tenantry_tenancy::{AccessTx, MemberRepo, StoreError, TenantScope};
use tenantry_work::WorkTx;
use tenantry_work::blobs::BlobRepo;
use tenantry_work::documents::DocumentRepo;
use tenantry_work::projects::ProjectRepo;
use tenantry_work::tasks::TaskRepo;
use tokio::task::unconstrained;
use uuid::Uuid;

use crate::connection::{Connection, Connections, Pool};
use crate::error::PgError;
use crate::schema::{TenantTable, rows_of};
use crate::scope;

/// Opens tenant transactions on connections of the role `tenantry_api`.
pub struct PgTenantStore {
    pool: Pool,
}

impl PgTenantStore {
    /// Uses the connections of `pool`, which belongs to the calling worker thread.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl TenantStorePort for PgTenantStore {
    async fn begin(&self, scope: &TenantScope, access: Access) -> Result<Box<dyn TenantTxPort>, StoreError> {
        let connection = self.pool.get().await?;
        Ok(Box::new(PgTenantTx { connection, scope: *scope, access, state: State::Unopened }))
    }
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was sent yet, or everything sent is over.
    Unopened,
    /// A statement is under way: the connection's state is unknown.
    Running,
    /// Open, and every statement succeeded.
    Open,
    /// Open, and a statement failed: it can only be rolled back.
    Failed,
}

/// One transaction of one tenant. Implements every repository itself.
pub(crate) struct PgTenantTx {
    connection: Object<Connections>,
    scope: TenantScope,
    access: Access,
    state: State,
}

impl PgTenantTx {
    /// The tenant's rows of a table: what every statement on it starts from.
    pub(crate) fn rows_of<T>(&self, table: T) -> diesel::dsl::Filter<T, diesel::dsl::Eq<T::TenantId, Uuid>>
    where
        T: TenantTable + FilterDsl<diesel::dsl::Eq<T::TenantId, Uuid>>,
    {
        rows_of(table, self.scope.tenant().as_uuid())
    }

    /// Runs a query and reads its rows.
    pub(crate) async fn load<'q, Q, U, ST>(&mut self, query: Q) -> Result<Vec<U>, PgError>
    where
        Q: AsQuery + Send + 'q,
        Q::Query: QueryFragment<Pg> + QueryId + Send + 'q,
        Q::SqlType: CompatibleType<U, Pg, SqlType = ST>,
        U: FromSqlRow<ST, Pg> + Send + 'static,
        Pg: QueryMetadata<Q::SqlType>,
        ST: 'static,
    {
        let query = query.as_query();
        let id = cached_as(&query);
        self.run(id, |mut conn| {
            let loading = AsyncConnectionCore::load(&mut conn, query);
            async move {
                let rows = loading.await?;
                rows.map(|row| U::build_from_row(&row?).map_err(DieselError::DeserializationError)).try_collect().await
            }
        })
        .await
    }

    /// Runs a query that has at most one row.
    pub(crate) async fn load_one<'q, Q, U, ST>(&mut self, query: Q) -> Result<Option<U>, PgError>
    where
        Q: AsQuery + Send + 'q,
        Q::Query: QueryFragment<Pg> + QueryId + Send + 'q,
        Q::SqlType: CompatibleType<U, Pg, SqlType = ST>,
        U: FromSqlRow<ST, Pg> + Send + 'static,
        Pg: QueryMetadata<Q::SqlType>,
        ST: 'static,
    {
        Ok(self.load(query).await?.pop())
    }

    /// Runs a statement and counts the rows it touched.
    pub(crate) async fn execute<'q, Q>(&mut self, query: Q) -> Result<usize, PgError>
    where
        Q: QueryFragment<Pg> + QueryId + Send + 'q,
    {
        let id = cached_as(&query);
        self.run(id, |mut conn| AsyncConnectionCore::execute_returning_count(&mut conn, query)).await
    }

    /// Sends one statement, with whatever must go before and can go behind it.
    async fn run<'s, T, F>(
        &'s mut self,
        id: Option<TypeId>,
        statement: impl FnOnce(&'s AsyncPgConnection) -> F,
    ) -> Result<T, PgError>
    where
        F: Future<Output = QueryResult<T>> + Send,
        T: Send,
    {
        let Self { connection, scope, access, state } = self;
        let Connection { conn, prepared, clean, .. } = &mut **connection;
        let conn: &'s AsyncPgConnection = conn;
        let opening = (*state == State::Unopened).then(|| scope::opening(scope, *access));
        let ends = *access == Access::Read;
        // A query that is not prepared yet sends its text first and itself only when that is answered; a commit sent
        // along would overtake it.
        let known = id.is_some_and(|id| prepared.contains(&id));

        *state = State::Running;
        *clean = false;
        let closing = if ends && known { Some("COMMIT") } else { None };
        let result = together(conn, opening.as_deref(), statement(conn), closing).await;
        if result.is_ok() {
            prepared.extend(id);
        }
        if ends {
            if closing.is_none() {
                send(conn, "COMMIT");
            }
            *state = State::Unopened;
            *clean = !matches!(&result, Err(error) if is_lost(error));
        } else {
            *state = if result.is_ok() { State::Open } else { State::Failed };
        }
        result.map_err(PgError::from)
    }
}

/// Sends three messages in this order without waiting in between, and waits for the middle one.
///
/// The other two need no waiting: Postgres answers in order, so the middle answer proves the opening one, and whatever is
/// sent later on this connection comes after the closing one.
async fn together<T>(
    conn: &AsyncPgConnection,
    opening: Option<&str>,
    statement: impl Future<Output = QueryResult<T>> + Send,
    closing: Option<&str>,
) -> QueryResult<T> {
    if let Some(opening) = opening {
        send(conn, opening);
    }
    let mut closing = closing;
    // Unconstrained: a cooperative pause before the statement is sent would let the closing message overtake it.
    let mut statement = pin!(unconstrained(statement));
    poll_fn(move |cx| {
        let polled = statement.as_mut().poll(cx);
        if let Some(closing) = closing.take() {
            send(conn, closing);
        }
        polled
    })
    .await
}

/// Under what a connection remembers the query once it is prepared, if it does.
fn cached_as<Q: QueryFragment<Pg> + QueryId>(query: &Q) -> Option<TypeId> {
    Q::query_id().filter(|_| query.is_safe_to_cache_prepared(&Pg).unwrap_or(false))
}

/// Whether the error is that the connection is no more.
fn is_lost(error: &DieselError) -> bool {
    use DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};
    matches!(error, DieselError::DatabaseError(ClosedConnection | UnableToSendCommand, _))
}

/// Puts a message on its way. Its answer is read and dropped by the connection's driver.
fn send(mut conn: &AsyncPgConnection, message: &str) {
    // One poll hands the message to the driver; there is nothing that could make it wait.
    let _ = conn.batch_execute(message).now_or_never();
}

impl Drop for PgTenantTx {
    fn drop(&mut self) {
        // A statement or a transaction was cut short: close the socket, so that Postgres stops and rolls back now.
        if !self.connection.clean {
            self.connection.abort();
        }
    }
}

#[async_trait]
impl TenantTxPort for PgTenantTx {
    fn work(&mut self) -> &mut dyn WorkTx {
        self
    }

    fn crm(&mut self) -> &mut dyn tenantry_crm::CrmTx {
        self
    }

    fn inventory(&mut self) -> &mut dyn tenantry_inventory::InventoryTx {
        self
    }

    fn billing(&mut self) -> &mut dyn tenantry_billing::BillingTx {
        self
    }
    // xtask new: shares

    fn access(&mut self) -> &mut dyn AccessTx {
        self
    }

    fn answers(&mut self) -> &mut dyn AnswerRepo {
        self
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        match self.state {
            State::Unopened => Ok(()),
            State::Open => {
                let mut conn: &AsyncPgConnection = &self.connection.conn;
                conn.batch_execute("COMMIT").await.map_err(PgError::from)?;
                self.connection.clean = true;
                Ok(())
            }
            // Postgres would answer a COMMIT with a quiet rollback, and the caller would believe in a write that is lost.
            State::Running | State::Failed => {
                self.rollback().await;
                Err(StoreError::internal("a failed statement was taken for a success"))
            }
        }
    }

    async fn rollback(mut self: Box<Self>) {
        if matches!(self.state, State::Open | State::Failed) && !self.connection.is_closed() {
            send(&self.connection.conn, "ROLLBACK");
            self.connection.clean = true;
        }
    }
}

impl WorkTx for PgTenantTx {
    fn projects(&mut self) -> &mut dyn ProjectRepo {
        self
    }

    fn tasks(&mut self) -> &mut dyn TaskRepo {
        self
    }

    fn documents(&mut self) -> &mut dyn DocumentRepo {
        self
    }

    fn blobs(&mut self) -> &mut dyn BlobRepo {
        self
    }

    fn members(&mut self) -> &mut dyn MemberRepo {
        self
    }
}

impl tenantry_crm::CrmTx for PgTenantTx {
    fn customers(&mut self) -> &mut dyn tenantry_crm::customers::CustomerRepo {
        self
    }

    // xtask new: crm
}

impl tenantry_inventory::InventoryTx for PgTenantTx {
    fn suppliers(&mut self) -> &mut dyn tenantry_inventory::suppliers::SupplierRepo {
        self
    }

    fn products(&mut self) -> &mut dyn tenantry_inventory::products::ProductRepo {
        self
    }

    fn stock_movements(&mut self) -> &mut dyn tenantry_inventory::stock_movements::StockMovementRepo {
        self
    }

    // xtask new: inventory
}

impl tenantry_billing::BillingTx for PgTenantTx {
    fn invoices(&mut self) -> &mut dyn tenantry_billing::invoices::InvoiceRepo {
        self
    }
    // xtask new: billing
}
// xtask new: modules

impl AccessTx for PgTenantTx {
    fn memberships(&mut self) -> &mut dyn MembershipRepo {
        self
    }

    fn invitations(&mut self) -> &mut dyn InvitationRepo {
        self
    }

    fn domains(&mut self) -> &mut dyn DomainRepo {
        self
    }

    fn api_keys(&mut self) -> &mut dyn ApiKeyRepo {
        self
    }

    fn roles(&mut self) -> &mut dyn RoleRepo {
        self
    }

    fn own_tenant(&mut self) -> &mut dyn OwnTenantRepo {
        self
    }

    fn audit(&mut self) -> &mut dyn AuditRepo {
        self
    }

    fn api_clients(&mut self) -> &mut dyn ApiClientRepo {
        self
    }
}
