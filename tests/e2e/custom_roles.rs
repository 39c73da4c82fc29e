//! Roles that a tenant defines, and the catalogue of permissions.

use std::time::Duration;

use serde_json::{Value, json};
use tenantry_tenancy::{Permission, Role};
use tokio::time::Instant;

use crate::auth::Person;
use crate::harness::{Caller, PLACEMENTS, Response, Suite, another_instance, eventually, suite};

const ROLES: &str = "/api/v1/roles";
const SECOND: Duration = Duration::from_secs(1);

fn one(role: &Response) -> String {
    format!("{ROLES}/{}", role.json["id"].as_str().unwrap())
}

/// Somebody's newest token, and what gives the next.
struct Login {
    access: String,
    refresh: String,
}

impl Login {
    fn of(tokens: &Response) -> Self {
        let text = |field: &str| tokens.json[field].as_str().unwrap().to_owned();
        Self { access: text("access"), refresh: text("refresh") }
    }

    async fn renewed(&self, suite: &Suite) -> Self {
        let body = json!({ "refresh": self.refresh });
        let path = "/api/v1/auth/token/refresh";
        Self::of(&suite.request(reqwest::Method::POST, path).json(&body).send().await.expect(200))
    }

    fn at(&self, bases: &[String]) -> Vec<Caller> {
        bases.iter().map(|base| Caller { token: self.access.clone(), base: base.clone() }).collect()
    }
}

#[tokio::test]
async fn the_catalogue_has_every_permission_with_what_it_allows() {
    let suite = suite().await;
    let viewer = suite.tenant(PLACEMENTS[0]).await.caller(Role::Viewer);

    let catalogue = viewer.get("/api/v1/permissions").await.expect(200).json;

    let names: Vec<&str> =
        catalogue["data"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, Permission::WORDS);
    assert_eq!(catalogue["data"][0]["description"], "See projects and their statistics.");
}

#[tokio::test]
async fn roles_are_listed_defined_changed_and_deleted() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let (admin, viewer) = (tenant.caller(Role::Admin), tenant.caller(Role::Viewer));

        let body = json!({ "name": "support", "description": "Answers.", "permissions": ["tasks:read"] });
        let made = admin.post(ROLES, body).await.expect(201);
        let changed =
            admin.patch(&one(&made), json!({ "permissions": ["tasks:read", "tasks:write"] })).await.expect(200);
        let replaced = admin.put(&one(&made), json!({ "permissions": ["projects:read"] })).await.expect(200);
        let list = viewer.get(ROLES).await.expect(200).json;

        assert_eq!(made.header("location"), one(&made));
        assert_eq!(changed.json["permissions"], json!(["tasks:read", "tasks:write"]));
        assert_eq!((&changed.json["description"], &changed.json["version"]), (&json!("Answers."), &json!(2)));
        assert_eq!((&replaced.json["description"], &replaced.json["name"]), (&json!(""), &json!("support")));
        let names: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|role| &role["name"]).collect();
        assert_eq!(names, ["owner", "admin", "member", "viewer", "support"]);
        assert_eq!(viewer.get(&one(&made)).await.expect(200).json, replaced.json);
        admin.delete(&one(&made)).await.expect(204);
        viewer.get(&one(&made)).await.expect(404);
    }
}

#[tokio::test]
async fn a_name_is_one_roles_only_and_stays() {
    let suite = suite().await;
    let (tenant, other) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[0]).await);
    let owner = tenant.owner();
    let role = |name: &str| json!({ "name": name, "permissions": ["tasks:read"] });
    let made = owner.post(ROLES, role("support")).await.expect(201);

    owner.post(ROLES, role("support")).await.expect_field(409, "name");
    owner.post(ROLES, role("owner")).await.expect_field(409, "name");
    owner.patch(&one(&made), json!({ "name": "helpers" })).await.expect_field(400, "name");

    other.owner().post(ROLES, role("support")).await.expect(201);
}

#[tokio::test]
async fn nobody_defines_a_role_that_allows_more_than_they_may() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let scopes = ["roles:read", "roles:write", "tasks:read"];
    let key = owner.post("/api/v1/api-keys", json!({ "name": "narrow", "scopes": scopes })).await.expect(201);
    let narrow = Caller { token: key.json["key"].as_str().unwrap().to_owned(), base: suite.base.clone() };
    let role = |permissions: &[&str]| json!({ "name": "support", "permissions": permissions });

    let refused = narrow.post(ROLES, role(&["tasks:read", "tasks:write", "audit:read"])).await.expect(403);
    let made = narrow.post(ROLES, role(&["tasks:read"])).await.expect(201);
    let widened = narrow.patch(&one(&made), json!({ "permissions": ["members:write"] })).await.expect(403);

    let excess = json!([{
        "field": "permissions", "code": "exceeds", "message": "you may not do this yourself: tasks:write, audit:read",
    }]);
    assert_eq!(refused.json["errors"], excess);
    assert_eq!(widened.json["errors"][0]["message"], "you may not do this yourself: members:write");
    assert_eq!(owner.get(&one(&made)).await.expect(200).json, made.json);
}

#[tokio::test]
async fn a_changed_role_is_felt_within_a_second_on_every_instance() {
    let suite = suite().await;
    let (_, elsewhere) = another_instance(suite.forever(), &[]).await;
    let bases = [suite.base.clone(), elsewhere];
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let made = owner.post(ROLES, json!({ "name": "support", "permissions": ["tasks:read"] })).await.expect(201);
        let member = format!("/api/v1/members/{}", tenant.user(Role::Member));
        let first = Login::of(&Person::new(&suite, &tenant, Role::Member).await.log_in(&suite).await);
        owner.patch(&member, json!({ "role": "support" })).await.expect(200);
        let login = first.renewed(&suite).await;
        for caller in login.at(&bases) {
            caller.get("/api/v1/tasks").await.expect(200);
            caller.get("/api/v1/projects").await.expect(403);
        }

        owner.patch(&one(&made), json!({ "permissions": ["projects:read"] })).await.expect(200);
        let deadline = Instant::now() + SECOND;
        for caller in login.at(&bases) {
            let left = deadline - Instant::now();
            eventually("the old token is void", left, async || caller.get("/api/v1/tasks").await.status == 401).await;
        }

        for caller in login.renewed(&suite).await.at(&bases) {
            caller.get("/api/v1/tasks").await.expect(403);
            caller.get("/api/v1/projects").await.expect(200);
        }
        owner.delete(&one(&made)).await.expect(409);
        owner.patch(&member, json!({ "role": "member" })).await.expect(200);
        owner.delete(&one(&made)).await.expect(204);
    }
}
