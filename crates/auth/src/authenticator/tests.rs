use tenantry_tenancy::{
    Permission, PermissionSet, Placement, RequestId, Role, SchemaName, SessionId, TenantStatus, Version,
};

use super::*;
use crate::CredentialKind;
use crate::testing::{World, tenant};
use crate::watch::MAX_AGE;
use crate::{LoginError, RefreshToken};

const LIFETIME: Duration = Duration::from_secs(900);

fn rejection(result: Result<Arc<Principal>, AuthError>) -> Rejection {
    match result {
        Err(AuthError::Rejected(reason)) => reason,
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_becomes_a_principal_of_its_tenant() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let (holder, token) = world.access_token(&acme, Role::Viewer);

    let principal = world.authenticate(&token).await.unwrap();

    assert_eq!(principal.actor(), holder.actor);
    assert_eq!((principal.tenant(), principal.slug()), (acme.id, &acme.slug));
    assert_eq!((principal.schema(), principal.plan()), (SchemaName::Pooled, acme.plan));
    assert_eq!((principal.roles(), principal.permissions()), ([Role::Viewer.into()].as_slice(), PermissionSet::READ));
    assert_eq!(
        (principal.kind(), principal.session()),
        (CredentialKind::AccessToken, Some(SessionId::from_uuid(holder.credential.as_uuid())))
    );
    assert_eq!(principal.expires_at(), Some(world.clock.now() + LIFETIME));
    assert!(principal.authorize(Permission::ReadTasks, RequestId::generate()).is_ok());
    assert!(principal.authorize(Permission::WriteTasks, RequestId::generate()).is_err());
}

#[tokio::test(start_paused = true)]
async fn the_same_token_is_the_same_principal_without_waiting() {
    let world = World::new().await;
    let (_, token) = world.access_token(&world.add_tenant("acme"), Role::Member);

    assert!(world.authenticate_now(&token).is_none(), "the tenant is not remembered yet");
    let first = world.authenticate(&token).await.unwrap();
    let again = world.authenticate(&token).await.unwrap();
    let now = world.authenticate_now(&token).unwrap().unwrap();

    assert!(Arc::ptr_eq(&first, &again) && Arc::ptr_eq(&first, &now));
}

#[tokio::test(start_paused = true)]
async fn a_new_token_of_a_remembered_tenant_needs_no_waiting() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    world.watch.tenant(acme.id).await.unwrap();
    let (_, token) = world.access_token(&acme, Role::Member);

    assert!(world.authenticate_now(&token).unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_token_is_refused_without_waiting() {
    let world = World::new().await;
    let other = World::new().await;
    let (_, foreign) = other.access_token(&other.add_tenant("acme"), Role::Owner);
    let refresh = RefreshToken::generate().reveal();

    for bad in ["", "x", "a.b.c", &foreign, &refresh, OperatorToken::generate().reveal()] {
        rejection(world.authenticate_now(bad).unwrap());
        rejection(world.authenticate(bad).await);
    }
    assert_eq!(world.directory.tenants_asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_copy_of_a_remembered_token_is_not_taken_for_it() {
    let world = World::new().await;
    let (_, token) = world.access_token(&world.add_tenant("acme"), Role::Member);
    world.authenticate(&token).await.unwrap();

    for copy in
        [format!("{token}A"), format!("{token}."), token.replacen('.', "A.", 2), token[..token.len() - 1].into()]
    {
        rejection(world.authenticate(&copy).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_expires_all_the_same() {
    let world = World::new().await;
    let (_, token) = world.access_token(&world.add_tenant("acme"), Role::Member);

    world.clock.advance(LIFETIME - Duration::from_secs(1));
    assert!(world.authenticate(&token).await.is_ok());
    world.clock.advance(Duration::from_secs(1));

    assert_eq!(rejection(world.authenticate_now(&token).unwrap()), Rejection::Expired);
    assert_eq!(rejection(world.authenticate(&token).await), Rejection::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_session_voids_its_tokens_after_a_poll_remembered_or_not() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let (holder, remembered) = world.access_token(&acme, Role::Member);
    let unseen = world.authenticator.issue_for(&holder, LIFETIME).unwrap();
    let (_, other) = world.access_token(&acme, Role::Member);
    world.authenticate(&remembered).await.unwrap();

    world.directory.announce_void(holder.credential, Version::REVOKED);
    world.poll().await;

    for token in [&remembered, &unseen] {
        assert_eq!(rejection(world.authenticate_now(token).unwrap()), Rejection::Void);
        assert_eq!(rejection(world.authenticate(token).await), Rejection::Void);
    }
    assert!(world.authenticate(&other).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn only_tokens_of_active_tenants_are_accepted() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let (_, token) = world.access_token(&acme, Role::Member);
    world.authenticate(&token).await.unwrap();

    for status in [TenantStatus::Provisioning, TenantStatus::Suspended, TenantStatus::Deleting] {
        world.directory.set_status(acme.id, status);
        world.poll().await;
        assert_eq!(rejection(world.authenticate(&token).await), Rejection::TenantInactive, "{status}");
        assert_eq!(rejection(world.authenticate_now(&token).unwrap()), Rejection::TenantInactive, "{status}");
    }
    world.directory.set_status(acme.id, TenantStatus::Active);
    world.poll().await;

    assert!(world.authenticate(&token).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_tenant_that_does_not_exist_is_refused() {
    let world = World::new().await;
    let (_, token) = world.access_token(&tenant("nowhere"), Role::Owner);

    assert_eq!(rejection(world.authenticate(&token).await), Rejection::TenantUnknown);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_moved_is_served_from_its_new_place_after_a_poll() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let (_, token) = world.access_token(&acme, Role::Member);
    let before = world.authenticate(&token).await.unwrap();

    world.directory.put(Tenant { placement: Placement::Schema, ..acme.clone() });
    world.poll().await;
    let after = world.authenticate(&token).await.unwrap();
    let again = world.authenticate_now(&token).unwrap().unwrap();

    assert_eq!((before.schema(), after.schema()), (SchemaName::Pooled, SchemaName::Own(acme.id)));
    assert_eq!((before.actor(), before.permissions()), (after.actor(), after.permissions()));
    assert!(Arc::ptr_eq(&after, &again));
}

#[tokio::test(start_paused = true)]
async fn while_the_feed_is_stale_and_cannot_be_read_nobody_gets_in() {
    let world = World::new().await;
    let (_, token) = world.access_token(&world.add_tenant("acme"), Role::Member);
    world.authenticate(&token).await.unwrap();

    world.directory.set_down(true);
    assert!(world.authenticate(&token).await.is_ok());
    tokio::time::advance(MAX_AGE).await;

    assert!(world.authenticate_now(&token).is_none());
    assert!(matches!(world.authenticate(&token).await, Err(AuthError::Store(_))));
    world.directory.set_down(false);
    assert!(world.authenticate(&token).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_operators_token_names_the_operator() {
    let world = World::new().await;
    let (known, unknown) = (OperatorToken::generate(), OperatorToken::generate());
    let id = world.store.add_operator(known.digest());

    assert_eq!(world.authenticator.authenticate_operator(known.reveal()).await.unwrap().id(), id);
    assert!(matches!(
        world.authenticator.authenticate_operator(unknown.reveal()).await,
        Err(AuthError::Rejected(Rejection::OperatorUnknown))
    ));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_an_operators_token_costs_no_query() {
    let world = World::new().await;
    let (_, access) = world.access_token(&world.add_tenant("acme"), Role::Owner);
    let token = OperatorToken::generate();

    for bad in ["", "tno_", &token.reveal()[..52], &token.reveal().to_lowercase(), &access] {
        assert!(world.authenticator.authenticate_operator(bad).await.is_err(), "{bad}");
    }
    assert_eq!(world.store.operators_asked(), 0);
}

#[test]
fn all_rejections_look_the_same_from_outside() {
    let shown = [Rejection::Expired, Rejection::TenantUnknown, Rejection::RefreshReused(SessionId::generate())]
        .map(|reason| (AuthError::from(reason).to_string(), LoginError::from(reason).to_string()));

    assert!(shown.iter().all(|it| *it == shown[0]));
}

#[tokio::test(start_paused = true)]
async fn what_was_verified_before_its_key_was_taken_away_is_not_remembered_after() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let (_, token) = world.access_token(&acme, Role::Member);
    let auth = &world.authenticator;
    let (generation, tenant) = (auth.key_generation(), world.watch.tenant(acme.id).await.unwrap());
    let access = auth.prove(Credential::Bearer(&token)).await.unwrap();

    auth.set_keys(SigningKeys::from_pems(&[SigningKeys::generate_pem()]).unwrap());
    auth.decide((&token, generation), Proof::New(access), tenant, Origin::default()).unwrap();

    assert_eq!(rejection(world.authenticate(&token).await), Rejection::UnknownKey);
}
