//! OAuth 2.0: the token endpoint (RFC 6749), revocation (RFC 7009), introspection (RFC 7662) and metadata (RFC 8414).

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tenancy::Permission;

use crate::api_clients::Client;
use crate::harness::{Caller, PLACEMENTS, Response, Suite, another_instance, eventually, suite};

const TOKEN: &str = "/oauth/token";
const REVOKE: &str = "/oauth/revoke";
const INTROSPECT: &str = "/oauth/introspect";
const METADATA: &str = "/.well-known/oauth-authorization-server";
const FORM: &str = "application/x-www-form-urlencoded";

async fn post(suite: &Suite, path: &str, form: &str, authorization: Option<&str>) -> Response {
    let request = suite.request(Method::POST, path).header("content-type", FORM).body(form.to_owned());
    match authorization {
        Some(value) => request.header("authorization", value).send().await,
        None => request.send().await,
    }
}

fn basic(client: &Client) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", client.id, client.secret)))
}

fn in_body(client: &Client) -> String {
    format!("client_id={}&client_secret={}", client.id, client.secret)
}

async fn as_client(suite: &Suite, client: &Client, path: &str, form: &str) -> Response {
    post(suite, path, form, Some(&basic(client))).await
}

/// A client of a new tenant, with an access token.
async fn world(suite: &Suite) -> (crate::harness::Tenant, Client, Caller) {
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let client = Client::new(&tenant.owner(), &["projects:read", "tasks:read"]).await;
    let caller = issued(suite, &client).await;
    (tenant, client, caller)
}

async fn issued(suite: &Suite, client: &Client) -> Caller {
    let answer = as_client(suite, client, TOKEN, "grant_type=client_credentials").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    Caller { token: answer.json["access_token"].as_str().unwrap().to_owned(), base: suite.base.clone() }
}

/// Fails unless the answer is this error, and has the members of RFC 6749, section 5.2, and no others.
#[track_caller]
fn assert_error(answer: &Response, status: u16, code: &str) {
    assert_eq!((answer.status, answer.json["error"].as_str()), (status, Some(code)), "{}", answer.text);
    let members: BTreeSet<&str> = answer.json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(["error", "error_description"]));
    assert_eq!((answer.header("content-type"), answer.header("cache-control")), ("application/json", "no-store"));
}

#[tokio::test]
async fn client_credentials_give_an_access_token_and_no_refresh_token() {
    let suite = suite().await;
    let (_, client, _) = world(&suite).await;

    let by_header = as_client(&suite, &client, TOKEN, "grant_type=client_credentials&unknown=ignored").await;
    let by_body = post(&suite, TOKEN, &format!("grant_type=client_credentials&{}", in_body(&client)), None).await;

    for answer in [by_header, by_body] {
        let members: BTreeSet<&str> = answer.json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, BTreeSet::from(["access_token", "expires_in", "scope", "token_type"]), "{}", answer.text);
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
        assert_eq!(
            (&answer.json["token_type"], &answer.json["scope"]),
            (&json!("Bearer"), &json!("projects:read tasks:read"))
        );
        let claims = answer.json["access_token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!(client.id), &json!(client.id)));
        let machine =
            Caller { token: answer.json["access_token"].as_str().unwrap().to_owned(), base: suite.base.clone() };
        machine.get("/api/v1/projects").await.expect(200);
    }
}

#[tokio::test]
async fn a_scope_narrows_and_never_widens() {
    let suite = suite().await;
    let (_, client, _) = world(&suite).await;
    let ask = async |scope: &str| {
        as_client(&suite, &client, TOKEN, &format!("grant_type=client_credentials&scope={scope}")).await
    };

    let narrow = ask("tasks:read").await;
    assert_eq!(narrow.json["scope"], "tasks:read");
    let machine = Caller { token: narrow.json["access_token"].as_str().unwrap().to_owned(), base: suite.base.clone() };
    machine.get("/api/v1/tasks").await.expect(200);
    machine.get("/api/v1/projects").await.expect(403);
    for bad in ["tasks:read+tasks:write", "nonsense", "tasks:read%09projects:read", "+"] {
        assert_error(&ask(bad).await, 400, "invalid_scope");
    }
    assert_eq!(ask("").await.json["scope"], "projects:read tasks:read");
}

