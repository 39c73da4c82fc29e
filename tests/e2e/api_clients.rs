//! Machine clients: made by who may, log in with a secret, and lose at once what is taken from them.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tenancy::Role;
use tenantry_tenancy::provisioning::set_status;

use crate::harness::{Caller, PLACEMENTS, Response, Suite, another_instance, eventually, suite};

pub const CLIENTS: &str = "/api/v1/api-clients";
const TOKEN: &str = "/api/v1/auth/api-client/token";
const REFRESH: &str = "/api/v1/auth/api-client/refresh";
const SECOND: Duration = Duration::from_secs(1);

/// A client as its maker was told of it.
#[derive(Clone)]
pub struct Client {
    pub id: String,
    pub secret: String,
}

impl Client {
    pub async fn new(maker: &Caller, scopes: &[&str]) -> Self {
        let body = json!({ "name": "Importer", "scopes": scopes });
        Self::of(&maker.post(CLIENTS, body).await.expect(201))
    }

    fn of(answer: &Response) -> Self {
        Self { id: text(answer, "id"), secret: text(answer, "client_secret") }
    }

    pub fn path(&self) -> String {
        format!("{CLIENTS}/{}", self.id)
    }

    async fn ask(&self, suite: &Suite) -> Response {
        let body = json!({ "client_id": self.id, "client_secret": self.secret });
        suite.request(Method::POST, TOKEN).json(&body).send().await
    }

    pub async fn log_in(&self, suite: &Suite) -> Response {
        self.ask(suite).await.expect(200)
    }
}

fn text(answer: &Response, field: &str) -> String {
    answer.json[field].as_str().unwrap().to_owned()
}

fn caller(suite: &Suite, tokens: &Response) -> Caller {
    Caller { token: text(tokens, "access"), base: suite.base.clone() }
}

async fn refresh(suite: &Suite, tokens: &Response) -> Response {
    suite.request(Method::POST, REFRESH).json(&json!({ "refresh": tokens.json["refresh"] })).send().await
}

/// Fails unless all of these are void within a second.
async fn void_in_time(what: &str, callers: &[Caller]) {
    let refused = async || {
        let answers = join_all(callers.iter().map(|it| it.get("/api/v1/projects"))).await;
        answers.iter().all(|answer| answer.status == 401)
    };
    eventually(what, SECOND, refused).await;
}

/// What may not tell one failure from another.
fn face(answer: &Response) -> (u16, String, String) {
    (answer.status, answer.header("www-authenticate").to_owned(), answer.without_request_id())
}

#[tokio::test]
async fn a_client_logs_in_and_acts_in_its_tenant_with_its_scopes() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let client = Client::new(&tenant.owner(), &["projects:read", "projects:write"]).await;

        let tokens = client.log_in(&suite).await;

        assert_eq!(tokens.json["tenant"], tenant.tenant.id.to_string());
        assert_eq!(tokens.json["roles"], json!(["client"]));
        assert_eq!(tokens.json["scopes"], json!(["projects:read", "projects:write"]));
        assert_eq!((&tokens.json["token_type"], &tokens.json["expires_in"]), (&json!("Bearer"), &json!(900)));
        let machine = caller(&suite, &tokens);
        machine.project("Moon").await;
        machine.get("/api/v1/tasks").await.expect(403);
        machine.get("/api/v1/me/sessions").await.expect(403);
        let actor = format!("api_client:{}", client.id);
        let schema = tenant.tenant.schema();
        let audited = format!(
            "select count(*) from {schema}.audit_events where tenant_id = '{}' and actor = '{actor}'",
            tenant.tenant.id
        );
        assert!(suite.admin().await.query_one(&audited, &[]).await.unwrap().get::<_, i64>(0) > 0);
    }
}

#[tokio::test]
async fn a_secret_is_told_once_and_no_digest_ever() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let client = Client::new(&tenant.owner(), &["tasks:read"]).await;

    let told = [
        tenant.owner().get(&client.path()).await.expect(200).text,
        tenant.owner().get(CLIENTS).await.expect(200).text,
        crate::isolation::rows(&suite.admin().await, &tenant).await,
    ];

    assert!(client.secret.starts_with("tncs_"));
    assert!(told.iter().all(|it| it.contains(&client.id) && !it.contains(&client.secret)));
    let audit = "select coalesce(string_agg(after::text, ''), '') from pooled.audit_events where resource like 'api_client%' and tenant_id::text = $1";
    let audit: String = suite.admin().await.query_one(audit, &[&tenant.tenant.id.to_string()]).await.unwrap().get(0);
    assert!(audit.contains(&client.id) && !audit.contains("digest"));
}

