//! Browser sessions: the cookie and its defences, the backend for a frontend, and a person's own sessions.

mod frontend;

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tenantry_tenancy::Role;

use crate::api_keys::secrecy::found_in_schema;
use crate::auth::Person;
use crate::harness::{PLACEMENTS, Request, Response, Suite, Tenant, another_instance, eventually, suite};

const SESSION: &str = "/api/v1/auth/session";
const OWN: &str = "/api/v1/me/sessions";
const PROJECTS: &str = "/api/v1/projects";
/// Within which whatever is revoked must be so on every instance.
const SECOND: Duration = Duration::from_secs(1);
/// What the suite's servers are reached by, as far as browsers are concerned.
const ORIGIN: (&str, &str) = ("origin", "http://127.0.0.1:8000");

/// A browser that somebody logged in with.
struct Browser {
    base: String,
    cookie: String,
}

impl Browser {
    async fn log_in(suite: &Suite, person: &Person) -> (Self, Response) {
        let answer = suite.request(Method::POST, SESSION).json(&person.credentials()).send().await.expect(200);
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        (Self { base: suite.base.clone(), cookie }, answer)
    }

    fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), cookie: self.cookie.clone() }
    }

    /// A request as a page of ours makes it.
    fn request(&self, method: Method, path: &str) -> Request {
        self.bare(method, path).header("sec-fetch-site", "same-origin")
    }

    /// A request that says nothing of where it comes from.
    fn bare(&self, method: Method, path: &str) -> Request {
        Request::new(&self.base, method, path).header("cookie", &self.cookie)
    }

    fn token(&self) -> &str {
        self.cookie.split_once('=').unwrap().1
    }
}

async fn ada(suite: &Suite, role: Role) -> (Tenant, Person) {
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(suite, &tenant, role).await;
    (tenant, person)
}

#[tokio::test]
async fn a_browser_logs_in_and_works_with_a_cookie_that_no_script_can_read() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let person = Person::new(&suite, &tenant, Role::Member).await;

        let (browser, login) = Browser::log_in(&suite, &person).await;
        let made = browser.request(Method::POST, PROJECTS).json(&json!({ "name": "Moon" })).send().await.expect(201);
        let shown = browser.bare(Method::GET, made.header("location")).send().await.expect(200);

        let cookie = login.header("set-cookie");
        assert!(cookie.starts_with("sid=tns_"), "{cookie}");
        for attribute in ["Path=/", "HttpOnly", "SameSite=Lax"] {
            assert!(cookie.split("; ").any(|it| it == attribute), "{attribute} in {cookie}");
        }
        assert!(cookie.contains("; Max-Age=25"), "{cookie}");
        assert_eq!(shown.json["name"], "Moon");
        assert_eq!(login.json["roles"], json!(["member"]));
    }
}

#[tokio::test]
async fn a_browser_sees_neither_a_token_nor_a_tenants_id() {
    let suite = suite().await;
    let (tenant, person) = ada(&suite, Role::Owner).await;

    let (browser, login) = Browser::log_in(&suite, &person).await;
    let mut answers = vec![login];
    for path in [SESSION, OWN, PROJECTS, "/api/v1/projects/missing"] {
        answers.push(browser.bare(Method::GET, path).send().await);
    }

    for answer in answers {
        let all = format!("{:?} {}", answer.headers, answer.text).replace(&browser.cookie, "");
        assert!(!all.contains(&tenant.tenant.id.to_string()), "{all}");
        assert!(!all.contains("tns_") && !all.contains("eyJ") && !all.contains("tnr_"), "{all}");
    }
}

