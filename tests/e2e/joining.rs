//! Joining a tenant by invitation, and signing up for one.

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tenancy::Role;

use crate::api_keys::secrecy::found_in_schema;
use crate::auth::Person;
use crate::harness::{Caller, PLACEMENTS, Response, Suite, another_instance, suite};

const INVITATIONS: &str = "/api/v1/invitations";
const ACCEPT: &str = "/api/v1/auth/invitations/accept";
const SIGNUP: &str = "/api/v1/signup";
const CONFIRM: &str = "/api/v1/signup/confirm";
const CHOSEN: &str = "forty-two purple elephants";

fn address() -> String {
    format!("{}@invited.example", uuid::Uuid::now_v7())
}

/// The token in the newest of so many mails to an address.
async fn token(suite: &Suite, address: &str, prefix: &str, count: usize) -> String {
    let mail = suite.mail_to(address, count).await;
    let found = mail.split_whitespace().find(|word| word.starts_with(prefix));
    found.unwrap_or_else(|| panic!("no {prefix} in {mail}")).to_owned()
}

async fn post(suite: &Suite, path: &str, body: &Value) -> Response {
    suite.request(Method::POST, path).json(body).send().await
}

async fn log_in(suite: &Suite, address: &str, password: &str, tenant: &str) -> Response {
    let body = json!({ "username": address, "password": password, "tenant": tenant });
    post(suite, "/api/v1/auth/token", &body).await
}

#[tokio::test]
async fn somebody_new_accepts_an_invitation_and_works_in_the_tenant() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let (slug, address) = (tenant.tenant.slug.to_string(), address());
        let invited = tenant.owner().post(INVITATIONS, json!({ "email": address, "role": "member" })).await.expect(201);
        let token = token(&suite, &address, "tni_", 1).await;
        assert!(!invited.text.contains(&token));

        post(&suite, ACCEPT, &json!({ "token": token })).await.expect_field(400, "password");
        post(&suite, ACCEPT, &json!({ "token": token, "password": "too short" })).await.expect_field(400, "password");
        let accept = json!({ "token": token, "password": CHOSEN, "name": "Ada" });
        post(&suite, ACCEPT, &accept).await.expect(204);
        post(&suite, ACCEPT, &accept).await.expect_field(400, "token");

        let tokens = log_in(&suite, &address, CHOSEN, &slug).await.expect(200);
        let member = Caller { token: tokens.json["access"].as_str().unwrap().to_owned(), base: suite.base.clone() };
        member.project("Moon").await;
        assert_eq!(member.get("/api/v1/me").await.expect(200).json["name"], "Ada");
        let left = tenant.owner().get(INVITATIONS).await.expect(200);
        assert_eq!(left.json["data"], json!([]));
    }
}

#[tokio::test]
async fn somebody_with_an_account_proves_their_password() {
    let suite = suite().await;
    let (home, tenant) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let person = Person::new(&suite, &home, Role::Owner).await;
    tenant.owner().post(INVITATIONS, json!({ "email": person.username, "role": "viewer" })).await.expect(201);
    let token = token(&suite, &person.username, "tni_", 1).await;

    post(&suite, ACCEPT, &json!({ "token": token, "password": CHOSEN })).await.expect(401);
    post(&suite, ACCEPT, &json!({ "token": token, "password": person.password })).await.expect(204);

    log_in(&suite, &person.username, person.password, tenant.tenant.slug.as_str()).await.expect(200);
    log_in(&suite, &person.username, CHOSEN, tenant.tenant.slug.as_str()).await.expect(401);
}

#[tokio::test]
async fn an_invitation_is_accepted_once_however_many_try_at_once() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let address = address();
    tenant.owner().post(INVITATIONS, json!({ "email": address, "role": "viewer" })).await.expect(201);
    let token = token(&suite, &address, "tni_", 1).await;

    let mut tries = tokio::task::JoinSet::new();
    for number in 0..8 {
        let body = json!({ "token": token, "password": format!("{CHOSEN} number {number}") });
        let request = suite.request(Method::POST, ACCEPT).json(&body);
        tries.spawn(async move { request.send().await.status });
    }
    let statuses = tries.join_all().await;

    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 204 | 400 | 401)), "{statuses:?}");
}