#[tokio::test]
async fn nobody_gives_a_client_what_they_do_not_have() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let weak = Client::new(&owner, &["api_clients:write", "tasks:read"]).await;
    let strong = Client::new(&owner, &["members:write"]).await;
    let machine = caller(&suite, &weak.log_in(&suite).await);

    let body = json!({ "name": "Child", "scopes": ["tasks:write"] });
    machine.post(CLIENTS, body).await.expect_field(403, "scopes");
    machine.patch(&weak.path(), json!({ "scopes": ["tasks:read", "members:write"] })).await.expect_field(403, "scopes");
    let rotation = json!({ "overlap_seconds": 60 });
    machine.post(&format!("{}/rotate-secret", strong.path()), rotation).await.expect_field(403, "scopes");

    Client::new(&machine, &["tasks:read"]).await;
}

#[tokio::test]
async fn an_unknown_client_and_a_wrong_secret_get_the_one_answer() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let (client, other) =
        (Client::new(&tenant.owner(), &["tasks:read"]).await, Client::new(&tenant.owner(), &["tasks:read"]).await);
    let disabled = Client::new(&tenant.owner(), &["tasks:read"]).await;
    tenant.owner().patch(&disabled.path(), json!({ "enabled": false })).await.expect(200);
    let unknown = Client { id: uuid::Uuid::now_v7().to_string(), ..client.clone() };

    let expected = face(&unknown.ask(&suite).await.expect(401));

    let nonsense = Client { id: "x".to_owned(), secret: "y".to_owned() };
    for refused in [Client { secret: other.secret, ..client.clone() }, disabled, nonsense] {
        assert_eq!(face(&refused.ask(&suite).await.expect(401)), expected);
    }
    client.log_in(&suite).await;
}

#[tokio::test]
async fn what_is_taken_from_a_client_is_void_on_every_instance_within_a_second() {
    let suite = suite().await;
    let (_, elsewhere) = another_instance(suite.forever(), &[]).await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let bystander = caller(&suite, &Client::new(&owner, &["projects:read"]).await.log_in(&suite).await);
    let rotation = (Method::POST, "/rotate-secret", json!({ "overlap_seconds": 0 }));
    for (method, suffix, body) in [
        (Method::PATCH, "", json!({ "scopes": ["projects:read"] })),
        (Method::PATCH, "", json!({ "enabled": false })),
        rotation,
        (Method::DELETE, "", Value::Null),
    ] {
        let client = Client::new(&owner, &["projects:read", "projects:write"]).await;
        let tokens = client.log_in(&suite).await;
        let machine = caller(&suite, &tokens);
        let everywhere = [machine.clone(), machine.at(&elsewhere)];
        for machine in &everywhere {
            machine.get("/api/v1/projects").await.expect(200);
        }

        let change = owner.request(method.clone(), &format!("{}{suffix}", client.path()));
        let change = if body.is_null() { change } else { change.json(&body) };
        assert!(change.send().await.status < 300);

        void_in_time(&format!("{method} {suffix} {body}"), &everywhere).await;
        // A client that was only narrowed goes on with what is left; any other has to show a secret again.
        let narrowed = body.get("scopes").is_some();
        let renewed = refresh(&suite, &tokens).await.expect(if narrowed { 200 } else { 401 });
        if narrowed {
            assert_eq!(renewed.json["scopes"], json!(["projects:read"]));
            caller(&suite, &renewed).get("/api/v1/projects").await.expect(200);
        } else {
            client.ask(&suite).await.expect(401);
        }
    }
    bystander.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn what_is_added_to_a_client_or_renamed_voids_nothing() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let client = Client::new(&tenant.owner(), &["projects:read"]).await;
    let machine = caller(&suite, &client.log_in(&suite).await);

    let more = json!({ "name": "Exporter", "scopes": ["projects:read", "tasks:read"] });
    tenant.owner().patch(&client.path(), more).await.expect(200);
    suite.services.watch.poll_once().await.unwrap();

    machine.get("/api/v1/projects").await.expect(200);
    assert_eq!(client.log_in(&suite).await.json["scopes"], json!(["projects:read", "tasks:read"]));
}

