use std::sync::Arc;

use tenantry_tenancy::{Role, Tenant};

use super::*;
use crate::HostTenant;
use crate::testing::World;
use crate::testing::world::PASSWORD;
use crate::{Credential, Origin, Principal};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

fn attempt() -> LoginAttempt<'static> {
    LoginAttempt {
        email: "ada@acme.example",
        password: PASSWORD,
        tenant: None,
        code: None,
        origin: Origin::default(),
        device: None,
        host: &HostTenant::Anybodys,
    }
}

/// A world in which Ada, a member of Acme, has just logged in with a browser.
async fn ada() -> (World, Tenant, UserId, SessionToken) {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let user = world.add_person("ada@acme.example", &[(&acme, Role::Member)]).await;
    let token = world.authenticator.log_in_browser(attempt(), None).await.unwrap().token;
    (world, acme, user, token)
}

async fn call(world: &World, token: &SessionToken) -> Result<Arc<Principal>, AuthError> {
    world.authenticator.authenticate(Credential::Session(&token.reveal()), Origin::default()).await
}

#[tokio::test(start_paused = true)]
async fn a_browsers_token_becomes_a_principal_and_is_then_remembered() {
    let (world, acme, user, token) = ada().await;

    let first = call(&world, &token).await.unwrap();
    let again = world.authenticator.authenticate_now(Credential::Session(&token.reveal()), Origin::default());

    assert_eq!((first.kind(), first.user(), first.tenant()), (CredentialKind::BrowserSession, Some(user), acme.id));
    assert_eq!(first.permissions(), Role::Member.permissions());
    assert!(first.session().is_some());
    assert!(Arc::ptr_eq(&first, &again.unwrap().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_browsers_token_is_no_bearer_token_and_the_other_way_round() {
    let (world, acme, _, token) = ada().await;
    call(&world, &token).await.unwrap();
    let (_, access) = world.access_token(&acme, Role::Member);
    world.authenticate(&access).await.unwrap();

    for wrong in [Credential::Bearer(&token.reveal()), Credential::Session(&access), Credential::Session("tns_x")] {
        let refused = world.authenticator.authenticate(wrong, Origin::default()).await;
        assert!(matches!(refused, Err(AuthError::Rejected(_))), "{wrong:?}");
        let refused = world.authenticator.authenticate_now(wrong, Origin::default());
        assert!(refused.is_none_or(|refused| refused.is_err()), "{wrong:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_always_gives_a_new_token_and_ends_the_session_that_the_browser_had() {
    let (world, _, _, planted) = ada().await;

    let login = world.authenticator.log_in_browser(attempt(), Some(&planted.reveal())).await.unwrap();
    world.poll().await;

    assert!(login.token != planted);
    assert!(call(&world, &planted).await.is_err());
    assert!(call(&world, &login.token).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_it_is_idle_and_not_while_it_is_used() {
    let (world, _, _, token) = ada().await;

    for _ in 0..20 {
        world.clock.advance(11 * HOUR);
        assert!(call(&world, &token).await.is_ok());
    }
    world.clock.advance(12 * HOUR);
    assert!(matches!(call(&world, &token).await, Err(AuthError::Rejected(Rejection::SessionUnknown))));
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_however_often_it_is_used() {
    let (world, _, _, token) = ada().await;

    for _ in 0..(30 * 24 / 10 - 1) {
        world.clock.advance(10 * HOUR);
        call(&world, &token).await.unwrap();
    }
    world.clock.advance(10 * HOUR);
    assert!(call(&world, &token).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_new_role_is_seen_in_the_same_session() {
    let (world, acme, user, token) = ada().await;
    call(&world, &token).await.unwrap();

    world.store.join(user, acme.id, Role::Viewer);
    world.poll().await;

    assert_eq!(call(&world, &token).await.unwrap().permissions(), Role::Viewer.permissions());
}

#[tokio::test(start_paused = true)]
async fn a_person_sees_and_ends_their_own_sessions_and_nobody_elses() {
    let (world, acme, user, token) = ada().await;
    let tokens = world.log_in("ada@acme.example", PASSWORD, None).await.unwrap();
    let mallory = world.add_person("mallory@acme.example", &[(&acme, Role::Owner)]).await;
    let current = call(&world, &token).await.unwrap().session().unwrap();
    world.clock.advance(MINUTE);

    let own = world.authenticator.sessions(user).await.unwrap();
    assert_eq!(own.iter().filter(|session| session.is_browser).count(), 1);
    assert_eq!((own.len(), world.authenticator.sessions(mallory).await.unwrap().len()), (2, 0));
    assert!(!world.authenticator.end_session(mallory, current).await.unwrap());

    world.authenticator.end_other_sessions(user, current).await.unwrap();
    world.poll().await;
    assert!(world.authenticate(&tokens.access).await.is_err());
    assert!(call(&world, &token).await.is_ok());

    assert!(world.authenticator.end_session(user, current).await.unwrap());
    assert!(!world.authenticator.end_session(user, current).await.unwrap());
    world.poll().await;
    assert!(call(&world, &token).await.is_err());
    assert_eq!(world.authenticator.sessions(user).await.unwrap(), []);
}

#[test]
fn neither_the_token_nor_a_login_shows_it() {
    let token = SessionToken::generate();

    assert!(token.reveal().starts_with("tns_") && SessionToken::parse(&token.reveal()) == Some(token.clone()));
    let login = BrowserLogin {
        token: token.clone(),
        device: DeviceToken::generate(),
        grant: Role::Viewer.into(),
        ends_at: DateTime::UNIX_EPOCH,
    };
    assert!(!format!("{login:?} {token:?} {:?}", Credential::Session(&token.reveal())).contains("tns_"));
}
