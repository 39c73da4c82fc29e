//! What a session, a ticket or a login proves, and what it does not: the ways around a second factor that there are not.

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_auth::TotpSecret;
use tenantry_auth::testing::SoftPasskey;
use tenantry_tenancy::Role;

use crate::auth::{Person, face};
use crate::harness::{
    Caller, PATIENCE, PLACEMENTS, Request, Response, Suite, Tenant, another_instance, apart, eventually, suite,
};
use crate::members::held_up;
use crate::passkeys::{FINISH, OWN, Owner, REGISTER, START, TOKEN, finish, post, refusal, start, text};
use crate::required_factors::{CONFIRM, ENROL, SESSION, SWITCH, code, require, ticket};

const REFRESH: &str = "/api/v1/auth/token/refresh";
const PROJECTS: &str = "/api/v1/projects";

/// Makes the member of a tenant one of another, too.
async fn join(suite: &Suite, of: &Tenant, to: &Tenant) {
    let (services, id, user) = (suite.services.clone(), to.tenant.id, of.user(Role::Member));
    apart(async move { services.registry.ensure_member(id, user, Role::Member).await.unwrap() }).await;
}

/// The person's credentials for their own tenant.
fn at_home(owner: &Owner) -> Value {
    let mut credentials = owner.person.credentials();
    credentials["tenant"] = json!(owner.tenant.tenant.slug);
    credentials
}

fn caller(suite: &Suite, tokens: &Value) -> Caller {
    Caller { token: text(&tokens["access"]), base: suite.base.clone() }
}

/// Enrols an authenticator in the session of a caller.
async fn enrol(caller: &Caller, password: &str) -> Response {
    let begun = caller.post("/api/v1/me/totp", json!({ "password": password })).await.expect(200);
    let secret = TotpSecret::parse(begun.json["secret"].as_str().unwrap()).unwrap();
    let first = secret.code_at(Utc::now() - TimeDelta::seconds(30));
    caller.post("/api/v1/me/totp/confirm", json!({ "code": first })).await.expect(200)
}

/// Calls with a session's token as a backend does.
async fn with_session(base: &str, session: &str) -> Response {
    Request::new(base, Method::GET, PROJECTS).header("authorization", &format!("Session {session}")).send().await
}

async fn backend_session(suite: &Suite, mut credentials: Value) -> String {
    credentials["keeper"] = json!("backend");
    text(&post(suite, SESSION, &credentials).await.expect(200).json["session"])
}

#[tokio::test]
async fn the_first_factor_ends_the_sessions_of_whoever_knew_the_password() {
    let suite = suite().await;
    for by_passkey in [false, true] {
        let ada = Owner::new(&suite).await;
        let stolen = post(&suite, TOKEN, &at_home(&ada)).await.expect(200).json;
        let stolen_session = backend_session(&suite, at_home(&ada)).await;
        with_session(&suite.base, &stolen_session).await.expect(200);

        if by_passkey {
            ada.device().await;
        } else {
            enrol(&ada.caller, ada.person.password).await;
        }

        let thief = caller(&suite, &stolen);
        eventually("the token is void", PATIENCE, async || thief.get(PROJECTS).await.status == 401).await;
        let is_over = async || with_session(&suite.base, &stolen_session).await.status == 401;
        eventually("the session is over", PATIENCE, is_over).await;
        post(&suite, REFRESH, &json!({ "refresh": stolen["refresh"] })).await.expect(401);
        ada.caller.get(PROJECTS).await.expect(200);
    }
}