#[tokio::test]
async fn an_invitation_that_was_taken_back_or_replaced_is_worth_nothing() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let (owner, address) = (tenant.owner(), address());
    let invite =
        async |role: &str| owner.post(INVITATIONS, json!({ "email": address, "role": role })).await.expect(201);
    invite("admin").await;
    let first = token(&suite, &address, "tni_", 1).await;

    owner.post(INVITATIONS, json!({ "email": address, "role": "viewer" })).await.expect_field(409, "email");
    let_a_minute_pass(&suite, &address).await;
    let second = invite("viewer").await.header("location").to_owned();
    post(&suite, ACCEPT, &json!({ "token": first, "password": CHOSEN })).await.expect_field(400, "token");
    assert_eq!(owner.get(INVITATIONS).await.expect(200).json["data"].as_array().unwrap().len(), 1);
    let newest = token(&suite, &address, "tni_", 2).await;
    owner.delete(&second).await.expect(204);
    owner.delete(&second).await.expect(404);

    for token in [first, newest] {
        post(&suite, ACCEPT, &json!({ "token": token, "password": CHOSEN })).await.expect_field(400, "token");
    }
}

/// As if whoever was invited had been invited a minute earlier.
async fn let_a_minute_pass(suite: &Suite, address: &str) {
    let change = "update registry.invitations set created_at = created_at - interval '1 minute' where email = $1";
    assert_eq!(suite.admin().await.execute(change, &[&address]).await.unwrap(), 1);
}

#[tokio::test]
async fn of_many_invitations_of_one_address_at_once_one_is_sent() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let address = address();

    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (owner, body) = (tenant.owner(), json!({ "email": address, "role": "viewer" }));
        tries.spawn(async move { owner.post(INVITATIONS, body).await.status });
    }
    let mut statuses = tries.join_all().await;

    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn a_tenant_waits_for_so_many_answers_and_no_more() {
    let suite = suite().await;
    let (tenant, other) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[0]).await);
    let fill = format!(
        "insert into registry.invitations (tenant_id, id, email, role, digest, expires_at)
         select '{}', gen_random_uuid(), n || '-' || gen_random_uuid() || '@invited.example', 'viewer',
           sha256(gen_random_uuid()::text::bytea), now() + interval '1 day' from generate_series(1, 200) n",
        tenant.tenant.id
    );
    suite.admin().await.batch_execute(&fill).await.unwrap();
    let body = json!({ "email": address(), "role": "viewer" });

    tenant.owner().post(INVITATIONS, body.clone()).await.expect_field(409, "email");
    other.owner().post(INVITATIONS, body).await.expect(201);
}

#[tokio::test]
async fn nobody_invites_to_more_than_they_have() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let invite = |role: &str| json!({ "email": address(), "role": role });

    tenant.caller(Role::Admin).post(INVITATIONS, invite("owner")).await.expect(403);
    tenant.caller(Role::Member).post(INVITATIONS, invite("viewer")).await.expect(403);
    tenant.owner().post(INVITATIONS, invite("gardener")).await.expect_field(400, "role");
    tenant.caller(Role::Admin).post(INVITATIONS, invite("admin")).await.expect(201);
}

