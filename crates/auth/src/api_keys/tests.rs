use std::time::Duration;

use tenantry_tenancy::api_keys::MaxAgeDays;
use tenantry_tenancy::{Permission, Role, TenantStatus};

use super::*;
use crate::Credential;
use crate::testing::World;

const MINUTE: Duration = Duration::from_secs(60);

fn rejection(result: Result<Arc<Principal>, AuthError>) -> Rejection {
    match result {
        Err(AuthError::Rejected(reason)) => reason,
        other => panic!("not rejected: {other:?}"),
    }
}

fn from(address: &str) -> Origin {
    Origin { address: Some(address.parse().unwrap()) }
}

#[test]
fn a_key_is_read_back_and_a_damaged_one_is_not() {
    let key = ApiKeyText::generate(KeyEnvironment::Test);
    let text = key.reveal().to_owned();
    let read = |raw: &str| ApiKeyText::parse(raw, KeyEnvironment::Test).is_some();

    assert!(read(&text));
    assert_eq!((text.len(), key.prefix().len()), (78, 29));
    for at in 0..text.len() {
        for other in ['0', '1', 'a', '-', '\0'] {
            let mut damaged: Vec<char> = text.chars().collect();
            damaged[at] = other;
            let damaged: String = damaged.into_iter().collect();
            assert_eq!(read(&damaged), damaged == text, "{damaged}");
        }
    }
    let swapped = format!("{}{}{}{}", &text[..30], &text[31..32], &text[30..31], &text[32..]);
    assert!(swapped == text || !read(&swapped));
    for bad in
        ["", "tenantry_sk_", "tenantry_sk_test_", &text[1..], &text[..77], &format!("{text}0"), &format!(" {text}")]
    {
        assert!(!read(bad), "{bad}");
    }
    assert!(!read(&text.replace(&text[20..22], "é")));
}

#[test]
fn the_checksum_is_crc_32() {
    // The check value of CRC-32/ISO-HDLC, 0xCBF43926, to the base 62.
    let number = checksum("123456789")
        .bytes()
        .fold(0_u64, |number, letter| number * 62 + ALPHABET.iter().position(|known| *known == letter).unwrap() as u64);

    assert_eq!(number, 0xCBF4_3926);
}

#[test]
fn a_key_is_good_in_its_own_environment_only() {
    let live = ApiKeyText::generate(KeyEnvironment::Live);

    assert!(live.prefix().starts_with("tenantry_sk_live_"));
    assert!(ApiKeyText::parse(live.reveal(), KeyEnvironment::Live).is_some());
    assert!(ApiKeyText::parse(live.reveal(), KeyEnvironment::Test).is_none());
}

#[test]
fn the_published_pattern_finds_every_key_and_is_the_documented_one() {
    let pattern = regex::Regex::new(&PATTERN.replace(r"\b", r"(?-u:\b)")).unwrap();

    for _ in 0..100 {
        for environment in KeyEnvironment::ALL {
            let key = ApiKeyText::generate(*environment);
            let line = format!("export KEY=\"{}\" # secret", key.reveal());
            assert_eq!(pattern.find(&line).map(|found| found.as_str()), Some(key.reveal()));
            assert!(pattern.find(key.prefix()).is_none(), "what is shown in lists is no leak");
        }
    }
    assert!(include_str!("../../../../docs/authentication.md").contains(PATTERN));
}

#[test]
fn two_keys_are_never_the_same_and_use_the_whole_alphabet() {
    let keys: Vec<ApiKeyText> = (0..200).map(|_| ApiKeyText::generate(KeyEnvironment::Test)).collect();

    let distinct: std::collections::HashSet<&str> = keys.iter().map(ApiKeyText::prefix).collect();
    assert_eq!(distinct.len(), keys.len());
    for letter in ALPHABET {
        assert!(keys.iter().any(|key| key.reveal().as_bytes()[29..72].contains(letter)), "{letter}");
    }
}

#[test]
fn the_key_is_not_shown() {
    let key = ApiKeyText::generate(KeyEnvironment::Test);

    assert_eq!(format!("{key:?}"), "ApiKeyText(..)");
    assert_eq!(format!("{:?}", Credential::Bearer(key.reveal())), "Bearer(..)");
}