#[tokio::test]
async fn a_session_that_proved_no_factor_gets_nowhere_that_requires_one() {
    let suite = suite().await;
    let (ada, strict) = (Owner::new(&suite).await, suite.tenant(PLACEMENTS[1]).await);
    join(&suite, &ada.tenant, &strict).await;
    let confirmed = enrol(&ada.caller, ada.person.password).await;
    let recovery = |at: usize| confirmed.json["recovery_codes"][at].clone();
    let there = json!({ "tenant": strict.tenant.slug });
    let tokens = ada.caller.post(SWITCH, there.clone()).await.expect(200).json;
    let mut credentials = ada.person.credentials();
    (credentials["tenant"], credentials["otp"]) = (json!(strict.tenant.slug), recovery(0));
    let session = backend_session(&suite, credentials).await;
    require(&suite, &strict).await;
    let (_, elsewhere) = another_instance(suite.forever(), &[]).await;
    with_session(&elsewhere, &session).await.expect(200);
    let refreshed = post(&suite, REFRESH, &json!({ "refresh": tokens["refresh"] })).await.expect(200).json;

    // As they were before it was kept what a session has proved.
    let user = ada.tenant.user(Role::Member);
    let forget = format!("update registry.sessions set second_factor = false where user_id = '{user}'");
    suite.admin().await.batch_execute(&forget).await.unwrap();

    let refused = ada.caller.post(SWITCH, there).await.expect(401).json;
    assert_eq!(refused["code"], "second_factor_required");
    post(&suite, REFRESH, &json!({ "refresh": refreshed["refresh"] })).await.expect(401);
    let (_, third) = another_instance(suite.forever(), &[]).await;
    with_session(&third, &session).await.expect(401);
}

#[tokio::test]
async fn with_the_last_factor_goes_what_was_proved_by_it() {
    let suite = suite().await;
    let ada = Owner::new(&suite).await;
    let confirmed = enrol(&ada.caller, ada.person.password).await;
    let session = text(&ada.caller.get("/api/v1/me").await.expect(200).json["session"]);
    let proved = format!("select second_factor from registry.sessions where id = '{session}'");
    let proved = async || suite.admin().await.query_one(&proved, &[]).await.unwrap().get::<_, bool>(0);
    assert!(proved().await);

    let body = json!({ "password": ada.person.password, "code": confirmed.json["recovery_codes"][0] });
    ada.caller.post("/api/v1/me/totp/remove", body).await.expect(204);

    assert!(!proved().await);
}

#[tokio::test]
async fn a_stolen_session_neither_removes_a_passkey_nor_adds_a_factor() {
    let suite = suite().await;
    let ada = Owner::new(&suite).await;
    ada.device().await;
    let id = text(&ada.caller.get(OWN).await.expect(200).json["data"][0]["id"]);
    let remove = format!("{OWN}/{id}/remove");
    let password = ada.person.password;

    ada.caller.delete(&format!("{OWN}/{id}")).await.expect(404);
    ada.caller.post(&remove, json!({ "password": password })).await.expect_field(400, "code");
    ada.caller.post(&remove, json!({ "password": password, "code": "no" })).await.expect_field(400, "code");
    ada.caller.post(&remove, json!({ "password": "no", "code": "no" })).await.expect_field(400, "password");
    for path in [REGISTER, "/api/v1/me/totp"] {
        ada.caller.post(path, json!({ "password": password })).await.expect_field(400, "code");
        ada.caller.post(path, json!({ "password": password, "code": "no" })).await.expect_field(400, "code");
    }

    assert_eq!(ada.caller.get(OWN).await.expect(200).json["data"].as_array().unwrap().len(), 1);
    let begun = ada.caller.post("/api/v1/me/totp", ada.proof().await).await.expect(200);
    ada.caller.post("/api/v1/me/totp/confirm", json!({ "code": code(&begun) })).await.expect(200);
}

#[tokio::test]
async fn a_registration_from_before_the_first_factor_adds_nothing() {
    let suite = suite().await;
    let ada = Owner::new(&suite).await;
    let offer = ada.caller.post(REGISTER, json!({ "password": ada.person.password })).await.expect(200).json;
    let begun = ada.caller.post("/api/v1/me/totp", json!({ "password": ada.person.password })).await.expect(200);
    ada.device().await;

    let credential = crate::passkeys::device().make(&offer["options"]);
    let body = json!({ "ceremony": offer["ceremony"], "credential": credential, "name": "thief" });
    ada.caller.post(OWN, body).await.expect_field(400, "ceremony");
    ada.caller.post("/api/v1/me/totp/confirm", json!({ "code": code(&begun) })).await.expect(409);
}

