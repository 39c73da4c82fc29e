//! What every [`CredentialStore`] must do, as assertions: the one in memory and the one over a database keep the same.
//!
//! Each function makes people and tenants of its own through a [`Fixture`], so they may share one store and run at once.
//! Time passes by passing `now`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use tenantry_tenancy::{
    Change, Directory, Email, OperatorId, Role, SessionId, Tenant, TenantId, TenantStatus, UserId, Version,
};
use tokio::task::JoinSet;

use crate::credentials::{
    CredentialStore, Ground, LiveSession, NewSession, Nonce, Proof, Rotation, RotationOutcome, TokenDigest,
};
use crate::operators::OperatorToken;
use crate::passwords::PasswordHash;
use crate::refresh::{GRACE, RefreshToken};

const WORKS: &str = "the store works";
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Fills a store with what a contract needs, by whatever way there is.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The store under test.
    fn store(&self) -> Arc<dyn CredentialStore>;
    /// The directory whose feed hears of revoked sessions.
    fn directory(&self) -> Arc<dyn Directory>;
    /// A new active tenant.
    async fn tenant(&self) -> Tenant;
    /// Changes a tenant's status.
    async fn set_status(&self, tenant: TenantId, status: TenantStatus);
    /// A new person without a password.
    async fn user(&self, email: &Email) -> UserId;
    /// Makes a person a member, or gives them another role.
    async fn join(&self, user: UserId, tenant: TenantId, role: Role);
    /// Ends a membership, and nothing else.
    async fn leave(&self, user: UserId, tenant: TenantId);
    /// A new operator with a token of this digest.
    async fn operator(&self, digest: &TokenDigest) -> OperatorId;
}

/// The whole contract.
pub async fn all(fixture: &dyn Fixture) {
    a_login_has_the_persons_memberships(fixture).await;
    nobody_is_no_login(fixture).await;
    a_password_is_replaced_only_if_it_is_the_one_expected(fixture).await;
    only_a_member_of_an_active_tenant_begins_a_session(fixture).await;
    a_token_is_exchanged_for_its_successor(fixture).await;
    a_replay_within_the_grace_gets_the_nonce_of_the_first_use(fixture).await;
    reuse_after_the_grace_revokes_the_session(fixture).await;
    an_expired_token_is_unknown(fixture).await;
    a_session_ends_however_often_it_is_refreshed(fixture).await;
    who_left_or_whose_tenant_is_suspended_waits_without_losing_the_token(fixture).await;
    a_new_role_is_seen_at_the_next_exchange(fixture).await;
    of_many_at_once_one_exchanges_and_the_others_replay(fixture).await;
    an_operator_is_found_by_the_digest_of_the_token(fixture).await;
}

/// Somebody logged in.
struct Person {
    user: UserId,
    tenant: Tenant,
    session: SessionId,
    token: RefreshToken,
    began: DateTime<Utc>,
}

/// A member of a new tenant.
async fn member(fixture: &dyn Fixture) -> (UserId, Tenant) {
    let (user, tenant) = (fixture.user(&address()).await, fixture.tenant().await);
    fixture.join(user, tenant.id, Role::Member).await;
    (user, tenant)
}

/// A member with a session that lasts thirty days and a first token that expires in seven.
async fn logged_in(fixture: &dyn Fixture) -> Person {
    let (user, tenant) = member(fixture).await;
    let new = new_session(user, tenant.id);
    let token = RefreshToken::generate();
    let begun = fixture.store().begin_session(&NewSession { digest: token.digest(), ..new.clone() }).await;
    assert_eq!(begun.expect(WORKS).map(|begun| begun.grant), Some(Role::Member.into()));
    Person { user, tenant, session: new.session, token, began: new.now }
}

fn address() -> Email {
    Email::parse(&format!("{}@contract.example", UserId::generate())).expect("this is an address")
}

fn new_session(user: UserId, tenant: TenantId) -> NewSession {
    // Databases keep microseconds.
    let now = Utc::now().trunc_subsecs(6);
    let digest = RefreshToken::generate().digest();
    let (expires_at, ends_at) = (now + 7 * DAY, now + 30 * DAY);
    let ground = Ground::Proof(Proof { password_hash: None, second_factor: false });
    NewSession { session: SessionId::generate(), user, tenant, digest, now, expires_at, ends_at, ground }
}