#[tokio::test]
async fn a_change_with_the_cookie_is_refused_unless_the_browser_says_it_is_ours() {
    let suite = suite().await;
    let (_, person) = ada(&suite, Role::Member).await;
    let (browser, _) = Browser::log_in(&suite, &person).await;
    let create = |request: Request| async { request.json(&json!({ "name": "Moon" })).send().await };

    for header in [
        None,
        Some(("sec-fetch-site", "cross-site")),
        Some(("sec-fetch-site", "same-site")),
        Some(("origin", "https://evil.example")),
        Some(("origin", "null")),
    ] {
        let request = browser.bare(Method::POST, PROJECTS);
        let request =
            header.map_or_else(|| browser.bare(Method::POST, PROJECTS), |(name, value)| request.header(name, value));
        assert_eq!(create(request).await.expect(403).json["code"], "cross_site", "{header:?}");
    }
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        browser.bare(method, &format!("{PROJECTS}/{}", uuid::Uuid::now_v7())).send().await.expect(403);
    }
    browser.bare(Method::DELETE, SESSION).send().await.expect(403);

    assert_eq!(browser.bare(Method::GET, PROJECTS).send().await.expect(200).json["data"], json!([]));
    create(browser.bare(Method::POST, PROJECTS).header(ORIGIN.0, ORIGIN.1)).await.expect(201);
}

#[tokio::test]
async fn another_site_cannot_make_a_browser_log_in() {
    let suite = suite().await;
    let (_, person) = ada(&suite, Role::Member).await;

    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let forced = suite.request(Method::POST, SESSION).header(name, value).json(&person.credentials()).send().await;
        assert_eq!(forced.expect(403).header("set-cookie"), "");
    }
}

#[tokio::test]
async fn a_wrong_login_of_a_browser_looks_like_any_other() {
    let suite = suite().await;
    let (_, person) = ada(&suite, Role::Member).await;
    let wrong = json!({ "username": person.username, "password": "not the right password" });

    let browser = suite.request(Method::POST, SESSION).json(&wrong).send().await.expect(401);
    let tokens = suite.request(Method::POST, "/api/v1/auth/token").json(&wrong).send().await.expect(401);

    assert_eq!(browser.without_request_id(), tokens.without_request_id());
    assert_eq!(browser.header("set-cookie"), "");
}

#[tokio::test]
async fn a_login_ends_the_session_that_the_browser_had() {
    let suite = suite().await;
    let (_, person) = ada(&suite, Role::Member).await;
    let (planted, _) = Browser::log_in(&suite, &person).await;

    let again = planted.request(Method::POST, SESSION).json(&person.credentials()).send().await.expect(200);

    assert!(!again.header("set-cookie").contains(planted.token()));
    eventually("the old session is over", SECOND, async || {
        planted.bare(Method::GET, PROJECTS).send().await.status == 401
    })
    .await;
}

#[tokio::test]
async fn two_credentials_at_once_are_refused() {
    let suite = suite().await;
    let (tenant, person) = ada(&suite, Role::Member).await;
    let (browser, _) = Browser::log_in(&suite, &person).await;
    let bearer = format!("Bearer {}", tenant.owner().token);
    let session = format!("Session {}", browser.token());

    let both = browser.request(Method::GET, PROJECTS).header("authorization", &bearer).send().await;
    let twice = suite.request(Method::GET, PROJECTS).header("authorization", &bearer).header("authorization", &session);
    let cookies = suite.request(Method::GET, PROJECTS).header("cookie", &format!("{0}; {0}", browser.cookie));

    both.expect_field(400, "authorization");
    twice.send().await.expect_field(400, "authorization");
    cookies.send().await.expect_field(400, "cookie");
}

#[tokio::test]
async fn a_backend_sends_the_session_itself_and_needs_no_origin() {
    let suite = suite().await;
    let (tenant, person) = ada(&suite, Role::Member).await;
    let mut body = person.credentials();
    body["keeper"] = json!("backend");

    let login = suite.request(Method::POST, SESSION).json(&body).send().await.expect(200);
    let token = login.json["session"].as_str().unwrap();
    let with = |scheme: &str| {
        let made = suite.request(Method::POST, PROJECTS).header("authorization", &format!("{scheme} {token}"));
        made.json(&json!({ "name": "Moon" }))
    };

    assert_eq!(login.header("set-cookie"), "");
    with("Session").send().await.expect(201);
    with("session").send().await.expect(201);
    with("Bearer").send().await.expect(401);
    // And a bearer token is no session.
    let access = format!("Session {}", tenant.owner().token);
    suite.request(Method::GET, PROJECTS).header("authorization", &access).send().await.expect(401);
}

