use std::collections::HashSet;
use std::sync::Arc;

use tenantry_tenancy::{Actor, RequestId, Role, Slug, TenantStatus};
use tokio::task::JoinSet;

use super::*;
use crate::testing::World;
use crate::testing::world::PASSWORD;
use crate::{
    CredentialStore, NewBrowserSession, Password, PasswordSettings, Passwords, Principal, SessionStore, SessionToken,
};

const SECOND: Duration = Duration::from_secs(1);

async fn principal(world: &World, tokens: &Tokens) -> Arc<Principal> {
    world.authenticate(&tokens.access).await.unwrap()
}

/// A world in which Ada, a member of Acme, has just logged in.
async fn ada() -> (World, Tokens) {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    world.add_person("ada@acme.example", &[(&acme, Role::Member)]).await;
    let tokens = world.log_in("ada@acme.example", PASSWORD, None).await.unwrap();
    (world, tokens)
}

#[tokio::test(start_paused = true)]
async fn the_right_password_gives_tokens_for_the_tenant_named_by_slug_or_id() {
    let world = World::new().await;
    let (acme, globex) = (world.add_tenant("acme"), world.add_tenant("globex"));
    let user = world.add_person("ada@acme.example", &[(&acme, Role::Viewer), (&globex, Role::Owner)]).await;

    for (named, tenant, role) in [
        ("acme", acme.id, Role::Viewer),
        ("globex", globex.id, Role::Owner),
        (&acme.id.to_string(), acme.id, Role::Viewer),
    ] {
        let tokens = world.log_in("Ada@Acme.example", PASSWORD, Some(named)).await.unwrap();
        let principal = principal(&world, &tokens).await;

        assert_eq!((principal.actor(), principal.tenant()), (Actor::User(user), tenant));
        assert_eq!((principal.roles(), tokens.expires_in), ([role.into()].as_slice(), 900 * SECOND));
    }
}

#[tokio::test(start_paused = true)]
async fn who_belongs_to_one_active_tenant_need_not_name_it() {
    let world = World::new().await;
    let (acme, globex) = (world.add_tenant("acme"), world.add_tenant("globex"));
    world.add_person("ada@acme.example", &[(&acme, Role::Viewer), (&globex, Role::Owner)]).await;

    let several = world.log_in("ada@acme.example", PASSWORD, None).await;
    world.directory.set_status(globex.id, TenantStatus::Suspended);
    let one = world.log_in("ada@acme.example", PASSWORD, None).await.unwrap();

    assert!(matches!(several, Err(LoginError::TenantRequired)));
    assert_eq!(principal(&world, &one).await.tenant(), acme.id);
}

/// All that can be wrong with a login.
async fn wrongs(world: &World) -> Vec<(&'static str, &'static str, Option<&'static str>)> {
    let (acme, idle) = (world.add_tenant("acme"), world.add_tenant("idle"));
    let other = world.add_tenant("other");
    world.add_person("ada@acme.example", &[(&acme, Role::Member), (&idle, Role::Member)]).await;
    world.add_person("idle@acme.example", &[(&idle, Role::Member)]).await;
    world.add_person("nowhere@acme.example", &[]).await;
    world.add_person(NOBODY, &[(&other, Role::Member)]).await;
    let invited = world.store.add_user(Email::parse("invited@acme.example").unwrap(), None);
    world.store.join(invited, acme.id, Role::Member);
    world.directory.set_status(idle.id, TenantStatus::Suspended);
    vec![
        ("ada@acme.example", "wrong", None),
        ("ada@acme.example", "wrong", Some("acme")),
        ("ada@acme.example", "", Some("acme")),
        ("ada@acme.example", PASSWORD, Some("other")),
        ("ada@acme.example", PASSWORD, Some("nonesuch")),
        ("ada@acme.example", PASSWORD, Some("Not A Slug")),
        ("ada@acme.example", PASSWORD, Some("idle")),
        ("ada@acme.example", PASSWORD, Some("")),
        ("idle@acme.example", PASSWORD, None),
        ("nowhere@acme.example", PASSWORD, None),
        ("nowhere@acme.example", PASSWORD, Some("acme")),
        ("invited@acme.example", "", Some("acme")),
        ("unknown@acme.example", PASSWORD, Some("acme")),
        ("not an address", PASSWORD, None),
        ("", "", None),
    ]
}

