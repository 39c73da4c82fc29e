//! Second factors: enrolled, asked for at every login, good once, and in the database only sealed.

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_auth::TotpSecret;
use tenantry_tenancy::Role;

use crate::api_keys::secrecy::found_in_schema;
use crate::auth::Person;
use crate::harness::{Caller, PLACEMENTS, Response, Suite, suite};

const TOKEN: &str = "/api/v1/auth/token";

struct Enrolled {
    person: Person,
    caller: Caller,
    secret: TotpSecret,
    codes: Vec<String>,
}

async fn post(suite: &Suite, path: &str, body: &Value) -> Response {
    suite.request(Method::POST, path).json(body).send().await
}

impl Enrolled {
    async fn new(suite: &Suite) -> Self {
        let tenant = suite.tenant(PLACEMENTS[0]).await;
        let person = Person::new(suite, &tenant, Role::Member).await;
        let tokens = person.log_in(suite).await;
        let caller = Caller { token: tokens.json["access"].as_str().unwrap().to_owned(), base: suite.base.clone() };
        let begun = caller.post("/api/v1/me/totp", json!({ "password": person.password })).await.expect(200);
        let secret = TotpSecret::parse(begun.json["secret"].as_str().unwrap()).unwrap();
        let label = person.username.replace('@', "%40");
        let uri = format!("otpauth://totp/Tenantry:{label}?secret={}&issuer=Tenantry", secret.reveal());
        assert_eq!(begun.json["uri"], uri);
        // Of the step before, so that the code of now is still to be used.
        let code = secret.code_at(Utc::now() - TimeDelta::seconds(30));
        let confirmed = caller.post("/api/v1/me/totp/confirm", json!({ "code": code })).await.expect(200);
        let codes: Vec<String> = serde_json::from_value(confirmed.json["recovery_codes"].clone()).unwrap();
        Self { person, caller, secret, codes }
    }

    fn credentials(&self, code: &str) -> Value {
        let mut body = self.person.credentials();
        body["otp"] = json!(code);
        body
    }
}

#[tokio::test]
async fn a_login_needs_the_code_and_says_so_to_whom_the_password_was_proven() {
    let suite = suite().await;
    let ada = Enrolled::new(&suite).await;

    for path in [TOKEN, "/api/v1/auth/session"] {
        let needed = post(&suite, path, &ada.person.credentials()).await.expect(401);
        assert_eq!(needed.json["code"], "second_factor_required");
    }
    let wrong_password =
        json!({ "username": ada.person.username, "password": "not the password", "otp": ada.codes[0] });
    let refused = post(&suite, TOKEN, &wrong_password).await.expect(401);
    let wrong_code = post(&suite, TOKEN, &ada.credentials("not a code")).await.expect(401);
    assert_eq!(wrong_code.without_request_id(), refused.without_request_id());

    let code = ada.secret.code_at(Utc::now());
    post(&suite, TOKEN, &ada.credentials(&code)).await.expect(200);
    post(&suite, "/api/v1/auth/session", &ada.credentials(&ada.codes[1])).await.expect(200);
    let factors = ada.caller.get("/api/v1/me/factors").await.expect(200);
    assert_eq!(factors.json, json!({ "totp": true, "passkeys": 0, "recovery_codes": 9 }));
}

#[tokio::test]
async fn of_many_who_use_one_code_at_once_one_gets_in() {
    let suite = suite().await;
    let ada = Enrolled::new(&suite).await;

    for code in [ada.secret.code_at(Utc::now()), ada.codes[0].clone()] {
        let mut tries = tokio::task::JoinSet::new();
        // No more than are free of waiting.
        for _ in 0..4 {
            let request = suite.request(Method::POST, TOKEN).json(&ada.credentials(&code));
            tries.spawn(async move { request.send().await.status });
        }
        let mut statuses = tries.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401, 401, 401]);
    }
}

#[tokio::test]
async fn a_password_reset_does_not_get_around_the_code() {
    let suite = suite().await;
    let ada = Enrolled::new(&suite).await;
    let address = ada.person.username.clone();
    post(&suite, "/api/v1/auth/password/forgot", &json!({ "email": address })).await.expect(202);
    let mail = suite.mail_to(&address, 2).await;
    let token = mail.split_whitespace().find(|word| word.starts_with("tnp_")).unwrap();
    let chosen = "forty-two purple elephants";

    let reset = json!({ "token": token, "new_password": chosen });
    post(&suite, "/api/v1/auth/password/reset", &reset).await.expect(204);

    let body = |code: Option<&str>| json!({ "username": address, "password": chosen, "otp": code });
    let needed = post(&suite, TOKEN, &body(None)).await.expect(401);
    assert_eq!(needed.json["code"], "second_factor_required");
    post(&suite, TOKEN, &body(Some(&ada.codes[0]))).await.expect(200);
}

#[tokio::test]
async fn removing_it_needs_password_and_code_and_is_in_the_audit() {
    let suite = suite().await;
    let ada = Enrolled::new(&suite).await;
    let remove = async |password: &str, code: &str| {
        ada.caller.post("/api/v1/me/totp/remove", json!({ "password": password, "code": code })).await
    };

    remove("not the password", &ada.codes[0]).await.expect_field(400, "password");
    remove(ada.person.password, "not a code").await.expect_field(400, "code");
    let removed = remove(ada.person.password, &ada.codes[0]).await.expect(204);

    ada.person.log_in(&suite).await;
    let renewal = json!({ "password": ada.person.password, "code": ada.codes[1] });
    ada.caller.post("/api/v1/me/recovery-codes", renewal).await.expect(409);
    let events =
        "select count(*) from pooled.audit_events where action = 'second_factor_removed' and request_id::text = $1";
    let request = removed.header("x-request-id").to_owned();
    assert_eq!(suite.admin().await.query_one(events, &[&request]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn the_database_has_neither_the_secret_nor_a_recovery_code() {
    let suite = suite().await;
    let ada = Enrolled::new(&suite).await;
    let admin = suite.admin().await;

    for text in ada.codes.iter().chain([&ada.secret.reveal()]) {
        assert_eq!(found_in_schema(&admin, "pooled", text).await, [""; 0]);
    }
}
