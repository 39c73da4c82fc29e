mod factors;

use std::time::Duration;

use serde_json::{Value, json};
use tenantry_tenancy::{Role, Tenant};

use super::*;
use crate::HostTenant;
use crate::testing::world::PASSWORD;
use crate::testing::{SoftPasskey, World};
use crate::tickets::Purpose;
use crate::{Arrival, LoginAttempt, LoginError, Origin, Rejection, Tokens};

const ADA: &str = "ada@acme.example";
const BOB: &str = "bob@acme.example";

struct Stage {
    world: World,
    acme: Tenant,
    ada: UserId,
    bob: UserId,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let acme = world.add_tenant("acme");
        let ada = world.add_person(ADA, &[(&acme, Role::Member)]).await;
        let bob = world.add_person(BOB, &[(&acme, Role::Member)]).await;
        world.poll().await;
        Self { world, acme, ada, bob }
    }

    fn auth(&self) -> &Authenticator {
        &self.world.authenticator
    }

    fn device(&self) -> SoftPasskey {
        SoftPasskey::new("localhost", "http://localhost:8000")
    }

    /// A passkey that somebody has added.
    async fn passkey(&self, user: UserId) -> SoftPasskey {
        let mut device = self.device();
        self.add(user, &mut device).await.unwrap();
        device
    }

    async fn offer(&self, user: UserId) -> (String, Value) {
        let code = URL_SAFE_NO_PAD.encode(opaque::random::<8>()).to_lowercase();
        let has_factor = self.auth().has_factor(user).await.unwrap();
        if has_factor {
            self.world.store.add_recovery_code(user, &code);
        }
        let offer = self.auth().begin_passkey(user, PASSWORD, has_factor.then_some(&code)).await.unwrap();
        (offer.ceremony.reveal(), json!({ "challenge": offer.challenge, "user": { "id": offer.user.0 } }))
    }

    async fn add(&self, user: UserId, device: &mut SoftPasskey) -> Result<Vec<String>, PasskeyError> {
        let (ceremony, options) = self.offer(user).await;
        self.finish(user, &ceremony, &device.make(&options)).await
    }

    async fn finish(&self, user: UserId, ceremony: &str, made: &Value) -> Result<Vec<String>, PasskeyError> {
        let made = PasskeyMade {
            ceremony,
            id: text(&made["id"]),
            client_data: text(&made["response"]["clientDataJSON"]),
            attestation: text(&made["response"]["attestationObject"]),
        };
        let name = PasskeyName::parse("laptop".to_owned()).unwrap();
        let added = self.auth().finish_passkey((user, SessionId::generate()), made, name, RequestId::generate());
        Ok(added.await?.codes)
    }

    async fn ask(&self, ticket: Option<&str>) -> (String, Value) {
        let question = self.auth().ask_for_passkey(ticket).await.unwrap();
        (question.ceremony.reveal(), json!({ "challenge": question.challenge }))
    }

    async fn enter(&self, device: &mut SoftPasskey) -> Result<Tokens, LoginError> {
        let (ceremony, options) = self.ask(None).await;
        self.answer(&ceremony, &device.sign(&options)).await
    }

    async fn answer(&self, ceremony: &str, signed: &Value) -> Result<Tokens, LoginError> {
        let response = &signed["response"];
        let answer = PasskeyAnswer {
            ceremony,
            id: text(&signed["id"]),
            client_data: text(&response["clientDataJSON"]),
            authenticator_data: text(&response["authenticatorData"]),
            signature: text(&response["signature"]),
            user: response["userHandle"].as_str(),
        };
        let proven = self.auth().prove_by_passkey(answer, None, Arrival::default()).await?;
        self.auth().let_in(proven).await
    }

    /// Logs in with password and passkey.
    async fn enter_by_both(&self, device: &mut SoftPasskey) -> Result<Tokens, LoginError> {
        let (ceremony, options) = self.ask(Some(&self.ticket().await)).await;
        self.answer(&ceremony, &device.sign(&options)).await
    }

    async fn remove(&self, user: UserId, id: PasskeyId, proof: (&str, &str)) -> Result<Option<Email>, FactorError> {
        self.auth().remove_passkey(user, id, proof, RequestId::generate()).await
    }

    async fn ticket(&self) -> String {
        match self.world.log_in(ADA, PASSWORD, None).await {
            Err(LoginError::SecondFactorRequired(Some(ticket))) => ticket.reveal().to_owned(),
            other => panic!("{other:?}"),
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn flaw<T: std::fmt::Debug>(result: Result<T, LoginError>) -> Flaw {
    match result {
        Err(LoginError::Rejected(Rejection::Passkey(flaw))) => flaw,
        other => panic!("{other:?}"),
    }
}

fn flaw_of_new<T: std::fmt::Debug>(result: Result<T, PasskeyError>) -> Flaw {
    match result {
        Err(PasskeyError::Flawed(flaw)) => flaw,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_passkey_lets_its_person_in_without_a_password() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;

    let tokens = stage.enter(&mut device).await.unwrap();

    let principal = stage.world.authenticate(&tokens.access).await.unwrap();
    assert_eq!((principal.user(), principal.tenant()), (Some(stage.ada), stage.acme.id));
}

#[tokio::test(start_paused = true)]
async fn a_challenge_is_answered_once_whether_rightly_or_not() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;

    let (ceremony, options) = stage.ask(None).await;
    let signed = device.sign(&options);
    stage.answer(&ceremony, &signed).await.unwrap();
    assert_eq!(flaw(stage.answer(&ceremony, &signed).await), Flaw::Ceremony);

    let (ceremony, options) = stage.ask(None).await;
    let mut forged = device.sign(&options);
    forged["response"]["signature"] = json!("AAAA");
    assert_eq!(flaw(stage.answer(&ceremony, &forged).await), Flaw::Signature);
    assert_eq!(flaw(stage.answer(&ceremony, &device.sign(&options)).await), Flaw::Ceremony);

    let (ceremony, options) = stage.offer(stage.ada).await;
    let made = stage.device().make(&options);
    stage.finish(stage.ada, &ceremony, &made).await.unwrap();
    assert_eq!(flaw_of_new(stage.finish(stage.ada, &ceremony, &made).await), Flaw::Ceremony);
}

#[tokio::test(start_paused = true)]
async fn a_challenge_expires_after_five_minutes() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;
    let (login, question) = stage.ask(None).await;
    let (registration, offer) = stage.offer(stage.ada).await;

    stage.world.clock.advance(Duration::from_secs(300));

    assert_eq!(flaw(stage.answer(&login, &device.sign(&question)).await), Flaw::Ceremony);
    let made = stage.device().make(&offer);
    assert_eq!(flaw_of_new(stage.finish(stage.ada, &registration, &made).await), Flaw::Ceremony);
}

#[tokio::test(start_paused = true)]
async fn a_ceremony_is_good_for_its_own_kind_and_challenge() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;
    let (registration, offer) = stage.offer(stage.ada).await;
    let (login, question) = stage.ask(None).await;

    assert_eq!(flaw(stage.answer(&registration, &device.sign(&offer)).await), Flaw::Ceremony);
    let (_, other) = stage.ask(None).await;
    assert_eq!(flaw(stage.answer(&login, &device.sign(&other)).await), Flaw::Challenge);
    let (login, _) = stage.ask(None).await;
    let mut made = stage.device().make(&question);
    let response = device.sign(&question)["response"].clone();
    for part in ["authenticatorData", "signature", "userHandle"] {
        made["response"][part] = response[part].clone();
    }
    made["id"] = json!(device.id());
    assert_eq!(flaw(stage.answer(&login, &made).await), Flaw::ClientData, "made is not signed");
}

