//! A database that is gone, slow or busy: 503 at once, and all is well again by itself.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tenantry_embedded_pg::{Location, Options, Server};
use tenantry_server::database::Urls;
use tenantry_server::{Database, Services};
use tenantry_tenancy::Placement;

use crate::harness::databases::OwnDatabase;
use crate::harness::{
    self, Caller, PATIENCE, PLACEMENTS, Response, Tenant, another_instance, connect, eventually, instance_at,
};
use crate::operators::TENANTS;

/// How long a few requests may take to be turned away, on a busy machine: much less than if one of them hung.
const AT_ONCE: Duration = Duration::from_secs(5);
/// How long it may take until all is well after the database is.
const RECOVERY: Duration = Duration::from_secs(5);

/// A database server of the test's own in a directory that stays, with an instance of the service.
struct Own {
    directory: tempfile::TempDir,
    server: Option<Server>,
    services: Arc<Services>,
    base: String,
}

impl Own {
    async fn new() -> Self {
        let directory = directory_for_anybody();
        let server = start(directory.path()).await;
        connect(&server.url("postgres", "postgres")).await.batch_execute("create database tenantry").await.unwrap();
        let urls = Urls::of_admin(&server.url("postgres", "tenantry")).unwrap();
        Database::at(urls.clone()).migrate(&|_| {}).await.unwrap();
        let (services, base) = instance_at(urls, &[]).await;
        Self { directory, server: Some(server), services, base }
    }

    async fn tenant(&self, placement: Placement) -> Tenant {
        Tenant::new(&self.services, &self.base, placement).await
    }

    /// Ends the server as a crash of the machine's memory would: at once and without a word.
    fn crash(&mut self) {
        let mut server = self.server.take().unwrap();
        let killed = Command::new("kill").args(["-9", &server.pid().to_string()]).status().unwrap();
        assert!(killed.success());
        while server.exit_status().is_none() {
            std::thread::yield_now();
        }
    }

    async fn start_again(&mut self) {
        self.server = Some(start(self.directory.path()).await);
    }

    async fn get(&self, path: &str) -> Response {
        self.caller("").request(Method::GET, path).send().await
    }

    fn caller(&self, token: &str) -> Caller {
        Caller { token: token.to_owned(), base: self.base.clone() }
    }
}

/// A temporary directory that the account which runs the server for root can enter.
pub fn directory_for_anybody() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

async fn start(directory: &Path) -> Server {
    let location = Location::Kept(directory.join("postgres"));
    // As in production, what is acknowledged was handed to the operating system, which outlives the server.
    let options = Options { location, ..Options::test() }.with_setting("synchronous_commit", "on");
    tokio::task::spawn_blocking(move || Server::start(&options)).await.unwrap().unwrap()
}

