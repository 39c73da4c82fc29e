//! The program as a developer runs it: from an empty folder to a served API, and again after any end.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_embedded_pg::{Location, Options, attach};

use crate::harness::program::{Folder, Program, is_running, signal};
use crate::harness::{Caller, PATIENCE, Response, connect, eventually};

/// Quick logins; nothing else differs from `make run`.
pub const QUICK: &[(&str, &str)] =
    &[("TENANTRY_AUTH__PASSWORD_MEMORY_KIB", "64"), ("TENANTRY_AUTH__PASSWORD_ITERATIONS", "1")];
const TOKENS: &str = "test_tokens.json";

fn tokens(folder: &Folder) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.path(TOKENS)).unwrap()).unwrap()
}

/// The owner's token of the first tenant.
pub fn first_token(folder: &Folder) -> String {
    tokens(folder)["tenants"][0]["access_token"].as_str().unwrap().to_owned()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

async fn get(base: &str, path: &str) -> Response {
    Caller { token: String::new(), base: base.to_owned() }.request(Method::GET, path).send().await
}

async fn post(base: &str, path: &str, body: Value) -> Response {
    Caller { token: String::new(), base: base.to_owned() }.post(path, body).await
}

#[tokio::test]
async fn the_first_start_makes_everything_and_commands_work_beside_it() {
    let folder = Folder::new();

    let program = folder.serve(QUICK).await;

    assert_tells_what_it_does(&program.errors.text());
    assert_tells_how_to_begin(&program).await;
    assert_tokens_are_good(&folder, &program.base()).await;
    assert_commands_work(&folder, &program).await;
    assert_second_server_is_told_the_port(&folder, &program).await;
    let postgres = folder.postgres().unwrap();
    program.signal("TERM");
    let ended = program.ended().await;
    assert!(ended.status.success(), "{ended:?}");
    assert!(!is_running(postgres));
}

/// Progress, in this order.
fn assert_tells_what_it_does(errors: &str) {
    let mut rest = errors;
    for step in [
        "making a PostgreSQL",
        "started in",
        "registry: 0001_ledger",
        "pooled: 0001_audit_events",
        "seeding acme",
        "seeding globex",
        "seeding initech",
    ] {
        let at = rest.find(step).unwrap_or_else(|| panic!("{step} is missing or out of order in {errors}"));
        rest = &rest[at..];
    }
    assert!(errors.lines().all(|line| line.starts_with("tenantry: ")), "{errors}");
}

/// The addresses of the documents and a `curl` that works, taken at their word.
async fn assert_tells_how_to_begin(program: &Program) {
    let output = program.output.text();
    let words: Vec<&str> = output.split_whitespace().filter(|word| word.starts_with("http://")).collect();
    let documents: Vec<_> = words.iter().filter(|word| word.contains("/api/") && !word.contains("/v1/")).collect();
    assert_eq!(documents.len(), 2, "{output}");
    for url in documents {
        let (base, path) = url.split_at(url.find("/api").unwrap());
        assert!(get(base, path).await.expect(200).text.contains("<html"), "{url}");
    }

    let line = output.lines().find(|line| line.trim_start().starts_with("curl ")).unwrap();
    assert!(line.contains("Authorization: Bearer "), "{line}");
    let shell =
        std::process::Command::new("sh").args(["-c", "curl() { printf '%s\\n' \"$@\"; }; eval \"$0\"", line]).output();
    let arguments = String::from_utf8(shell.unwrap().stdout).unwrap();
    let [flag, header, url] = arguments.lines().collect::<Vec<_>>()[..] else { panic!("{arguments}") };
    assert_eq!(flag, "-H");
    let (name, value) = header.split_once(": ").unwrap();
    let (base, path) = url.split_at(url.find("/api").unwrap());
    let nobody = Caller { token: String::new(), base: base.to_owned() };
    assert_eq!(nobody.get(path).await.status, 401);
    let answer = crate::harness::client().get(url).header(name, value).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let projects: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(projects["data"].as_array().unwrap().len(), 3);
}

async fn assert_tokens_are_good(folder: &Folder, base: &str) {
    let mode = std::fs::metadata(folder.path(TOKENS)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let file = tokens(folder);
    assert_eq!(keys(&file), ["tenants"]);
    let tenants = file["tenants"].as_array().unwrap();
    let placed: Vec<_> =
        tenants.iter().map(|it| (it["slug"].as_str().unwrap(), it["placement"].as_str().unwrap())).collect();
    assert_eq!(placed, [("acme", "pooled"), ("globex", "pooled"), ("initech", "schema")]);
    for tenant in tenants {
        assert_eq!(
            keys(tenant),
            [
                "access_token",
                "api_key",
                "client_id",
                "client_secret",
                "id",
                "placement",
                "refresh_token",
                "slug",
                "users"
            ]
        );
        let users = tenant["users"].as_array().unwrap();
        let roles: Vec<_> = users.iter().map(|user| user["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["owner", "member", "viewer"]);
        assert_eq!(tenant["access_token"], users[0]["access_token"]);
        assert_eq!(tenant["refresh_token"], users[0]["refresh_token"]);
        for user in users {
            assert_eq!(keys(user), ["access_token", "password", "refresh_token", "role", "username"]);
            assert_user_is_let_in(base, tenant, user).await;
        }
    }
}

async fn assert_user_is_let_in(base: &str, tenant: &Value, user: &Value) {
    let verified = post(base, "/api/v1/auth/token/verify", json!({ "token": user["access_token"] })).await.expect(200);
    assert_eq!(verified.json["tenant"], tenant["id"]);
    assert_eq!(verified.json["roles"], json!([user["role"]]));
    let until: DateTime<Utc> = verified.json["expires_at"].as_str().unwrap().parse().unwrap();
    let hours = (until - Utc::now()).num_minutes() as f64 / 60.0;
    assert!((23.5..=24.0).contains(&hours), "{hours}");

    let caller = Caller { token: user["access_token"].as_str().unwrap().to_owned(), base: base.to_owned() };
    assert_eq!(caller.get("/api/v1/projects").await.expect(200).json["data"].as_array().unwrap().len(), 3);
    assert_eq!(caller.get("/api/v1/tasks").await.expect(200).json["data"].as_array().unwrap().len(), 9);
    let may_write = user["role"] != "viewer";
    let refused = caller.post("/api/v1/tasks", json!({})).await;
    assert_eq!(refused.status, if may_write { 400 } else { 403 });

    let login = json!({ "username": user["username"], "password": user["password"] });
    post(base, "/api/v1/auth/token", login).await.expect(200);
    post(base, "/api/v1/auth/token/refresh", json!({ "refresh": user["refresh_token"] })).await.expect(200);
}

/// What `make run` leaves running can be worked on from another terminal.
async fn assert_commands_work(folder: &Folder, program: &Program) {
    let check = folder.run(QUICK, &["check"]).await;
    assert!(check.status.success() && check.output.contains("the database isolates tenants"), "{check:?}");
    let migrate = folder.run(QUICK, &["migrate"]).await;
    assert!(migrate.status.success() && migrate.errors.ends_with("0 schemas were behind\n"), "{migrate:?}");

    let tenant = ["create-tenant", "--slug", "hooli", "--plan", "enterprise", "--owner-email", "gavin@hooli.example"];
    let made = folder.run(QUICK, &tenant).await;
    assert!(
        made.status.success() && made.output.contains("tenant hooli (") && made.output.contains(") is active"),
        "{made:?}"
    );
    let password = made.output.split("gavin@hooli.example logs in with ").nth(1).unwrap().trim();
    let login = json!({ "username": "gavin@hooli.example", "password": password });
    let tokens = post(&program.base(), "/api/v1/auth/token", login).await.expect(200);
    program.caller(tokens.json["access"].as_str().unwrap()).project("Nucleus").await;
    let again = folder.run(QUICK, &tenant).await;
    assert!(again.status.success() && !again.output.contains("logs in with"), "{again:?}");
    let other = folder.run(QUICK, &[&tenant[..], &["--placement", "pooled"]].concat()).await;
    assert!(
        !other.status.success() && other.errors.ends_with("tenantry: a tenant named hooli already exists\n"),
        "{other:?}"
    );

    let operator = ["create-operator", "--email", "ops@tenantry.example", "--days", "1"];
    let made = folder.run(QUICK, &operator).await;
    let first = made.output.lines().last().unwrap().to_owned();
    let second = folder.run(QUICK, &operator).await.output.lines().last().unwrap().to_owned();
    program.caller(&first).get("/operator/v1/tenants").await.expect(401);
    let list = program.caller(&second).get("/operator/v1/tenants").await.expect(200);
    let slugs: Vec<_> = list.json["data"].as_array().unwrap().iter().map(|it| it["slug"].as_str().unwrap()).collect();
    assert_eq!(slugs, ["acme", "globex", "hooli", "initech"]);
}

async fn assert_second_server_is_told_the_port(folder: &Folder, program: &Program) {
    let port = program.base().rsplit(':').next().unwrap().to_owned();
    let before = first_token(folder);

    let second = folder.run(&[QUICK, &[("PORT", &port)]].concat(), &["serve"]).await;

    assert!(!second.status.success());
    let expected = format!("tenantry: http.host and http.port name 127.0.0.1:{port}, which cannot be listened on: ");
    assert!(second.errors.lines().last().unwrap().starts_with(&expected), "{second:?}");
    program.caller(&before).get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn however_it_ends_nothing_is_lost_and_the_next_start_works() {
    let folder = Folder::new();

    let program = folder.serve(QUICK).await;
    let token = first_token(&folder);
    let acme = program.caller(&token);
    acme.project("before").await;
    let postgres = folder.postgres().unwrap();
    // A request that a lock holds up while the server is told to stop.
    let in_flight = begin_and_hold(&folder, &acme).await;
    program.signal("TERM");
    eventually("it is stopping", PATIENCE, async || program.output.text().contains("stopping")).await;
    let created = in_flight.let_go().await;
    let ended = program.ended().await;
    created.expect(201);
    assert!(ended.status.success(), "{ended:?}");
    assert!(!is_running(postgres));

    let program = folder.serve(QUICK).await;
    assert!(!program.errors.text().contains("seeding") && !program.errors.text().contains("making"));
    assert_ne!(first_token(&folder), token);
    assert_has_projects(&program.caller(&token), 5).await;
    assert_has_projects(&program.caller(&first_token(&folder)), 5).await;
    program.caller(&token).project("during").await;
    let postgres = folder.postgres().unwrap();
    program.signal("KILL");
    program.ended().await;

    // At once, while the Postgres that was left behind is perhaps still ending.
    let program = folder.serve(QUICK).await;
    assert!(!is_running(postgres));
    assert_has_projects(&program.caller(&token), 6).await;
    signal("KILL", folder.postgres().unwrap());
    let ended = program.ended().await;
    assert!(!ended.status.success(), "{ended:?}");
    assert!(ended.errors.ends_with("has ended; see .data/postgres/postgres.log\n"), "{ended:?}");

    let program = folder.serve(QUICK).await;
    assert_has_projects(&program.caller(&token), 6).await;
    let postgres = folder.postgres().unwrap();
    program.signal("INT");
    let ended = program.ended().await;
    assert!(ended.status.success(), "{ended:?}");
    assert!(!is_running(postgres));
}

#[tokio::test]
async fn a_program_that_is_killed_takes_its_postgres_along() {
    let folder = Folder::new();
    let program = folder.start(QUICK, &["serve"]);
    eventually("Postgres runs", PATIENCE, async || folder.postgres().is_some()).await;
    let postgres = folder.postgres().unwrap();

    program.signal("KILL");
    program.ended().await;

    eventually("Postgres is gone", Duration::from_secs(10), async || !is_running(postgres)).await;
}

async fn assert_has_projects(caller: &Caller, count: usize) {
    let list = caller.get("/api/v1/projects").await.expect(200);
    assert_eq!(list.json["data"].as_array().unwrap().len(), count);
}

/// A request that waits inside the database.
struct InFlight {
    holder: tokio_postgres::Client,
    request: tokio::task::JoinHandle<Response>,
}

async fn begin_and_hold(folder: &Folder, caller: &Caller) -> InFlight {
    let location = Location::Kept(folder.path(".data/postgres"));
    let options = Options { location, ..Options::test() };
    let postgres = tokio::task::spawn_blocking(move || attach(&options)).await.unwrap().unwrap().unwrap();
    let url = postgres.url("postgres", "tenantry");
    let (holder, looker) = (connect(&url).await, connect(&url).await);
    holder.batch_execute("begin; lock table pooled.projects in access exclusive mode").await.unwrap();
    let caller = caller.clone();
    let request = tokio::spawn(async move { caller.post("/api/v1/projects", json!({ "name": "in flight" })).await });
    let waiting = "select count(*) from pg_locks where not granted and relation = 'pooled.projects'::regclass";
    let is_held = async || looker.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 1;
    eventually("the request waits", PATIENCE, is_held).await;
    InFlight { holder, request }
}

impl InFlight {
    async fn let_go(self) -> Response {
        assert!(!self.request.is_finished());
        self.holder.batch_execute("commit").await.unwrap();
        self.request.await.unwrap()
    }
}
