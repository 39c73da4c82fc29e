//! People's own accounts: profile, other tenants of theirs, giving tokens back, passwords.

mod in_flight;
mod passwords;
mod resets;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_auth::{Password, Passwords};
use tenantry_tenancy::provisioning::set_status;
use tenantry_tenancy::{Role, TenantStatus, UserId};
use uuid::Uuid;

use crate::harness::{Caller, PLACEMENTS, Response, Suite, Tenant, another_instance, eventually, suite};

const TOKEN: &str = "/api/v1/auth/token";
const REFRESH: &str = "/api/v1/auth/token/refresh";
const REVOKE: &str = "/api/v1/auth/token/revoke";
const SWITCH: &str = "/api/v1/auth/token/switch";
const ME: &str = "/api/v1/me";

const OLD: &str = "correct horse battery staple";
const NEW: &str = "seven green kettles sing";

/// Somebody of a tenant with a password.
struct Person {
    email: String,
}

impl Person {
    async fn new(suite: &Suite, tenant: &Tenant, role: Role) -> Self {
        let passwords = Passwords::new(suite.settings.passwords()).unwrap();
        let hash = passwords.hash(&Password::parse(OLD).unwrap()).await.unwrap();
        assert!(suite.services.registry.set_first_password(tenant.user(role), &hash).await.unwrap());
        Self { email: format!("{role}@{}.example", tenant.tenant.slug) }
    }

    async fn try_password(&self, suite: &Suite, password: &str, tenant: &Tenant) -> Response {
        let body = json!({ "username": self.email, "password": password, "tenant": tenant.tenant.slug });
        post(suite, TOKEN, &body).await
    }

    async fn log_in(&self, suite: &Suite, tenant: &Tenant) -> Login {
        Login::new(suite, &self.try_password(suite, OLD, tenant).await.expect(200))
    }
}

/// The tokens of one login.
struct Login {
    caller: Caller,
    refresh: String,
}

impl Login {
    fn new(suite: &Suite, tokens: &Response) -> Self {
        let text = |name: &str| tokens.json[name].as_str().unwrap().to_owned();
        Self { caller: Caller { token: text("access"), base: suite.base.clone() }, refresh: text("refresh") }
    }

    /// Whether the login is over within the second that is promised, by its access token and its refresh token.
    async fn assert_over(&self, suite: &Suite) {
        self.assert_over_at(&suite.base).await;
        post(suite, REFRESH, &json!({ "refresh": self.refresh })).await.expect(401);
    }

    async fn assert_over_at(&self, base: &str) {
        let caller = self.caller.at(base);
        let is_over = async || caller.get(ME).await.status == 401;
        eventually("the login is over", Duration::from_secs(1), is_over).await;
    }

    async fn assert_lives(&self) {
        self.caller.get(ME).await.expect(200);
    }
}

async fn post(suite: &Suite, path: &str, body: &Value) -> Response {
    suite.request(Method::POST, path).json(body).send().await
}

