//! What every test stands on: one Postgres and one server for the whole run, and tenants of the test's own.

pub mod databases;
pub mod documented;
pub mod mail;
pub mod names;
pub mod program;
pub mod rules;
pub mod statements;
pub mod wire;

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock, mpsc};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use tenantry_embedded_pg::{Options, Server};
use tenantry_server::database::Urls;
use tenantry_server::{Database, Services, Settings, serve};
use tenantry_tenancy::provisioning::{NewTenant, provision};
use tenantry_tenancy::{Actor, Email, Placement, Plan, RequestId, Role, SessionId, Slug, TenantScope, UserId};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Both ways a tenant's rows can lie.
pub const PLACEMENTS: [Placement; 2] = [Placement::Pooled, Placement::Schema];

/// What all tests share. The Postgres is stopped by its watchdog when the process ends.
pub struct Suite {
    pub postgres: Server,
    pub urls: Urls,
    pub settings: Settings,
    pub services: Arc<Services>,
    pub base: String,
}

/// A test's hold on the suite: when it lets go, every statement that was sent must have been a good one.
pub struct Hold(&'static Suite);

impl std::ops::Deref for Hold {
    type Target = Suite;

    fn deref(&self) -> &Suite {
        self.0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            statements::assert_all_good();
        }
    }
}

/// The suite, started by whichever test comes first.
pub async fn suite() -> Hold {
    static SUITE: OnceLock<Suite> = OnceLock::new();
    // Starting blocks; the test's own thread may wait.
    Hold(tokio::task::spawn_blocking(|| SUITE.get_or_init(start)).await.unwrap())
}

fn start() -> Suite {
    statements::listen();
    let postgres = Server::start(&Options::test()).unwrap();
    let admin = postgres.url("postgres", "tenantry");
    let urls = Urls::of_admin(&admin).unwrap();
    let settings = settings(&[]);
    let (send, receive) = mpsc::channel();
    std::thread::spawn({
        let (settings, urls, maintenance) = (settings.clone(), urls.clone(), postgres.url("postgres", "postgres"));
        move || {
            actix_web::rt::System::new().block_on(async move {
                connect(&maintenance).await.batch_execute("create database tenantry").await.unwrap();
                let database = Database::at(urls);
                database.migrate(&|_| {}).await.unwrap();
                let (services, base, server) = instance(&settings, &database).await;
                send.send((services, base)).unwrap();
                server.await.unwrap();
            });
        }
    });
    let (services, base) = receive.recv_timeout(PATIENCE).unwrap();
    Suite { postgres, urls, settings, services, base }
}

/// The settings of the suite's servers, with some overridden.
pub fn settings(overrides: &[(&str, &str)]) -> Settings {
    let (key, names) = (signing_key(), names::names().address.to_string());
    let fixed = [
        ("APP_ENV", "development"),
        ("DATABASE_URL", "postgres://unused@localhost/unused"),
        ("TENANTRY_HTTP__WORKERS", "2"),
        ("TENANTRY_DATABASE__CONNECTIONS", "8"),
        ("TENANTRY_AUTH__SIGNING_KEY_FILES", key),
        ("TENANTRY_AUTH__CURSOR_KEY", "a cursor key of the tests, 32 and more"),
        ("TENANTRY_AUTH__SEALING_KEY", "a sealing key of the tests, 32 and more"),
        // Fast enough for many logins; one test uses the real parameters.
        ("TENANTRY_AUTH__PASSWORD_MEMORY_KIB", "64"),
        ("TENANTRY_AUTH__PASSWORD_ITERATIONS", "1"),
        ("TENANTRY_FILES__FOLDER", concat!(env!("CARGO_TARGET_TMPDIR"), "/files")),
        ("TENANTRY_FILES__MAX_BYTES", "8388608"),
        ("TENANTRY_SIGNUP__ENABLED", "true"),
        ("TENANTRY_HTTP__BODY_SECONDS", "1"),
        ("TENANTRY_HTTP__DNS_SERVER", &names),
        ("TENANTRY_MAIL__FOLDER", mail::folder()),
    ];
    let variable = |name: &str| {
        let named = |(known, _): &&(&str, &str)| *known == name;
        overrides.iter().find(named).or_else(|| fixed.iter().find(named)).map(|(_, value)| (*value).to_owned())
    };
    Settings::read(std::path::Path::new("no such folder"), &variable).unwrap()
}