#[tokio::test(start_paused = true)]
async fn the_origin_is_exact() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;

    for origin in [
        "https://localhost:8000",
        "http://localhost",
        "http://localhost:80000",
        "http://localhost:8000/",
        "http://localhost:8000.evil.example",
        "http://LOCALHOST:8000",
        "http://127.0.0.1:8000",
        "",
    ] {
        origin.clone_into(&mut device.origin);
        assert_eq!(flaw(stage.enter(&mut device).await), Flaw::Origin, "{origin}");
        let mut fresh = stage.device();
        origin.clone_into(&mut fresh.origin);
        assert_eq!(flaw_of_new(stage.add(stage.ada, &mut fresh).await), Flaw::Origin, "{origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_in_a_frame_of_another_asks_in_vain() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;

    for (name, value) in [("crossOrigin", json!(true)), ("topOrigin", json!("https://evil.example"))] {
        let (ceremony, options) = stage.ask(None).await;
        let mut signed = device.sign(&options);
        let client_data = decoded(text(&signed["response"]["clientDataJSON"])).unwrap();
        let mut client_data: Value = serde_json::from_slice(&client_data).unwrap();
        client_data[name] = value;
        signed["response"]["clientDataJSON"] = json!(URL_SAFE_NO_PAD.encode(client_data.to_string()));
        assert_eq!(flaw(stage.answer(&ceremony, &signed).await), Flaw::Origin, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_relying_party_is_ours() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;

    for other in ["evil.example", "sub.localhost", "LOCALHOST", ""] {
        other.clone_into(&mut device.relying_party);
        assert_eq!(flaw(stage.enter(&mut device).await), Flaw::RelyingParty, "{other}");
        let mut fresh = stage.device();
        other.clone_into(&mut fresh.relying_party);
        assert_eq!(flaw_of_new(stage.add(stage.ada, &mut fresh).await), Flaw::RelyingParty, "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_person_was_there_and_verified() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;

    for (flags, expected) in [
        (0, Flaw::Presence),
        (4, Flaw::Presence),
        (1, Flaw::Verification),
        // A copy of what may not be copied.
        (5 | 16, Flaw::AuthenticatorData),
        // Extensions, of which there are none.
        (5 | 128, Flaw::AuthenticatorData),
    ] {
        device.flags = flags;
        assert_eq!(flaw(stage.enter(&mut device).await), expected, "{flags}");
        let mut fresh = stage.device();
        fresh.flags = flags;
        assert_eq!(flaw_of_new(stage.add(stage.ada, &mut fresh).await), expected, "{flags}");
    }
    device.flags = 5 | 8 | 16;
    stage.enter(&mut device).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_does_not_go_up_is_refused() {
    let stage = Stage::new().await;
    let mut device = stage.device();
    device.counter = 7;
    stage.add(stage.ada, &mut device).await.unwrap();
    let mut copy = device.clone();

    stage.enter(&mut device).await.unwrap();

    for counter in [7, 6, 0] {
        copy.counter = counter;
        let refused = stage.enter(&mut copy).await;
        assert!(matches!(refused, Err(LoginError::Rejected(Rejection::PasskeyCopied(_)))), "{counter}: {refused:?}");
    }
    stage.enter(&mut device).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_stays_zero_counts_nothing() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;

    for _ in 0..2 {
        stage.enter(&mut device).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_is_registered_once() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;

    for user in [stage.ada, stage.bob] {
        assert!(matches!(stage.add(user, &mut device).await, Err(PasskeyError::Taken)));
    }
    for _ in 1..MOST_PASSKEYS {
        stage.passkey(stage.ada).await;
    }
    assert!(matches!(stage.add(stage.ada, &mut stage.device()).await, Err(PasskeyError::TooMany)));
}

#[tokio::test(start_paused = true)]
async fn another_persons_passkey_is_no_answer() {
    let stage = Stage::new().await;
    stage.passkey(stage.ada).await;
    let mut bobs = stage.passkey(stage.bob).await;

    let ticket = stage.ticket().await;
    let (ceremony, options) = stage.ask(Some(&ticket)).await;
    assert_eq!(flaw(stage.answer(&ceremony, &bobs.sign(&options)).await), Flaw::Person, "Ada was asked");

    bobs.user = URL_SAFE_NO_PAD.encode(stage.ada.as_uuid().as_bytes());
    assert_eq!(flaw(stage.enter(&mut bobs).await), Flaw::Person, "it is not Ada's");
    let (ceremony, options) = stage.ask(None).await;
    let mut nameless = bobs.sign(&options);
    nameless["response"]["userHandle"] = Value::Null;
    assert_eq!(flaw(stage.answer(&ceremony, &nameless).await), Flaw::Person, "nobody was asked");

    let (ceremony, options) = stage.offer(stage.ada).await;
    let made = stage.device().make(&options);
    assert_eq!(flaw_of_new(stage.finish(stage.bob, &ceremony, &made).await), Flaw::Person);
}

#[tokio::test(start_paused = true)]
async fn a_removed_or_unknown_passkey_is_no_answer() {
    let stage = Stage::new().await;
    let mut device = stage.passkey(stage.ada).await;
    assert_eq!(flaw(stage.enter(&mut stage.device()).await), Flaw::Unknown);
    let id = stage.auth().passkeys(stage.ada).await.unwrap().first().unwrap().id;
    stage.world.store.add_recovery_code(stage.ada, "a code");

    assert!(stage.remove(stage.bob, id, (PASSWORD, "a code")).await.unwrap().is_none());
    stage.enter(&mut device).await.unwrap();
    assert!(stage.remove(stage.ada, id, (PASSWORD, "a code")).await.unwrap().is_some());

    assert_eq!(flaw(stage.enter(&mut device).await), Flaw::Unknown);
    assert!(stage.world.log_in(ADA, PASSWORD, None).await.is_ok(), "it was the last factor");
}
