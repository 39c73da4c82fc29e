//! Connections and the pools they wait in.
//!
//! A pool belongs to one worker thread, checking a connection out costs no query, and a connection that is not known to
//! be clean is destroyed instead of put back (`docs/tenant-isolation.md`).

use std::any::TypeId;
use std::collections::HashSet;
use std::time::Duration;

use deadpool::managed::{self, Manager, Metrics, Object, PoolError, RecycleError, RecycleResult, Timeouts};
use diesel::deserialize::FromSqlRow;
use diesel::expression::QueryMetadata;
use diesel::pg::Pg;
use diesel::query_builder::{AsQuery, QueryFragment, QueryId};
use diesel::query_dsl::CompatibleType;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tenantry_tenancy::StoreError;
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

use crate::error::PgError;

/// Why a pool could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the database URL cannot be used")]
pub struct InvalidUrl(#[source] tokio_postgres::Error);

/// How many connections a pool holds and how long anybody waits for one.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// The most connections at a time.
    pub size: usize,
    /// How long a request waits for a connection before it is turned away.
    pub wait: Duration,
}

/// A pool of connections of one database role.
#[derive(Clone)]
pub struct Pool(managed::Pool<Connections>);

impl Pool {
    /// Makes an empty pool; connections are opened when they are asked for.
    pub fn new(url: &str, settings: PoolSettings) -> Result<Self, InvalidUrl> {
        let mut config: tokio_postgres::Config = url.parse().map_err(InvalidUrl)?;
        config.application_name("tenantry").connect_timeout(settings.wait);
        let timeouts = Timeouts { wait: Some(settings.wait), create: Some(settings.wait), recycle: None };
        let pool = managed::Pool::builder(Connections { config })
            .max_size(settings.size)
            .timeouts(timeouts)
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .expect("a runtime is given, which is all that can be missing");
        Ok(Self(pool))
    }

    pub(crate) async fn get(&self) -> Result<Object<Connections>, StoreError> {
        self.0.get().await.map_err(|error| match error {
            PoolError::Backend(error) => StoreError::unavailable(error),
            error => StoreError::unavailable(error.to_string()),
        })
    }

    /// Runs one statement in a transaction of its own and reads its rows.
    ///
    /// For what belongs to no tenant: the roles whose pools are used like this reach no tenant table.
    pub(crate) async fn load<'q, Q, U, ST>(&self, query: Q) -> Result<Vec<U>, StoreError>
    where
        Q: AsQuery + Send + 'q,
        Q::Query: QueryFragment<Pg> + QueryId + Send + 'q,
        Q::SqlType: CompatibleType<U, Pg, SqlType = ST>,
        U: FromSqlRow<ST, Pg> + Send + 'static,
        Pg: QueryMetadata<Q::SqlType>,
        ST: 'static,
    {
        let mut connection = self.get().await?;
        connection.clean = false;
        let rows = query.load(&mut connection.conn).await.map_err(PgError::from);
        connection.clean = true;
        Ok(rows?)
    }

    /// Runs one statement in a transaction of its own and counts the rows it touched.
    pub(crate) async fn execute<'q, Q>(&self, query: Q) -> Result<usize, StoreError>
    where
        Q: QueryFragment<Pg> + QueryId + Send + 'q,
    {
        let mut connection = self.get().await?;
        connection.clean = false;
        let count = query.execute(&mut connection.conn).await.map_err(PgError::from);
        connection.clean = true;
        Ok(count?)
    }

    /// Closes idle connections and turns everybody away from now on.
    pub fn close(&self) {
        self.0.close();
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.0.status().size
    }
}

/// One connection and what is known about it.
pub(crate) struct Connection {
    pub(crate) conn: AsyncPgConnection,
    /// Queries that were prepared on this connection.
    pub(crate) prepared: HashSet<TypeId>,
    /// Whether everything sent was answered, or will be before anything sent later: nothing of this user is left behind.
    pub(crate) clean: bool,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Whether the server or the network has ended it.
    pub(crate) fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }

    /// Closes the socket at once. The driver alone would wait for the end of a running query.
    pub(crate) fn abort(&self) {
        self.driver.abort();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.clean {
            self.abort();
        }
    }
}

/// Opens connections for a pool.
pub(crate) struct Connections {
    config: tokio_postgres::Config,
}

impl Manager for Connections {
    type Type = Connection;
    type Error = ConnectError;

    async fn create(&self) -> Result<Connection, ConnectError> {
        let (client, connection) = self.config.connect(NoTls).await.map_err(ConnectError::Connect)?;
        let driver = tokio::spawn(async move {
            // A broken connection shows as the error of whoever uses it.
            let _ = connection.await;
        });
        let conn = AsyncPgConnection::try_from(client).await.map_err(ConnectError::Setup)?;
        Ok(Connection { conn, prepared: HashSet::new(), clean: true, driver })
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<ConnectError> {
        if connection.clean && !connection.is_closed() {
            Ok(())
        } else {
            Err(RecycleError::message("the connection is not clean"))
        }
    }
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the database refuses the connection")]
    Connect(#[source] tokio_postgres::Error),
    #[error("the connection cannot be set up")]
    Setup(#[source] diesel::ConnectionError),
}