#[tokio::test]
async fn two_secrets_are_good_while_they_overlap() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let first = Client::new(&tenant.owner(), &["projects:read"]).await;
    let tokens = first.log_in(&suite).await;
    let machine = caller(&suite, &tokens);
    let rotate = async || {
        let body = json!({ "overlap_seconds": 60 });
        Client::of(&tenant.owner().post(&format!("{}/rotate-secret", first.path()), body).await.expect(200))
    };

    let second = rotate().await;
    first.log_in(&suite).await;
    second.log_in(&suite).await;
    let tokens = refresh(&suite, &tokens).await.expect(200);

    // Never more than two: the next rotation ends the first one's time.
    let third = rotate().await;
    first.ask(&suite).await.expect(401);
    refresh(&suite, &tokens).await.expect(401);
    let tokens = second.log_in(&suite).await;
    let end = "update registry.api_client_secrets set expires_at = now() where expires_at is not null and api_client_id::text = $1";
    suite.admin().await.execute(end, &[&first.id]).await.unwrap();
    second.ask(&suite).await.expect(401);
    refresh(&suite, &tokens).await.expect(401);
    third.log_in(&suite).await;
    suite.services.watch.poll_once().await.unwrap();
    machine.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn a_clients_tokens_are_given_back_like_those_of_people() {
    let suite = suite().await;
    let client = Client::new(&suite.tenant(PLACEMENTS[0]).await.owner(), &["projects:read"]).await;
    for field in ["access", "refresh"] {
        let tokens = client.log_in(&suite).await;
        let body = json!({ "token": tokens.json[field] });

        suite.request(Method::POST, "/api/v1/auth/token/revoke").json(&body).send().await.expect(204);

        void_in_time("the token is void", &[caller(&suite, &tokens)]).await;
        refresh(&suite, &tokens).await.expect(401);
    }
}

#[tokio::test]
async fn fifty_refreshes_of_a_client_at_once_get_one_successor() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let first = Client::new(&tenant.owner(), &["projects:read"]).await.log_in(&suite).await;

    let answers = join_all((0..50).map(|_| refresh(&suite, &first))).await;

    let answers: Vec<Response> = answers.into_iter().map(|it| it.expect(200)).collect();
    let successors: HashSet<String> = answers.iter().map(|it| text(it, "refresh")).collect();
    assert_eq!(successors.len(), 1);
    refresh(&suite, &answers[0]).await.expect(200);
}

#[tokio::test]
async fn a_clients_refresh_token_that_comes_back_late_ends_its_session_and_is_audited() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let client = Client::new(&tenant.owner(), &["projects:read"]).await;
        let (first, other) = (client.log_in(&suite).await, client.log_in(&suite).await);
        let second = refresh(&suite, &first).await.expect(200);
        let age = "update registry.api_client_tokens t set used_at = t.used_at - interval '11 seconds'
                   from registry.api_client_sessions s where s.id = t.session_id and s.api_client_id::text = $1 and t.used_at is not null";
        assert_eq!(suite.admin().await.execute(age, &[&client.id]).await.unwrap(), 1);

        let reused = refresh(&suite, &first).await.expect(401);

        void_in_time("the session's tokens", &[caller(&suite, &first), caller(&suite, &second)]).await;
        assert_eq!(face(&refresh(&suite, &second).await.expect(401)), face(&reused));
        caller(&suite, &other).get("/api/v1/projects").await.expect(200);
        let schema = tenant.tenant.schema();
        let audited = format!(
            "select count(*) from {schema}.audit_events where action = 'refresh_reused' and row_id = '{}'",
            client.id
        );
        assert_eq!(suite.admin().await.query_one(&audited, &[]).await.unwrap().get::<_, i64>(0), 1);
    }
}

#[tokio::test]
async fn a_suspended_tenants_clients_are_refused_and_come_back_with_it() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let client = Client::new(&tenant.owner(), &["projects:read"]).await;
    let tokens = client.log_in(&suite).await;
    let (registry, id) = (&*suite.services.registry, tenant.tenant.id);

    set_status(registry, id, tenantry_tenancy::TenantStatus::Suspended).await.unwrap();
    client.ask(&suite).await.expect(401);
    refresh(&suite, &tokens).await.expect(401);
    set_status(registry, id, tenantry_tenancy::TenantStatus::Active).await.unwrap();

    refresh(&suite, &tokens).await.expect(200);
}

#[tokio::test]
async fn clients_are_listed_page_by_page_and_changed_from_the_version_seen() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[1]).await;
    let owner = tenant.owner();
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(Client::new(&owner, &["tasks:read"]).await);
    }
    made.reverse();

    let first = owner.get(&format!("{CLIENTS}?limit=2")).await.expect(200);
    let cursor = text(&first, "next_cursor");
    let second = owner.get(&format!("{CLIENTS}?limit=2&cursor={cursor}")).await.expect(200);

    let pages = [first, second];
    let listed: Vec<&str> =
        pages.iter().flat_map(|it| it.json["data"].as_array().unwrap()).map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(listed, made.iter().map(|it| it.id.as_str()).collect::<Vec<_>>());
    let rename = async |tag: &str| {
        let request = owner.request(Method::PATCH, &made[0].path()).header("if-match", tag);
        request.json(&json!({ "name": "Renamed" })).send().await
    };
    rename("\"1\"").await.expect(200);
    rename("\"1\"").await.expect(412);
    owner.delete(&made[0].path()).await.expect(204);
    owner.get(&made[0].path()).await.expect(404);
    tenant.caller(Role::Member).get(CLIENTS).await.expect(403);
}
