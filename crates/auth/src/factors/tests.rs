use std::time::Duration;

use tenantry_tenancy::Role;

use super::*;
use crate::HostTenant;
use crate::testing::World;
use crate::testing::world::PASSWORD;
use crate::{LoginAttempt, Origin, Tokens};

const ADA: &str = "ada@acme.example";
const STEP: Duration = Duration::from_secs(30);

/// A world in which Ada has an authenticator.
async fn enrolled() -> (World, UserId, TotpSecret, Vec<String>) {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let user = world.add_person(ADA, &[(&acme, Role::Member)]).await;
    let (_, secret) = world.authenticator.begin_totp(user, PASSWORD, None).await.unwrap();
    let code = secret.code_at(world.authenticator.clock.now());
    let codes = confirm(&world, user, &code).await.unwrap();
    (world, user, secret, codes)
}

async fn confirm(world: &World, user: UserId, code: &str) -> Result<Vec<String>, FactorError> {
    let confirmed = world.authenticator.confirm_totp(user, SessionId::generate(), code, RequestId::generate());
    Ok(confirmed.await?.1)
}

async fn log_in(world: &World, code: Option<&str>) -> Result<Tokens, LoginError> {
    let origin = Origin::default();
    let attempt = LoginAttempt {
        email: ADA,
        password: PASSWORD,
        tenant: None,
        code,
        origin,
        device: None,
        host: &HostTenant::Anybodys,
    };
    world.authenticator.login(attempt).await
}

fn is_rejected(result: Result<Tokens, LoginError>) -> bool {
    matches!(result, Err(LoginError::Rejected(Rejection::Code)))
}

#[tokio::test(start_paused = true)]
async fn who_has_an_authenticator_needs_its_code_and_each_code_is_good_once() {
    let (world, _, secret, _) = enrolled().await;
    let first = secret.code_at(world.authenticator.clock.now());

    assert!(matches!(log_in(&world, None).await, Err(LoginError::SecondFactorRequired(None))));
    assert!(is_rejected(log_in(&world, Some(&first)).await), "the code that enrolled was used");
    world.clock.advance(STEP);
    let code = secret.code_at(world.authenticator.clock.now());
    assert!(log_in(&world, Some(&code)).await.is_ok());
    assert!(is_rejected(log_in(&world, Some(&code)).await));
    assert!(is_rejected(log_in(&world, Some(&first)).await), "nor is an earlier one good any more");
}

