//! Setting a password by mail.

use serde_json::json;
use tenantry_auth::accounts::ResetToken;
use tenantry_tenancy::{Email, Role};

use super::{NEW, OLD, Person, password_events, post};
use crate::harness::{PLACEMENTS, Suite, apart, suite};

const FORGOT: &str = "/api/v1/auth/password/forgot";
const RESET: &str = "/api/v1/auth/password/reset";

/// The token in the mail that comes of asking; it is the `count`th mail to the address.
async fn asked(suite: &Suite, email: &str, count: usize) -> String {
    post(suite, FORGOT, &json!({ "email": email })).await.expect(202);
    let mail = suite.mail_to(email, count).await;
    mail.lines().find(|line| line.starts_with("tnp_")).unwrap().to_owned()
}

/// As if the person had asked so long ago.
async fn let_time_pass(suite: &Suite, email: &str, time: &str) {
    let change = format!(
        "update registry.password_resets r
         set requested_at = requested_at - interval '{time}', expires_at = expires_at - interval '{time}'
         from registry.users u where u.id = r.user_id and u.email = '{email}'"
    );
    assert!(suite.admin().await.execute(&change, &[]).await.unwrap() > 0);
}

#[tokio::test]
async fn a_token_from_a_mail_sets_the_password_and_ends_all_sessions_but_lets_nobody_in() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let person = Person::new(&suite, &tenant, Role::Member).await;
        let logins = [person.log_in(&suite, &tenant).await, person.log_in(&suite, &tenant).await];
        let token = asked(&suite, &person.email, 1).await;

        let set = post(&suite, RESET, &json!({ "token": token, "new_password": NEW })).await.expect(204);

        assert_eq!((set.text.as_str(), set.header("set-cookie")), ("", ""));
        for login in &logins {
            login.assert_over(&suite).await;
        }
        person.try_password(&suite, OLD, &tenant).await.expect(401);
        person.try_password(&suite, NEW, &tenant).await.expect(200);
        let expected = [("password_reset".to_owned(), format!("user:{}", tenant.user(Role::Member)))];
        assert_eq!(password_events(&suite, &tenant, tenant.user(Role::Member)).await, expected);
        assert!(suite.mail_to(&person.email, 2).await.contains("was changed"));
    }
}

#[tokio::test]
async fn a_provisioned_owner_gets_their_first_password_this_way() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = Person { email: format!("owner@{}.example", tenant.tenant.slug) };
    let token = asked(&suite, &owner.email, 1).await;

    post(&suite, RESET, &json!({ "token": token, "new_password": NEW })).await.expect(204);

    owner.try_password(&suite, NEW, &tenant).await.expect(200);
}

#[tokio::test]
async fn whether_somebody_has_an_address_is_not_told() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let known = format!("member@{}.example", tenant.tenant.slug);
    let ask = async |email: &str| {
        let answer = post(&suite, FORGOT, &json!({ "email": email })).await.expect(202);
        let shown = answer.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"));
        let mut headers: Vec<_> = shown.map(|header| format!("{header:?}")).collect();
        headers.sort();
        (headers, answer.text)
    };

    let (known_answer, unknown_answer) = (ask(&known).await, ask("nobody-at-all@example.com").await);

    assert_eq!(known_answer, unknown_answer);
    suite.mail_to(&known, 1).await;
    assert_eq!(suite.mails_to("nobody-at-all@example.com"), [""; 0]);
}

#[tokio::test]
async fn a_token_that_is_used_outdated_expired_or_unknown_gets_one_answer() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let try_it = async |token: &str| {
        let body = json!({ "token": token, "new_password": NEW });
        post(&suite, RESET, &body).await.expect_field(400, "token").without_request_id()
    };
    let expired = asked(&suite, &person.email, 1).await;
    let expected = try_it("garbage").await;

    let_time_pass(&suite, &person.email, "30 minutes").await;
    assert_eq!(try_it(&expired).await, expected);
    let used = asked(&suite, &person.email, 2).await;
    let_time_pass(&suite, &person.email, "1 minute").await;
    let outdated = asked(&suite, &person.email, 3).await;
    post(&suite, RESET, &json!({ "token": used, "new_password": NEW })).await.expect(204);
    for token in [used, outdated, ResetToken::generate().reveal(), String::new()] {
        assert_eq!(try_it(&token).await, expected);
    }
}

#[tokio::test]
async fn a_mailbox_cannot_be_flooded() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let token = asked(&suite, &person.email, 1).await;

    let (auth, email) = (suite.services.auth.clone(), Email::parse(&person.email).unwrap());
    let second = apart(async move { auth.request_reset(&email).await.unwrap() }).await;

    assert!(second.is_none());
    post(&suite, RESET, &json!({ "token": token, "new_password": NEW })).await.expect(204);
}

#[tokio::test]
async fn a_password_that_is_refused_does_not_use_the_token_up() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let token = asked(&suite, &person.email, 1).await;

    for bad in ["short", "passwordpassword", &person.email] {
        post(&suite, RESET, &json!({ "token": token, "new_password": bad })).await.expect_field(400, "new_password");
    }

    post(&suite, RESET, &json!({ "token": token, "new_password": NEW })).await.expect(204);
}

#[tokio::test]
async fn who_asks_again_and_again_voids_no_token_and_waits_longer_each_time() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let first = asked(&suite, &person.email, 1).await;
    let ask = async || {
        let (auth, email) = (suite.services.auth.clone(), Email::parse(&person.email).unwrap());
        apart(async move { auth.request_reset(&email).await.unwrap() }).await.is_some()
    };

    for minutes in [1, 2, 4, 8] {
        let_time_pass(&suite, &person.email, &format!("{} seconds", minutes * 60 - 5)).await;
        assert!(!ask().await, "after less than {minutes} minutes");
        let_time_pass(&suite, &person.email, "5 seconds").await;
        assert!(ask().await, "after {minutes} minutes");
    }
    let_time_pass(&suite, &person.email, "14 minutes").await;

    assert!(!ask().await, "five are good");
    post(&suite, RESET, &json!({ "token": first, "new_password": NEW })).await.expect(204);
}

#[tokio::test]
async fn a_reset_forgives_what_others_guessed_and_makes_the_device_known() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    for _ in 0..12 {
        person.try_password(&suite, "a guess", &tenant).await.expect(401);
    }
    let token = asked(&suite, &person.email, 1).await;
    let wait = "update registry.login_attempts set allowed_at = allowed_at + interval '5 minutes' where account = sha256(convert_to($1, 'UTF8'))";
    assert!(suite.admin().await.execute(wait, &[&person.email]).await.unwrap() > 0);
    person.try_password(&suite, OLD, &tenant).await.expect(401);

    let reset = post(&suite, RESET, &json!({ "token": token, "new_password": NEW })).await.expect(204);

    person.try_password(&suite, NEW, &tenant).await.expect(200);
    let body = json!({ "username": person.email, "password": NEW });
    let login = suite.request(reqwest::Method::POST, super::TOKEN).json(&body);
    let device = reset.header("x-device-token");
    let login = login.header("x-device-token", device).send().await.expect(200);
    assert_eq!(login.header("x-device-token"), device, "it is known");
}
