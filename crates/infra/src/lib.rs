//! Postgres behind the ports: pools, scoped transactions, repositories, the registry, migrations and the catalogue gate;
//! mail and files.
//!
//! May use `app`, the modules, `tenancy` and the ports of `auth`; the only crate that knows diesel or SQL. Start reading at
//! [`PgTenantStore`], then `scope.rs`, which writes the first message of every tenant transaction.

mod acting;
mod answers;
mod api_clients;
mod api_keys;
mod audit;
mod blobs;
mod connection;
mod customers;
mod directory;
mod dns;
mod documents;
mod domains;
mod error;
mod files;
pub mod gate;
mod invitations;
mod invoices;
mod lists;
mod mail;
mod members;
mod memberships;
pub mod migrations;
mod own_tenant;
mod products;
mod projects;
mod registry;
mod roles;
mod rows;
mod schema;
mod scope;
mod sql;
#[cfg(feature = "testing")]
pub mod statements;
mod stock_movements;
mod suppliers;
mod tasks;
mod tenant_tx;
// xtask new: resources

pub use connection::{InvalidUrl, Pool, PoolSettings};
pub use directory::PgDirectory;
pub use dns::Dns;
pub use files::{Files, FilesError, S3Settings};
pub use mail::{Delivery, InvalidMailSettings, MailQueue};
pub use registry::PgRegistry;
pub use schema::{SHARED_TABLES, TENANT_TABLES};
pub use tenant_tx::PgTenantStore;