/// Exchanges `token` at `now` under a nonce of its own.
async fn exchange(fixture: &dyn Fixture, token: &RefreshToken, now: DateTime<Utc>) -> (Nonce, RotationOutcome) {
    let nonce = Nonce::random();
    let outcome = fixture.store().rotate(&rotation(token, nonce, now)).await;
    (nonce, outcome.expect(WORKS))
}

fn rotation(token: &RefreshToken, nonce: Nonce, now: DateTime<Utc>) -> Rotation {
    let new = token.successor(&nonce).digest();
    Rotation { old: token.digest(), new, nonce, now, grace: GRACE, expires_at: now + 7 * DAY }
}

impl Person {
    fn live(&self, now: DateTime<Utc>) -> LiveSession {
        let Self { user, tenant, session, .. } = self;
        LiveSession {
            session: *session,
            user: *user,
            tenant: tenant.id,
            version: Version::FIRST,
            grant: Role::Member.into(),
            expires_at: now + 7 * DAY,
        }
    }
}

/// A login lists the tenants of the person, and says which are served.
pub async fn a_login_has_the_persons_memberships(fixture: &dyn Fixture) {
    let (email, other) = (address(), member(fixture).await);
    let user = fixture.user(&email).await;
    let (first, second) = (fixture.tenant().await, fixture.tenant().await);
    fixture.join(user, first.id, Role::Owner).await;
    fixture.join(user, second.id, Role::Viewer).await;
    fixture.set_status(second.id, TenantStatus::Suspended).await;

    let login = fixture.store().login(&email).await.expect(WORKS).expect("there is such a person");

    assert_eq!((login.user, &login.password_hash), (user, &None));
    assert_eq!(login.memberships.len(), 2);
    for (tenant, role, tenant_active) in [(&first, Role::Owner, true), (&second, Role::Viewer, false)] {
        let expected =
            crate::Membership { tenant: tenant.id, slug: tenant.slug.clone(), role: role.into(), tenant_active };
        assert!(login.memberships.contains(&expected), "{:?}", login.memberships);
    }
    assert!(login.memberships.iter().all(|it| it.tenant != other.1.id));
}

/// An address that nobody has is no error.
pub async fn nobody_is_no_login(fixture: &dyn Fixture) {
    assert_eq!(fixture.store().login(&address()).await.expect(WORKS), None);
}

/// A password hash is set by compare-and-set.
pub async fn a_password_is_replaced_only_if_it_is_the_one_expected(fixture: &dyn Fixture) {
    let hash = |end: &str| {
        let phc = format!("$argon2id$v=19$m=32,t=1,p=1$c29tZXNhbHQ$K/ROkaGDPdVoQsEA1SMzQN4mHUuCPoVyZY1zKTpUb{end}");
        PasswordHash::parse(phc).expect("this is a hash")
    };
    let (first, second, third) = (hash("f4"), hash("f8"), hash("fg"));
    let (store, email) = (fixture.store(), address());
    let user = fixture.user(&email).await;
    let steps = [
        (None, &first, true),
        (None, &second, false),
        (Some(&second), &third, false),
        (Some(&first), &second, true),
        (Some(&first), &third, false),
    ];

    for (from, to, expected) in steps {
        assert_eq!(store.set_password_hash(user, from, to).await.expect(WORKS), expected);
    }

    let login = store.login(&email).await.expect(WORKS).expect("there is such a person");
    assert!(login.password_hash == Some(second));
    assert!(!store.set_password_hash(UserId::generate(), None, &first).await.expect(WORKS));
}

