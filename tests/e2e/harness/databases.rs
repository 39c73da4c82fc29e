//! Databases of a test's own beside the suite's, for what would hurt the others.

use std::sync::Arc;

use tenantry_server::database::Urls;
use tenantry_server::{Database, Services};
use tenantry_tenancy::Placement;
use tokio::sync::Mutex;
use tokio_postgres::Client;

use super::{Suite, Tenant, connect, instance_at};

/// A migrated database, and an instance's services on it.
pub struct OwnDatabase {
    pub database: Database,
    pub services: Arc<Services>,
    base: String,
}

impl OwnDatabase {
    /// A database with this name. Nobody serves it.
    pub async fn new(suite: &Suite, name: &str) -> Self {
        // Roles belong to the whole server, and Postgres lets only one session at a time change them.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
        let _turn = ONE_AT_A_TIME.lock().await;
        let maintenance = connect(&suite.postgres.url("postgres", "postgres")).await;
        maintenance.batch_execute(&format!("create database {name}")).await.unwrap();
        let database = Database::at(Urls::of_admin(&suite.postgres.url("postgres", name)).unwrap());
        database.migrate(&|_| {}).await.unwrap();
        let services = Arc::new(Services::new(&suite.settings, &database).unwrap());
        Self { database, services, base: String::new() }
    }

    /// The same with an instance of the service.
    pub async fn served(suite: &Suite, name: &str, overrides: &'static [(&'static str, &'static str)]) -> Self {
        let own = Self::new(suite, name).await;
        let (services, base) = instance_at(own.database.urls.clone(), overrides).await;
        Self { services, base, ..own }
    }

    /// A superuser's connection.
    pub async fn admin(&self) -> Client {
        connect(self.database.urls.admin.as_ref().unwrap()).await
    }

    /// A tenant of this database.
    pub async fn tenant(&self, placement: Placement) -> Tenant {
        Tenant::new(&self.services, &self.base, placement).await
    }
}
