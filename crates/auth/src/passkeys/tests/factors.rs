//! Passkeys beside passwords: who is let in by which, and who adds and removes one.

use super::*;

#[tokio::test(start_paused = true)]
async fn after_the_password_a_passkey_or_a_recovery_code_is_the_second_factor() {
    let stage = Stage::new().await;
    let mut device = stage.device();
    let codes = stage.add(stage.ada, &mut device).await.unwrap();
    assert_eq!(codes.len(), 10);
    assert_eq!(stage.add(stage.ada, &mut stage.device()).await.unwrap(), [""; 0], "there are codes already");

    let ticket = stage.ticket().await;
    let (ceremony, options) = stage.ask(Some(&ticket)).await;
    let mut signed = device.sign(&options);
    signed["response"]["userHandle"] = Value::Null;

    stage.answer(&ceremony, &signed).await.unwrap();
    let attempt = LoginAttempt {
        email: ADA,
        password: PASSWORD,
        tenant: None,
        code: codes.first().map(String::as_str),
        origin: Origin::default(),
        device: None,
        host: &HostTenant::Anybodys,
    };
    assert!(stage.auth().login(attempt).await.is_ok());
    assert!(stage.auth().login(attempt).await.is_err(), "a code is good once");
}

#[tokio::test(start_paused = true)]
async fn a_ticket_to_enrol_asks_for_no_passkey() {
    let stage = Stage::new().await;
    stage.passkey(stage.ada).await;
    let hash = stage.auth().accounts.find(stage.ada).await.unwrap().unwrap().password_hash;
    let to_enrol = stage.auth().ticket(Purpose::Enrol, stage.ada, stage.acme.id, hash.as_ref());

    let refused = stage.auth().ask_for_passkey(Some(to_enrol.reveal())).await;

    assert!(matches!(refused, Err(LoginError::Rejected(Rejection::Ticket))));
}

#[tokio::test(start_paused = true)]
async fn a_passkey_is_all_that_a_tenant_may_require() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;
    let mut acme = stage.acme.clone();
    acme.settings.require_mfa = true;
    stage.world.directory.put(acme);
    stage.world.poll().await;

    let tokens = stage.enter(&mut device).await.unwrap();

    assert!(stage.auth().refresh(&tokens.refresh).await.is_ok());
    assert!(matches!(stage.world.log_in(BOB, PASSWORD, None).await, Err(LoginError::EnrolmentRequired(Some(_)))));
}

#[tokio::test(start_paused = true)]
async fn adding_one_needs_the_password() {
    let stage = Stage::new().await;

    let refused = stage.auth().begin_passkey(stage.ada, "not the password", None).await;

    assert!(matches!(refused, Err(PasskeyError::Factor(FactorError::WrongPassword))));
}

#[tokio::test(start_paused = true)]
async fn removing_one_needs_both_factors() {
    let stage = Stage::new().await;
    stage.passkey(stage.ada).await;
    let id = stage.auth().passkeys(stage.ada).await.unwrap().first().unwrap().id;
    stage.world.store.add_recovery_code(stage.ada, "a code");

    let refused = stage.remove(stage.ada, id, ("not the password", "a code")).await;
    assert!(matches!(refused, Err(FactorError::WrongPassword)), "{refused:?}");
    let refused = stage.remove(stage.ada, id, (PASSWORD, "000000")).await;
    assert!(matches!(refused, Err(FactorError::WrongCode)), "{refused:?}");
    assert_eq!(stage.remove(stage.ada, id, (PASSWORD, "a code")).await.unwrap().unwrap().as_str(), ADA);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_a_factor_proves_it_before_another_is_added() {
    let stage = Stage::new().await;
    let (early, options) = stage.offer(stage.ada).await;
    let made = stage.device().make(&options);
    stage.passkey(stage.ada).await;

    for code in [None, Some("000000")] {
        let refused = stage.auth().begin_passkey(stage.ada, PASSWORD, code).await;
        assert!(matches!(refused, Err(PasskeyError::Factor(FactorError::CodeMissing | FactorError::WrongCode))));
        let refused = stage.auth().begin_totp(stage.ada, PASSWORD, code).await;
        assert!(matches!(refused, Err(FactorError::CodeMissing | FactorError::WrongCode)));
    }
    let refused = stage.finish(stage.ada, &early, &made).await;
    assert_eq!(flaw_of_new(refused), Flaw::Ceremony, "begun when there was none to prove");
}

#[tokio::test(start_paused = true)]
async fn the_first_passkey_ends_the_other_sessions() {
    let stage = Stage::new().await;
    let tokens = stage.world.log_in(ADA, PASSWORD, None).await.unwrap();
    let bobs = stage.world.log_in(BOB, PASSWORD, None).await.unwrap();

    stage.passkey(stage.ada).await;
    let again = stage.enter(&mut stage.passkey(stage.ada).await).await.unwrap();
    stage.passkey(stage.ada).await;

    assert!(stage.auth().refresh(&tokens.refresh).await.is_err());
    assert!(stage.auth().refresh(&again.refresh).await.is_ok(), "another passkey ends none");
    assert!(stage.auth().refresh(&bobs.refresh).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn logging_in_with_password_and_passkey_locks_nobody_out() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;

    for _ in 0..12 {
        let tokens = stage.enter_by_both(&mut device).await.unwrap();
        assert!(tokens.device.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_logged_in_with_a_passkey_is_known() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;
    let known = stage.enter_by_both(&mut device).await.unwrap().device.unwrap().reveal();
    for _ in 0..8 {
        assert!(stage.world.log_in(ADA, "not the password", None).await.is_err());
    }

    let (code, origin) = (None, Origin::default());
    let attempt = |device| LoginAttempt {
        email: ADA,
        password: PASSWORD,
        tenant: None,
        code,
        origin,
        device,
        host: &HostTenant::Anybodys,
    };
    let refused = stage.auth().login(attempt(None)).await;
    assert!(matches!(refused, Err(LoginError::Rejected(Rejection::LockedOut))), "{refused:?}");
    let asked = stage.auth().login(attempt(Some(&known))).await;
    assert!(matches!(asked, Err(LoginError::SecondFactorRequired(Some(_)))), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_no_place_is_turned_away_before_the_database() {
    let stage = Stage::new().await;
    stage.auth().ceremonies.close();

    assert!(matches!(stage.auth().ask_for_passkey(None).await, Err(LoginError::Busy(_))));
    let refused = stage.answer("tnc_no", &stage.device().sign(&json!({ "challenge": "x" }))).await;
    assert!(matches!(refused, Err(LoginError::Busy(_))));
}
