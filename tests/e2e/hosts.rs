//! The tenant is the credential's alone; the host and `X-Tenant-ID` must agree with it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tenancy::Role;

use crate::auth::Person;
use crate::examples::operator;
use crate::harness::names::names;
use crate::harness::{Caller, PLACEMENTS, Request, Response, Suite, another_instance, apart, eventually, suite};

const PROJECTS: &str = "/api/v1/projects";
const DOMAINS: &str = "/api/v1/domains";
const SECOND: Duration = Duration::from_secs(1);
const ID: (&str, &str) = ("x-request-id", "018f0c5e-7f6a-7cc0-8000-3f1d5c9b2a10");

/// An answer to somebody who sends one more header.
async fn with(caller: &Caller, name: &str, value: &str) -> Response {
    caller.request(Method::GET, PROJECTS).header(name, value).header(ID.0, ID.1).send().await
}

/// What a path that does not exist answers: headers and body.
async fn unknown(caller: &Caller) -> String {
    let answer = caller.request(Method::GET, "/api/v1/no-such-thing").header(ID.0, ID.1).send().await.expect(404);
    face(&answer)
}

fn face(answer: &Response) -> String {
    let mut headers: Vec<String> =
        answer.headers.iter().filter(|(name, _)| *name != "date").map(|header| format!("{header:?}")).collect();
    headers.sort();
    format!("{} {headers:?} {}", answer.status, answer.text)
}

async fn events(suite: &Suite, kind: &str, tenant: &str) -> usize {
    let path = format!("/operator/v1/security-events?kind={kind}&tenant={tenant}");
    operator(suite).await.get(&path).await.expect(200).json["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn an_assertion_must_be_true_or_nothing_is_there() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (tenant, other) = (suite.tenant(placement).await, suite.tenant(placement).await);
        let owner = tenant.owner();
        let own = tenant.tenant.id.to_string();

        assert_eq!(with(&owner, "x-tenant-id", &own).await.expect(200).header("x-tenant-id"), own);
        let expected = unknown(&owner).await;
        for wrong in
            [&other.tenant.id.to_string(), &uuid::Uuid::new_v4().to_string(), &own.to_uppercase()[1..], "", "x"]
        {
            assert_eq!(face(&with(&owner, "x-tenant-id", wrong).await), expected, "{wrong}");
        }
        let twice = owner.request(Method::GET, PROJECTS).header("x-tenant-id", &own).header("x-tenant-id", "x");
        assert_eq!(face(&twice.header(ID.0, ID.1).send().await), expected);

        let noted = async || events(&suite, "tenant_asserted", &own).await >= 6;
        eventually("the operators know of it", SECOND * 5, noted).await;
        assert_eq!(events(&suite, "tenant_asserted", &other.tenant.id.to_string()).await, 0);
    }
}

#[tokio::test]
async fn a_host_below_the_base_domain_is_one_tenants() {
    let suite = suite().await;
    let (_, base) = another_instance(suite.forever(), &[("TENANTRY_HTTP__BASE_DOMAIN", "api.example.com")]).await;
    let (tenant, other) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let owner = tenant.owner().at(&base);
    let host = |slug: &dyn std::fmt::Display| format!("{slug}.api.example.com");

    for good in [
        host(&tenant.tenant.slug),
        "api.example.com".to_owned(),
        "127.0.0.1".to_owned(),
        "elsewhere.example".to_owned(),
    ] {
        with(&owner, "host", &good).await.expect(200);
    }
    let expected = unknown(&owner).await;
    for bad in [host(&other.tenant.slug), host(&"nobody"), host(&"a.b"), host(&"1")] {
        assert_eq!(face(&with(&owner, "host", &bad).await), expected, "{bad}");
    }
    // Where no base domain is configured, hosts mean nothing.
    with(&tenant.owner(), "host", &host(&other.tenant.slug)).await.expect(200);
    let noted = async || events(&suite, "host_mismatch", &tenant.tenant.id.to_string()).await >= 4;
    eventually("the operators know of it", SECOND * 5, noted).await;
}

#[tokio::test]
async fn a_domain_is_proven_by_its_record_and_then_one_tenants_alone() {
    let suite = suite().await;
    let server = names();
    let (tenant, other) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let (owner, stranger) = (tenant.owner(), other.owner());
    let name = format!("app.{}.example", tenant.tenant.slug);

    let added = owner.post(DOMAINS, json!({ "name": name })).await.expect(201);
    let path = added.header("location").to_owned();
    let text = |field: &str| added.json[field].as_str().unwrap().to_owned();
    assert_eq!(text("record_name"), format!("_tenantry-challenge.{name}"));
    assert!(text("record_text").starts_with("tenantry-verification="));
    owner.post(DOMAINS, json!({ "name": name.to_uppercase() })).await.expect_field(409, "name");

    // Without the record, or with another, it is not proven, and the host is nobody's.
    let verify = format!("{path}/verify");
    owner.post(&verify, json!({})).await.expect(409);
    server.set(&text("record_name"), "tenantry-verification=something-else");
    let refused = owner.post(&verify, json!({})).await.expect(409);
    with(&stranger, "host", &name).await.expect(200);

    server.set(&text("record_name"), &text("record_text"));
    assert!(owner.post(&verify, json!({})).await.expect(200).json["verified_at"].is_string());
    owner.post(&verify, json!({})).await.expect(200);
    with(&owner, "host", &name).await.expect(200);
    let expected = unknown(&stranger).await;
    eventually("the host is the tenant's alone", SECOND, async || {
        face(&with(&stranger, "host", &name).await) == expected
    })
    .await;

    // Another tenant may claim it, and even set its own record: it is told no more than if there were none.
    let claimed = stranger.post(DOMAINS, json!({ "name": name })).await.expect(201);
    server.set(&text("record_name"), claimed.json["record_text"].as_str().unwrap());
    let answer = stranger.post(&format!("{}/verify", claimed.header("location")), json!({})).await.expect(409);
    assert_eq!(answer.without_request_id(), refused.without_request_id());

    owner.delete(&path).await.expect(204);
    eventually("the host is nobody's", SECOND, async || with(&stranger, "host", &name).await.status == 200).await;
}

