//! API keys over HTTP and in the database.

mod changes;
mod expiry;
pub mod secrecy;

use serde_json::{Value, json};
use tenantry_tenancy::{Actor, Permission, PermissionSet, Role, Version};

use crate::harness::statements::{follow, unfollow};
use crate::harness::{Caller, PLACEMENTS, Response, Tenant, suite};

pub const KEYS: &str = "/api/v1/api-keys";

/// A key that was just made.
pub struct Made {
    pub id: String,
    pub key: Caller,
    pub view: Value,
}

impl Made {
    pub fn of(caller: &Caller, made: Response) -> Self {
        let view = made.expect(201).json;
        let token = view["key"].as_str().unwrap().to_owned();
        let key = Caller { token, base: caller.base.clone() };
        Self { id: view["id"].as_str().unwrap().to_owned(), key, view }
    }

    /// A key with these scopes.
    pub async fn by(caller: &Caller, scopes: &[&str]) -> Self {
        Self::of(caller, caller.post(KEYS, json!({ "name": "CI", "scopes": scopes })).await)
    }

    pub fn path(&self) -> String {
        format!("{KEYS}/{}", self.id)
    }

    pub async fn rotate(&self, caller: &Caller, body: Value) -> Response {
        caller.post(&format!("{}/rotate", self.path()), body).await
    }
}

/// Every scope there is.
pub fn all_scopes() -> Vec<&'static str> {
    Permission::WORDS.to_vec()
}

/// What a 401 looks like.
pub async fn rejection(tenant: &Tenant) -> String {
    let nobody = Caller { token: "nonsense".to_owned(), ..tenant.owner() };
    nobody.get("/api/v1/projects").await.expect(401).without_request_id()
}

#[tokio::test]
async fn a_key_acts_for_its_holder_within_its_scopes() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let made = Made::by(&tenant.owner(), &["projects:read", "projects:write"]).await;

        let project = made.key.project("Moon").await;
        let refused = made.key.get("/api/v1/tasks").await.expect(403);

        assert_eq!(made.view["holder"], json!(tenant.user(Role::Owner)));
        assert_eq!(refused.json["detail"], "this needs the permission tasks:read");
        let audit = format!(
            "select actor from {}.audit_events where tenant_id = '{}' and row_id = '{project}'",
            tenant.tenant.schema(),
            tenant.tenant.id
        );
        let actor: String = suite.admin().await.query_one(&audit, &[]).await.unwrap().get(0);
        assert_eq!(actor, format!("api_key:{}", made.id));
    }
}

#[tokio::test]
async fn a_key_that_is_known_asks_the_database_nothing() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let made = Made::by(&tenant.owner(), &["projects:read"]).await;
    let prefix = made.view["prefix"].as_str().unwrap();
    made.key.get("/api/v1/projects").await.expect(200);

    follow(prefix);
    for _ in 0..10 {
        made.key.get("/api/v1/projects").await.expect(200);
        made.key.get("/api/v1/tasks").await.expect(403);
    }

    assert_eq!(unfollow(prefix), [""; 0]);
}

#[tokio::test]
async fn the_first_call_by_a_key_is_one_question() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let made = Made::by(&tenant.owner(), &["projects:read"]).await;
    let prefix = made.view["prefix"].as_str().unwrap();

    follow(prefix);
    made.key.get("/api/v1/projects").await.expect(200);

    let asked = unfollow(prefix);
    assert_eq!(asked.len(), 1, "{asked:#?}");
    assert!(asked[0].starts_with("SELECT * FROM registry.api_key($1)"), "{asked:#?}");
}

#[tokio::test]
async fn nobody_gives_a_key_more_than_they_may_themselves() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let weak = Made::by(&owner, &["api_keys:read", "api_keys:write", "tasks:read"]).await;
    let strong = Made::by(&owner, &all_scopes()).await;

    let too_much = json!({ "name": "x", "scopes": ["tasks:read", "tasks:write", "projects:read"] });
    let refused = weak.key.post(KEYS, too_much).await.expect_field(403, "scopes");
    let child = Made::by(&weak.key, &["tasks:read", "api_keys:write"]).await;

    assert_eq!(refused.json["errors"][0]["code"], "exceeds");
    let message = refused.json["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("projects:read, tasks:write") && !message.contains("tasks:read"), "{message}");
    assert_eq!(child.view["holder"], json!(tenant.user(Role::Owner)));
    child.key.get("/api/v1/tasks").await.expect(200);
    child.key.patch(&child.path(), json!({ "scopes": ["tasks:write"] })).await.expect_field(403, "scopes");
    weak.key.patch(&weak.path(), json!({ "scopes": ["projects:read"] })).await.expect_field(403, "scopes");
    assert_eq!(strong.rotate(&weak.key, json!({})).await.expect(403).json["code"], "forbidden");
}

#[tokio::test]
async fn a_scope_that_does_not_exist_is_refused() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();

    for scopes in [
        json!([]),
        json!(["moons:read"]),
        json!(["projects:read", "*"]),
        json!(["Projects:Read"]),
        json!("projects:read"),
    ] {
        let refused = owner.post(KEYS, json!({ "name": "x", "scopes": scopes })).await;
        refused.expect_field(400, "scopes");
    }
}

#[tokio::test]
async fn a_machine_makes_no_keys() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let holder = tenantry_auth::Holder {
        actor: Actor::Service("billing-sync".parse().unwrap()),
        tenant: tenant.tenant.id,
        credential: tenantry_tenancy::CredentialId::generate(),
        version: Version::FIRST,
        roles: vec![Role::Owner.into()],
        permissions: PermissionSet::ALL,
        grant: None,
    };
    let token = suite.services.auth.issue_for(&holder, std::time::Duration::from_secs(60)).unwrap();
    let service = Caller { token, ..tenant.owner() };

    let refused = service.post(KEYS, json!({ "name": "x", "scopes": ["tasks:read"] })).await.expect(403);

    assert_eq!(refused.json["code"], "forbidden");
    service.get(KEYS).await.expect(200);
}

#[tokio::test]
async fn keys_are_listed_page_by_page() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[1]).await.owner();
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(Made::by(&owner, &["projects:read"]).await.id);
    }

    let ids = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    let first = owner.get(&format!("{KEYS}?limit=2&sort=created_at")).await.expect(200);
    let cursor = first.json["next_cursor"].as_str().unwrap();
    let second = owner.get(&format!("{KEYS}?limit=2&sort=created_at&cursor={cursor}")).await.expect(200);

    assert_eq!([ids(&first.json), ids(&second.json)].concat(), made);
    made.reverse();
    assert_eq!(ids(&owner.get(KEYS).await.expect(200).json), made);
    assert!(second.json["next_cursor"].is_null());
}
