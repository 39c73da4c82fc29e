use std::time::Duration;

use tenantry_tenancy::{Permission, Tenant};

use super::*;
use crate::testing::World;

const SCOPES: PermissionSet = PermissionSet::NONE.with(Permission::ReadTasks).with(Permission::ReadProjects);

/// A client of a new tenant, with its id and secret as text.
async fn client(world: &World) -> (Tenant, ApiClientId, String, String) {
    let tenant = world.add_tenant("acme");
    let (id, secret) = world.store.add_client(tenant.id, SCOPES);
    (tenant, id, id.to_string(), secret.reveal().to_owned())
}

fn is_rejected<T: std::fmt::Debug>(answer: Result<T, AuthError>, expected: Rejection) {
    assert!(matches!(&answer, Err(AuthError::Rejected(rejection)) if *rejection == expected), "{answer:?}");
}

#[test]
fn a_secret_is_recognisable_read_back_and_never_shown() {
    let secret = ClientSecret::generate();

    assert!(secret.reveal().starts_with("tncs_") && secret.reveal().len() == 54);
    assert!(ClientSecret::parse(secret.reveal()) == Some(secret.clone()));
    assert!(ClientSecret::parse(&secret.reveal().replace("tncs_", "tncs_A")).is_none());
    assert_eq!(format!("{secret:?}"), "ClientSecret(..)");
}

#[tokio::test]
async fn a_clients_token_makes_it_a_principal_with_its_scopes() {
    let world = World::new().await;
    let (tenant, client, id, secret) = client(&world).await;

    let tokens = world.authenticator.log_in_client(ClientCredentials { id: &id, secret: &secret }).await.unwrap();
    let principal = world.authenticate(&tokens.token.access).await.unwrap();

    assert_eq!((principal.actor(), principal.tenant()), (Actor::ApiClient(client), tenant.id));
    assert_eq!((principal.kind(), principal.user()), (CredentialKind::ClientToken, None));
    assert_eq!(principal.permissions(), SCOPES);
}

#[tokio::test]
async fn an_unknown_client_a_wrong_secret_and_nonsense_are_rejected_alike() {
    let world = World::new().await;
    let (_, _, id, secret) = client(&world).await;
    let (stranger, wrong) = (ApiClientId::generate().to_string(), ClientSecret::generate());

    for (id, secret) in [(id.as_str(), wrong.reveal()), (&stranger, &secret), (&id, "x"), ("x", &secret), ("", "")] {
        let shown = ClientCredentials { id, secret };
        is_rejected(world.authenticator.prove_client(shown).await, Rejection::Client);
        is_rejected(world.authenticator.log_in_client(shown).await, Rejection::Client);
    }
}

#[tokio::test]
async fn a_refresh_token_that_comes_back_late_ends_the_session_and_its_access_tokens() {
    let world = World::new().await;
    let (_, _, id, secret) = client(&world).await;
    let shown = ClientCredentials { id: &id, secret: &secret };
    let (first, other) = (
        world.authenticator.log_in_client(shown).await.unwrap(),
        world.authenticator.log_in_client(shown).await.unwrap(),
    );
    let second = world.authenticator.refresh_client(&first.refresh).await.unwrap();
    let again = world.authenticator.refresh_client(&first.refresh).await.unwrap();
    assert_eq!(again.refresh, second.refresh);
    world.clock.advance(Duration::from_secs(11));

    let reused = world.authenticator.refresh_client(&first.refresh).await;

    assert!(matches!(reused, Err(AuthError::Rejected(Rejection::RefreshReused(_)))));
    world.poll().await;
    for void in [&first, &second, &again] {
        is_rejected(world.authenticate(&void.token.access).await, Rejection::Void);
    }
    is_rejected(world.authenticator.refresh_client(&second.refresh).await, Rejection::RefreshUnknown);
    world.authenticate(&other.token.access).await.unwrap();
}

#[tokio::test]
async fn what_is_taken_from_a_client_is_taken_from_its_tokens() {
    let world = World::new().await;
    let (_, client, id, secret) = client(&world).await;
    let tokens = world.authenticator.log_in_client(ClientCredentials { id: &id, secret: &secret }).await.unwrap();
    let narrow = PermissionSet::NONE.with(Permission::ReadTasks);

    world.store.narrow_client(client, narrow);
    world.poll().await;

    is_rejected(world.authenticate(&tokens.token.access).await, Rejection::Void);
    let next = world.authenticator.refresh_client(&tokens.refresh).await.unwrap();
    assert_eq!(world.authenticate(&next.token.access).await.unwrap().permissions(), narrow);
}

#[tokio::test]
async fn a_revoked_access_token_is_void_and_its_siblings_are_not() {
    let world = World::new().await;
    let (tenant, _, id, secret) = client(&world).await;
    let client = world.authenticator.prove_client(ClientCredentials { id: &id, secret: &secret }).await.unwrap();
    let [first, second] = [(); 2].map(|()| world.authenticator.issue_to_client(&client, SCOPES).unwrap());
    let (_, of_person) = world.access_token(&tenant, tenantry_tenancy::Role::Owner);

    for token in [first.access.as_str(), &of_person, "nonsense", ""] {
        world.authenticator.revoke_of_client(&client, token).await.unwrap();
    }
    world.poll().await;

    is_rejected(world.authenticate(&first.access).await, Rejection::Void);
    assert!(world.authenticator.introspect(&client, &first.access).await.unwrap().is_none());
    assert!(world.authenticator.introspect(&client, &second.access).await.unwrap().is_some());
    world.authenticate(&of_person).await.unwrap();
}

#[tokio::test]
async fn only_tokens_of_the_clients_own_tenant_are_introspected() {
    let world = World::new().await;
    let (_, _, id, secret) = client(&world).await;
    let client = world.authenticator.prove_client(ClientCredentials { id: &id, secret: &secret }).await.unwrap();
    let (_, foreign) = world.access_token(&world.add_tenant("globex"), tenantry_tenancy::Role::Owner);

    assert!(world.authenticate(&foreign).await.is_ok());
    assert!(world.authenticator.introspect(&client, &foreign).await.unwrap().is_none());
}
