use tenantry_tenancy::Role;

use super::*;
use crate::HostTenant;
use crate::testing::World;
use crate::testing::world::PASSWORD;
use crate::{LoginAttempt, LoginError, Origin, Rejection, Tokens};

const ADA: &str = "ada@acme.example";

async fn world() -> World {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    world.add_person(ADA, &[(&acme, Role::Member)]).await;
    world
}

async fn log_in(
    world: &World,
    password: &str,
    address: &str,
    device: Option<&DeviceToken>,
) -> Result<Tokens, LoginError> {
    let (origin, device) = (Origin { address: address.parse().ok() }, device.map(DeviceToken::reveal));
    let attempt = LoginAttempt {
        email: ADA,
        password,
        tenant: None,
        code: None,
        origin,
        device: device.as_deref(),
        host: &HostTenant::Anybodys,
    };
    world.authenticator.login(attempt).await
}

async fn lock(world: &World) {
    for _ in 0..5 {
        log_in(world, "wrong", "198.51.100.7", None).await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn who_guesses_is_locked_out_even_with_the_right_password() {
    let world = world().await;
    lock(&world).await;

    let locked = log_in(&world, PASSWORD, "198.51.100.200", None).await;
    world.clock.advance(std::time::Duration::from_secs(1));

    assert!(matches!(locked, Err(LoginError::Rejected(Rejection::LockedOut))));
    log_in(&world, PASSWORD, "198.51.100.200", None).await.unwrap();
    lock(&world).await;
}

#[tokio::test(start_paused = true)]
async fn the_owners_known_device_and_other_networks_are_not_locked_out() {
    let world = world().await;
    let device = log_in(&world, PASSWORD, "192.0.2.1", None).await.unwrap().device.unwrap();
    lock(&world).await;

    log_in(&world, PASSWORD, "203.0.113.1", None).await.unwrap();
    let again = log_in(&world, PASSWORD, "198.51.100.7", Some(&device)).await.unwrap().device;

    assert_eq!(again, Some(device));
    assert!(log_in(&world, PASSWORD, "198.51.100.7", Some(&DeviceToken::generate())).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_known_device_that_guesses_waits_too() {
    let world = world().await;
    let device = log_in(&world, PASSWORD, "192.0.2.1", None).await.unwrap().device.unwrap();

    for _ in 0..5 {
        log_in(&world, "wrong", "192.0.2.1", Some(&device)).await.unwrap_err();
    }

    assert!(log_in(&world, PASSWORD, "192.0.2.1", Some(&device)).await.is_err());
    log_in(&world, PASSWORD, "192.0.2.1", None).await.unwrap();
}

#[test]
fn a_device_token_is_not_shown() {
    let token = DeviceToken::generate();

    assert_eq!(format!("{token:?}"), "DeviceToken(..)");
    assert_eq!(DeviceToken::parse(&token.reveal()), Some(token));
}