/// The file of the key that every instance signs with. Made by the first run, in the folder that cargo keeps for that.
fn signing_key() -> &'static str {
    const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
    const PATH: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/signing_key.pem");
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        if !std::path::Path::new(PATH).exists() {
            // Whole at once: another run may be looking for it.
            let file = tempfile::NamedTempFile::new_in(FOLDER).unwrap();
            std::fs::write(&file, tenantry_auth::SigningKeys::generate_pem()).unwrap();
            file.persist(PATH).unwrap();
        }
    });
    PATH
}

/// One instance of the service with a feed of changes of its own, on a free port. Must run inside an actix system.
pub async fn instance(settings: &Settings, database: &Database) -> (Arc<Services>, String, actix_web::dev::Server) {
    let services = Arc::new(Services::new(settings, database).unwrap());
    services.watch.poll_once().await.unwrap();
    let watch = services.watch.clone();
    tokio::spawn(async move { watch.run(tenantry_auth::watch::POLL_INTERVAL).await });
    tokio::spawn(services.background());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = serve::http(settings, services.clone(), listener).unwrap();
    (services, base, server)
}

/// Another instance of the service on the same database, on threads of its own.
pub async fn another_instance(
    database: &'static Suite,
    overrides: &'static [(&'static str, &'static str)],
) -> (Arc<Services>, String) {
    instance_at(database.urls.clone(), overrides).await
}

/// An instance of the service on any database, on threads of its own.
pub async fn instance_at(urls: Urls, overrides: &'static [(&'static str, &'static str)]) -> (Arc<Services>, String) {
    let (send, receive) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let mut settings = settings(overrides);
            // Instances live until the last test has ended, and there are many.
            if !overrides.iter().any(|(name, _)| *name == "TENANTRY_DATABASE__CONNECTIONS") {
                settings.database.connections = 4;
            }
            let (services, base, server) = instance(&settings, &Database::at(urls)).await;
            send.send((services, base)).ok().unwrap();
            server.await.unwrap();
        });
    });
    receive.await.unwrap()
}

impl Hold {
    /// The suite for as long as the process lives.
    pub fn forever(&self) -> &'static Suite {
        self.0
    }
}

/// Runs something on a runtime that outlives the test. Whatever uses the pools of [`Services`] must: a connection dies with
/// the runtime it was opened on, and another test may be using it by then.
pub async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    RUNTIME.spawn(work).await.unwrap()
}

/// A connection beside the service.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

impl Suite {
    /// A superuser's connection, which no policy binds.
    pub async fn admin(&self) -> Client {
        connect(self.urls.admin.as_ref().unwrap()).await
    }

    /// A tenant of the test's own, with an owner, a member and a viewer.
    pub async fn tenant(&self, placement: Placement) -> Tenant {
        Tenant::new(&self.services, &self.base, placement).await
    }

    /// Sends a request without a credential.
    pub fn request(&self, method: Method, path: &str) -> Request {
        Request::new(&self.base, method, path)
    }
}

/// A tenant of a test.
pub struct Tenant {
    pub tenant: tenantry_tenancy::Tenant,
    pub people: Vec<(Role, UserId)>,
    services: Arc<Services>,
    base: String,
}

impl Tenant {
    pub async fn new(services: &Arc<Services>, base: &str, placement: Placement) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let slug = format!("t{}-{placement}", COUNT.fetch_add(1, Ordering::Relaxed));
        let email = |role: Role| Email::parse(&format!("{role}@{slug}.example")).unwrap();
        let new =
            NewTenant { slug: Slug::parse(&slug).unwrap(), plan: Plan::Standard, placement, owner: email(Role::Owner) };
        let emails = Role::ALL.iter().map(|role| (*role, email(*role))).collect::<Vec<_>>();
        let (tenant, people) = apart({
            let services = services.clone();
            async move {
                let tenant = provision(&*services.registry, services.storage.as_deref(), &new).await.unwrap();
                let mut people = Vec::new();
                for (role, email) in emails {
                    let user = services.registry.ensure_user(&email).await.unwrap();
                    services.registry.ensure_member(tenant.id, user, role).await.unwrap();
                    people.push((role, user));
                }
                (tenant, people)
            }
        })
        .await;
        Self { tenant, people, services: services.clone(), base: base.to_owned() }
    }

    /// The person with this role.
    pub fn user(&self, role: Role) -> UserId {
        self.people.iter().find(|(of, _)| *of == role).unwrap().1
    }

    /// A caller with this role.
    pub fn caller(&self, role: Role) -> Caller {
        let user = self.user(role);
        let holder = tenantry_auth::Holder::member(user, self.tenant.id, SessionId::generate(), role);
        let token = self.services.auth.issue_for(&holder, Duration::from_secs(600)).unwrap();
        Caller { token, base: self.base.clone() }
    }

    /// The owner.
    pub fn owner(&self) -> Caller {
        self.caller(Role::Owner)
    }

    /// A scope as a request of the owner would get it.
    pub fn scope(&self) -> TenantScope {
        let actor = Actor::User(self.user(Role::Owner));
        TenantScope::grant(self.tenant.id, self.tenant.schema(), actor, RequestId::generate())
    }
}

