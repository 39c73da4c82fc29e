use tenantry_tenancy::{Role, TenantStatus};

use super::*;
use crate::testing::World;
use crate::testing::world::PASSWORD;

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
    world.directory.set_status(asleep.id, TenantStatus::Suspended);
    world.poll().await;

    for name in ["second", &second.id.to_string()] {
        let tokens = world.authenticator.switch(user, name).await.unwrap().unwrap();
        assert_eq!(world.authenticate(&tokens.access).await.unwrap().tenant(), second.id);
    }
    for name in ["alien", &alien.id.to_string(), "asleep", &asleep.id.to_string(), "nowhere", ""] {
        assert_eq!(world.authenticator.switch(user, name).await.unwrap(), None, "{name}");
    }
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
async fn a_reset_token_is_good_once_for_half_an_hour_and_until_the_next() {
    let world = World::new().await;
    let tenant = world.add_tenant("home");
    world.add_person(ADDRESS, &[(&tenant, Role::Owner)]).await;
    let tokens = world.log_in(ADDRESS, PASSWORD, None).await.unwrap();
    let auth = &world.authenticator;
    let reset = async |token: &ResetToken| auth.reset_password(&token.reveal(), NEW, RequestId::generate()).await;

    let first = auth.request_reset(&address()).await.unwrap().unwrap();
    assert!(auth.request_reset(&address()).await.unwrap().is_none(), "a mailbox can be flooded");
    world.clock.advance(RESET_PAUSE);
    let second = auth.request_reset(&address()).await.unwrap().unwrap();
    assert!(matches!(reset(&first).await, Err(AccountError::WrongToken)));
    world.clock.advance(RESET_LIFETIME);
    assert!(matches!(reset(&second).await, Err(AccountError::WrongToken)));
    let third = auth.request_reset(&address()).await.unwrap().unwrap();
    assert_eq!(reset(&third).await.unwrap(), address());
    assert!(matches!(reset(&third).await, Err(AccountError::WrongToken)));
    world.poll().await;

    assert!(auth.refresh(&tokens.refresh).await.is_err());
    assert!(world.log_in(ADDRESS, NEW, None).await.is_ok());
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