#[tokio::test]
async fn a_request_that_is_not_as_the_rfc_writes_it_is_invalid() {
    let suite = suite().await;
    let (_, client, machine) = world(&suite).await;
    let (header, body) = (basic(&client), in_body(&client));
    let good = "grant_type=client_credentials";

    for path in [TOKEN, REVOKE, INTROSPECT] {
        let parameters = format!("{good}&token={}", machine.token);
        for (form, authorization) in [
            (format!("{parameters}&{body}"), Some(header.as_str())),
            (format!("{parameters}&{body}&{body}"), None),
            (format!("{parameters}&{parameters}"), Some(&header)),
            (format!("{parameters}&x=%ff"), Some(&header)),
            (String::new(), Some(&header)),
        ] {
            assert_error(&post(&suite, path, &form, authorization).await, 400, "invalid_request");
        }
        let query = format!("{path}?{body}");
        assert_error(&post(&suite, &query, &parameters, None).await, 400, "invalid_request");
        let json = suite.request(Method::POST, path).json(&json!({ "grant_type": "client_credentials" }));
        assert_error(&json.header("authorization", &header).send().await, 400, "invalid_request");
    }
    for grant in ["password", "authorization_code", "refresh_token", "implicit", "CLIENT_CREDENTIALS"] {
        let form = format!("grant_type={grant}&username=a&password=b");
        assert_error(&post(&suite, TOKEN, &form, Some(&header)).await, 400, "unsupported_grant_type");
    }
}

#[tokio::test]
async fn a_client_that_proves_nothing_gets_the_one_answer_and_a_challenge_if_it_used_basic() {
    let suite = suite().await;
    let (_, client, machine) = world(&suite).await;
    let wrong = Client { secret: tenantry_auth::ClientSecret::generate().reveal().to_owned(), ..client.clone() };
    let unknown = Client { id: uuid::Uuid::now_v7().to_string(), ..client.clone() };

    for path in [TOKEN, REVOKE, INTROSPECT] {
        let form = format!("grant_type=client_credentials&token={}", machine.token);
        for refused in [&wrong, &unknown] {
            let by_header = as_client(&suite, refused, path, &form).await;
            let by_body = post(&suite, path, &format!("{form}&{}", in_body(refused)), None).await;
            assert_error(&by_header, 401, "invalid_client");
            assert_error(&by_body, 401, "invalid_client");
            assert_eq!(by_header.header("www-authenticate"), "Basic realm=\"tenantry\"");
            assert_eq!((by_body.header("www-authenticate"), &by_body.text), ("", &by_header.text));
        }
        let bearer = format!("Bearer {}", machine.token);
        for authorization in [None, Some("Basic"), Some("Basic !"), Some(bearer.as_str())] {
            assert_error(&post(&suite, path, &form, authorization).await, 401, "invalid_client");
        }
    }
}