#[track_caller]
fn assert_turned_away(response: Response) {
    let response = response.expect(503);
    assert!(response.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(response.json["code"], "unavailable");
    assert_eq!(response.json["detail"], "the service is unavailable for the moment");
}

#[tokio::test]
async fn a_database_that_crashed_is_503_until_it_is_back_and_nothing_acknowledged_is_lost() {
    let mut own = Own::new().await;
    let owners = join_all(PLACEMENTS.map(async |placement| own.tenant(placement).await)).await;
    let owners: Vec<Caller> = owners.iter().map(Tenant::owner).collect();
    let mut acknowledged = Vec::new();
    for owner in &owners {
        acknowledged.push(join_all((0..10).map(|_| owner.project("kept"))).await);
    }
    own.get("/ready").await.expect(200);

    own.crash();

    for owner in &owners {
        let begun = Instant::now();
        for _ in 0..3 {
            assert_turned_away(owner.get("/api/v1/projects").await);
            assert_turned_away(owner.post("/api/v1/projects", json!({ "name": "lost" })).await);
        }
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    }
    let login = json!({ "username": "a@b.example", "password": "does not matter now" });
    assert_turned_away(own.caller("").post("/api/v1/auth/token", login).await);
    let operator = own.caller(tenantry_auth::OperatorToken::generate().reveal());
    assert_turned_away(operator.get(TENANTS).await);
    assert_eq!(own.get("/health").await.expect(200).json["status"], "healthy");
    eventually("readiness names the database", AT_ONCE, async || {
        let ready = own.get("/ready").await;
        let named =
            |field: &str| ready.json["errors"].as_array().is_some_and(|it| it.iter().any(|it| it["field"] == field));
        ready.status == 503 && named("database") && named("changes")
    })
    .await;

    own.start_again().await;

    let back = Instant::now();
    let served = async || {
        let answers = join_all(owners.iter().map(|owner| owner.get("/api/v1/projects"))).await;
        answers.iter().all(|answer| answer.status == 200) && own.get("/ready").await.status == 200
    };
    eventually("requests are served again", RECOVERY, served).await;
    for (owner, acknowledged) in owners.iter().zip(&acknowledged) {
        owner.project("after").await;
        for id in acknowledged {
            owner.get(&format!("/api/v1/projects/{id}")).await.expect(200);
        }
        let list = owner.get("/api/v1/projects").await.expect(200);
        assert!(list.json["data"].as_array().unwrap().iter().all(|project| project["name"] != "lost"));
    }
    assert!(back.elapsed() < RECOVERY);
}

#[tokio::test]
async fn connections_that_are_cut_under_load_cost_no_more_than_their_requests() {
    let own = Own::new().await;
    let tenant = own.tenant(Placement::Pooled).await;
    let owner = tenant.owner();
    let admin = connect(&own.server.as_ref().unwrap().url("postgres", "tenantry")).await;
    let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename like 'tenantry\\_%'";

    let (mut turned_away, mut cut_in_all) = (0, 0);
    for round in 0..10 {
        let requests = (0..12).map(async |index| {
            if index % 2 == 0 {
                owner.get("/api/v1/projects").await
            } else {
                owner.post("/api/v1/projects", json!({ "name": format!("p{round}-{index}") })).await
            }
        });
        let (answers, cut) = tokio::join!(join_all(requests), admin.query_one(cut, &[]));
        // A round may come before the connections cut in the last one are opened again.
        cut_in_all += cut.unwrap().get::<_, i64>(0);
        for answer in answers {
            match answer.status {
                200 | 201 => {}
                _ => {
                    assert_turned_away(answer);
                    turned_away += 1;
                }
            }
        }
    }

    owner.get("/api/v1/projects").await.expect(200);
    assert!(cut_in_all > 0, "nothing was cut");
    assert!(turned_away < 120, "somebody was served");
}

#[tokio::test]
async fn a_request_that_finds_no_free_connection_is_turned_away_in_time() {
    // Two workers with a connection each.
    static FEW: [(&str, &str); 2] = [("TENANTRY_DATABASE__CONNECTIONS", "2"), ("TENANTRY_DATABASE__WAIT_SECONDS", "1")];
    let suite = harness::suite().await;
    let own = OwnDatabase::served(&suite, "few_connections", &FEW).await;
    let admin = own.admin().await;
    // Those who wait for the lock must not give up before the test lets them go on.
    admin.batch_execute("alter role tenantry_api in database few_connections set lock_timeout = '1min'").await.unwrap();
    let (held, other) = (own.tenant(Placement::Schema).await, own.tenant(Placement::Schema).await);
    let (owner, bystander) = (held.owner(), other.owner());
    let holder = own.admin().await;
    let lock = format!("begin; lock table {}.projects in access exclusive mode", held.tenant.schema());
    holder.batch_execute(&lock).await.unwrap();

    let waiting = tokio::spawn(async move { join_all((0..8).map(|_| owner.get("/api/v1/projects"))).await });
    let both_are_taken = async || {
        let table = format!("{}.projects", held.tenant.schema());
        let query = "select count(*) from pg_locks where not granted and relation = $1::text::regclass";
        admin.query_one(query, &[&table]).await.unwrap().get::<_, i64>(0) == 2
    };
    eventually("both connections are taken", PATIENCE, both_are_taken).await;
    let begun = Instant::now();
    assert_turned_away(bystander.get("/api/v1/projects").await);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    bystander.request(Method::GET, "/health").send().await.expect(200);
    drop(holder);

    let (served, rest): (Vec<_>, Vec<_>) = waiting.await.unwrap().into_iter().partition(|answer| answer.status == 200);
    assert!(served.len() >= 2, "{}", served.len());
    rest.into_iter().for_each(assert_turned_away);
    bystander.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn a_login_that_finds_the_queue_full_is_turned_away_and_the_next_is_not() {
    let suite = harness::suite().await;
    static SLOW: [(&str, &str); 3] = [
        ("TENANTRY_AUTH__PASSWORD_QUEUE", "1"),
        ("TENANTRY_AUTH__PASSWORD_MEMORY_KIB", "8192"),
        ("TENANTRY_AUTH__PASSWORD_ITERATIONS", "8"),
    ];
    let (_, base) = another_instance(suite.forever(), &SLOW).await;
    let anybody = Caller { token: String::new(), base };
    let login = json!({ "username": "nobody@queue.example", "password": "does not matter here" });

    let answers = join_all((0..30).map(|_| anybody.post("/api/v1/auth/token", login.clone()))).await;
    let after = anybody.post("/api/v1/auth/token", login.clone()).await;

    let (refused, rest): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 401);
    assert!(!refused.is_empty() && !rest.is_empty(), "{} were checked, {} were not", refused.len(), rest.len());
    rest.into_iter().for_each(assert_turned_away);
    after.expect(401);
}