/// What the audit of a tenant says was done with a person's password.
async fn password_events(suite: &Suite, tenant: &Tenant, user: UserId) -> Vec<(String, String)> {
    let schema = tenant.tenant.schema();
    let events = format!(
        "select action, actor from {schema}.audit_events
         where tenant_id = '{}' and resource = 'users' and row_id = '{user}' order by id",
        tenant.tenant.id
    );
    let rows = suite.admin().await.query(&events, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn a_person_sees_who_they_are_and_where_they_may_go() {
    let suite = suite().await;
    let (home, second) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let asleep = suite.tenant(PLACEMENTS[0]).await;
    let user = home.user(Role::Member);
    for (tenant, role) in [(&second, Role::Viewer), (&asleep, Role::Owner)] {
        suite.services.registry.ensure_member(tenant.tenant.id, user, role).await.unwrap();
    }
    set_status(&*suite.services.registry, asleep.tenant.id, TenantStatus::Suspended).await.unwrap();
    let member = home.caller(Role::Member);

    let renamed = member.patch(ME, json!({ "name": "Ada Lovelace" })).await.expect(200);
    let shown = member.get(ME).await.expect(200);

    assert_eq!(renamed.json, shown.json);
    let tenant = |tenant: &Tenant| json!({ "id": tenant.tenant.id, "slug": tenant.tenant.slug });
    let membership = |of: &Tenant, role| {
        let mut membership = tenant(of);
        membership["role"] = json!(role);
        membership
    };
    assert_eq!(shown.json["user_id"], json!(user));
    assert_eq!(shown.json["email"], format!("member@{}.example", home.tenant.slug));
    assert_eq!((&shown.json["name"], &shown.json["roles"]), (&json!("Ada Lovelace"), &json!(["member"])));
    assert_eq!(shown.json["tenant"], tenant(&home));
    assert_eq!(shown.json["memberships"], json!([membership(&home, "member"), membership(&second, "viewer")]));
}

#[tokio::test]
async fn switching_gives_tokens_for_another_tenant_and_the_old_session_stays() {
    let suite = suite().await;
    let (home, second) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let person = Person::new(&suite, &home, Role::Member).await;
    let user = home.user(Role::Member);
    suite.services.registry.ensure_member(second.tenant.id, user, Role::Viewer).await.unwrap();
    let login = person.log_in(&suite, &home).await;

    for name in [second.tenant.slug.to_string(), second.tenant.id.to_string()] {
        let switched = login.caller.post(SWITCH, json!({ "tenant": name })).await.expect(200);

        let switched = Login::new(&suite, &switched);
        let there = switched.caller.get(ME).await.expect(200);
        assert_eq!(there.json["tenant"]["id"], json!(second.tenant.id));
        assert_eq!(there.json["roles"], json!(["viewer"]));
        post(&suite, REFRESH, &json!({ "refresh": switched.refresh })).await.expect(200);
    }
    assert_eq!(login.caller.get(ME).await.expect(200).json["tenant"]["id"], json!(home.tenant.id));
}

#[tokio::test]
async fn a_tenant_one_cannot_switch_to_is_not_told_from_one_that_does_not_exist() {
    let suite = suite().await;
    let (home, alien) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let asleep = suite.tenant(PLACEMENTS[1]).await;
    let user = home.user(Role::Member);
    suite.services.registry.ensure_member(asleep.tenant.id, user, Role::Owner).await.unwrap();
    set_status(&*suite.services.registry, asleep.tenant.id, TenantStatus::Suspended).await.unwrap();
    let member = home.caller(Role::Member);
    let try_it =
        async |name: String| member.post(SWITCH, json!({ "tenant": name })).await.expect(404).without_request_id();

    let expected = try_it("nowhere".to_owned()).await;

    assert!(expected.contains("there is no such tenant"));
    let of = |tenant: &Tenant| [tenant.tenant.slug.to_string(), tenant.tenant.id.to_string()];
    for name in of(&alien).into_iter().chain(of(&asleep)).chain([Uuid::new_v4().to_string(), String::new()]) {
        assert_eq!(try_it(name).await, expected);
    }
}

#[tokio::test]
async fn a_token_given_back_ends_its_session_on_every_instance_within_a_second() {
    let suite = suite().await;
    let (_, elsewhere) = another_instance(suite.forever(), &[]).await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let bystander = person.log_in(&suite, &tenant).await;

    for by_refresh in [true, false] {
        let login = person.log_in(&suite, &tenant).await;
        for base in [&suite.base, &elsewhere] {
            login.caller.at(base).get(ME).await.expect(200);
        }
        let token = if by_refresh { &login.refresh } else { &login.caller.token };

        let given_back = post(&suite, REVOKE, &json!({ "token": token })).await.expect(204);

        assert_eq!(given_back.text, "");
        login.assert_over_at(&elsewhere).await;
        login.assert_over(&suite).await;
        post(&suite, REVOKE, &json!({ "token": token })).await.expect(204);
    }
    bystander.assert_lives().await;
}

#[tokio::test]
async fn a_token_that_is_none_is_given_back_like_any_other() {
    let suite = suite().await;
    let unknown = tenantry_auth::RefreshToken::generate().reveal();

    for token in ["", "garbage", "tnr_", &unknown, "eyJhbGciOiJub25lIn0.e30."] {
        post(&suite, REVOKE, &json!({ "token": token })).await.expect(204);
    }
}

#[tokio::test]
async fn a_browser_is_told_no_tenants_id_and_given_no_tokens() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Owner).await;
    let body = json!({ "username": person.email, "password": OLD, "keeper": "backend" });
    let session = post(&suite, "/api/v1/auth/session", &body).await.expect(200).json["session"].clone();
    let with_session = |method, path| {
        let header = format!("Session {}", session.as_str().unwrap());
        suite.request(method, path).header("authorization", &header)
    };

    let shown = with_session(Method::GET, ME).send().await.expect(200);
    let switched = with_session(Method::POST, SWITCH).json(&json!({ "tenant": tenant.tenant.slug })).send().await;

    assert!(!shown.text.contains(&tenant.tenant.id.to_string()), "{}", shown.text);
    switched.expect(403);
}
