//! Passkeys: added by whoever proves their password, good as a second factor and as both at once.

use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_auth::testing::SoftPasskey;
use tenantry_tenancy::Role;

use crate::auth::{Person, face, part};
use crate::examples::operator;
use crate::harness::{Caller, PATIENCE, PLACEMENTS, Response, Suite, Tenant, another_instance, eventually, suite};

pub const TOKEN: &str = "/api/v1/auth/token";
pub const START: &str = "/api/v1/auth/passkey/start";
pub const FINISH: &str = "/api/v1/auth/passkey/finish";
pub const REGISTER: &str = "/api/v1/me/passkeys/register";
pub const OWN: &str = "/api/v1/me/passkeys";

/// Somebody who is logged in, and can say so of themselves.
pub struct Owner {
    pub tenant: Tenant,
    pub person: Person,
    pub caller: Caller,
    /// The recovery codes that are left.
    codes: Mutex<Vec<String>>,
}

impl Owner {
    pub async fn new(suite: &Suite) -> Self {
        let tenant = suite.tenant(PLACEMENTS[0]).await;
        let person = Person::new(suite, &tenant, Role::Member).await;
        let tokens = person.log_in(suite).await;
        let caller = Caller { token: text(&tokens.json["access"]), base: suite.base.clone() };
        Self { tenant, person, caller, codes: Mutex::default() }
    }

    /// The password and, of somebody with a second factor, a recovery code.
    pub async fn proof(&self) -> Value {
        let mut proof = json!({ "password": self.person.password });
        let (code, is_last) = {
            let mut codes = self.codes.lock().unwrap();
            (codes.pop(), codes.is_empty())
        };
        let Some(code) = code else { return proof };
        proof["code"] = json!(code);
        if is_last {
            let renewed = self.caller.post("/api/v1/me/recovery-codes", proof.clone()).await.expect(200).json;
            proof["code"] = json!(self.keep(&renewed).unwrap());
        }
        proof
    }

    /// Keeps the recovery codes of an answer, but for one.
    fn keep(&self, answer: &Value) -> Option<String> {
        let mut told: Vec<String> = serde_json::from_value(answer["recovery_codes"].clone()).unwrap();
        let code = told.pop();
        self.codes.lock().unwrap().extend(told);
        code
    }

    async fn offer(&self) -> Value {
        self.caller.post(REGISTER, self.proof().await).await.expect(200).json
    }

    async fn add(&self, device: &mut SoftPasskey) -> Response {
        let offer = self.offer().await;
        let credential = device.make(&offer["options"]);
        let body = json!({ "ceremony": offer["ceremony"], "credential": credential, "name": "laptop" });
        let answer = self.caller.post(OWN, body).await;
        if answer.status == 201 {
            self.keep(&answer.json);
        }
        answer
    }

    /// A device with a passkey of this person.
    pub async fn device(&self) -> SoftPasskey {
        let mut device = device();
        self.add(&mut device).await.expect(201);
        device
    }
}

