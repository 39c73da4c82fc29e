//! Tokens that nobody should have, and headers that nobody should send.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_auth::{Holder, SigningKeys};
use tenantry_server::{Database, Services};
use tenantry_tenancy::{Role, SessionId};

use super::{VERIFY, face, part, post, with_authorization};
use crate::harness::wire::Wire;
use crate::harness::{PLACEMENTS, Suite, Tenant, another_instance, settings, suite};

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn holder(tenant: &Tenant) -> Holder {
    let (user, session) = (tenant.user(Role::Owner), SessionId::generate());
    Holder::member(user, tenant.tenant.id, session, Role::Owner)
}

/// A token as a service with these settings would issue it.
fn issued_elsewhere(suite: &Suite, tenant: &Tenant, overrides: &[(&str, &str)]) -> String {
    let services = Services::new(&settings(overrides), &Database::at(suite.urls.clone())).unwrap();
    services.auth.issue_for(&holder(tenant), Duration::from_secs(60)).unwrap()
}

/// Tokens that are each wrong in their own way, made from a good one.
fn forgeries(suite: &Suite, tenant: &Tenant) -> Vec<(&'static str, String)> {
    let good = tenant.owner().token;
    let [header, claims, signature] = [0, 1, 2].map(|place| good.split('.').nth(place).unwrap());
    let with_header = |name: &str, value: Value| {
        let mut header = part(&good, 0);
        header[name] = value;
        format!("{}.{claims}.{signature}", encoded(&header))
    };
    let with_claim = |name: &str, value: Value| {
        let mut claims = part(&good, 1);
        claims[name] = value;
        format!("{header}.{}.{signature}", encoded(&claims))
    };
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&key, SigningKeys::generate_pem()).unwrap();
    let key = key.path().to_str().unwrap();
    let expired = suite.services.auth.issue_for(&holder(tenant), Duration::ZERO).unwrap();
    let other = SessionId::generate().to_string();
    let none = encoded(&json!({ "alg": "none", "typ": "at+jwt" }));
    vec![
        ("no token", "unknown".to_owned()),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{good}.{signature}")),
        ("no signature", format!("{header}.{claims}.")),
        ("alg none", format!("{none}.{claims}.")),
        ("alg none, with the signature", format!("{none}.{claims}.{signature}")),
        ("alg None with the key's name", with_header("alg", json!("None"))),
        ("alg HS256", with_header("alg", json!("HS256"))),
        ("alg RS256", with_header("alg", json!("RS256"))),
        ("another kid", with_header("kid", json!("../../dev/null"))),
        ("typ JWT", with_header("typ", json!("JWT"))),
        ("a jku", with_header("jku", json!("https://example.com/jwks.json"))),
        ("a crit", with_header("crit", json!(["exp"]))),
        ("another tenant", with_claim("tenant", json!(other))),
        ("another person", with_claim("sub", json!(other))),
        ("another role", with_claim("roles", json!(["owner", "admin"]))),
        ("a longer life", with_claim("exp", json!(4_000_000_000_u64))),
        ("a cut signature", good[..good.len() - 2].to_owned()),
        ("a padded signature", format!("{good}==")),
        ("another signature", format!("{header}.{claims}.{}", "A".repeat(86))),
        ("a long token", format!("{good}{}", "A".repeat(9_000))),
        ("another key", issued_elsewhere(suite, tenant, &[("TENANTRY_AUTH__SIGNING_KEY_FILES", key)])),
        ("another audience", issued_elsewhere(suite, tenant, &[("TENANTRY_AUTH__AUDIENCE", "somebody-else")])),
        ("another issuer", issued_elsewhere(suite, tenant, &[("TENANTRY_AUTH__ISSUER", "somebody-else")])),
        ("expired", expired),
    ]
}