#[tokio::test]
async fn what_is_no_domain_of_a_tenant_is_refused() {
    let suite = suite().await;
    let (_, base) = another_instance(suite.forever(), &[("TENANTRY_HTTP__BASE_DOMAIN", "api.example.com")]).await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner().at(&base);

    for name in
        ["localhost", "127.0.0.1", "*.example.com", "api.example.com", "other.api.example.com", "bücher.example"]
    {
        owner.post(DOMAINS, json!({ "name": name })).await.expect_field(400, "name");
    }
}

#[tokio::test]
async fn a_refresh_token_used_again_is_told_to_the_operators() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let tokens = Person::new(&suite, &tenant, Role::Member).await.log_in(&suite).await;
    let body = json!({ "refresh": tokens.json["refresh"] });
    let refresh = || suite.request(Method::POST, "/api/v1/auth/token/refresh").json(&body);
    refresh().send().await.expect(200);
    let late = "update registry.refresh_tokens set used_at = used_at - interval '1 minute' where session_id in
                (select id from registry.sessions where user_id = '{user}')";
    let late = late.replace("{user}", &tenant.user(Role::Member).to_string());
    suite.admin().await.batch_execute(&late).await.unwrap();

    let reused = refresh().send().await.expect(401);

    let operator = operator(&suite).await;
    let noted = async || {
        let listed = operator.get("/operator/v1/security-events?kind=refresh_reused&limit=200").await.expect(200);
        listed.json["data"].as_array().unwrap().iter().any(|it| it["request_id"] == reused.header("x-request-id"))
    };
    eventually("the operators know of it", SECOND * 5, noted).await;
}

#[tokio::test]
async fn a_login_at_a_tenants_host_is_one_into_it() {
    let suite = suite().await;
    let (_, base) = another_instance(suite.forever(), &[("TENANTRY_HTTP__BASE_DOMAIN", "api.example.com")]).await;
    let (tenant, other) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let (services, user, second) = (suite.services.clone(), tenant.user(Role::Member), other.tenant.id);
    apart(async move { services.registry.ensure_member(second, user, Role::Viewer).await }).await.unwrap();
    let log_in = async |path: &str, host: &str, more: Value| {
        let mut body = person.credentials();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = Request::new(&base, Method::POST, path).header("host", host).header(ID.0, ID.1);
        request.header("sec-fetch-site", "same-origin").json(&body).send().await
    };
    let host = |slug: &dyn std::fmt::Display| format!("{slug}.api.example.com");
    let names = |slug: &dyn std::fmt::Display| json!({ "tenant": slug.to_string() });

    for (path, wrong) in [
        ("/api/v1/auth/token", json!({ "password": "a wrong one" })),
        ("/api/v1/auth/session", json!({ "password": "a wrong one" })),
    ] {
        let refused = face(&log_in(path, &host(&tenant.tenant.slug), wrong).await);
        // Where nobody says which, the host does.
        let ambiguous = log_in(path, "api.example.com", json!({})).await;
        ambiguous.expect_field(400, "tenant");
        for at in [&tenant, &other] {
            log_in(path, &host(&at.tenant.slug), json!({})).await.expect(200);
            log_in(path, &host(&at.tenant.slug), names(&at.tenant.id)).await.expect(200);
        }
        for (at, named) in [
            (host(&tenant.tenant.slug), names(&other.tenant.slug)),
            (host(&tenant.tenant.slug), names(&other.tenant.id)),
            (host(&"nobody"), json!({})),
            (host(&"a.b"), names(&tenant.tenant.slug)),
        ] {
            assert_eq!(face(&log_in(path, &at, named.clone()).await), refused, "{at} {named}");
        }
        // Or what failed would make the next login wait.
        log_in(path, &host(&other.tenant.slug), json!({})).await.expect(200);
    }
    let tokens = log_in("/api/v1/auth/token", &host(&other.tenant.slug), json!({})).await.expect(200);
    let caller = Caller { token: tokens.json["access"].as_str().unwrap().to_owned(), base: base.clone() };
    assert_eq!(caller.get(PROJECTS).await.expect(200).header("x-tenant-id"), other.tenant.id.to_string());
}