#[tokio::test(start_paused = true)]
async fn a_code_without_the_password_tells_nothing() {
    let (world, _, secret, _) = enrolled().await;
    world.clock.advance(STEP);
    let code = secret.code_at(world.authenticator.clock.now());
    let attempt = |code| LoginAttempt {
        email: ADA,
        password: "not the password",
        tenant: None,
        code,
        origin: Origin::default(),
        device: None,
        host: &HostTenant::Anybodys,
    };

    for code in [None, Some(code.as_str()), Some("000000")] {
        let refused = world.authenticator.login(attempt(code)).await;
        assert!(matches!(refused, Err(LoginError::Rejected(Rejection::Password))), "{refused:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_recovery_code_stands_in_once() {
    let (world, user, _, codes) = enrolled().await;
    assert_eq!((codes.len(), world.authenticator.recovery_left(user).await.unwrap()), (10, 10));

    assert!(log_in(&world, Some(&codes[3].to_uppercase())).await.is_ok());
    assert!(is_rejected(log_in(&world, Some(&codes[3])).await));
    assert_eq!(world.authenticator.recovery_left(user).await.unwrap(), 9);

    let renewed = renew(&world, user, PASSWORD, &codes[4]).await.unwrap();
    assert!(is_rejected(log_in(&world, Some(&codes[5])).await));
    assert!(log_in(&world, Some(&renewed[0])).await.is_ok());
}

async fn renew(world: &World, user: UserId, password: &str, code: &str) -> Result<Vec<String>, FactorError> {
    world.authenticator.renew_recovery_codes(user, password, code, RequestId::generate()).await
}

#[tokio::test(start_paused = true)]
async fn other_recovery_codes_need_both_factors_and_who_guesses_must_wait() {
    let (world, user, _, codes) = enrolled().await;

    assert!(matches!(renew(&world, user, "wrong", &codes[0]).await, Err(FactorError::WrongPassword)));
    for _ in 0..5 {
        assert!(matches!(renew(&world, user, PASSWORD, "000000").await, Err(FactorError::WrongCode)));
    }

    let sixth = renew(&world, user, PASSWORD, &codes[0]).await;
    assert!(matches!(sixth, Err(FactorError::WrongCode)), "it is not even compared");
    world.clock.advance(Duration::from_secs(1));
    renew(&world, user, PASSWORD, &codes[0]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_enrolment_needs_the_password_and_a_first_code() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let user = world.add_person(ADA, &[(&acme, Role::Member)]).await;
    let auth = &world.authenticator;

    assert!(matches!(auth.begin_totp(user, "wrong", None).await, Err(FactorError::WrongPassword)));
    assert!(matches!(confirm(&world, user, "000000").await, Err(FactorError::NotEnrolled)));
    auth.begin_totp(user, PASSWORD, None).await.unwrap();
    assert!(log_in(&world, None).await.is_ok(), "an enrolment that was not confirmed locks nobody out");
    assert!(matches!(confirm(&world, user, "nonsense").await, Err(FactorError::WrongCode)));
    let (_, secret) = auth.begin_totp(user, PASSWORD, None).await.unwrap();
    confirm(&world, user, &secret.code_at(auth.clock.now())).await.unwrap();
    assert!(matches!(auth.begin_totp(user, PASSWORD, None).await, Err(FactorError::Enrolled)));
}

#[tokio::test(start_paused = true)]
async fn removing_it_needs_both_factors() {
    let (world, user, _, codes) = enrolled().await;
    let remove = async |password: &str, code: &str| {
        world.authenticator.remove_totp(user, password, code, RequestId::generate()).await
    };

    assert!(matches!(remove("wrong", &codes[0]).await, Err(FactorError::WrongPassword)));
    assert!(matches!(remove(PASSWORD, "000000").await, Err(FactorError::WrongCode)));
    remove(PASSWORD, &codes[0]).await.unwrap();

    assert!(log_in(&world, None).await.is_ok());
    assert!(matches!(remove(PASSWORD, &codes[1]).await, Err(FactorError::NotEnrolled)));
}

#[tokio::test(start_paused = true)]
async fn the_first_factor_ends_the_other_sessions_and_the_one_it_is_enrolled_in_goes_on() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let user = world.add_person(ADA, &[(&acme, Role::Member)]).await;
    let (kept, other) = (log_in(&world, None).await.unwrap(), log_in(&world, None).await.unwrap());
    let session = world.authenticate(&kept.access).await.unwrap().session().unwrap();

    let (_, secret) = world.authenticator.begin_totp(user, PASSWORD, None).await.unwrap();
    let code = secret.code_at(world.authenticator.clock.now());
    world.authenticator.confirm_totp(user, session, &code, RequestId::generate()).await.unwrap();
    world.poll().await;

    assert!(world.authenticate(&kept.access).await.is_ok());
    assert!(world.authenticate(&other.access).await.is_err());
    assert!(world.authenticator.refresh(&other.refresh).await.is_err());
    assert!(world.authenticator.session_store.proved_factor(session).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn with_the_last_factor_goes_what_was_proved_by_it() {
    let (world, user, _, codes) = enrolled().await;
    let tokens = log_in(&world, Some(&codes[0])).await.unwrap();
    let session = world.authenticate(&tokens.access).await.unwrap().session().unwrap();
    assert!(world.authenticator.session_store.proved_factor(session).await.unwrap());

    world.authenticator.remove_totp(user, PASSWORD, &codes[1], RequestId::generate()).await.unwrap();

    assert!(!world.authenticator.session_store.proved_factor(session).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn recovery_codes_stay_until_the_last_factor_goes() {
    let (world, user, _, codes) = enrolled().await;
    world.add_passkey(user, SessionId::generate()).await;

    world.authenticator.remove_totp(user, PASSWORD, &codes[0], RequestId::generate()).await.unwrap();

    assert_eq!(world.authenticator.recovery_left(user).await.unwrap(), 9);
    assert!(renew(&world, user, PASSWORD, &codes[1]).await.is_ok());
}
