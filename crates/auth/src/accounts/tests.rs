use tenantry_tenancy::{ActingGrantId, Actor, OperatorId, PermissionSet, Role, TenantStatus};

use super::*;
use crate::testing::World;
use crate::testing::world::PASSWORD;
use crate::{ClientCredentials, Holder};

const ADDRESS: &str = "ada@example.com";
const NEW: &str = "seven green kettles sing";

fn address() -> Email {
    Email::parse(ADDRESS).unwrap()
}

#[tokio::test]
async fn switching_opens_tenants_of_the_person_and_no_other() {
    let world = World::new().await;
    let (home, second, alien) = (world.add_tenant("home"), world.add_tenant("second"), world.add_tenant("alien"));
    let asleep = world.add_tenant("asleep");
    let memberships = [(&home, Role::Owner), (&second, Role::Viewer), (&asleep, Role::Owner)];
    let user = world.add_person(ADDRESS, &memberships).await;
    let session = session_of(&world, Some("home")).await;
    world.directory.set_status(asleep.id, TenantStatus::Suspended);
    world.poll().await;

    for name in ["second", &second.id.to_string()] {
        let tokens = world.authenticator.switch(user, session, name).await.unwrap().unwrap();
        assert_eq!(world.authenticate(&tokens.access).await.unwrap().tenant(), second.id);
    }
    for name in ["alien", &alien.id.to_string(), "asleep", &asleep.id.to_string(), "nowhere", ""] {
        assert_eq!(world.authenticator.switch(user, session, name).await.unwrap(), None, "{name}");
    }
}

/// The session of somebody who has just logged in.
async fn session_of(world: &World, tenant: Option<&str>) -> SessionId {
    let tokens = world.log_in(ADDRESS, PASSWORD, tenant).await.unwrap();
    world.authenticate(&tokens.access).await.unwrap().session().unwrap()
}

#[tokio::test]
async fn a_switched_session_begins_from_a_live_one_and_ends_with_it() {
    let world = World::new().await;
    let (home, second) = (world.add_tenant("home"), world.add_tenant("second"));
    let user = world.add_person(ADDRESS, &[(&home, Role::Owner), (&second, Role::Viewer)]).await;
    let source = session_of(&world, Some("home")).await;
    let settings = world.authenticator.settings().clone();
    let session_ends = world.authenticator.clock.now() + settings.session_lifetime;
    let switch = async |source| world.authenticator.switch(user, source, "second").await.unwrap();

    world.clock.advance(settings.session_lifetime - Duration::from_secs(300));
    let tokens = switch(source).await.unwrap();

    assert_eq!(tokens.expires_in, Duration::from_secs(300));
    assert_eq!(world.authenticate(&tokens.access).await.unwrap().expires_at(), Some(session_ends));
    let sessions = world.authenticator.sessions(user).await.unwrap();
    assert!(sessions.iter().all(|it| it.ends_at <= session_ends), "{sessions:?}");
    assert!(switch(SessionId::generate()).await.is_none(), "a session of nobody");
    world.authenticator.end_session(user, source).await.unwrap();
    assert!(switch(source).await.is_none(), "a revoked session");
}

#[tokio::test]
async fn who_stole_a_session_and_guesses_the_password_must_wait() {
    let world = World::new().await;
    let tenant = world.add_tenant("home");
    let user = world.add_person(ADDRESS, &[(&tenant, Role::Owner)]).await;
    let session = session_of(&world, None).await;
    let change =
        async |current| world.authenticator.change_password(user, session, (current, NEW), RequestId::generate()).await;

    for _ in 0..5 {
        assert!(matches!(change("a guess").await, Err(AccountError::WrongPassword)));
    }

    assert!(matches!(change(PASSWORD).await, Err(AccountError::WrongPassword)), "the sixth is not even compared");
    world.log_in(ADDRESS, PASSWORD, None).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    change(PASSWORD).await.unwrap();
}

#[tokio::test]
async fn tokens_of_clients_operators_and_services_are_given_back_as_well() {
    let world = World::new().await;
    let tenant = world.add_tenant("home");
    let (client, secret) = world.store.add_client(tenant.id, PermissionSet::READ);
    let shown = ClientCredentials { id: &client.to_string(), secret: secret.reveal() };
    let auth = &world.authenticator;
    let tokens = auth.log_in_client(shown).await.unwrap();
    let alone = auth.issue_to_client(&auth.prove_client(shown).await.unwrap(), PermissionSet::READ).unwrap();
    let operator = Holder {
        actor: Actor::Operator(OperatorId::generate()),
        credential: ActingGrantId::generate().into(),
        ..world.access_token(&tenant, Role::Viewer).0
    };
    let operator = auth.issue_for(&operator, Duration::from_secs(60)).unwrap();

    for token in [&tokens.token.access, &alone.access, &operator] {
        world.authenticate(token).await.unwrap();
        auth.revoke(token).await.unwrap();
        world.poll().await;
        assert!(world.authenticate(token).await.is_err());
    }
    let another = auth.log_in_client(shown).await.unwrap();
    auth.revoke(&another.refresh).await.unwrap();
    assert!(auth.refresh_client(&another.refresh).await.is_err());
}