/// Somebody with a token.
#[derive(Clone)]
pub struct Caller {
    pub token: String,
    pub base: String,
}

impl Caller {
    /// The same person at another instance.
    pub fn at(&self, base: &str) -> Self {
        Self { token: self.token.clone(), base: base.to_owned() }
    }

    /// A request with the caller's token.
    pub fn request(&self, method: Method, path: &str) -> Request {
        Request::new(&self.base, method, path).header("authorization", &format!("Bearer {}", self.token))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.request(Method::DELETE, path).send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> Response {
        self.request(Method::POST, path).json(&body).send().await
    }

    pub async fn put(&self, path: &str, body: Value) -> Response {
        self.request(Method::PUT, path).json(&body).send().await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Response {
        self.request(Method::PATCH, path).json(&body).send().await
    }

    /// Creates a project and tells its id.
    pub async fn project(&self, name: &str) -> String {
        let created = self.post("/api/v1/projects", serde_json::json!({ "name": name })).await;
        created.expect(201).json["id"].as_str().unwrap().to_owned()
    }

    /// Creates a task and tells its id.
    pub async fn task(&self, project: &str, title: &str) -> String {
        let created = self.post("/api/v1/tasks", serde_json::json!({ "project": project, "title": title })).await;
        created.expect(201).json["id"].as_str().unwrap().to_owned()
    }
}

/// A client without certificates: reading the system's for every request takes its time.
pub fn client() -> reqwest::Client {
    client_builder().build().unwrap()
}

/// The same, to be adapted.
pub fn client_builder() -> reqwest::ClientBuilder {
    static TLS: LazyLock<rustls::ClientConfig> = LazyLock::new(|| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        versions.unwrap().with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
    });
    reqwest::Client::builder().tls_backend_preconfigured(TLS.clone())
}

/// A request being put together.
pub struct Request(reqwest::RequestBuilder);

impl Request {
    pub fn new(base: &str, method: Method, path: &str) -> Self {
        Self(client().request(method, format!("{base}{path}")).timeout(PATIENCE))
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    pub fn body(self, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.body(body))
    }

    pub async fn send(self) -> Response {
        let (client, request) = self.0.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = client.execute(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let response = Response::new(status, headers, response.text().await.unwrap());
        documented::assert_documented(&method, &path, &response);
        response
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Response {
    fn new(status: u16, headers: reqwest::header::HeaderMap, text: String) -> Self {
        Self { status, headers, json: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }

    /// Fails unless the answer has this status; an error must be a problem document.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        if status >= 400 {
            assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
            for field in ["type", "title", "status", "detail", "code", "request_id", "errors", "error"] {
                assert!(self.json.get(field).is_some(), "{field} is missing in {}", self.text);
            }
            assert_eq!(self.json["request_id"], self.header("x-request-id"));
        }
        self
    }

    /// Fails unless the answer is a problem with this status that names this field.
    #[track_caller]
    pub fn expect_field(self, status: u16, field: &str) -> Self {
        let response = self.expect(status);
        let named: Vec<&str> =
            response.json["errors"].as_array().unwrap().iter().filter_map(|it| it["field"].as_str()).collect();
        assert_eq!(named, [field], "{}", response.text);
        response
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body without what differs from request to request.
    pub fn without_request_id(&self) -> String {
        self.text.replace(self.header("x-request-id"), "…")
    }
}

/// Waits until `condition` holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, limit: Duration, mut condition: impl FnMut() -> F) {
    let begun = Instant::now();
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    while !condition().await {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        looks.tick().await;
    }
}