/// Without a membership of an active tenant there is no session, and the token is worth nothing.
pub async fn only_a_member_of_an_active_tenant_begins_a_session(fixture: &dyn Fixture) {
    let store = fixture.store();
    let (user, tenant) = member(fixture).await;
    let suspended = member(fixture).await;
    fixture.set_status(suspended.1.id, TenantStatus::Suspended).await;

    let begun = store.begin_session(&new_session(user, tenant.id)).await.expect(WORKS);
    assert_eq!(begun.map(|begun| begun.grant), Some(Role::Member.into()));

    for (user, tenant) in [(user, suspended.1.id), (suspended.0, suspended.1.id), (user, TenantId::random())] {
        let token = RefreshToken::generate();
        let new = NewSession { digest: token.digest(), ..new_session(user, tenant) };
        assert_eq!(store.begin_session(&new).await.expect(WORKS), None);
        assert_eq!(exchange(fixture, &token, new.now).await.1, RotationOutcome::Unknown);
    }
}

/// Each token is good for one successor, and the successor for the next.
pub async fn a_token_is_exchanged_for_its_successor(fixture: &dyn Fixture) {
    let person = logged_in(fixture).await;
    let mut token = person.token.clone();

    for day in 1..=3 {
        let now = person.began + day * DAY;
        let (nonce, outcome) = exchange(fixture, &token, now).await;
        assert_eq!(outcome, RotationOutcome::Rotated(person.live(now)));
        token = token.successor(&nonce);
    }
    let unknown = exchange(fixture, &RefreshToken::generate(), person.began).await.1;
    assert_eq!(unknown, RotationOutcome::Unknown);
}

/// Up to the end of the grace, and however often, also where the clocks of two instances differ.
pub async fn a_replay_within_the_grace_gets_the_nonce_of_the_first_use(fixture: &dyn Fixture) {
    let person = logged_in(fixture).await;
    let used = person.began + DAY;
    let (nonce, _) = exchange(fixture, &person.token, used).await;

    for now in [used, used - SECOND, used + SECOND, used + GRACE] {
        let outcome = exchange(fixture, &person.token, now).await.1;
        assert_eq!(outcome, RotationOutcome::Replayed { nonce, live: person.live(used) });
    }
    let next = exchange(fixture, &person.token.successor(&nonce), used + SECOND).await.1;
    assert_eq!(next, RotationOutcome::Rotated(person.live(used + SECOND)));
}

/// The session dies with all its tokens, and the feed says so.
pub async fn reuse_after_the_grace_revokes_the_session(fixture: &dyn Fixture) {
    let (person, bystander) = (logged_in(fixture).await, logged_in(fixture).await);
    let used = person.began + DAY;
    let (nonce, _) = exchange(fixture, &person.token, used).await;
    let (mark, _) = fixture.directory().changes(None).await.expect(WORKS);

    let late = used + GRACE + Duration::from_millis(1);
    let reused = exchange(fixture, &person.token, late).await.1;

    assert_eq!(reused, RotationOutcome::Reused { session: person.session });
    for token in [&person.token, &person.token.successor(&nonce)] {
        assert_eq!(exchange(fixture, token, late).await.1, RotationOutcome::Unknown);
    }
    let change = |session: SessionId| Change::Credential(session.into(), Version::REVOKED);
    for since in [Some(mark), None] {
        let (_, changes) = fixture.directory().changes(since).await.expect(WORKS);
        assert!(changes.contains(&change(person.session)) && !changes.contains(&change(bystander.session)));
    }
    let other = exchange(fixture, &bystander.token, used).await.1;
    assert_eq!(other, RotationOutcome::Rotated(bystander.live(used)));
}

/// A token is good until just before it expires.
pub async fn an_expired_token_is_unknown(fixture: &dyn Fixture) {
    let (late, last) = (logged_in(fixture).await, logged_in(fixture).await);

    let too_late = exchange(fixture, &late.token, late.began + 7 * DAY).await.1;
    let just = exchange(fixture, &last.token, last.began + 7 * DAY - SECOND).await.1;

    assert_eq!(too_late, RotationOutcome::Unknown);
    assert!(matches!(just, RotationOutcome::Rotated(_)), "{just:?}");
}

