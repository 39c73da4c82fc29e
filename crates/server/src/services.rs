//! Everything a process shares among its requests, put together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::{BoxFuture, FutureExt};
use tenantry_api::{Cursors, Hosts, Parts, Proxies, Readiness, SignupSettings, Site, Uploads};
use tenantry_app::{Mailer, TenantStore};
use tenantry_auth::{ApiKeys, Authenticator, ClientUsage, Passwords, Sealer, Watch};
use tenantry_infra::{Dns, Files, MailQueue, PgDirectory, PgRegistry, PgTenantStore, Pool, PoolSettings};
use tenantry_tenancy::provisioning::TenantStorage;
use tenantry_tenancy::{Networks, SystemClock};
use tokio::time::timeout;

use crate::collector::Collector;
use crate::database::Database;
use crate::key_ring::KeyRing;
use crate::keys;
use crate::security::{SecurityQueue, SecurityWriter, security_queue};
use crate::settings::Settings;

/// Connections for what comes before a tenant is known: logins above all.
const DIRECTORY_CONNECTIONS: usize = 4;
/// Connections for the feed of changes, and for tenants that are not remembered: no login makes those wait.
const FEED_CONNECTIONS: usize = 2;
/// Connections for operators and housekeeping.
const PLATFORM_CONNECTIONS: usize = 2;
/// How many tenants are remembered, at a few hundred bytes each.
const REMEMBERED_TENANTS: usize = 100_000;

/// What a process shares among its requests.
pub struct Services {
    /// Proves who is calling.
    pub auth: Arc<Authenticator>,
    /// What is remembered of tenants; must be kept fresh by running it.
    pub watch: Arc<Watch>,
    /// Logins and sessions.
    pub directory: Arc<PgDirectory>,
    /// Tenants and people.
    pub registry: Arc<PgRegistry>,
    /// Makes schemas, if this process may.
    pub storage: Option<Arc<dyn TenantStorage>>,
    /// Writes security events down; must be run once.
    security_writer: Mutex<Option<SecurityWriter>>,
    security: Arc<SecurityQueue>,
    key_ring: Option<KeyRing>,
    proxies: Option<Networks>,
    hosts: Hosts,
    resolver: Arc<Dns>,
    /// Stores the content of documents.
    files: Arc<Files>,
    uploads: Arc<Uploads>,
    /// Delivers mail.
    pub mailer: Arc<dyn Mailer>,
    /// Counts what machine clients call.
    pub usage: Arc<ClientUsage>,
    cursors: Cursors,
    answers: Arc<Sealer>,
    settings: Settings,
    api_url: String,
}

impl Services {
    /// Puts the parts together. No connection is opened yet.
    pub fn new(settings: &Settings, database: &Database) -> Result<Self> {
        let wait = Duration::from_secs(settings.database.wait_seconds);
        let pool = |url: &str, size| Pool::new(url, PoolSettings { size, wait });
        let directory = Arc::new(PgDirectory::new(pool(&database.urls.directory, DIRECTORY_CONNECTIONS)?));
        let registry = Arc::new(PgRegistry::new(pool(&database.urls.platform, PLATFORM_CONNECTIONS)?));
        let tokens = settings.tokens();
        let feed = Arc::new(PgDirectory::new(pool(&database.urls.directory, FEED_CONNECTIONS)?));
        let watch = Arc::new(Watch::new(feed, REMEMBERED_TENANTS, tokens.revocation_memory()));
        let auth = Authenticator::new(tenantry_auth::authenticator::Parts {
            keys: keys::signing_keys(settings)?,
            settings: tokens,
            passwords: Passwords::new(settings.passwords())
                .context("auth.password_memory_kib and auth.password_iterations do not fit")?,
            store: directory.clone(),
            attempts: directory.clone(),
            accounts: directory.clone(),
            factors: directory.clone(),
            sealer: keys::sealer(settings, "tenantry second factors")?,
            passes: keys::sealer(settings, "tenantry passes")?,
            passkeys: directory.clone(),
            relying_party: settings.relying_party()?,
            joining: directory.clone(),
            api_keys: ApiKeys::new(directory.clone(), settings.key_environment()),
            sessions: directory.clone(),
            clients: directory.clone(),
            watch: watch.clone(),
            clock: Arc::new(SystemClock),
            remembered_tokens: settings.auth.remembered_tokens,
        });
        let mailer = Arc::new(MailQueue::start(&settings.delivery(), &settings.mail.from)?);
        let storage = database.migrator()?.map(|migrator| Arc::new(migrator) as Arc<dyn TenantStorage>);
        let (security, security_writer) = security_queue();
        Ok(Self {
            auth: Arc::new(auth),
            watch,
            usage: Arc::new(ClientUsage::new(directory.clone())),
            directory,
            registry,
            storage,
            security_writer: Mutex::new(Some(security_writer)),
            security: Arc::new(security),
            key_ring: KeyRing::of(settings)?,
            proxies: settings.trusted_proxies()?,
            hosts: Hosts::below(settings.base_domain()?),
            resolver: Arc::new(Dns::new(settings.dns_server()?)),
            files: Arc::new(settings.files.open()?),
            uploads: Arc::new(Uploads::new(settings.files.max_uploads)),
            mailer,
            cursors: keys::cursors(settings)?,
            answers: Arc::new(keys::sealer(settings, "tenantry answers")?),
            settings: settings.clone(),
            api_url: database.urls.api.clone(),
        })
    }

