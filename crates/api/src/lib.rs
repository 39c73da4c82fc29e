//! The HTTP API: one file per resource with its handlers and views, and what they all share.
//!
//! May use `app`, the modules, `auth` and `tenancy`; knows no SQL. Start reading at `projects.rs`, then
//! `routes.rs`: a handler is registered with the permission its signature names, and without one it does not build.

mod acting;
mod api_clients;
mod api_keys;
mod audit;
mod auth;
mod client_tokens;
mod conditions;
mod cursor;
mod customers;
mod devices;
mod docs;
mod documents;
mod domains;
mod edge;
mod enrolment;
mod entering;
mod extract;
mod factors;
mod health;
mod hosts;
mod invitations;
mod invoices;
mod list;
mod listing;
mod me;
mod members;
mod notices;
mod oauth;
mod once;
mod openapi;
mod own_tenant;
mod passkeys;
mod passwords;
mod percent;
mod problem;
mod products;
mod projects;
mod proxies;
mod reply;
mod roles;
mod routes;
mod security_events;
mod sessions;
mod signup;
mod site;
mod stock_movements;
mod suppliers;
mod tasks;
mod tenants;
// xtask new: resources

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Data, ServiceConfig};
use tenantry_app::{FileStore, Mailer, TenantStore, TxtResolver};
use tenantry_auth::{Authenticator, ClientUsage, Sealer, SecurityEvents, SecurityLog};
use tenantry_tenancy::Clock;
use tenantry_tenancy::acting::ActingRegistry;
use tenantry_tenancy::provisioning::{TenantRegistry, TenantStorage};

pub use cursor::Cursors;
pub use documents::Uploads;
pub use edge::edge;
pub use health::Readiness;
pub use hosts::Hosts;
pub use proxies::Proxies;
pub use routes::{Access, PUBLIC_ROUTES, RouteInfo};
pub use signup::SignupSettings;
pub use site::Site;

use once::AnswerSealer;
use routes::Routes;

/// What the API is made of. One per worker thread; everything but the store is shared.
pub struct Parts {
    /// Opens units of work, on connections of this worker.
    pub store: TenantStore,
    /// Proves who is calling.
    pub auth: Arc<Authenticator>,
    /// The registry of tenants, for operators.
    pub registry: Arc<dyn TenantRegistry>,
    /// Who acts in which tenant, for operators.
    pub acting: Arc<dyn ActingRegistry>,
    /// Makes schemas; only in a process that may.
    pub storage: Option<Arc<dyn TenantStorage>>,
    /// Says whether the service can serve.
    pub readiness: Arc<dyn Readiness>,
    /// Stores the content of documents.
    pub files: Arc<dyn FileStore>,
    /// Bounds the uploads of the process.
    pub uploads: Arc<Uploads>,
    /// Delivers mail.
    pub mailer: Arc<dyn Mailer>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Seals the cursors of lists.
    pub cursors: Cursors,
    /// Seals the answers kept for requests that may come again.
    pub answers: Arc<Sealer>,
    /// What requests are bounded by.
    pub limits: Limits,
    /// Where browsers reach the service.
    pub site: Site,
    /// Whether people may sign up by themselves.
    pub signup: SignupSettings,
    /// Which proxies are believed.
    pub proxies: Proxies,
    /// What hosts mean.
    pub hosts: Hosts,
    /// Asks the DNS.
    pub resolver: Arc<dyn TxtResolver>,
    /// Counts what machine clients call.
    pub usage: Arc<ClientUsage>,
    /// Takes security events over.
    pub security_log: Arc<dyn SecurityLog>,
    /// Reads security events, for operators.
    pub security_events: Arc<dyn SecurityEvents>,
}

/// What requests are bounded by.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes of a JSON body.
    pub body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// How long a request may take in all.
    pub request_time: Duration,
    /// The most bytes of a document.
    pub upload_bytes: usize,
    /// How long an upload may take in all.
    pub upload_time: Duration,
    /// How long the address of an upload or a download is good at the most.
    pub url_time: Duration,
    /// The status of a failed authentication: 401, or 403 where an operator wants it so.
    pub rejection_status: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            body_time: Duration::from_secs(10),
            request_time: Duration::from_secs(30),
            upload_bytes: 100 * 1024 * 1024,
            upload_time: Duration::from_secs(30 * 60),
            url_time: Duration::from_secs(15 * 60),
            rejection_status: 401,
        }
    }
}

/// Puts the API into an actix application, which must be wrapped in [`edge`].
pub fn configure(parts: Parts) -> impl FnOnce(&mut ServiceConfig) {
    move |cfg| {
        cfg.app_data(Data::new(parts.store))
            .app_data(Data::from(parts.auth))
            .app_data(Data::from(parts.registry))
            .app_data(Data::from(parts.acting))
            .app_data(Data::new(tenants::Storage(parts.storage)))
            .app_data(Data::from(parts.readiness))
            .app_data(Data::from(parts.files))
            .app_data(Data::from(parts.uploads))
            .app_data(Data::from(parts.mailer))
            .app_data(Data::from(parts.clock))
            .app_data(Data::new(parts.cursors))
            .app_data(Data::new(AnswerSealer(parts.answers)))
            .app_data(Data::new(parts.limits))
            .app_data(Data::new(parts.site))
            .app_data(Data::new(parts.signup))
            .app_data(Data::new(parts.proxies))
            .app_data(Data::new(parts.hosts))
            .app_data(Data::from(parts.resolver))
            .app_data(Data::from(parts.usage))
            .app_data(Data::from(parts.security_log))
            .app_data(Data::from(parts.security_events));
        all().configure(cfg);
        cfg.default_service(web::to(routes::unknown));
    }
}

/// Every route, with what it takes to be let in.
pub fn routes() -> Vec<RouteInfo> {
    all().table()
}

/// The OpenAPI document of every route.
pub fn openapi() -> serde_json::Value {
    openapi::document(&all())
}

fn all() -> Routes {
    let mut routes = Routes::default();
    projects::routes(&mut routes);
    tasks::routes(&mut routes);
    documents::routes(&mut routes);
    customers::routes(&mut routes);
    suppliers::routes(&mut routes);
    products::routes(&mut routes);
    stock_movements::routes(&mut routes);
    invoices::routes(&mut routes);
    // xtask new: routes
    auth::routes(&mut routes);
    api_keys::routes(&mut routes);
    sessions::routes(&mut routes);
    me::routes(&mut routes);
    enrolment::routes(&mut routes);
    factors::routes(&mut routes);
    passkeys::routes(&mut routes);
    passwords::routes(&mut routes);
    api_clients::routes(&mut routes);
    client_tokens::routes(&mut routes);
    oauth::routes(&mut routes);
    members::routes(&mut routes);
    invitations::routes(&mut routes);
    signup::routes(&mut routes);
    domains::routes(&mut routes);
    security_events::routes(&mut routes);
    roles::routes(&mut routes);
    own_tenant::routes(&mut routes);
    audit::routes(&mut routes);
    tenants::routes(&mut routes);
    acting::routes(&mut routes);
    health::routes(&mut routes);
    docs::routes(&mut routes);
    routes
}