/// No successor outlives the session.
pub async fn a_session_ends_however_often_it_is_refreshed(fixture: &dyn Fixture) {
    let person = logged_in(fixture).await;
    let ends_at = person.began + 30 * DAY;
    let mut token = person.token.clone();

    for day in [6, 12, 18, 24, 29] {
        let (nonce, outcome) = exchange(fixture, &token, person.began + day * DAY).await;
        let RotationOutcome::Rotated(live) = outcome else { panic_with(&outcome) };
        assert_eq!(live.expires_at, ends_at.min(person.began + (day + 7) * DAY));
        token = token.successor(&nonce);
    }
    assert_eq!(exchange(fixture, &token, ends_at).await.1, RotationOutcome::Unknown);
}

/// A suspension ends no session: it is stopped for as long as it lasts, and the token is not used up.
pub async fn who_left_or_whose_tenant_is_suspended_waits_without_losing_the_token(fixture: &dyn Fixture) {
    let person = logged_in(fixture).await;
    let (now, id) = (person.began + DAY, person.tenant.id);

    fixture.set_status(id, TenantStatus::Suspended).await;
    let suspended = exchange(fixture, &person.token, now).await.1;
    fixture.set_status(id, TenantStatus::Active).await;
    fixture.leave(person.user, id).await;
    let left = exchange(fixture, &person.token, now).await.1;
    fixture.join(person.user, id, Role::Member).await;
    let back = exchange(fixture, &person.token, now).await.1;

    assert_eq!((suspended, left), (RotationOutcome::Unknown, RotationOutcome::Unknown));
    assert_eq!(back, RotationOutcome::Rotated(person.live(now)));
}

/// The role is the one the person has now, not the one at login; and what the old one gave is void.
pub async fn a_new_role_is_seen_at_the_next_exchange(fixture: &dyn Fixture) {
    let (person, bystander) = (logged_in(fixture).await, logged_in(fixture).await);
    let now = person.began + DAY;
    let (mark, _) = fixture.directory().changes(None).await.expect(WORKS);

    fixture.join(person.user, person.tenant.id, Role::Viewer).await;
    let outcome = exchange(fixture, &person.token, now).await.1;

    let version = Version(2);
    assert_eq!(
        outcome,
        RotationOutcome::Rotated(LiveSession { version, grant: Role::Viewer.into(), ..person.live(now) })
    );
    for since in [Some(mark), None] {
        let (_, changes) = fixture.directory().changes(since).await.expect(WORKS);
        assert!(changes.contains(&Change::Credential(person.session.into(), version)));
        assert!(!changes.iter().any(|it| matches!(it, Change::Credential(id, _) if *id == bystander.session.into())));
    }
}

/// Fifty calls with one token leave one successor.
pub async fn of_many_at_once_one_exchanges_and_the_others_replay(fixture: &dyn Fixture) {
    let person = logged_in(fixture).await;
    let now = person.began + DAY;
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let (store, token) = (fixture.store(), person.token.clone());
        calls.spawn(async move {
            let nonce = Nonce::random();
            (nonce, store.rotate(&rotation(&token, nonce, now)).await.expect(WORKS))
        });
    }

    let (mut rotated, mut replayed) = (Vec::new(), Vec::new());
    for (nonce, outcome) in calls.join_all().await {
        match outcome {
            RotationOutcome::Rotated(live) => rotated.push((nonce, live)),
            RotationOutcome::Replayed { nonce, live } => replayed.push((nonce, live)),
            other => panic_with(&other),
        }
    }

    assert_eq!((rotated.len(), replayed.len()), (1, 49));
    assert!(replayed.iter().all(|it| rotated.contains(it)));
}

/// Only the digest is known of an operator's token.
pub async fn an_operator_is_found_by_the_digest_of_the_token(fixture: &dyn Fixture) {
    let digest = OperatorToken::generate().digest();
    let id = fixture.operator(&digest).await;

    assert_eq!(fixture.store().operator(&digest).await.expect(WORKS), Some(id));
    let other = OperatorToken::generate().digest();
    assert_eq!(fixture.store().operator(&other).await.expect(WORKS), None);
}

#[track_caller]
#[expect(clippy::panic, reason = "a contract that is not kept fails the test that runs it")]
fn panic_with(outcome: &RotationOutcome) -> ! {
    panic!("not as the contract says: {outcome:?}")
}
