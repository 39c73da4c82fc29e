//! Which database to use, as which roles; in development, a private one.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tenantry_infra::migrations::{self, Migrator};
use tokio_postgres::Config;
use url::Url;

use crate::settings::{DatabaseSettings, Settings};

/// How long a database may take to let us in when we start.
const REACH_TIME: Duration = Duration::from_secs(10);

/// The database, and the private server it may run on.
pub struct Database {
    /// The URL of each role.
    pub urls: Urls,
    #[cfg(feature = "embedded")]
    embedded: Option<Embedded>,
}

/// The URL of each role.
#[derive(Clone, Debug)]
pub struct Urls {
    /// `tenantry_api`.
    pub api: String,
    /// `tenantry_directory`.
    pub directory: String,
    /// `tenantry_platform`.
    pub platform: String,
    /// `tenantry_migrator`, if this process may migrate.
    pub migrator: Option<String>,
    /// An administrator, if this process may create roles.
    pub admin: Option<String>,
}

#[cfg(feature = "embedded")]
enum Embedded {
    /// Ours: it stops with us.
    Owned(tenantry_embedded_pg::Server),
    /// Another process's, whose server we use beside it.
    Attached,
}

impl Database {
    /// The database that the settings name or, in development without one, a private server in `.data`.
    pub async fn open(settings: &Settings) -> Result<Self> {
        if names_a_database(&settings.database) {
            let urls = Urls::configured(settings)?;
            if let Some(admin) = &urls.admin {
                let by_url = settings.database.admin_url.is_empty();
                let setting =
                    if by_url { "DATABASE_URL (database.url)" } else { "ADMIN_DATABASE_URL (database.admin_url)" };
                reach(setting, admin).await?;
            }
            return Ok(Self::at(urls));
        }
        Self::open_embedded(settings).await
    }

    /// The database at these URLs, on a server that is somebody else's business.
    pub fn at(urls: Urls) -> Self {
        Self {
            urls,
            #[cfg(feature = "embedded")]
            embedded: None,
        }
    }

    #[cfg(feature = "embedded")]
    async fn open_embedded(settings: &Settings) -> Result<Self> {
        use tenantry_embedded_pg::{Error, Options, Server, attach};

        if !settings.is_development() {
            bail!("DATABASE_URL must be set in production");
        }
        let options = Options { progress: |message| eprintln!("tenantry: {message}"), ..Options::development(".") };
        let started = tokio::task::spawn_blocking(move || match Server::start(&options) {
            Ok(server) => Ok((server.url("postgres", "tenantry"), Embedded::Owned(server))),
            Err(owned @ Error::Owned { .. }) => match attach(&options)? {
                Some(attached) => Ok((attached.url("postgres", "tenantry"), Embedded::Attached)),
                None => Err(owned),
            },
            Err(error) => Err(error),
        });
        let (admin, embedded) = started.await?.context("the private PostgreSQL does not start")?;
        ensure_database(&admin).await?;
        Ok(Self { urls: Urls::of_admin(&admin)?, embedded: Some(embedded) })
    }

    #[cfg(not(feature = "embedded"))]
    async fn open_embedded(_: &Settings) -> Result<Self> {
        bail!("DATABASE_URL must be set: this build has no private PostgreSQL")
    }

    /// Connects once as each role, so that a wrong URL is told by its setting now, and not by the requests that need it.
    pub async fn reach(&self) -> Result<()> {
        let Urls { api, directory, platform, migrator, admin: _ } = &self.urls;
        for (setting, url) in [
            ("DATABASE_URL (database.api_url)", Some(api)),
            ("DATABASE_URL (database.directory_url)", Some(directory)),
            ("DATABASE_URL (database.platform_url)", Some(platform)),
            ("database.migrator_url", migrator.as_ref()),
        ] {
            if let Some(url) = url {
                reach(setting, url).await?;
            }
        }
        Ok(())
    }

    /// Whether another process owns the private server this one uses.
    pub fn is_attached(&self) -> bool {
        #[cfg(feature = "embedded")]
        return matches!(self.embedded, Some(Embedded::Attached));
        #[cfg(not(feature = "embedded"))]
        return false;
    }

    /// Whether the private server has ended by itself. It does not come back.
    pub fn has_died(&mut self) -> bool {
        #[cfg(feature = "embedded")]
        if let Some(Embedded::Owned(server)) = &mut self.embedded {
            return server.exit_status().is_some();
        }
        false
    }

    /// Changes schemas, if this process may.
    pub fn migrator(&self) -> Result<Option<Migrator>> {
        let parse = |url: &String| Ok(Migrator::new(config("database.migrator_url", url)?));
        self.urls.migrator.as_ref().map(parse).transpose()
    }