    /// What runs beside the requests for as long as the process serves: spawn it once.
    pub fn background(&self) -> impl Future<Output = ()> + Send + use<> {
        let writer = self.security_writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let store = self.directory.clone();
        let (ring, auth) = (self.key_ring.clone(), self.auth.clone());
        let collector = self.collector();
        async move {
            let write = async {
                if let Some(writer) = writer {
                    writer.run(store).await;
                }
            };
            let follow = async {
                if let Some(ring) = ring {
                    ring.follow(auth).await;
                }
            };
            let collect = async {
                match collector {
                    Ok(collector) => collector.run().await,
                    Err(error) => tracing::error!(%error, "content is not collected"),
                }
            };
            tokio::join!(write, follow, collect);
        }
    }

    /// Collects content, on a connection of its own.
    pub fn collector(&self) -> Result<Collector> {
        let store = self.store(self.settings.database.connections)?;
        Ok(Collector { store, files: self.files.clone(), registry: self.registry.clone() })
    }

    /// A store for the calling thread, with its share of `workers` of the connections.
    pub fn store(&self, workers: usize) -> Result<TenantStore> {
        let size = (self.settings.database.connections / workers.max(1)).max(1);
        let wait = Duration::from_secs(self.settings.database.wait_seconds);
        Ok(TenantStore::new(PgTenantStore::new(Pool::new(&self.api_url, PoolSettings { size, wait })?)))
    }

    /// The parts of the API for one worker thread.
    pub fn parts(&self, store: TenantStore) -> Parts {
        Parts {
            store,
            auth: self.auth.clone(),
            registry: self.registry.clone(),
            acting: self.registry.clone(),
            storage: self.storage.clone(),
            readiness: Arc::new(Ready { registry: self.registry.clone(), watch: self.watch.clone() }),
            files: self.files.clone(),
            uploads: self.uploads.clone(),
            mailer: self.mailer.clone(),
            clock: Arc::new(SystemClock),
            cursors: self.cursors.clone(),
            answers: self.answers.clone(),
            limits: self.settings.limits(),
            signup: SignupSettings { enabled: self.settings.signup.enabled },
            hosts: self.hosts.clone(),
            resolver: self.resolver.clone(),
            usage: self.usage.clone(),
            security_log: self.security.clone(),
            security_events: self.registry.clone(),
            proxies: Proxies::trusting(self.proxies.clone()),
            site: Site::new(&self.settings.http.public_url),
        }
    }
}

/// Ready when the database answers and what is remembered is fresh.
struct Ready {
    registry: Arc<PgRegistry>,
    watch: Arc<Watch>,
}

impl Readiness for Ready {
    fn faults(&self) -> BoxFuture<'_, Vec<(&'static str, String)>> {
        async {
            let mut faults = Vec::new();
            if !matches!(timeout(Duration::from_secs(1), self.registry.ping()).await, Ok(Ok(()))) {
                faults.push(("database", "does not answer".to_owned()));
            }
            if self.watch.fresh().is_none() {
                faults.push(("changes", "the feed of changes is older than a second".to_owned()));
            }
            faults
        }
        .boxed()
    }
}