#[tokio::test]
async fn a_person_gets_a_mail_of_every_factor_that_comes_or_goes() {
    let suite = suite().await;
    let ada = Owner::new(&suite).await;
    let address = ada.person.username.clone();

    ada.device().await;
    assert!(suite.mail_to(&address, 1).await.contains("A passkey was added"));
    let id = text(&ada.caller.get(OWN).await.expect(200).json["data"][0]["id"]);
    ada.caller.post(&format!("{OWN}/{id}/remove"), ada.proof().await).await.expect(204);
    assert!(suite.mail_to(&address, 2).await.contains("A passkey was removed"));
    let confirmed = enrol(&ada.caller, ada.person.password).await;
    assert!(suite.mail_to(&address, 3).await.contains("An authenticator was added"));
    let body = json!({ "password": ada.person.password, "code": confirmed.json["recovery_codes"][0] });
    ada.caller.post("/api/v1/me/totp/remove", body).await.expect(204);
    assert!(suite.mail_to(&address, 4).await.contains("Your authenticator was removed"));
}

#[tokio::test]
async fn recovery_codes_stay_until_the_last_factor_goes() {
    let suite = suite().await;
    let ada = Owner::new(&suite).await;
    ada.device().await;
    let begun = ada.caller.post("/api/v1/me/totp", ada.proof().await).await.expect(200);
    let confirmed = ada.caller.post("/api/v1/me/totp/confirm", json!({ "code": code(&begun) })).await.expect(200);
    let proof = |at: usize| json!({ "password": ada.person.password, "code": confirmed.json["recovery_codes"][at] });

    ada.caller.post("/api/v1/me/totp/remove", proof(0)).await.expect(204);

    let id = text(&ada.caller.get(OWN).await.expect(200).json["data"][0]["id"]);
    ada.caller.post(REGISTER, proof(1)).await.expect(200);
    ada.caller.post(&format!("{OWN}/{id}/remove"), proof(2)).await.expect(204);
    assert_eq!(ada.caller.get("/api/v1/me/factors").await.expect(200).json["recovery_codes"], 0);
}

/// Logs in with password and passkey.
async fn enter_by_both(suite: &Suite, ada: &Owner, device: &mut SoftPasskey) -> Response {
    let needed = post(suite, TOKEN, &ada.person.credentials()).await.expect(401).json;
    assert_eq!(needed["code"], "second_factor_required");
    let question = post(suite, START, &json!({ "ticket": needed["ticket"] })).await.expect(200).json;
    finish(suite, &question, &device.sign(&question["options"])).await
}

#[tokio::test]
async fn logging_in_with_password_and_passkey_locks_nobody_out() {
    let suite = suite().await;
    let ada = Owner::new(&suite).await;
    let mut device = ada.device().await;

    for _ in 0..7 {
        let entered = enter_by_both(&suite, &ada, &mut device).await.expect(200);
        assert!(entered.header("x-device-token").starts_with("tnd_"));
    }
}

#[tokio::test]
async fn a_ticket_is_void_once_its_person_has_a_factor() {
    let suite = suite().await;
    let (ada, strict) = (Owner::new(&suite).await, suite.tenant(PLACEMENTS[1]).await);
    join(&suite, &ada.tenant, &strict).await;
    require(&suite, &strict).await;
    let there = there(&ada.person, &strict);
    let told = async || text(&post(&suite, TOKEN, &there).await.expect(403).json["ticket"]);
    let (early, late) = (told().await, told().await);
    let begun = post(&suite, ENROL, &json!({ "ticket": early })).await.expect(200);

    ada.device().await;

    let refused = refusal(&suite).await;
    assert_eq!(face(&post(&suite, ENROL, &json!({ "ticket": late })).await), refused);
    assert_eq!(face(&post(&suite, CONFIRM, &json!({ "ticket": early, "code": code(&begun) })).await), refused);
}

fn there(person: &Person, tenant: &Tenant) -> Value {
    let mut credentials = person.credentials();
    credentials["tenant"] = json!(tenant.tenant.slug);
    credentials
}

#[tokio::test]
async fn an_enrolment_in_flight_does_not_survive_the_persons_own() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    require(&suite, &tenant).await;
    let ticket = ticket(&suite, &person, TOKEN).await;
    let begun = post(&suite, ENROL, &json!({ "ticket": ticket })).await.expect(200);
    let (admin, user) = (suite.admin().await, tenant.user(Role::Member));
    let own = format!(
        "begin; select from registry.users where id = '{user}' for no key update;
         insert into registry.passkeys (id, user_id, credential, public_key, counter, name, created_at)
         values (gen_random_uuid(), '{user}', sha256('{user}'), sha256(''), 0, 'own', now())"
    );
    admin.batch_execute(&own).await.unwrap();

    let confirm = json!({ "ticket": ticket, "code": code(&begun) });
    let confirming = tokio::spawn(suite.request(Method::POST, CONFIRM).json(&confirm).send());
    eventually("it waits", PATIENCE, async || held_up(&suite, &admin).await > 0).await;
    admin.batch_execute("commit").await.unwrap();

    confirming.await.unwrap().expect_field(400, "code");
    let confirmed =
        "select count(*) from registry.totp_factors where user_id = $1::text::uuid and confirmed_at is not null";
    assert_eq!(admin.query_one(confirmed, &[&user.to_string()]).await.unwrap().get::<_, i64>(0), 0);
    post(&suite, CONFIRM, &confirm).await.expect(401);
}

