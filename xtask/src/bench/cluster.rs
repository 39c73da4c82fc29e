//! The bench's own Postgres, on a disk and syncing, in a folder that goes when it stops.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tenantry_auth::SigningKeys;
use tenantry_embedded_pg::{Location, Mode, Options, Server};
use tenantry_server::database::{self, Database};
use tenantry_server::keys::{secret, write_private};
use tenantry_server::{Services, Settings};
use tokio_postgres::{Client, NoTls};

use super::{say, tools};

/// The name of the database.
pub(crate) const DATABASE: &str = "tenantry";

/// What production would choose on a machine of this size. A log of changes that is large enough keeps checkpoints, other
/// than our own, out of the measurements.
pub(crate) const SETTINGS: [(&str, &str); 6] = [
    ("fsync", "on"),
    ("synchronous_commit", "off"),
    ("shared_buffers", "512MB"),
    ("max_wal_size", "4GB"),
    ("max_connections", "100"),
    ("jit", "off"),
];

/// A running Postgres with an empty, migrated database; stops when dropped.
pub(crate) struct Cluster {
    folder: PathBuf,
    variables: Vec<(&'static str, String)>,
    admin: Client,
    server: RemovedServer,
}

impl Cluster {
    /// Starts it. All files of the bench are in `folder`; the server gets so many `connections`.
    pub(crate) async fn start(folder: &Path, connections: u64) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let location = Location::Kept(folder.join("postgres"));
        let mut options = Options { mode: Mode::Development, location, progress: say, ..Options::test() };
        for (name, value) in SETTINGS {
            options = options.with_setting(name, value);
        }
        let server = tokio::task::spawn_blocking(move || Server::start(&options)).await?;
        let server = RemovedServer(Some(server.context("the private PostgreSQL does not start")?));

        let maintenance = connect(&server.get()?.url("postgres", "postgres")).await?;
        // A run that was killed has left one behind.
        maintenance.batch_execute(&format!("drop database if exists {DATABASE} with (force)")).await?;
        maintenance.batch_execute(&format!("create database {DATABASE}")).await?;
        let url = server.get()?.url("postgres", DATABASE);
        let key = folder.join("signing_key.pem");
        write_private(&key, &SigningKeys::generate_pem())?;
        let cluster = Self {
            folder: folder.to_owned(),
            variables: variables(&url, &key, connections),
            admin: connect(&url).await?,
            server,
        };
        cluster.database().await?.migrate(&|_| {}).await?;
        Ok(cluster)
    }

    /// The environment of a server on this database, in production.
    pub(crate) fn variables(&self) -> &[(&'static str, String)] {
        &self.variables
    }

    /// The parts of the server in this process, which may create schemas too.
    pub(crate) async fn services(&self) -> Result<Services> {
        Services::new(&self.settings()?, &self.database().await?)
    }

    /// Runs SQL as the superuser.
    pub(crate) async fn execute(&self, sql: &str) -> Result<()> {
        Ok(self.admin.batch_execute(sql).await?)
    }

    /// Writes out what has changed, so that it is not written during a measurement.
    pub(crate) async fn checkpoint(&self) -> Result<()> {
        self.execute("checkpoint").await
    }

    /// A connection of the role that serves tenants.
    pub(crate) async fn tenants_role(&self) -> Result<Client> {
        connect(&self.server.get()?.url("tenantry_api", DATABASE)).await
    }

    /// Where all files of the bench are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The directory of the Unix socket.
    pub(crate) fn socket(&self) -> Result<&Path> {
        Ok(self.server.get()?.socket_dir())
    }

    /// The process whose children serve the connections.
    pub(crate) fn pid(&self) -> Result<u32> {
        Ok(self.server.get()?.pid())
    }

    /// Like `17.10`.
    pub(crate) fn version(&self) -> Result<&str> {
        Ok(self.server.get()?.version())
    }

    async fn database(&self) -> Result<Database> {
        Database::open(&self.settings()?).await
    }

    /// The settings of that server, for this process.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let variable = |wanted: &str| match wanted {
            "ADMIN_DATABASE_URL" => find(&self.variables, "DATABASE_URL"),
            "TENANTRY_DATABASE__MIGRATOR_URL" => Some(self.server.get().ok()?.url("tenantry_migrator", DATABASE)),
            wanted => find(&self.variables, wanted),
        };
        Settings::read(&tools::root().join("config"), &variable)
    }
}

fn variables(url: &str, key: &Path, connections: u64) -> Vec<(&'static str, String)> {
    vec![
        ("APP_ENV", "production".to_owned()),
        ("DATABASE_URL", url.to_owned()),
        ("TENANTRY_DATABASE__CONNECTIONS", connections.to_string()),
        ("TENANTRY_AUTH__SIGNING_KEY_FILES", key.display().to_string()),
        ("TENANTRY_AUTH__CURSOR_KEY", secret(32)),
        ("TENANTRY_AUTH__SEALING_KEY", secret(32)),
        ("TENANTRY_FILES__FOLDER", key.with_file_name("files").display().to_string()),
        ("TENANTRY_HTTP__PUBLIC_URL", "https://localhost".to_owned()),
        // One token must last for the whole run.
        ("TENANTRY_AUTH__ACCESS_MINUTES", "1440".to_owned()),
        ("TENANTRY_LOG__FILTER", "warn".to_owned()),
    ]
}

fn find(variables: &[(&'static str, String)], wanted: &str) -> Option<String> {
    variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = database::config("the private server's URL", url)?.connect(NoTls).await?;
    tokio::spawn(async move {
        // A broken connection shows as the error of whoever uses it.
        let _ = connection.await;
    });
    Ok(client)
}

/// A server whose directory goes with it.
struct RemovedServer(Option<Server>);

impl RemovedServer {
    fn get(&self) -> Result<&Server> {
        self.0.as_ref().context("the private PostgreSQL was stopped")
    }
}

impl Drop for RemovedServer {
    fn drop(&mut self) {
        if let Some(server) = self.0.take() {
            let directory = server.directory().to_owned();
            let removed = server.stop().map_err(anyhow::Error::from).and_then(|()| Ok(fs::remove_dir_all(&directory)?));
            if let Err(error) = removed {
                say(&format!("{} is left behind: {error:#}", directory.display()));
            }
        }
    }
}