    /// Brings the database to the newest version, creating roles first if it may. Tells every step.
    pub async fn migrate(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<migrations::Applied> {
        let urls = &self.urls;
        if let Some(admin) = &urls.admin {
            migrations::bootstrap(&config("database.admin_url", admin)?, &urls.passwords()?).await?;
        } else if !migrations::is_bootstrapped(&config("database.platform_url", &urls.platform)?).await? {
            bail!(migrations::MigrationError::NoRoles);
        }
        let migrator = self.migrator()?.context("database.migrator_url must be set to migrate")?;
        Ok(migrator.migrate_all(progress).await?)
    }
}

impl Urls {
    fn configured(settings: &Settings) -> Result<Self> {
        let database = &settings.database;
        let role = |given: &str, role: &str| match given {
            "" => as_role(&database.url, role),
            given => Ok(given.to_owned()),
        };
        let optional = |given: &str| (!given.is_empty()).then(|| given.to_owned());
        // A developer's URL is an administrator's, and may do all.
        let developer = settings.is_development() && !database.url.is_empty();
        let migrator = match optional(&database.migrator_url) {
            None if developer => Some(as_role(&database.url, "tenantry_migrator")?),
            given => given,
        };
        let admin = optional(&database.admin_url).or_else(|| developer.then(|| database.url.clone()));
        Ok(Self {
            api: role(&database.api_url, "tenantry_api")?,
            directory: role(&database.directory_url, "tenantry_directory")?,
            platform: role(&database.platform_url, "tenantry_platform")?,
            migrator,
            admin,
        })
    }

    /// Every role by the administrator's URL with another user.
    pub fn of_admin(admin: &str) -> Result<Self> {
        Ok(Self {
            api: as_role(admin, "tenantry_api")?,
            directory: as_role(admin, "tenantry_directory")?,
            platform: as_role(admin, "tenantry_platform")?,
            migrator: Some(as_role(admin, "tenantry_migrator")?),
            admin: Some(admin.to_owned()),
        })
    }

    /// The passwords that the roles' URLs carry.
    fn passwords(&self) -> Result<Vec<(String, String)>> {
        let mut passwords = Vec::new();
        for url in
            [Some(&self.api), Some(&self.directory), Some(&self.platform), self.migrator.as_ref()].into_iter().flatten()
        {
            let config = config("the URL of a role", url)?;
            if let (Some(user), Some(password)) = (config.get_user(), config.get_password()) {
                passwords.push((user.to_owned(), String::from_utf8_lossy(password).into_owned()));
            }
        }
        Ok(passwords)
    }
}

fn names_a_database(database: &DatabaseSettings) -> bool {
    [&database.url, &database.api_url, &database.directory_url, &database.platform_url]
        .iter()
        .any(|url| !url.is_empty())
}

/// The same URL with another user.
fn as_role(url: &str, role: &str) -> Result<String> {
    let mut url = Url::parse(url).context("DATABASE_URL (database.url) is not a URL")?;
    if !matches!(url.scheme(), "postgres" | "postgresql") || url.set_username(role).is_err() {
        bail!("DATABASE_URL (database.url) must look like postgres://user:password@host/database");
    }
    Ok(url.into())
}

/// A URL as the driver wants it; `setting` is named if it is none.
pub fn config(setting: &str, url: &str) -> Result<Config> {
    url.parse().with_context(|| format!("{setting} is not a URL of a PostgreSQL database"))
}

/// Fails in one sentence unless the database lets us in.
async fn reach(setting: &str, url: &str) -> Result<()> {
    let config = config(setting, url)?;
    let user = config.get_user().unwrap_or("nobody");
    let connected = tokio::time::timeout(REACH_TIME, config.connect(tokio_postgres::NoTls)).await;
    let connected = connected.map_err(anyhow::Error::from).and_then(|connected| Ok(connected?));
    // Dropping both ends closes the connection.
    connected.map(|_| ()).with_context(|| format!("{setting} names a database that cannot be reached as {user}"))
}

/// Creates the database `tenantry` beside the one that every server has.
#[cfg(feature = "embedded")]
async fn ensure_database(admin: &str) -> Result<()> {
    let mut beside = config("the private server's URL", admin)?;
    beside.dbname("postgres");
    let (client, connection) =
        beside.connect(tokio_postgres::NoTls).await.context("the private PostgreSQL does not answer")?;
    let driver = tokio::spawn(connection);
    if client.query_opt("select from pg_database where datname = 'tenantry'", &[]).await?.is_none() {
        client.batch_execute("create database tenantry").await?;
    }
    drop(client);
    driver.await??;
    Ok(())
}