#[tokio::test]
async fn a_revoked_access_token_is_void_everywhere_within_a_second_and_its_siblings_are_not() {
    let suite = suite().await;
    let (_, elsewhere) = another_instance(suite.forever(), &[]).await;
    let (_, client, revoked) = world(&suite).await;
    let sibling = issued(&suite, &client).await;
    let everywhere = [revoked.clone(), revoked.at(&elsewhere)];
    for machine in &everywhere {
        machine.get("/api/v1/projects").await.expect(200);
    }

    let answer = as_client(&suite, &client, REVOKE, &format!("token={}", revoked.token)).await;

    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    for machine in &everywhere {
        let refused = async || machine.get("/api/v1/projects").await.status == 401;
        eventually("the token is void", Duration::from_secs(1), refused).await;
    }
    sibling.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn a_revoked_refresh_token_takes_its_session_along() {
    let suite = suite().await;
    let (_, client, bystander) = world(&suite).await;
    let tokens = client.log_in(&suite).await;
    let (access, refresh) = (tokens.json["access"].as_str().unwrap(), tokens.json["refresh"].as_str().unwrap());
    let machine = Caller { token: access.to_owned(), base: suite.base.clone() };
    machine.get("/api/v1/projects").await.expect(200);

    let answer = as_client(&suite, &client, REVOKE, &format!("token={refresh}&token_type_hint=access_token")).await;

    assert_eq!(answer.status, 200);
    let refused = async || machine.get("/api/v1/projects").await.status == 401;
    eventually("the session's token is void", Duration::from_secs(1), refused).await;
    let again = suite.request(Method::POST, "/api/v1/auth/api-client/refresh").json(&json!({ "refresh": refresh }));
    again.send().await.expect(401);
    bystander.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn what_is_not_the_clients_own_is_not_revoked_and_the_answer_does_not_tell() {
    let suite = suite().await;
    let (tenant, client, own) = world(&suite).await;
    let (_, _, foreign) = world(&suite).await;
    let (owner, other) =
        (tenant.owner(), issued(&suite, &Client::new(&tenant.owner(), &["projects:read"]).await).await);

    for token in [&foreign.token, &owner.token, &other.token, "nonsense", "tnr_nonsense"] {
        let answer = as_client(&suite, &client, REVOKE, &format!("token={token}")).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    }
    suite.services.watch.poll_once().await.unwrap();

    for caller in [&foreign, &owner, &other, &own] {
        caller.get("/api/v1/projects").await.expect(200);
    }
}

#[tokio::test]
async fn only_live_tokens_of_the_clients_own_tenant_are_told_about() {
    let suite = suite().await;
    let (tenant, client, own) = world(&suite).await;
    let (_, _, foreign) = world(&suite).await;
    let revoked = issued(&suite, &client).await;
    as_client(&suite, &client, REVOKE, &format!("token={}", revoked.token)).await;
    suite.services.watch.poll_once().await.unwrap();
    let ask = async |token: &str| as_client(&suite, &client, INTROSPECT, &format!("token={token}")).await;

    let told = ask(&own.token).await;
    let of_owner = ask(&tenant.owner().token).await;

    assert_eq!((told.status, told.header("cache-control")), (200, "no-store"));
    assert_eq!((&told.json["active"], &told.json["client_id"]), (&json!(true), &json!(client.id)));
    assert_eq!(
        (&told.json["scope"], &told.json["tenant"]),
        (&json!("projects:read tasks:read"), &json!(tenant.tenant.id))
    );
    assert!(told.json["exp"].is_i64() && told.json["sub"] == client.id.as_str());
    assert_eq!(of_owner.json["active"], true);
    let stripped = own.token.rsplit_once('.').unwrap().0;
    for token in [foreign.token.as_str(), &revoked.token, stripped, "nonsense"] {
        let answer = ask(token).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"active":false}"#), "{token}");
    }
}

#[tokio::test]
async fn the_metadata_names_what_there_is() {
    let suite = suite().await;
    let (_, _, machine) = world(&suite).await;

    let metadata = suite.request(Method::GET, METADATA).send().await.expect(200);
    let jwks = suite.request(Method::GET, "/.well-known/jwks.json").send().await.expect(200);

    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(machine.token.split('.').nth(1).unwrap());
    let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    assert_eq!(metadata.json["issuer"], claims["iss"]);
    for (member, path) in [
        ("token_endpoint", TOKEN),
        ("revocation_endpoint", REVOKE),
        ("introspection_endpoint", INTROSPECT),
        ("jwks_uri", "/.well-known/jwks.json"),
    ] {
        assert_eq!(metadata.json[member], format!("{}{path}", suite.settings.http.public_url), "{member}");
    }
    assert_eq!(metadata.json["response_types_supported"], json!([]));
    assert_eq!(metadata.json["grant_types_supported"], json!(["client_credentials"]));
    assert_eq!(metadata.json["scopes_supported"].as_array().unwrap().len(), Permission::ALL.len());
    for answer in [metadata, jwks] {
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
    }
}

#[tokio::test]
async fn the_endpoints_keep_to_what_holds_for_every_route() {
    let suite = suite().await;
    let (_, client, _) = world(&suite).await;

    for path in [TOKEN, REVOKE, INTROSPECT] {
        suite.request(Method::GET, path).send().await.expect(405);
        let slashed = as_client(&suite, &client, &format!("{path}/"), "grant_type=client_credentials&token=x").await;
        assert_eq!(slashed.status, 200, "{}", slashed.text);
        let large = "x".repeat(1024 * 1024 + 1);
        as_client(&suite, &client, path, &large).await.expect(413);
    }
}
