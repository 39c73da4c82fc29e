use tenantry_tenancy::{Actor, Clock, OperatorId, RequestId, Role, SessionId, Tenant, TenantStatus};

use super::*;
use crate::Holder;
use crate::testing::World;
use crate::watch::MAX_AGE;

const READ: Permission = Permission::ReadDocuments;
const MINUTE: Duration = Duration::from_secs(60);

async fn pass(world: &World, token: &str) -> NewPass {
    let holder = world.authenticate(token).await.unwrap();
    world.authenticator.issue_pass(&holder, READ, &"a thing", 15 * MINUTE).unwrap()
}

async fn admit(world: &World, pass: &NewPass) -> Result<(Principal, String), AuthError> {
    world.authenticator.admit_pass(READ, pass.text.reveal()).await
}

async fn rejection(world: &World, permission: Permission, text: &str) -> Rejection {
    match world.authenticator.admit_pass::<String>(permission, text).await {
        Err(AuthError::Rejected(rejection)) => rejection,
        other => panic!("not rejected: {other:?}"),
    }
}

/// A token of an operator who acts in the tenant.
fn acting(world: &World, tenant: &Tenant, lifetime: Duration) -> (Holder, String) {
    let actor = Actor::Operator(OperatorId::generate());
    let member = Holder::member(UserId::generate(), tenant.id, SessionId::generate(), Role::Member);
    let holder = Holder { actor, ..member };
    let token = world.authenticator.issue_for(&holder, lifetime).unwrap();
    (holder, token)
}

#[tokio::test(start_paused = true)]
async fn a_pass_is_the_right_of_who_handed_it_on_to_one_thing() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let (holder, token) = world.access_token(&acme, Role::Owner);

    let pass = pass(&world, &token).await;
    let (principal, thing) = admit(&world, &pass).await.unwrap();

    assert_eq!((principal.actor(), principal.tenant(), thing.as_str()), (holder.actor, acme.id, "a thing"));
    assert_eq!(principal.permissions(), PermissionSet::NONE.with(READ));
    assert!(principal.roles().is_empty());
    assert_eq!(pass.expires_at, world.clock.now() + 15 * MINUTE);
    assert!(principal.authorize(READ, RequestId::generate()).is_ok());
    assert!(principal.authorize(Permission::WriteDocuments, RequestId::generate()).is_err());
    assert!(!format!("{pass:?}").contains(pass.text.reveal()));
}

#[tokio::test(start_paused = true)]
async fn only_a_right_that_one_has_can_be_handed_on() {
    let world = World::new().await;
    let (_, token) = world.access_token(&world.add_tenant("acme"), Role::Viewer);
    let viewer = world.authenticate(&token).await.unwrap();

    let refused = world.authenticator.issue_pass(&viewer, Permission::WriteDocuments, &"a thing", MINUTE);

    assert_eq!(refused, Err(Forbidden(Permission::WriteDocuments)));
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_is_changed_anywhere_or_is_for_something_else_opens_nothing() {
    let world = World::new().await;
    let (_, token) = world.access_token(&world.add_tenant("acme"), Role::Owner);
    let text = pass(&world, &token).await.text.reveal().to_owned();

    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(rejection(&world, READ, &changed).await, Rejection::Malformed, "at {at}");
    }
    for other in ["", "A", &text[1..], &text[..text.len() - 1], &format!("{text}A"), &format!("{text}="), &token] {
        assert_eq!(rejection(&world, READ, other).await, Rejection::Malformed);
    }
    assert_eq!(rejection(&world, READ, &"A".repeat(MAX_BYTES + 1)).await, Rejection::Malformed);
    assert_eq!(rejection(&world, Permission::WriteDocuments, &text).await, Rejection::Malformed);
    assert!(world.authenticate(&text).await.is_err(), "a pass is no credential");
    assert_eq!(rejection(&World::new().await, READ, &text).await, Rejection::TenantUnknown);
}

#[tokio::test(start_paused = true)]
async fn a_pass_ends_at_its_end() {
    let world = World::new().await;
    let (_, token) = world.access_token(&world.add_tenant("acme"), Role::Viewer);
    let pass = pass(&world, &token).await;

    world.clock.advance(15 * MINUTE - Duration::from_millis(1));
    assert!(admit(&world, &pass).await.is_ok());
    world.clock.advance(Duration::from_millis(1));

    assert_eq!(rejection(&world, READ, pass.text.reveal()).await, Rejection::Expired);
}

#[tokio::test(start_paused = true)]
async fn what_voids_the_credential_voids_the_pass() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    for version in [Version(2), Version::REVOKED] {
        let (holder, token) = world.access_token(&acme, Role::Member);
        let pass = pass(&world, &token).await;
        assert!(admit(&world, &pass).await.is_ok());

        world.directory.announce_void(holder.credential, version);
        world.poll().await;

        assert_eq!(rejection(&world, READ, pass.text.reveal()).await, Rejection::Void);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pass_is_good_while_its_tenant_is_active_and_that_is_known() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let (_, token) = world.access_token(&acme, Role::Viewer);
    let pass = pass(&world, &token).await;

    world.directory.set_status(acme.id, TenantStatus::Suspended);
    world.poll().await;
    assert_eq!(rejection(&world, READ, pass.text.reveal()).await, Rejection::TenantInactive);
    world.directory.set_status(acme.id, TenantStatus::Active);
    world.poll().await;
    assert!(admit(&world, &pass).await.is_ok());
    world.directory.set_down(true);
    tokio::time::advance(MAX_AGE).await;

    assert!(matches!(admit(&world, &pass).await, Err(AuthError::Store(_))));
}

#[tokio::test(start_paused = true)]
async fn a_pass_ends_with_a_credential_that_no_login_stands_behind() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let (_, token) = acting(&world, &acme, 5 * MINUTE);
    let end = world.clock.now() + 5 * MINUTE;
    let (_, ending) = world.add_key(&acme, Role::Member, |key| key.expires_at = Some(end));
    let (_, endless) = world.add_key(&acme, Role::Member, |_| {});

    assert_eq!(pass(&world, &token).await.expires_at, end);
    assert_eq!(pass(&world, ending.reveal()).await.expires_at, end);
    assert_eq!(pass(&world, endless.reveal()).await.expires_at, world.clock.now() + 15 * MINUTE);
    world.clock.advance(10 * MINUTE);
    let (_, token) = world.access_token(&acme, Role::Viewer);
    assert_eq!(pass(&world, &token).await.expires_at, world.clock.now() + 15 * MINUTE);
}
