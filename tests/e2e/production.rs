//! The program as it runs for real: nothing is made up, nothing secret is said, and no broken database is served.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::api_keys::secrecy::found_in_schema;
use crate::harness::databases::OwnDatabase;
use crate::harness::program::{Folder, Program};
use crate::harness::{self, Caller, Suite, connect, eventually};

/// The variables of a production start on a database of the suite's server.
struct Production {
    folder: Folder,
    variables: Vec<(String, String)>,
}

impl Production {
    fn on(suite: &Suite, database: &str) -> Self {
        let folder = Folder::new();
        std::fs::write(folder.path("key.pem"), tenantry_auth::SigningKeys::generate_pem()).unwrap();
        let url = suite.postgres.url("tenantry_api", database);
        let variables = [
            ("APP_ENV", "production"),
            ("DATABASE_URL", url.as_str()),
            ("TENANTRY_HTTP__HOST", "127.0.0.1"),
            ("TENANTRY_AUTH__SIGNING_KEY_FILES", "key.pem"),
            ("TENANTRY_AUTH__CURSOR_KEY", "0123456789abcdef0123456789abcdef"),
            ("TENANTRY_FILES__FOLDER", "files"),
            ("TENANTRY_AUTH__SEALING_KEY", "fedcba9876543210fedcba9876543210"),
            ("TENANTRY_HTTP__PUBLIC_URL", "https://api.example.com"),
            ("TENANTRY_AUTH__PASSWORD_MEMORY_KIB", "64"),
            ("TENANTRY_LOG__ERROR_FILE", "errors.log"),
        ];
        Self { folder, variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec() }
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    async fn serve(&self) -> Program {
        self.folder.serve(&self.variables()).await
    }

    async fn run(&self, more: &[(&str, &str)], arguments: &[&str]) -> harness::program::Ended {
        self.folder.run(&[&self.variables(), more].concat(), arguments).await
    }
}

/// The lines of a log, each of which must be a document of its own.
fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[tokio::test]
async fn an_empty_database_is_refused_and_then_made_by_its_administrator() {
    let suite = harness::suite().await;
    connect(&suite.postgres.url("postgres", "postgres"))
        .await
        .batch_execute("create database production")
        .await
        .unwrap();
    let production = Production::on(&suite, "production");
    let (admin, migrator) =
        (suite.postgres.url("postgres", "production"), suite.postgres.url("tenantry_migrator", "production"));
    let (admin, migrator) =
        (("ADMIN_DATABASE_URL", admin.as_str()), ("TENANTRY_DATABASE__MIGRATOR_URL", migrator.as_str()));

    let serve = production.run(&[], &["serve"]).await;
    let nobody = production.run(&[migrator], &["migrate"]).await;
    let no_migrator = production.run(&[admin], &["migrate"]).await;
    let made = production.run(&[admin, migrator], &["migrate"]).await;
    let check = production.run(&[], &["check"]).await;

    assert!(!serve.status.success() && serve.errors.contains("the database is migrated"), "{serve:?}");
    assert!(!nobody.status.success() && nobody.errors.contains("ADMIN_DATABASE_URL"), "{nobody:?}");
    assert!(!no_migrator.status.success() && no_migrator.errors.contains("database.migrator_url"), "{no_migrator:?}");
    assert!(made.status.success() && made.errors.contains("2 schemas were behind"), "{made:?}");
    assert!(check.status.success(), "{check:?}");
    assert!(!production.folder.path(".data").exists());
}

#[tokio::test]
async fn the_log_names_request_and_tenant_and_no_secret() {
    let suite = harness::suite().await;
    let own = OwnDatabase::new(&suite, "production_log").await;
    let production = Production::on(&suite, "production_log");
    let program = production.serve().await;
    let operator = production.run(&[], &["create-operator", "--email", "ops@tenantry.example"]).await;
    let operator = operator.output.lines().last().unwrap().to_owned();
    let tenant = ["create-tenant", "--slug", "acme", "--plan", "free", "--owner-email", "ada@acme.example"];
    let made = production.run(&[], &tenant).await.output;
    let password = made.split("logs in with ").nth(1).unwrap().trim().to_owned();

    let nobody = program.caller("nonsense-token");
    let login = json!({ "username": "ada@acme.example", "password": password });
    let tokens = nobody.post("/api/v1/auth/token", login).await.expect(200).json;
    let (access, refresh) = (tokens["access"].as_str().unwrap(), tokens["refresh"].as_str().unwrap());
    let owner = program.caller(access);
    let wrong = json!({ "username": "ada@acme.example", "password": "hunter2hunter2" });
    nobody.post("/api/v1/auth/token", wrong).await.expect(401);
    nobody.get("/api/v1/projects").await.expect(401);
    let secret_name = "a name that is nobody's business";
    let created = owner.post("/api/v1/projects", json!({ "name": secret_name })).await.expect(201);
    let broken = with_broken_projects(&own, &owner).await;
    let list = program.caller(&operator).get("/operator/v1/tenants").await.expect(200);
    let renewed = nobody.post("/api/v1/auth/token/refresh", json!({ "refresh": refresh })).await.expect(200).json;
    let requests = "the last request is in the log";
    let last = owner.get("/health").await.expect(200).header("x-request-id").to_owned();
    eventually(requests, harness::PATIENCE, async || program.output.text().contains(&last)).await;
    program.signal("TERM");
    let ended = program.ended().await;

    assert!(ended.status.success() && ended.errors.is_empty(), "{ended:?}");
    let log = lines(&ended.output);
    let of = |id: &str| log.iter().filter(|line| line["request.id"] == id).collect::<Vec<_>>();
    let [access_line] = of(created.header("x-request-id"))[..] else { panic!("{log:#?}") };
    assert_eq!(access_line["tenant.id"], list.json["data"][0]["id"]);
    assert!(access_line["actor"].as_str().unwrap().starts_with("user:"));
    assert_eq!(access_line["http.route"], "/api/v1/projects");
    assert_eq!((&access_line["http.status"], &access_line["http.method"]), (&json!(201), &json!("POST")));
    assert!(access_line["duration_us"].as_u64().unwrap() > 0);
    assert_eq!(of(&broken).len(), 2, "the failure and the request");

    let errors = std::fs::read_to_string(production.folder.path("errors.log")).unwrap();
    let [error] = &lines(&errors)[..] else { panic!("{errors}") };
    assert_eq!((&error["request.id"], &error["level"]), (&json!(broken), &json!("ERROR")));
    assert!(error["error"].as_str().unwrap().contains("projects"), "{error}");

    let (again, next) = (renewed["access"].as_str().unwrap(), renewed["refresh"].as_str().unwrap());
    for secret in [&password, access, refresh, again, next, &operator, "hunter2hunter2", "nonsense-token", secret_name]
    {
        assert!(!ended.output.contains(secret) && !errors.contains(secret), "{secret} was logged");
    }
    assert!(!production.folder.path("test_tokens.json").exists() && !production.folder.path(".data").exists());
}

#[tokio::test]
async fn no_secret_of_any_kind_is_in_a_trace_an_error_or_the_database() {
    let suite = harness::suite().await;
    let own = OwnDatabase::new(&suite, "secrets").await;
    let mut production = Production::on(&suite, "secrets");
    production.variables.push(("TENANTRY_LOG__FILTER".to_owned(), "trace".to_owned()));
    let program = production.serve().await;
    let operator = production.run(&[], &["create-operator", "--email", "ops@tenantry.example"]).await.output;
    let tenant = ["create-tenant", "--slug", "acme", "--plan", "free", "--owner-email", "ada@acme.example"];
    let made = production.run(&[], &tenant).await.output;
    let last = |text: &str| text.split_whitespace().last().unwrap().to_owned();
    let text = |answer: &Value, field: &str| answer[field].as_str().unwrap().to_owned();
    let (operator, password) = (last(&operator), last(&made));
    let nobody = program.caller("nonsense-token");

    // One of everything that lets somebody in.
    let credentials = json!({ "username": "ada@acme.example", "password": password, "keeper": "backend" });
    let session = text(&nobody.post("/api/v1/auth/session", credentials.clone()).await.expect(200).json, "session");
    let login = json!({ "username": "ada@acme.example", "password": password });
    let tokens = nobody.post("/api/v1/auth/token", login).await.expect(200);
    let device = tokens.header("x-device-token").to_owned();
    let (access, refresh) = (text(&tokens.json, "access"), text(&tokens.json, "refresh"));
    let renewed = nobody.post("/api/v1/auth/token/refresh", json!({ "refresh": refresh })).await.expect(200).json;
    let owner = program.caller(&access);
    let key = json!({ "name": "A key", "scopes": ["projects:read"] });
    let key = text(&owner.post("/api/v1/api-keys", key).await.expect(201).json, "key");
    let client = json!({ "name": "A client", "scopes": ["projects:read"] });
    let client = owner.post("/api/v1/api-clients", client).await.expect(201).json;
    let (id, secret) = (text(&client, "id"), text(&client, "client_secret"));
    let client_tokens = json!({ "client_id": id, "client_secret": secret });
    let client_tokens = nobody.post("/api/v1/auth/api-client/token", client_tokens).await.expect(200).json;
    owner.post("/api/v1/invitations", json!({ "email": "grace@acme.example", "role": "viewer" })).await.expect(201);

    let project = owner.project("Moon").await;
    let document = owner.post("/api/v1/documents", json!({ "project": project, "title": "a" })).await.expect(201);
    let document = document.header("location");
    let mut urls = Vec::new();
    for method in ["PUT", "GET"] {
        let kind = if method == "PUT" { "upload" } else { "download" };
        let made = owner.post(&format!("{document}/{kind}-url"), json!({})).await.expect(200);
        let (_, token) = made.json["url"].as_str().unwrap().rsplit_once('/').unwrap();
        let file = nobody.request(method.parse().unwrap(), &format!("/files/{token}"));
        let file = if method == "PUT" { file.body("content") } else { file };
        assert!(file.send().await.status < 300);
        urls.push(token.to_owned());
    }

    // Each is used, rightly and wrongly.
    let mut errors_told = String::new();
    let mut tell = |answer: harness::Response| {
        // A refresh token that is good gives its successor again, and only that.
        if answer.status >= 400 {
            errors_told += &answer.text;
        }
    };
    let mut secrets = vec![password, operator, access, refresh, session, key, secret, device];
    secrets.extend(urls);
    for (tokens, fields) in [(&renewed, ["access", "refresh"]), (&client_tokens, ["access", "refresh"])] {
        secrets.extend(fields.map(|field| text(tokens, field)));
    }
    for secret in &secrets {
        for path in ["/api/v1/projects", "/operator/v1/tenants", "/api/v1/me"] {
            tell(program.caller(secret).get(path).await);
        }
        for (path, field) in [
            ("/api/v1/auth/token/refresh", "refresh"),
            ("/api/v1/auth/token/verify", "token"),
            ("/api/v1/auth/invitations/accept", "token"),
        ] {
            tell(nobody.post(path, json!({ field: secret })).await);
        }
        tell(nobody.request(reqwest::Method::PUT, &format!("/files/{secret}")).send().await);
        let wrong = json!({ "username": secret, "password": secret });
        tell(nobody.post("/api/v1/auth/token", wrong).await);
    }
    program.signal("TERM");
    let ended = program.ended().await;
    let errors = std::fs::read_to_string(production.folder.path("errors.log")).unwrap_or_default();

    assert!(ended.output.len() > 10_000, "a trace says more");
    let (admin, log) = (own.admin().await, format!("{} {} {errors}", ended.output, ended.errors));
    for secret in &secrets {
        // The verified claims of a token may be told to its holder; the token may not.
        assert!(!log.contains(secret.as_str()), "{} was logged", &secret[..8]);
        let found = found_in_schema(&admin, "pooled", secret).await;
        assert_eq!(found, [""; 0], "{} is in the database", &secret[..8]);
    }
    assert!(!errors_told.is_empty() && secrets.iter().all(|secret| !errors_told.contains(secret.as_str())));
}

/// A request that fails on our side; tells its id.
async fn with_broken_projects(own: &OwnDatabase, owner: &Caller) -> String {
    let admin = own.admin().await;
    admin.batch_execute("alter table pooled.projects rename to misplaced").await.unwrap();
    let broken = owner.get("/api/v1/projects").await.expect(500);
    admin.batch_execute("alter table pooled.misplaced rename to projects").await.unwrap();
    assert_eq!(broken.json["detail"], "something went wrong on our side");
    assert!(!broken.text.contains("relation"), "{}", broken.text);
    broken.header("x-request-id").to_owned()
}

#[tokio::test]
async fn a_database_that_does_not_isolate_is_not_served() {
    let suite = harness::suite().await;
    let own = OwnDatabase::new(&suite, "production_broken").await;
    let production = Production::on(&suite, "production_broken");
    let admin = own.admin().await;
    for (broken, mended, table, rule) in [
        (
            "drop policy tenant_guard on pooled.projects",
            "create policy tenant_guard on pooled.projects as restrictive for all to public \
             using (tenant_id = sec.tenant()) with check (tenant_id = sec.tenant())",
            "pooled.projects",
            "a tenant table has exactly one restrictive guard",
        ),
        (
            "alter table pooled.tasks no force row level security",
            "alter table pooled.tasks force row level security",
            "pooled.tasks",
            "a tenant table has row-level security, forced",
        ),
    ] {
        admin.batch_execute(broken).await.unwrap();

        let serve = production.run(&[], &["serve"]).await;
        let check = production.run(&[], &["check"]).await;

        for ended in [serve, check] {
            assert_eq!(ended.status.code(), Some(1), "{ended:?}");
            assert!(ended.errors.starts_with("tenantry: the database does not isolate tenants:\n"), "{ended:?}");
            let findings: Vec<_> = ended.errors.lines().skip(1).collect();
            assert!(findings.iter().any(|it| it.contains(&format!("{table}: {rule}"))), "{ended:?}");
        }
        admin.batch_execute(mended).await.unwrap();
    }
    assert!(production.run(&[], &["check"]).await.status.success());
}

#[tokio::test]
async fn a_developers_own_database_is_used_and_no_private_one_is_made() {
    let suite = harness::suite().await;
    let name = format!("developer_{}", Uuid::now_v7().simple());
    connect(&suite.postgres.url("postgres", "postgres"))
        .await
        .batch_execute(&format!("create database {name}"))
        .await
        .unwrap();
    let folder = Folder::new();
    let url = suite.postgres.url("postgres", &name);
    let variables = [("DATABASE_URL", url.as_str()), ("TENANTRY_AUTH__PASSWORD_MEMORY_KIB", "64")];

    let program = folder.serve(&variables).await;

    let file: Value = serde_json::from_str(&std::fs::read_to_string(folder.path("test_tokens.json")).unwrap()).unwrap();
    let owner = program.caller(file["tenants"][2]["access_token"].as_str().unwrap());
    owner.project("in the named database").await;
    let schema = format!("t_{}", file["tenants"][2]["id"].as_str().unwrap().replace('-', ""));
    let count = format!("select count(*) from {schema}.projects where name = 'in the named database'");
    let found: i64 = connect(&url).await.query_one(&count, &[]).await.unwrap().get(0);
    assert_eq!(found, 1);
    assert!(folder.path(".data/keys").exists() && !folder.path(".data/postgres").exists());
    assert!(!program.output.text().contains('\u{1b}'), "no colours where nobody sees them");
}
