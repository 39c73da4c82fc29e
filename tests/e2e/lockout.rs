//! Who guesses passwords waits; the owner of the account does not.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_auth::testing::lockout::contract;
use tenantry_tenancy::{Email, Role};
use tokio::task::JoinSet;

use crate::auth::{Person, face};
use crate::harness::{PLACEMENTS, Request, Response, another_instance, apart, eventually, suite};

const TOKEN: &str = "/api/v1/auth/token";
const SESSION: &str = "/api/v1/auth/session";
const GUESSER: &str = "198.51.100.7";

/// An instance that believes what a test says about its address.
async fn behind_a_proxy() -> String {
    another_instance(suite().await.forever(), &[("TENANTRY_HTTP__TRUSTED_PROXIES", "127.0.0.0/8")]).await.1
}

async fn log_in(base: &str, from: &str, credentials: &Value, device: &str) -> Response {
    let request = Request::new(base, Method::POST, TOKEN).header("x-forwarded-for", from);
    request.header("x-device-token", device).json(credentials).send().await
}

fn guess(person: &Person) -> Value {
    json!({ "username": person.username, "password": "wrong horse battery staple" })
}

async fn lock(base: &str, person: &Person) {
    for _ in 0..12 {
        log_in(base, GUESSER, &guess(person), "").await.expect(401);
    }
}

#[tokio::test]
async fn the_counts_of_the_database_keep_the_contract() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let (services, user) = (suite.services.clone(), tenant.user(Role::Member));
    let address = Email::parse(&format!("member@{}.example", tenant.tenant.slug)).unwrap();

    apart(async move { contract(&*services.directory, &address, user).await }).await;
}

#[tokio::test]
async fn a_hundred_guesses_a_second_neither_succeed_nor_keep_the_owner_out() {
    let suite = suite().await;
    let (base, tenant) = (behind_a_proxy().await, suite.tenant(PLACEMENTS[0]).await);
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let device = log_in(&base, "192.0.2.1", &person.credentials(), "").await.expect(200);
    let device = device.header("x-device-token").to_owned();
    lock(&base, &person).await;
    // As after some more guesses; otherwise one of those below would be admitted each time that a lock ends.
    let longer = format!(
        "update registry.login_attempts set allowed_at = allowed_at + interval '5 minutes' \
         where account = sha256('{}') and bucket = '198.51.100.0/24'",
        person.username
    );
    assert_eq!(suite.admin().await.execute(&longer, &[]).await.unwrap(), 1);

    let mut guesses = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for count in 0..200 {
        ticks.tick().await;
        // Every tenth is right.
        let credentials = if count % 10 == 0 { person.credentials() } else { guess(&person) };
        let at = base.clone();
        guesses.spawn(async move { log_in(&at, GUESSER, &credentials, "").await.status });
        if count % 50 == 25 {
            log_in(&base, GUESSER, &person.credentials(), &device).await.expect(200);
            log_in(&base, "203.0.113.9", &person.credentials(), "").await.expect(200);
        }
    }

    for status in guesses.join_all().await {
        assert!(matches!(status, 401 | 503), "{status}");
    }
}

#[tokio::test]
async fn who_is_locked_out_hears_what_everybody_hears_who_is_wrong() {
    let suite = suite().await;
    let (base, tenant) = (behind_a_proxy().await, suite.tenant(PLACEMENTS[0]).await);
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let wrong = log_in(&base, GUESSER, &guess(&person), "").await.expect(401);
    lock(&base, &person).await;

    let locked = log_in(&base, GUESSER, &person.credentials(), "").await.expect(401);
    let nobody = json!({ "username": format!("nobody-{}", person.username), "password": "wrong horse" });
    let unknown = log_in(&base, GUESSER, &nobody, "").await.expect(401);

    assert_eq!((face(&locked), face(&unknown)), (face(&wrong), face(&wrong)));
    eventually("the lock is over", Duration::from_secs(30), async || {
        log_in(&base, GUESSER, &person.credentials(), "").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn instances_count_together() {
    let suite = suite().await;
    let (base, other) = (behind_a_proxy().await, behind_a_proxy().await);
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;

    lock(&base, &person).await;

    log_in(&other, GUESSER, &person.credentials(), "").await.expect(401);
    log_in(&other, "203.0.113.9", &person.credentials(), "").await.expect(200);
}

#[tokio::test]
async fn a_browser_is_known_again_by_a_cookie() {
    let suite = suite().await;
    let (base, tenant) = (behind_a_proxy().await, suite.tenant(PLACEMENTS[0]).await);
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let begin = async |cookie: &str| {
        let request = Request::new(&base, Method::POST, SESSION).header("x-forwarded-for", GUESSER);
        request.header("cookie", cookie).json(&person.credentials()).send().await
    };
    let first = begin("").await.expect(200);
    let cookies: Vec<&str> = first.headers.get_all("set-cookie").iter().map(|it| it.to_str().unwrap()).collect();
    let device = cookies.iter().find(|cookie| cookie.starts_with("device=tnd_")).unwrap();
    assert!(device.contains("HttpOnly") && device.contains("Max-Age=7776000"), "{device}");
    lock(&base, &person).await;

    begin("").await.expect(401);
    begin(device.split(';').next().unwrap()).await.expect(200);
}

#[tokio::test]
async fn a_forwarded_address_is_not_believed_unless_a_proxy_is_trusted() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;

    for network in 0..12 {
        log_in(&suite.base, &format!("10.0.{network}.1"), &guess(&person), "").await.expect(401);
    }

    log_in(&suite.base, "203.0.113.9", &person.credentials(), "").await.expect(401);
}

#[tokio::test]
async fn a_person_has_twenty_devices_and_those_that_come_back_stay() {
    let suite = suite().await;
    let (base, tenant) = (behind_a_proxy().await, suite.tenant(PLACEMENTS[0]).await);
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let browser = log_in(&base, GUESSER, &person.credentials(), "").await.expect(200);
    let browser = browser.header("x-device-token").to_owned();
    let again = log_in(&base, GUESSER, &person.credentials(), &browser).await.expect(200);

    for _ in 0..25 {
        log_in(&base, GUESSER, &person.credentials(), "").await.expect(200);
    }

    let user = tenant.user(Role::Member).to_string();
    let count = format!("select count(*) from registry.devices where user_id = '{user}'");
    let devices: i64 = suite.admin().await.query_one(&count, &[]).await.unwrap().get(0);
    assert_eq!((devices, again.header("x-device-token")), (20, browser.as_str()));
    let known = log_in(&base, GUESSER, &person.credentials(), &browser).await.expect(200);
    assert_eq!(known.header("x-device-token"), browser);
}
