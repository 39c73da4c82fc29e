//! Authentication: passwords, refresh tokens, access tokens, and that every failure of one looks the same.

mod forgeries;
mod logins;
mod refreshing;
mod verifying;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_auth::{Password, Passwords};
use tenantry_tenancy::Role;

use crate::harness::{Caller, Request, Response, Suite, Tenant};

const TOKEN: &str = "/api/v1/auth/token";
const REFRESH: &str = "/api/v1/auth/token/refresh";
const VERIFY: &str = "/api/v1/auth/token/verify";

/// Somebody of a tenant who has a password.
pub struct Person {
    pub username: String,
    pub password: &'static str,
}

impl Person {
    pub async fn new(suite: &Suite, tenant: &Tenant, role: Role) -> Self {
        let password = "correct horse battery staple";
        let passwords = Passwords::new(suite.settings.passwords()).unwrap();
        let hash = passwords.hash(&Password::parse(password).unwrap()).await.unwrap();
        assert!(suite.services.registry.set_first_password(tenant.user(role), &hash).await.unwrap());
        Self { username: format!("{role}@{}.example", tenant.tenant.slug), password }
    }

    /// What the person sends to log in, without a tenant.
    pub fn credentials(&self) -> Value {
        json!({ "username": self.username, "password": self.password })
    }

    pub async fn log_in(&self, suite: &Suite) -> Response {
        post(suite, TOKEN, &self.credentials()).await.expect(200)
    }
}

async fn post(suite: &Suite, path: &str, body: &Value) -> Response {
    suite.request(Method::POST, path).json(body).send().await
}

/// Exchanges the refresh token of an answer.
async fn refresh(suite: &Suite, tokens: &Response) -> Response {
    post(suite, REFRESH, &json!({ "refresh": text(tokens, "refresh") })).await
}

fn text<'a>(answer: &'a Response, field: &str) -> &'a str {
    answer.json[field].as_str().unwrap()
}

/// Who calls with the access token of an answer.
fn caller(suite: &Suite, tokens: &Response) -> Caller {
    Caller { token: text(tokens, "access").to_owned(), base: suite.base.clone() }
}

/// A part of a JWT: 0 is its header, 1 its claims.
pub fn part(token: &str, place: usize) -> Value {
    let part = token.split('.').nth(place).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// All of an answer that may not tell one failure from another: everything but the request's id and the time. (The order
/// of headers is left to chance.)
pub fn face(answer: &Response) -> String {
    let hidden = ["x-request-id", "date"];
    let shown = answer.headers.iter().filter(|(name, _)| !hidden.contains(&name.as_str()));
    let mut headers: Vec<_> = shown.map(|header| format!("{header:?}")).collect();
    headers.sort();
    format!("{} {headers:?} {}", answer.status, answer.without_request_id())
}

/// Asks for projects with a header that is written by hand.
fn with_authorization(suite: &Suite, value: &str) -> Request {
    suite.request(Method::GET, "/api/v1/projects").header("authorization", value)
}