#[tokio::test]
async fn the_database_holds_no_token_of_an_invitation() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[1]).await;
    let address = address();
    tenant.owner().post(INVITATIONS, json!({ "email": address, "role": "viewer" })).await.expect(201);
    let token = token(&suite, &address, "tni_", 1).await;

    let (admin, schema) = (suite.admin().await, tenant.tenant.schema().to_string());
    for text in [token.as_str(), &token["tni_".len()..]] {
        assert_eq!(found_in_schema(&admin, &schema, text).await, [""; 0]);
    }
    // What is in the database is found.
    assert_ne!(found_in_schema(&admin, &schema, &address).await, [""; 0]);
    // Nor does the audit have the digest.
    let digests = format!("select count(*) from {schema}.audit_events where after ? 'digest'");
    assert_eq!(admin.query_one(&digests, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn somebody_signs_up_and_gets_a_tenant_of_their_own_once_their_address_is_proven() {
    let suite = suite().await;
    let address = address();
    let slug = format!("c{}", uuid::Uuid::now_v7().simple());
    post(&suite, SIGNUP, &json!({ "company": slug, "email": address })).await.expect(202);
    let token = token(&suite, &address, "tnu_", 1).await;
    post(&suite, CONFIRM, &json!({ "token": token })).await.expect_field(400, "password");
    post(&suite, CONFIRM, &json!({ "token": token, "password": "short" })).await.expect_field(400, "password");
    let confirm = json!({ "token": token, "password": CHOSEN, "name": "Ada" });
    let made = post(&suite, CONFIRM, &confirm).await.expect(201);
    assert_eq!(made.json["slug"], slug);

    let tokens = log_in(&suite, &address, CHOSEN, &slug).await.expect(200);
    let owner = Caller { token: tokens.json["access"].as_str().unwrap().to_owned(), base: suite.base.clone() };
    owner.project("Moon").await;
    let me = owner.get("/api/v1/me").await.expect(200).json;
    assert_eq!((&me["roles"], &me["name"]), (&json!(["owner"]), &json!("Ada")));
    post(&suite, CONFIRM, &confirm).await.expect_field(400, "token");
}

#[tokio::test]
async fn a_sign_up_tells_nothing_of_addresses_and_names_that_are_taken() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Owner).await;
    let taken = tenant.tenant.slug.to_string();
    let fresh = format!("c{}", uuid::Uuid::now_v7().simple());
    let body = |company: &str, email: &str| json!({ "company": company, "email": email });

    let expected = post(&suite, SIGNUP, &body(&fresh, &address())).await.expect(202);
    for body in [body(&taken, &address()), body(&taken, &person.username)] {
        let answer = post(&suite, SIGNUP, &body).await.expect(202);
        assert_eq!(answer.without_request_id(), expected.without_request_id());
    }

    // The one who proves the address is told that the name is taken.
    let token = token(&suite, &person.username, "tnu_", 1).await;
    post(&suite, CONFIRM, &json!({ "token": token })).await.expect_field(409, "slug");
    log_in(&suite, &person.username, person.password, &taken).await.expect(200);
}

#[tokio::test]
async fn an_account_keeps_its_password_at_a_sign_up() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Owner).await;
    let slug = format!("c{}", uuid::Uuid::now_v7().simple());
    post(&suite, SIGNUP, &json!({ "company": slug, "email": person.username })).await.expect(202);
    let token = token(&suite, &person.username, "tnu_", 1).await;

    post(&suite, CONFIRM, &json!({ "token": token, "password": CHOSEN })).await.expect(201);

    log_in(&suite, &person.username, CHOSEN, &slug).await.expect(401);
    log_in(&suite, &person.username, person.password, &slug).await.expect(200);
}

#[tokio::test]
async fn a_reserved_name_or_another_plan_is_refused() {
    let suite = suite().await;
    let with = |field: &str, value: &str| {
        let mut body = json!({ "company": "a-company", "email": address() });
        body[field] = json!(value);
        body
    };

    for (field, value) in [("company", "www"), ("company", "Not A Slug"), ("plan", "enterprise")] {
        post(&suite, SIGNUP, &with(field, value)).await.expect_field(400, field);
    }
}

#[tokio::test]
async fn where_signing_up_is_off_there_is_no_such_route() {
    let suite = suite().await;
    let (_, base) = another_instance(suite.forever(), &[("TENANTRY_SIGNUP__ENABLED", "false")]).await;
    let nobody = |path: &str| crate::harness::Request::new(&base, Method::POST, path);
    let unknown = nobody("/api/v1/no-such-thing").body("{").send().await.expect(404);

    for path in [SIGNUP, CONFIRM] {
        let answer = nobody(path).body("{").send().await.expect(404);
        assert_eq!(answer.without_request_id(), unknown.without_request_id());
    }
}