#[tokio::test]
async fn logging_out_removes_the_cookie_and_is_felt_on_every_instance_within_a_second() {
    let suite = suite().await;
    let (_, person) = ada(&suite, Role::Member).await;
    let (browser, _) = Browser::log_in(&suite, &person).await;
    let (_, base) = another_instance(suite.forever(), &[]).await;
    let elsewhere = browser.at(&base);
    elsewhere.bare(Method::GET, PROJECTS).send().await.expect(200);

    let out = browser.request(Method::DELETE, SESSION).send().await.expect(204);

    assert!(out.header("set-cookie").starts_with("sid=; Path=/; Max-Age=0"), "{}", out.header("set-cookie"));
    for browser in [browser, elsewhere] {
        eventually("the session is over", SECOND, async || {
            browser.bare(Method::GET, PROJECTS).send().await.status == 401
        })
        .await;
    }
}

#[tokio::test]
async fn a_person_lists_and_ends_their_own_sessions_and_meets_a_strangers_as_missing() {
    let suite = suite().await;
    let (tenant, person) = ada(&suite, Role::Member).await;
    let stranger = Person::new(&suite, &tenant, Role::Owner).await;
    let (browser, _) = Browser::log_in(&suite, &person).await;
    let (strangers, _) = Browser::log_in(&suite, &stranger).await;
    let tokens = person.log_in(&suite).await;
    let access = format!("Bearer {}", tokens.json["access"].as_str().unwrap());
    let by_token = || suite.request(Method::GET, PROJECTS).header("authorization", &access);
    let sessions =
        async |browser: &Browser| browser.bare(Method::GET, OWN).send().await.expect(200).json["data"].clone();

    let own = sessions(&browser).await;
    let current = |all: &serde_json::Value| {
        all.as_array().unwrap().iter().find(|it| it["current"] == true).unwrap()["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(own.as_array().unwrap().len(), 2, "{own}");
    assert!(own.as_array().unwrap().iter().all(|it| it["tenant"] == tenant.tenant.slug.to_string()));
    assert_eq!(own.as_array().unwrap().iter().filter(|it| it["browser"] == true).count(), 1);

    let foreign = format!("{OWN}/{}", current(&sessions(&strangers).await));
    let missing = format!("{OWN}/{}", uuid::Uuid::now_v7());
    let refused = browser.request(Method::DELETE, &foreign).send().await.expect(404).without_request_id();
    assert_eq!(refused, browser.request(Method::DELETE, &missing).send().await.expect(404).without_request_id());
    assert_eq!(sessions(&strangers).await.as_array().unwrap().len(), 1);

    by_token().send().await.expect(200);
    browser.request(Method::DELETE, OWN).send().await.expect(204);
    eventually("the other session is over", SECOND, async || by_token().send().await.status == 401).await;
    assert_eq!(sessions(&browser).await.as_array().unwrap().len(), 1);

    browser.request(Method::DELETE, &format!("{OWN}/{}", current(&own))).send().await.expect(204);
    eventually("this session is over", SECOND, async || browser.bare(Method::GET, OWN).send().await.status == 401)
        .await;
}

#[tokio::test]
async fn the_database_holds_no_token_of_a_session() {
    let suite = suite().await;
    let (_, person) = ada(&suite, Role::Member).await;
    let (browser, _) = Browser::log_in(&suite, &person).await;

    let admin = suite.admin().await;

    for text in [browser.token(), &browser.token()["tns_".len()..]] {
        assert_eq!(found_in_schema(&admin, "pooled", text).await, [""; 0]);
    }
    // What is in the database is found.
    assert_ne!(found_in_schema(&admin, "pooled", &person.username).await, [""; 0]);
}