pub fn device() -> SoftPasskey {
    SoftPasskey::new("localhost", "http://localhost:8000")
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

pub async fn post(suite: &Suite, path: &str, body: &Value) -> Response {
    suite.request(Method::POST, path).json(body).send().await
}

pub async fn start(suite: &Suite) -> Value {
    post(suite, START, &json!({})).await.expect(200).json
}

pub async fn finish(suite: &Suite, question: &Value, credential: &Value) -> Response {
    post(suite, FINISH, &json!({ "ceremony": question["ceremony"], "credential": credential })).await
}

async fn enter(suite: &Suite, device: &mut SoftPasskey) -> Response {
    let question = start(suite).await;
    finish(suite, &question, &device.sign(&question["options"])).await
}

/// What every failed login looks like.
pub async fn refusal(suite: &Suite) -> String {
    let nobody = json!({ "username": "nobody@nowhere.example", "password": "not the password" });
    face(&post(suite, TOKEN, &nobody).await.expect(401))
}

#[tokio::test]
async fn a_passkey_is_made_listed_used_without_a_password_and_removed() {
    let suite = suite().await;
    let ada = Owner::new(&suite).await;
    let offer = ada.offer().await;
    let options = &offer["options"];
    assert_eq!((&options["rp"]["id"], &options["attestation"]), (&json!("localhost"), &json!("none")));
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(options["user"]["name"], ada.person.username);

    let mut device = device();
    let added = ada.add(&mut device).await.expect(201).json;
    assert_eq!(added["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(ada.offer().await["options"]["excludeCredentials"][0]["id"], device.id());

    let entered = enter(&suite, &mut device).await.expect(200).json;
    let claims = part(&text(&entered["access"]), 1);
    assert_eq!(claims["user_id"], ada.tenant.user(Role::Member).to_string());
    post(&suite, "/api/v1/auth/token/refresh", &json!({ "refresh": entered["refresh"] })).await.expect(200);
    let listed = ada.caller.get(OWN).await.expect(200).json;
    assert_eq!((&listed["data"][0]["id"], &listed["data"][0]["name"]), (&added["id"], &json!("laptop")));
    assert!(listed["data"][0]["last_used_at"].is_string());
    let factors = json!({ "totp": false, "passkeys": 1, "recovery_codes": 9 });
    assert_eq!(ada.caller.get("/api/v1/me/factors").await.expect(200).json, factors);

    let one = format!("{OWN}/{}/remove", text(&added["id"]));
    let removed = ada.caller.post(&one, ada.proof().await).await.expect(204);
    ada.caller.post(&one, json!({ "password": "not the password", "code": "no" })).await.expect(404);
    assert_eq!(face(&enter(&suite, &mut device).await), refusal(&suite).await, "it is gone");
    let factors = json!({ "totp": false, "passkeys": 0, "recovery_codes": 0 });
    assert_eq!(ada.caller.get("/api/v1/me/factors").await.expect(200).json, factors);
    let events = "select count(*) from pooled.audit_events where action = 'passkey_removed' and request_id::text = $1";
    let request = removed.header("x-request-id").to_owned();
    assert_eq!(suite.admin().await.query_one(events, &[&request]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn after_the_password_the_passkey_is_asked_for_and_a_recovery_code_stands_in() {
    let suite = suite().await;
    let ada = Owner::new(&suite).await;
    let mut device = device();
    let added = ada.add(&mut device).await.expect(201).json;

    let needed = post(&suite, TOKEN, &ada.person.credentials()).await.expect(401).json;
    assert_eq!(needed["code"], "second_factor_required");
    let question = post(&suite, START, &json!({ "ticket": needed["ticket"] })).await.expect(200).json;
    assert_eq!(question["options"]["allowCredentials"][0]["id"], device.id());
    finish(&suite, &question, &device.sign(&question["options"])).await.expect(200);

    let mut credentials = ada.person.credentials();
    credentials["otp"] = added["recovery_codes"][0].clone();
    post(&suite, TOKEN, &credentials).await.expect(200);
    post(&suite, TOKEN, &credentials).await.expect(401);
    let refused = post(&suite, START, &json!({ "ticket": "tnt_no" })).await;
    assert_eq!(face(&refused), refusal(&suite).await);
}

#[tokio::test]
async fn every_failure_is_the_same() {
    let suite = suite().await;
    let (ada, bob) = (Owner::new(&suite).await, Owner::new(&suite).await);
    let (mut adas, mut bobs) = (ada.device().await, bob.device().await);
    let refusal = refusal(&suite).await;
    let check = async |why: &str, device: &mut SoftPasskey| {
        assert_eq!(face(&enter(&suite, device).await), refusal, "{why}");
    };

    check("unknown", &mut device()).await;
    for (why, spoil) in [
        ("origin", (|it| it.origin = "https://evil.example".to_owned()) as fn(&mut SoftPasskey)),
        ("relying party", |it| it.relying_party = "evil.example".to_owned()),
        ("nobody present", |it| it.flags = 4),
        ("nobody verified", |it| it.flags = 1),
        ("another person's", |it| it.user = "AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
    ] {
        let mut spoilt = adas.clone();
        spoil(&mut spoilt);
        check(why, &mut spoilt).await;
    }

    let ticket = post(&suite, TOKEN, &ada.person.credentials()).await.expect(401).json["ticket"].clone();
    let asked = post(&suite, START, &json!({ "ticket": ticket })).await.expect(200).json;
    assert_eq!(face(&finish(&suite, &asked, &bobs.sign(&asked["options"])).await), refusal, "Ada was asked");
    let mut forged = adas.sign(&start(&suite).await["options"]);
    forged["response"]["signature"] = json!("AAAA");
    assert_eq!(face(&finish(&suite, &start(&suite).await, &forged).await), refusal, "forged");
    let unknown = json!({ "ceremony": "tnc_no" });
    assert_eq!(face(&finish(&suite, &unknown, &forged).await), refusal, "no ceremony");
    enter(&suite, &mut adas).await.expect(200);
}

#[tokio::test]
async fn of_many_answers_to_one_challenge_on_two_instances_one_counts() {
    let suite = suite().await;
    let mut device = Owner::new(&suite).await.device().await;
    let (_, elsewhere) = another_instance(suite.forever(), &[]).await;
    let question = start(&suite).await;
    let body = json!({ "ceremony": question["ceremony"], "credential": device.sign(&question["options"]) });

    let mut tries = tokio::task::JoinSet::new();
    for base in [&suite.base, &elsewhere, &suite.base, &elsewhere] {
        let request = crate::harness::Request::new(base, Method::POST, FINISH).json(&body);
        tries.spawn(async move { request.send().await.status });
    }

    let mut statuses = tries.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401, 401]);
}

#[tokio::test]
async fn a_challenge_that_took_too_long_is_void_and_cleared_away() {
    let suite = suite().await;
    let mut device = Owner::new(&suite).await.device().await;
    let question = start(&suite).await;
    let admin = suite.admin().await;
    let digest: Vec<u8> =
        admin.query_one("select sha256(convert_to($1, 'UTF8'))", &[&text(&question["ceremony"])]).await.unwrap().get(0);
    let age = "update registry.passkey_ceremonies set expires_at = now() - interval '1 second' where digest = $1";
    assert_eq!(admin.execute(age, &[&digest]).await.unwrap(), 1);

    finish(&suite, &question, &device.sign(&question["options"])).await.expect(401);

    let question = start(&suite).await;
    let digest: Vec<u8> =
        admin.query_one("select sha256(convert_to($1, 'UTF8'))", &[&text(&question["ceremony"])]).await.unwrap().get(0);
    assert_eq!(admin.execute(age, &[&digest]).await.unwrap(), 1);
    let left = "select count(*) from registry.passkey_ceremonies where digest = $1";
    let is_cleared = async || {
        start(&suite).await;
        admin.query_one(left, &[&digest]).await.unwrap().get::<_, i64>(0) == 0
    };
    eventually("whoever begins clears away", PATIENCE, is_cleared).await;
}

#[tokio::test]
async fn a_copy_is_refused_and_told_to_the_operators() {
    let suite = suite().await;
    let ada = Owner::new(&suite).await;
    let mut device = device();
    device.counter = 7;
    ada.add(&mut device).await.expect(201);
    let mut copy = device.clone();
    enter(&suite, &mut device).await.expect(200);

    let refused = enter(&suite, &mut copy).await;

    assert_eq!(face(&refused), refusal(&suite).await);
    let operator = operator(&suite).await;
    let request = refused.header("x-request-id").to_owned();
    let is_told = async || {
        let events = operator.get("/operator/v1/security-events?kind=passkey_copied").await.expect(200).json;
        events["data"].as_array().unwrap().iter().any(|event| event["request_id"] == request)
    };
    eventually("the event is written down", PATIENCE, is_told).await;
    enter(&suite, &mut device).await.expect(200);
}

#[tokio::test]
async fn a_credential_is_registered_once_and_for_whom_it_was_offered() {
    let suite = suite().await;
    let (ada, bob) = (Owner::new(&suite).await, Owner::new(&suite).await);
    let mut adas = ada.device().await;

    for owner in [&ada, &bob] {
        owner.add(&mut adas.clone()).await.expect_field(409, "credential");
    }
    let offer = ada.offer().await;
    let credential = device().make(&offer["options"]);
    let body = json!({ "ceremony": offer["ceremony"], "credential": credential, "name": "laptop" });
    bob.caller.post(OWN, body.clone()).await.expect_field(400, "ceremony");
    ada.caller.post(OWN, body).await.expect_field(400, "ceremony");
    let mut foreign = device();
    foreign.origin = "https://evil.example".to_owned();
    ada.add(&mut foreign).await.expect_field(400, "credential");
    ada.caller.post(REGISTER, json!({ "password": "not the password" })).await.expect_field(400, "password");

    let id = text(&ada.caller.get(OWN).await.expect(200).json["data"][0]["id"]);
    let proof = json!({ "password": bob.person.password, "code": "no" });
    bob.caller.post(&format!("{OWN}/{id}/remove"), proof).await.expect(404);
    enter(&suite, &mut adas).await.expect(200);
}

#[tokio::test]
async fn no_more_than_twenty_even_at_once() {
    let suite = suite().await;
    let ada = Owner::new(&suite).await;
    for _ in 0..18 {
        ada.device().await;
    }
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let offer = ada.offer().await;
        let credential = device().make(&offer["options"]);
        let body = json!({ "ceremony": offer["ceremony"], "credential": credential, "name": "laptop" });
        let request = ada.caller.request(Method::POST, OWN).json(&body);
        tries.spawn(async move { request.send().await.status });
    }

    let mut statuses = tries.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 201, 409, 409]);
}

#[tokio::test]
async fn members_of_several_tenants_name_one_and_a_passkey_is_all_that_a_tenant_requires() {
    let suite = suite().await;
    let (ada, strict) = (Owner::new(&suite).await, suite.tenant(PLACEMENTS[1]).await);
    let mut device = ada.device().await;
    let (services, id, user) = (suite.services.clone(), strict.tenant.id, ada.tenant.user(Role::Member));
    let join = async move { services.registry.ensure_member(id, user, Role::Member).await.unwrap() };
    crate::harness::apart(join).await;
    strict.owner().patch("/api/v1/tenant", json!({ "settings": { "require_mfa": true } })).await.expect(200);

    enter(&suite, &mut device).await.expect_field(400, "tenant");
    let question = start(&suite).await;
    let credential = device.sign(&question["options"]);
    let body = json!({ "ceremony": question["ceremony"], "credential": credential, "tenant": strict.tenant.slug });
    let entered = post(&suite, FINISH, &body).await.expect(200).json;

    assert_eq!(part(&text(&entered["access"]), 1)["tenant"], strict.tenant.id.to_string());
    post(&suite, "/api/v1/auth/token/refresh", &json!({ "refresh": entered["refresh"] })).await.expect(200);
}

#[tokio::test]
async fn the_database_has_neither_challenge_nor_ceremony_nor_ticket() {
    let suite = suite().await;
    let ada = Owner::new(&suite).await;
    ada.device().await;
    let offer = ada.offer().await;
    let needed = post(&suite, TOKEN, &ada.person.credentials()).await.expect(401).json;
    let question = post(&suite, START, &json!({ "ticket": needed["ticket"] })).await.expect(200).json;
    let admin = suite.admin().await;

    for table in ["passkeys", "passkey_ceremonies"] {
        let rows = admin.query(&format!("select t::text from registry.{table} t"), &[]).await.unwrap();
        let all: String = rows.iter().map(|row| row.get::<_, String>(0)).collect();
        for secret in [&offer["ceremony"], &offer["options"]["challenge"], &question["ceremony"], &needed["ticket"]] {
            let secret = text(secret);
            let decoded = [secret.as_str(), &secret[4..]].map(|it| URL_SAFE_NO_PAD.decode(it).unwrap_or_default());
            for spelling in decoded.iter().map(Vec::as_slice).chain([secret.as_bytes()]).filter(|it| !it.is_empty()) {
                let hex: String = spelling.iter().map(|byte| format!("{byte:02x}")).collect();
                assert!(!all.contains(&hex), "{table}");
            }
            assert!(!all.contains(&secret), "{table}");
        }
    }
}