#[tokio::test(start_paused = true)]
async fn whatever_is_wrong_with_a_login_the_answer_is_the_same_after_one_look_up() {
    let world = World::new().await;

    for (email, password, tenant) in wrongs(&world).await {
        let before = world.store.logins_asked();
        let refused = world.log_in(email, password, tenant).await;

        assert!(matches!(refused, Err(LoginError::Rejected(_))), "{email} {tenant:?}: {refused:?}");
        assert_eq!(world.store.logins_asked() - before, 1, "{email} {tenant:?}");
    }
    assert_eq!(world.store.unused_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn whatever_is_wrong_with_a_login_the_password_is_put_to_the_test_first() {
    let world = World::new().await;
    let wrongs = wrongs(&world).await;
    world.passwords.close();

    for (email, password, tenant) in wrongs {
        let busy = world.log_in(email, password, tenant).await;

        assert!(matches!(busy, Err(LoginError::Busy(_))), "{email} {tenant:?}: {busy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn that_a_tenant_must_be_named_is_only_told_to_whom_the_password_was_proven() {
    let world = World::new().await;
    let (acme, globex) = (world.add_tenant("acme"), world.add_tenant("globex"));
    world.add_person("ada@acme.example", &[(&acme, Role::Viewer), (&globex, Role::Owner)]).await;

    let refused = world.log_in("ada@acme.example", "wrong", None).await;

    assert!(matches!(refused, Err(LoginError::Rejected(Rejection::Password))));
}

#[tokio::test(start_paused = true)]
async fn a_hash_with_old_parameters_is_renewed_at_login() {
    let (world, _) = ada().await;
    let email = Email::parse("ada@acme.example").unwrap();
    let settings = PasswordSettings { memory_kib: 16, iterations: 1, parallelism: 1, workers: 1, queue: 1 };
    let stronger = World::over(world.directory.clone(), world.store.clone(), Passwords::new(settings).unwrap());
    let stored = async || world.store.login(&email).await.unwrap().unwrap().password_hash.unwrap();
    let old = stored().await;

    stronger.log_in(email.as_str(), PASSWORD, None).await.unwrap();
    let renewed = stored().await;
    stronger.log_in(email.as_str(), PASSWORD, None).await.unwrap();

    assert!(stronger.passwords.needs_rehash(&old) && !stronger.passwords.needs_rehash(&renewed));
    assert!(stored().await == renewed);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_gives_new_tokens_of_the_same_session_with_the_role_of_now() {
    let (world, tokens) = ada().await;
    let before = principal(&world, &tokens).await;
    let Actor::User(user) = before.actor() else { panic!("not a user") };
    world.store.join(user, before.tenant(), Role::Viewer);

    let refreshed = world.authenticator.refresh(&tokens.refresh).await.unwrap();
    let after = principal(&world, &refreshed).await;

    assert!(refreshed.refresh != tokens.refresh && refreshed.access != tokens.access);
    assert_eq!((after.session(), after.actor()), (before.session(), before.actor()));
    assert_eq!((before.roles(), after.roles()), ([Role::Member.into()].as_slice(), [Role::Viewer.into()].as_slice()));
    assert!(world.authenticator.refresh(&refreshed.refresh).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_given_again_within_the_grace() {
    let (world, tokens) = ada().await;

    let lost = world.authenticator.refresh(&tokens.refresh).await.unwrap();
    world.clock.advance(GRACE);
    let again = world.authenticator.refresh(&tokens.refresh).await.unwrap();

    assert_eq!(lost.refresh, again.refresh);
    assert_eq!(world.store.unused_tokens(), 1);
    assert!(world.authenticator.refresh(&again.refresh).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn reuse_after_the_grace_ends_the_session_and_its_access_tokens() {
    let (world, tokens) = ada().await;
    let session = principal(&world, &tokens).await.session().unwrap();
    let refreshed = world.authenticator.refresh(&tokens.refresh).await.unwrap();
    world.clock.advance(GRACE + SECOND);

    let reused = world.authenticator.refresh(&tokens.refresh).await;
    let successor = world.authenticator.refresh(&refreshed.refresh).await;
    world.poll().await;

    assert!(matches!(reused, Err(AuthError::Rejected(Rejection::RefreshReused(it))) if it == session));
    assert!(matches!(successor, Err(AuthError::Rejected(Rejection::RefreshUnknown))));
    for access in [&tokens.access, &refreshed.access] {
        let refused = world.authenticate(access).await;
        assert!(matches!(refused, Err(AuthError::Rejected(Rejection::Void))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_refreshes_at_once_leave_one_successor() {
    let (world, tokens) = ada().await;
    let world = Arc::new(world);

    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let (world, refresh) = (world.clone(), tokens.refresh.clone());
        calls.spawn(async move { world.authenticator.refresh(&refresh).await.unwrap().refresh });
    }
    let successors: HashSet<String> = calls.join_all().await.into_iter().collect();

    assert_eq!((successors.len(), world.store.unused_tokens()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_suspended_tenant_refreshes_nothing_until_it_is_resumed() {
    let (world, tokens) = ada().await;
    let tenant = principal(&world, &tokens).await.tenant();

    world.directory.set_status(tenant, TenantStatus::Suspended);
    let suspended = world.authenticator.refresh(&tokens.refresh).await;
    world.directory.set_status(tenant, TenantStatus::Active);

    assert!(matches!(suspended, Err(AuthError::Rejected(Rejection::RefreshUnknown))));
    assert!(world.authenticator.refresh(&tokens.refresh).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_refresh_token_is_refused() {
    let (world, tokens) = ada().await;

    for bad in ["", "tnr_", &tokens.access, &format!("{}=", tokens.refresh), &RefreshToken::generate().reveal()] {
        assert!(matches!(world.authenticator.refresh(bad).await, Err(AuthError::Rejected(_))), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_after_thirty_days_however_often_it_is_refreshed() {
    let (world, mut tokens) = ada().await;

    for _ in 0..5 {
        world.clock.advance(6 * 24 * 3600 * SECOND - SECOND);
        tokens = world.authenticator.refresh(&tokens.refresh).await.unwrap();
    }
    world.clock.advance(5 * SECOND);

    assert!(matches!(world.authenticator.refresh(&tokens.refresh).await, Err(AuthError::Rejected(_))));
}

#[test]
fn a_slug_that_looks_like_an_id_does_not_stand_in_for_the_tenant_of_that_id() {
    let membership = |tenant: TenantId, slug: &str| Membership {
        tenant,
        slug: Slug::parse(slug).unwrap(),
        role: Role::Member.into(),
        tenant_active: true,
    };
    let id: TenantId = "a18f0c5e-7f6a-4cc0-8000-3f1d5c9b2a10".parse().unwrap();
    let both = [membership(TenantId::random(), &id.to_string()), membership(id, "acme")];

    assert_eq!(choose(&both, Some(&id.to_string()), &HostTenant::Anybodys).unwrap(), &both[1]);
    assert_eq!(choose(&both[..1], Some(&id.to_string()), &HostTenant::Anybodys).unwrap(), &both[0]);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_not_shown() {
    let (_, tokens) = ada().await;

    assert_eq!(format!("{tokens:?}"), "Tokens { expires_in: 900s, .. }");
}

#[tokio::test(start_paused = true)]
async fn a_login_in_flight_ends_with_the_password_or_the_factor_that_it_did_not_prove() {
    let (world, _) = ada().await;
    let login = world.store.login(&Email::parse("ada@acme.example").unwrap()).await.unwrap().unwrap();
    let (user, tenant) = (login.user, login.memberships[0].tenant);
    let proof = |second_factor| Proof { password_hash: login.password_hash.clone(), second_factor };
    let begin = async |proof: Proof| world.authenticator.begin(user, tenant, Ground::Proof(proof)).await;
    let browser = async |proof: Proof| {
        let (session, now) = (SessionId::generate(), world.authenticator.clock.now());
        let (digest, ends_at) = (SessionToken::generate().digest(), now + SECOND);
        world.store.open(&NewBrowserSession { session, user, tenant, digest, now, ends_at, proof }).await.unwrap()
    };
    assert!(begin(proof(false)).await.is_ok() && browser(proof(false)).await.is_some());

    let (_, secret) = world.authenticator.begin_totp(user, PASSWORD, None).await.unwrap();
    let code = secret.code_at(world.authenticator.clock.now());
    let confirmed = world.authenticator.confirm_totp(user, SessionId::generate(), &code, RequestId::generate());
    confirmed.await.unwrap();

    assert!(begin(proof(false)).await.is_err() && browser(proof(false)).await.is_none(), "without the factor");
    assert!(begin(proof(true)).await.is_ok() && browser(proof(true)).await.is_some());

    let other = world.passwords.hash(&Password::parse("seven green kettles sing").unwrap()).await.unwrap();
    world.store.set_password_hash(user, login.password_hash.as_ref(), &other).await.unwrap();

    assert!(begin(proof(true)).await.is_err() && browser(proof(true)).await.is_none(), "with another password");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_turned_away_for_want_of_a_worker_takes_nothing_from_the_database() {
    let (world, _) = ada().await;
    let asked = world.store.logins_asked();
    world.passwords.close();

    for _ in 0..60 {
        let refused = world.log_in("ada@acme.example", PASSWORD, None).await;
        assert!(matches!(refused, Err(LoginError::Busy(_))), "{refused:?}");
    }

    assert_eq!(world.store.logins_asked(), asked);
    let other = World::over(world.directory.clone(), world.store.clone(), crate::testing::weak_passwords());
    assert!(other.log_in("ada@acme.example", PASSWORD, None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn no_access_token_outlives_its_session() {
    let (world, mut tokens) = ada().await;
    let settings = world.authenticator.settings().clone();
    let ends = world.authenticator.clock.now() + settings.session_lifetime;
    let day = Duration::from_secs(24 * 60 * 60);

    while world.authenticator.clock.now() + day < ends {
        world.clock.advance(day);
        tokens = world.authenticator.refresh(&tokens.refresh).await.unwrap();
    }
    world.clock.advance(day - 100 * SECOND);
    tokens = world.authenticator.refresh(&tokens.refresh).await.unwrap();

    assert_eq!(tokens.expires_in, 100 * SECOND);
    assert_eq!(world.authenticate(&tokens.access).await.unwrap().expires_at(), Some(ends));
}
