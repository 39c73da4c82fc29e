//! Tenants that require a second factor: nobody gets in or stays in without one, and who has none enrols on the way in.

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_auth::TotpSecret;
use tenantry_tenancy::Role;

use crate::auth::{Person, face};
use crate::harness::{
    Caller, PATIENCE, PLACEMENTS, Request, Response, Suite, Tenant, another_instance, apart, eventually, suite,
};

const TOKEN: &str = "/api/v1/auth/token";
pub const SESSION: &str = "/api/v1/auth/session";
pub const SWITCH: &str = "/api/v1/auth/token/switch";
pub const ENROL: &str = "/api/v1/auth/second-factor/enrol";
pub const CONFIRM: &str = "/api/v1/auth/second-factor/enrol/confirm";

async fn post(suite: &Suite, path: &str, body: &Value) -> Response {
    suite.request(Method::POST, path).json(body).send().await
}

/// Makes a tenant require a second factor, and waits until the service knows.
pub async fn require(suite: &Suite, tenant: &Tenant) {
    let settings = json!({ "settings": { "require_mfa": true } });
    tenant.owner().patch("/api/v1/tenant", settings).await.expect(200);
    let known = async || {
        let tenant = suite.services.watch.tenant(tenant.tenant.id).await.unwrap();
        tenant.is_some_and(|tenant| tenant.settings.require_mfa)
    };
    eventually("the service knows of the setting", PATIENCE, known).await;
}

fn text(answer: &Response, field: &str) -> String {
    answer.json[field].as_str().unwrap().to_owned()
}

pub async fn ticket(suite: &Suite, person: &Person, path: &str) -> String {
    let told = post(suite, path, &person.credentials()).await.expect(403);
    assert_eq!(told.json["code"], "second_factor_enrolment_required");
    text(&told, "ticket")
}

/// The code that the authenticator of an answer shows now.
pub fn code(begun: &Response) -> String {
    TotpSecret::parse(begun.json["secret"].as_str().unwrap()).unwrap().code_at(Utc::now())
}

#[tokio::test]
async fn who_has_none_enrols_on_the_way_in_and_needs_it_from_then_on() {
    let suite = suite().await;
    for (placement, path) in PLACEMENTS.into_iter().zip([TOKEN, SESSION]) {
        let tenant = suite.tenant(placement).await;
        let person = Person::new(&suite, &tenant, Role::Member).await;
        require(&suite, &tenant).await;
        let ticket = ticket(&suite, &person, path).await;

        let begun = post(&suite, ENROL, &json!({ "ticket": ticket })).await.expect(200);
        let wrong = json!({ "ticket": ticket, "code": "not a code" });
        post(&suite, CONFIRM, &wrong).await.expect_field(400, "code");
        let entered = post(&suite, CONFIRM, &json!({ "ticket": ticket, "code": code(&begun) })).await.expect(200);

        let caller = Caller { token: text(&entered, "access"), base: suite.base.clone() };
        caller.get("/api/v1/projects").await.expect(200);
        assert_eq!(caller.get("/api/v1/me/factors").await.expect(200).json["recovery_codes"], 10);
        post(&suite, "/api/v1/auth/token/refresh", &json!({ "refresh": text(&entered, "refresh") })).await.expect(200);
        let needed = post(&suite, path, &person.credentials()).await.expect(401);
        assert_eq!(needed.json["code"], "second_factor_required");
        let mut credentials = person.credentials();
        credentials["otp"] = entered.json["recovery_codes"][0].clone();
        post(&suite, path, &credentials).await.expect(200);
    }
}

#[tokio::test]
async fn without_the_password_or_with_a_bad_ticket_every_answer_is_the_same() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    require(&suite, &tenant).await;
    let wrong = json!({ "username": person.username, "password": "not the password" });
    let refused = face(&post(&suite, TOKEN, &wrong).await.expect(401));

    let ticket = ticket(&suite, &person, TOKEN).await;
    let begun = post(&suite, ENROL, &json!({ "ticket": ticket })).await.expect(200);
    post(&suite, CONFIRM, &json!({ "ticket": ticket, "code": code(&begun) })).await.expect(200);

    for bad in ["", "tnt_", "not a ticket", "tnt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &ticket] {
        assert_eq!(face(&post(&suite, ENROL, &json!({ "ticket": bad })).await), refused, "{bad}");
        let body = json!({ "ticket": bad, "code": code(&begun) });
        assert_eq!(face(&post(&suite, CONFIRM, &body).await), refused, "{bad}");
    }
}

#[tokio::test]
async fn another_password_voids_the_ticket() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let session = person.log_in(&suite).await;
    require(&suite, &tenant).await;
    let ticket = ticket(&suite, &person, TOKEN).await;

    let caller = Caller { token: text(&session, "access"), base: suite.base.clone() };
    let change = json!({ "current_password": person.password, "new_password": "forty-two purple elephants" });
    caller.post("/api/v1/me/password", change).await.expect(204);

    post(&suite, ENROL, &json!({ "ticket": ticket })).await.expect(401);
}

#[tokio::test]
async fn sessions_from_before_are_not_let_back_in() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let tokens = person.log_in(&suite).await;
    let mut backend = person.credentials();
    backend["keeper"] = json!("backend");
    let session = format!("Session {}", text(&post(&suite, SESSION, &backend).await.expect(200), "session"));

    let projects = async |base: &str| {
        Request::new(base, Method::GET, "/api/v1/projects").header("authorization", &session).send().await
    };
    projects(&suite.base).await.expect(200);

    require(&suite, &tenant).await;

    let refresh = json!({ "refresh": text(&tokens, "refresh") });
    for _ in 0..2 {
        post(&suite, "/api/v1/auth/token/refresh", &refresh).await.expect(401);
    }
    // An instance that has not seen the session before looks it up, as every other does when five minutes are over.
    let (_, base) = another_instance(suite.forever(), &[]).await;
    projects(&base).await.expect(401);
}

#[tokio::test]
async fn switching_there_needs_a_factor_that_one_enrols_where_one_is() {
    let suite = suite().await;
    let (tenant, strict) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let (services, id, user) = (suite.services.clone(), strict.tenant.id, tenant.user(Role::Member));
    apart(async move { services.registry.ensure_member(id, user, Role::Member).await.unwrap() }).await;
    require(&suite, &strict).await;
    let mut credentials = person.credentials();
    credentials["tenant"] = json!(tenant.tenant.slug.to_string());
    let tokens = post(&suite, TOKEN, &credentials).await.expect(200);
    let caller = Caller { token: text(&tokens, "access"), base: suite.base.clone() };
    let there = json!({ "tenant": strict.tenant.slug.to_string() });

    let refused = caller.post(SWITCH, there.clone()).await.expect(403);
    assert_eq!(refused.json["code"], "second_factor_enrolment_required");
    assert_eq!(refused.json.get("ticket"), None);

    let begun = caller.post("/api/v1/me/totp", json!({ "password": person.password })).await.expect(200);
    let secret = TotpSecret::parse(begun.json["secret"].as_str().unwrap()).unwrap();
    let first = secret.code_at(Utc::now() - TimeDelta::seconds(30));
    caller.post("/api/v1/me/totp/confirm", json!({ "code": first })).await.expect(200);
    caller.post(SWITCH, there).await.expect(200);
}