#[tokio::test(start_paused = true)]
async fn a_key_becomes_a_principal_with_the_scopes_that_its_holders_role_allows() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let scopes = PermissionSet::NONE.with(Permission::ReadTasks).with(Permission::WriteTasks);
    let mut holder = None;
    let (id, key) = world.add_key(&acme, Role::Viewer, |key| {
        key.scopes = scopes;
        holder = Some(key.holder);
    });

    let principal = world.authenticate(key.reveal()).await.unwrap();

    assert_eq!((principal.kind(), principal.actor()), (CredentialKind::ApiKey, Actor::ApiKey(id)));
    assert_eq!((principal.user(), principal.session()), (holder, None));
    assert_eq!(principal.permissions(), PermissionSet::NONE.with(Permission::ReadTasks));
    assert_eq!((principal.tenant(), principal.roles()), (acme.id, [Role::Viewer.into()].as_slice()));
}

#[tokio::test(start_paused = true)]
async fn a_known_key_is_looked_up_once_and_then_remembered() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let (_, key) = world.add_key(&acme, Role::Owner, |_| {});

    assert!(world.authenticate_now(key.reveal()).is_none(), "it is not remembered yet");
    let first = world.authenticate(key.reveal()).await.unwrap();
    for _ in 0..100 {
        let again = world.authenticate_now(key.reveal()).unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &again));
    }
    assert_eq!(world.api_keys.asked(), 1);

    world.clock.advance(5 * MINUTE);
    world.authenticate(key.reveal()).await.unwrap();
    assert_eq!(world.api_keys.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_mistyped_key_costs_no_query() {
    let world = World::new().await;
    let (_, key) = world.add_key(&world.add_tenant("acme"), Role::Owner, |_| {});
    let live = ApiKeyText::generate(KeyEnvironment::Live);

    for bad in ["tenantry_sk_", &key.reveal()[..77], &key.reveal().to_lowercase(), live.reveal()] {
        assert_eq!(rejection(world.authenticate_now(bad).unwrap()), Rejection::Malformed, "{bad}");
        assert_eq!(rejection(world.authenticate(bad).await), Rejection::Malformed, "{bad}");
    }
    assert_eq!(world.api_keys.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_nobody_made_is_refused_after_the_same_work() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let (_, key) = world.add_key(&acme, Role::Owner, |_| {});
    let body = format!("{}{}", key.prefix(), random_word(SECRET));
    let guessed = format!("{body}{}", checksum(&body));

    for (text, asked) in [(ApiKeyText::generate(KeyEnvironment::Test).reveal(), 1), (guessed.as_str(), 2)] {
        assert_eq!(rejection(world.authenticate(text).await), Rejection::KeyUnknown);
        assert_eq!(world.api_keys.asked(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_is_refused_after_a_poll() {
    let world = World::new().await;
    let (id, key) = world.add_key(&world.add_tenant("acme"), Role::Owner, |_| {});
    world.authenticate(key.reveal()).await.unwrap();

    world.api_keys.remove(key.prefix());
    world.directory.announce_void(id, Version::REVOKED);
    world.poll().await;

    assert!(world.authenticate_now(key.reveal()).is_none());
    assert_eq!(rejection(world.authenticate(key.reveal()).await), Rejection::KeyUnknown);
}

#[tokio::test(start_paused = true)]
async fn a_changed_role_of_the_holder_is_felt_after_a_poll() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let mut stored = None;
    let (id, key) = world.add_key(&acme, Role::Owner, |key| stored = Some(key.clone()));
    assert_eq!(world.authenticate(key.reveal()).await.unwrap().permissions(), PermissionSet::ALL);

    let version = Version(2);
    world.api_keys.put(key.prefix(), StoredApiKey { grant: Role::Viewer.into(), version, ..stored.unwrap() });
    world.directory.announce_void(id, version);
    world.poll().await;

    assert_eq!(world.authenticate(key.reveal()).await.unwrap().permissions(), PermissionSet::READ);
    assert!(world.authenticate_now(key.reveal()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_key_expires_remembered_or_not() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let end = world.clock.now() + TimeDelta::minutes(2);
    let (_, key) = world.add_key(&acme, Role::Owner, |key| key.expires_at = Some(end));
    world.authenticate(key.reveal()).await.unwrap();

    world.clock.advance(2 * MINUTE);

    assert!(world.authenticate_now(key.reveal()).is_none());
    assert_eq!(rejection(world.authenticate(key.reveal()).await), Rejection::Expired);
}

#[tokio::test(start_paused = true)]
async fn the_networks_of_a_key_are_checked_at_every_call() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let networks = Networks::parse(&["203.0.113.0/24", "2001:db8::/32"]).unwrap();
    let (_, key) = world.add_key(&acme, Role::Owner, |key| key.networks = Some(networks));
    let call = async |origin| world.authenticator.authenticate(Credential::Bearer(key.reveal()), origin).await;
    let call_now = |origin| world.authenticator.authenticate_now(Credential::Bearer(key.reveal()), origin);

    assert_eq!(rejection(call(from("198.51.100.1")).await), Rejection::Network);
    for inside in ["203.0.113.9", "::ffff:203.0.113.9", "2001:db8::9"] {
        assert!(call(from(inside)).await.is_ok(), "{inside}");
    }
    for outside in [from("198.51.100.1"), from("2001:db9::1"), Origin::default()] {
        assert_eq!(rejection(call_now(outside).unwrap()), Rejection::Network);
        assert_eq!(rejection(call(outside).await), Rejection::Network);
    }
    assert!(call_now(from("203.0.113.10")).unwrap().is_ok());
    assert_eq!(world.api_keys.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_older_than_its_tenant_allows_is_refused_once_the_policy_is_known() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let (_, key) = world.add_key(&acme, Role::Owner, |key| key.made_at -= TimeDelta::days(90));
    world.authenticate(key.reveal()).await.unwrap();
    let under = async |days| {
        let mut tenant = acme.clone();
        tenant.settings.api_key_max_age_days = MaxAgeDays::new(days);
        world.directory.put(tenant);
        world.poll().await;
        world.authenticate(key.reveal()).await
    };

    assert!(under(91).await.is_ok());
    assert_eq!(rejection(under(90).await), Rejection::Expired);
    assert_eq!(rejection(world.authenticate_now(key.reveal()).unwrap()), Rejection::Expired);
    assert!(under(91).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_key_is_good_in_an_active_tenant_only() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let (_, key) = world.add_key(&acme, Role::Owner, |_| {});
    world.authenticate(key.reveal()).await.unwrap();

    world.directory.set_status(acme.id, TenantStatus::Suspended);
    world.poll().await;

    assert_eq!(rejection(world.authenticate(key.reveal()).await), Rejection::TenantInactive);
}

#[tokio::test(start_paused = true)]
async fn uses_are_noted_once_a_minute_and_kept_together() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let (id, key) = world.add_key(&acme, Role::Owner, |_| {});
    let (other, other_key) = world.add_key(&acme, Role::Owner, |_| {});
    let keep = async || world.authenticator.keep_api_key_uses().await.unwrap();
    let start = world.clock.now();

    for _ in 0..10 {
        world.authenticate(key.reveal()).await.unwrap();
    }
    world.authenticate(other_key.reveal()).await.unwrap();
    assert_eq!(world.api_keys.uses(), [], "nothing is kept while a request waits");
    keep().await;
    world.clock.advance(MINUTE / 2);
    world.authenticate(key.reveal()).await.unwrap();
    keep().await;
    world.clock.advance(MINUTE / 2);
    world.authenticate(key.reveal()).await.unwrap();
    keep().await;

    let mut noted: Vec<_> = world.api_keys.uses().into_iter().map(|used| (used.key, used.at - start)).collect();
    noted.sort();
    assert_eq!(noted, [(id, TimeDelta::zero()), (id, TimeDelta::minutes(1)), (other, TimeDelta::zero())]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_refused_was_not_used() {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    let networks = Networks::parse(&["203.0.113.0/24"]).unwrap();
    let (_, key) = world.add_key(&acme, Role::Owner, |key| key.networks = Some(networks));

    rejection(world.authenticate(key.reveal()).await);
    world.authenticator.keep_api_key_uses().await.unwrap();

    assert_eq!(world.api_keys.uses(), []);
}