#[tokio::test]
async fn every_forged_token_gets_the_same_answer_everywhere() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let unknown = with_authorization(&suite, "Bearer unknown").send().await.expect(401);

    for (why, token) in forgeries(&suite, &tenant) {
        let at_a_route = with_authorization(&suite, &format!("Bearer {token}")).send().await.expect(401);
        let verified = post(&suite, VERIFY, &json!({ "token": token })).await.expect(401);

        assert_eq!([face(&at_a_route), face(&verified)], [face(&unknown), face(&unknown)], "{why}");
    }

    // What the forgeries were made from is good, and so is what the other services issue with nothing changed.
    tenant.owner().get("/api/v1/projects").await.expect(200);
    let same = issued_elsewhere(&suite, &tenant, &[]);
    with_authorization(&suite, &format!("Bearer {same}")).send().await.expect(200);
}

#[tokio::test]
async fn a_request_without_a_credential_is_challenged_without_an_error() {
    let suite = suite().await;
    let token = suite.tenant(PLACEMENTS[0]).await.owner().token;
    let none = suite.request(Method::GET, "/api/v1/projects").send().await.expect(401);

    assert_eq!(none.header("www-authenticate"), "Bearer realm=\"tenantry\"");
    for value in ["", "Bearer", "Basic YTpi", "Digest x", "Token x", &token, &format!("Bearer{token}"), "\u{ff}"] {
        let answer = with_authorization(&suite, value).send().await.expect(401);
        assert_eq!(face(&answer), face(&none), "{value}");
    }
}

#[tokio::test]
async fn a_credential_that_is_no_good_is_challenged_with_an_error() {
    let suite = suite().await;

    let refused = with_authorization(&suite, "Bearer unknown").send().await.expect(401);

    let none = suite.request(Method::GET, "/api/v1/projects").send().await.expect(401);

    assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"tenantry\", error=\"invalid_token\"");
    assert_ne!(face(&refused), face(&none), "a difference in a header alone is seen");
    assert_eq!(
        crate::schemas::redacted(&refused.json),
        json!({
            "type": "/problems/unauthenticated",
            "title": "Authentication failed",
            "status": 401,
            "detail": "authentication failed",
            "code": "unauthenticated",
            "request_id": "<uuid>",
            "errors": [],
            "error": "authentication failed",
        })
    );
}

#[tokio::test]
async fn the_scheme_may_be_spelled_as_one_likes() {
    let suite = suite().await;
    let token = suite.tenant(PLACEMENTS[0]).await.owner().token;

    for scheme in ["Bearer", "bearer", "BEARER"] {
        with_authorization(&suite, &format!("{scheme} {token}")).send().await.expect(200);
    }
}

#[tokio::test]
async fn two_credentials_are_refused_whatever_they_are_worth() {
    let suite = suite().await;
    let (one, other) = (suite.tenant(PLACEMENTS[0]).await.owner(), suite.tenant(PLACEMENTS[0]).await.owner());
    let bad = "bad".to_owned();

    for (first, second) in [(&one.token, &other.token), (&one.token, &one.token), (&one.token, &bad), (&bad, &bad)] {
        let mut wire = Wire::open(&suite.base).await;
        wire.send(format!(
            "GET /api/v1/projects HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {first}\r\n\
             authorization: Bearer {second}\r\n\r\n"
        ))
        .await;
        // RFC 6750, section 3.1: invalid_request.
        wire.answer().await.unwrap().expect_field(400, "authorization");
    }
}

#[tokio::test]
async fn a_setting_turns_the_refusals_into_403() {
    let suite = suite().await;
    let (_, base) = another_instance(suite.forever(), &[("TENANTRY_HTTP__REJECTION_STATUS", "403")]).await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let nobody = crate::harness::Caller { token: "unknown".to_owned(), base: base.clone() };
    let as_403 = |text: String| text.replace("\"status\":401", "\"status\":403");
    let at_401 = nobody.at(&suite.base).get("/api/v1/projects").await.expect(401);

    let refused = [
        nobody.get("/api/v1/projects").await,
        nobody.post(super::TOKEN, json!({ "username": "nobody@example.com", "password": "x" })).await,
        nobody.post(super::REFRESH, json!({ "refresh": "unknown" })).await,
        nobody.post(VERIFY, json!({ "token": "unknown" })).await,
    ];

    for answer in refused {
        assert_eq!(answer.expect(403).without_request_id(), as_403(at_401.without_request_id()));
    }
    tenant.owner().at(&base).get("/api/v1/projects").await.expect(200);
}