#[tokio::test]
async fn any_token_of_a_session_revokes_all_of_it_and_garbage_nothing() {
    let world = World::new().await;
    let tenant = world.add_tenant("home");
    world.add_person(ADDRESS, &[(&tenant, Role::Owner)]).await;
    let other = world.log_in(ADDRESS, PASSWORD, None).await.unwrap();

    for which in ["access", "refresh", "used"] {
        let first = world.log_in(ADDRESS, PASSWORD, None).await.unwrap();
        let second = world.authenticator.refresh(&first.refresh).await.unwrap();
        let shown = match which {
            "access" => &first.access,
            "refresh" => &second.refresh,
            _ => &first.refresh,
        };

        for token in [shown, "", "tnr_", "garbage", &RefreshToken::generate().reveal()] {
            world.authenticator.revoke(token).await.unwrap();
        }
        world.poll().await;

        for access in [&first.access, &second.access] {
            assert!(world.authenticate(access).await.is_err(), "{which}");
        }
        assert!(world.authenticator.refresh(&second.refresh).await.is_err(), "{which}");
    }
    assert!(world.authenticate(&other.access).await.is_ok());
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it_and_other_sessions_end() {
    let world = World::new().await;
    let tenant = world.add_tenant("home");
    let user = world.add_person(ADDRESS, &[(&tenant, Role::Owner)]).await;
    let (kept, other) =
        (world.log_in(ADDRESS, PASSWORD, None).await.unwrap(), world.log_in(ADDRESS, PASSWORD, None).await.unwrap());
    let session = world.authenticate(&kept.access).await.unwrap().session().unwrap();
    let change = async |current, new| {
        world.authenticator.change_password(user, session, (current, new), RequestId::generate()).await
    };

    assert!(matches!(change("another password", NEW).await, Err(AccountError::WrongPassword)));
    assert!(matches!(change(PASSWORD, "short").await, Err(AccountError::Unacceptable(InvalidPassword::TooShort))));
    assert!(matches!(change(PASSWORD, "ada example home").await, Err(AccountError::Unacceptable(_))));
    assert_eq!(change(PASSWORD, NEW).await.unwrap(), address());
    world.poll().await;

    assert!(world.authenticate(&kept.access).await.is_ok());
    assert!(world.authenticate(&other.access).await.is_err());
    assert!(world.log_in(ADDRESS, PASSWORD, None).await.is_err());
    assert!(world.log_in(ADDRESS, NEW, None).await.is_ok());
}

#[tokio::test]
async fn a_reset_token_is_good_once_for_half_an_hour() {
    let world = World::new().await;
    let tenant = world.add_tenant("home");
    world.add_person(ADDRESS, &[(&tenant, Role::Owner)]).await;
    let tokens = world.log_in(ADDRESS, PASSWORD, None).await.unwrap();
    let auth = &world.authenticator;
    let reset = async |token: &ResetToken| auth.reset_password(&token.reveal(), NEW, RequestId::generate()).await;

    let first = auth.request_reset(&address()).await.unwrap().unwrap();
    assert!(auth.request_reset(&address()).await.unwrap().is_none(), "a mailbox can be flooded");
    world.clock.advance(RESET_LIFETIME);
    assert!(matches!(reset(&first).await, Err(AccountError::WrongToken)));
    let third = auth.request_reset(&address()).await.unwrap().unwrap();
    assert_eq!(reset(&third).await.unwrap().0, address());
    assert!(matches!(reset(&third).await, Err(AccountError::WrongToken)));
    world.poll().await;

    assert!(auth.refresh(&tokens.refresh).await.is_err());
    assert!(world.log_in(ADDRESS, NEW, None).await.is_ok());
}

#[tokio::test]
async fn who_asks_for_resets_of_somebody_voids_none_and_waits_longer_each_time() {
    let world = World::new().await;
    let tenant = world.add_tenant("home");
    world.add_person(ADDRESS, &[(&tenant, Role::Owner)]).await;
    let auth = &world.authenticator;
    let first = auth.request_reset(&address()).await.unwrap().unwrap();
    let mut later = Vec::new();

    for pauses in [1, 2, 4, 8] {
        world.clock.advance(RESET_PAUSE * pauses - Duration::from_secs(1));
        assert!(auth.request_reset(&address()).await.unwrap().is_none(), "after less than {pauses} pauses");
        world.clock.advance(Duration::from_secs(1));
        later.push(auth.request_reset(&address()).await.unwrap().unwrap());
    }
    world.clock.advance(RESET_LIFETIME - RESET_PAUSE * 15 - Duration::from_secs(1));

    assert!(auth.request_reset(&address()).await.unwrap().is_none(), "five are good");
    auth.reset_password(&first.reveal(), NEW, RequestId::generate()).await.unwrap();
    for token in later {
        let refused = auth.reset_password(&token.reveal(), PASSWORD, RequestId::generate()).await;
        assert!(matches!(refused, Err(AccountError::WrongToken)), "it is older than the password");
    }
}

#[tokio::test]
async fn nobody_is_sent_a_token_for_an_address_that_nobody_has() {
    let world = World::new().await;

    assert!(world.authenticator.request_reset(&address()).await.unwrap().is_none());
}

#[test]
fn a_reset_token_is_recognisable_and_not_shown() {
    let token = ResetToken::generate();

    assert!(token.reveal().starts_with("tnp_"));
    assert!(ResetToken::parse(&token.reveal()) == Some(token.clone()));
    assert_eq!(format!("{token:?}"), "ResetToken(..)");
}
