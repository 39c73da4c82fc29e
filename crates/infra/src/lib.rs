//! Postgres behind the ports: pools, scoped transactions, repositories, the registry, migrations and the catalogue gate.
//!
//! May use `app`, the modules, `tenancy` and the ports of `auth`; the only crate that knows diesel or SQL. Start reading at
//! [`PgTenantStore`], then `scope.rs`, which writes the first message of every tenant transaction.

mod api_clients;
mod api_keys;
mod connection;
mod directory;
mod error;
pub mod gate;
mod members;
mod memberships;
pub mod migrations;
mod projects;
mod registry;
mod rows;
mod schema;
mod scope;
mod sql;
#[cfg(feature = "testing")]
pub mod statements;
mod tasks;
mod tenant_tx;

pub use connection::{InvalidUrl, Pool, PoolSettings};
pub use directory::PgDirectory;
pub use registry::PgRegistry;
pub use schema::{SHARED_TABLES, TENANT_TABLES};
pub use tenant_tx::PgTenantStore;