/// Whether an answer sets a browser's session and says no token.
fn assert_browsers(answer: &Response) -> String {
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("sid=tns_"), "{cookie}");
    for secret in ["tns_", "tnr_", "eyJ", "tnd_"] {
        assert!(!answer.text.contains(secret), "{}", answer.text);
    }
    assert_eq!(answer.json["roles"], json!(["member"]));
    cookie
}

async fn with_cookie(suite: &Suite, cookie: &str) -> Response {
    suite.request(Method::GET, PROJECTS).header("cookie", cookie).send().await
}

#[tokio::test]
async fn a_login_by_passkey_may_end_in_a_browsers_session() {
    let suite = suite().await;
    let ada = Owner::new(&suite).await;
    let mut device = ada.device().await;
    let question = start(&suite).await;
    let credential = device.sign(&question["options"]);
    let body = json!({ "ceremony": question["ceremony"], "credential": credential, "keeper": "browser" });

    let foreign = suite.request(Method::POST, FINISH).header("sec-fetch-site", "cross-site").json(&body).send().await;
    assert_eq!(foreign.expect(403).json["code"], "cross_site");
    let page = suite.request(Method::POST, FINISH).header("sec-fetch-site", "same-origin").json(&body).send().await;
    let cookie = assert_browsers(&page.expect(200));
    with_cookie(&suite, &cookie).await.expect(200);

    // A login gives a browser another session, and ends the one it had.
    let question = start(&suite).await;
    let credential = device.sign(&question["options"]);
    let body = json!({ "ceremony": question["ceremony"], "credential": credential, "keeper": "browser" });
    let again = suite.request(Method::POST, FINISH).header("sec-fetch-site", "same-origin");
    let again = again.header("cookie", &cookie).json(&body).send().await.expect(200);
    with_cookie(&suite, &assert_browsers(&again)).await.expect(200);
    eventually("the session from before is over", PATIENCE, async || with_cookie(&suite, &cookie).await.status == 401)
        .await;
}

#[tokio::test]
async fn a_login_by_passkey_may_end_in_a_backends_session() {
    let suite = suite().await;
    let ada = Owner::new(&suite).await;
    let mut device = ada.device().await;
    let question = start(&suite).await;
    let credential = device.sign(&question["options"]);
    let body = json!({ "ceremony": question["ceremony"], "credential": credential, "keeper": "backend" });

    let entered = post(&suite, FINISH, &body).await.expect(200);

    assert!(entered.header("x-device-token").starts_with("tnd_"));
    assert_eq!(entered.json.get("access"), None);
    with_session(&suite.base, entered.json["session"].as_str().unwrap()).await.expect(200);
}

#[tokio::test]
async fn an_enrolment_may_end_in_a_browsers_session() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    require(&suite, &tenant).await;
    let ticket = ticket(&suite, &person, SESSION).await;
    let begun = post(&suite, ENROL, &json!({ "ticket": ticket })).await.expect(200);
    let body = json!({ "ticket": ticket, "code": code(&begun), "keeper": "browser" });

    let foreign = suite.request(Method::POST, CONFIRM).header("sec-fetch-site", "cross-site").json(&body).send().await;
    assert_eq!(foreign.expect(403).json["code"], "cross_site");
    let page = suite.request(Method::POST, CONFIRM).header("sec-fetch-site", "same-origin").json(&body).send().await;

    let page = page.expect(200);
    with_cookie(&suite, &assert_browsers(&page)).await.expect(200);
    assert_eq!(page.json["recovery_codes"].as_array().unwrap().len(), 10);
    assert!(suite.mail_to(&person.username, 1).await.contains("An authenticator was added"));
}
