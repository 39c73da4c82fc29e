//! Both ports of authentication in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::domains::DomainName;
use tenantry_tenancy::{
    Change, CredentialId, Directory, Email, Mark, OperatorId, PersonName, RoleGrant, SessionId, StoreError, Tenant,
    TenantId, TenantStatus, UserId, Version,
};

use super::HELD;
use crate::credentials::{
    Begun, CredentialStore, Ground, LiveSession, Login, Membership, NewSession, Nonce, Proof, Rotation,
    RotationOutcome, TokenDigest,
};
use crate::passwords::PasswordHash;

/// Tenants and the feed of changes, in memory.
#[derive(Debug, Default)]
pub struct MemoryDirectory {
    tenants: Mutex<HashMap<TenantId, Tenant>>,
    hosts: Mutex<HashMap<DomainName, TenantId>>,
    feed: Mutex<Vec<Change>>,
    down: AtomicBool,
    asked: AtomicUsize,
    hosts_asked: AtomicUsize,
}

impl MemoryDirectory {
    /// Adds or replaces a tenant, and announces it.
    pub fn put(&self, tenant: Tenant) {
        let change = Change::Tenant(tenant.id);
        self.tenants.lock().expect(HELD).insert(tenant.id, tenant);
        self.announce(change);
    }

    /// Changes a tenant's status, and announces it.
    pub fn set_status(&self, id: TenantId, status: TenantStatus) {
        if let Some(tenant) = self.tenants.lock().expect(HELD).get_mut(&id) {
            tenant.status = status;
        }
        self.announce(Change::Tenant(id));
    }

    /// Makes a host a tenant's, or nobody's, and announces it.
    pub fn set_host(&self, host: DomainName, tenant: Option<TenantId>) {
        let mut hosts = self.hosts.lock().expect(HELD);
        match tenant {
            Some(tenant) => hosts.insert(host, tenant),
            None => hosts.remove(&host),
        };
        self.announce(Change::Domains);
    }

    /// Announces that what a credential gave below this version is void.
    pub fn announce_void(&self, credential: impl Into<CredentialId>, version: Version) {
        self.announce(Change::Credential(credential.into(), version));
    }

    /// How many times a host was asked for.
    pub fn hosts_asked(&self) -> usize {
        self.hosts_asked.load(Ordering::Relaxed)
    }

    /// Makes every question fail, or be answered again.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    /// How many times a tenant was asked for.
    pub fn tenants_asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn announce(&self, change: Change) {
        self.feed.lock().expect(HELD).push(change);
    }

    pub(super) fn get(&self, id: TenantId) -> Option<Tenant> {
        self.tenants.lock().expect(HELD).get(&id).cloned()
    }

    fn reach(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::Relaxed) { Err(StoreError::unavailable("switched off")) } else { Ok(()) }
    }
}

#[async_trait]
impl Directory for MemoryDirectory {
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        self.reach()?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.get(id))
    }

    async fn tenant_of_host(&self, host: &DomainName) -> Result<Option<TenantId>, StoreError> {
        self.reach()?;
        self.hosts_asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.hosts.lock().expect(HELD).get(host).copied())
    }

    async fn changes(&self, since: Option<Mark>) -> Result<(Mark, Vec<Change>), StoreError> {
        self.reach()?;
        let feed = self.feed.lock().expect(HELD);
        let seen = since.map_or(0, |Mark(seen)| usize::try_from(seen).unwrap_or(usize::MAX));
        let next = u64::try_from(feed.len()).unwrap_or(u64::MAX);
        // Who begins anew remembers no tenant, so old changes of tenants do not matter.
        let matters = |change: &&Change| since.is_some() || matches!(change, Change::Credential(..));
        Ok((Mark(next), feed.iter().skip(seen).filter(matters).copied().collect()))
    }
}

/// Users, sessions and operators in memory. Their tenants are those of a [`MemoryDirectory`].
#[derive(Debug)]
pub struct MemoryCredentials {
    pub(super) directory: Arc<MemoryDirectory>,
    pub(super) state: Mutex<State>,
    logins: AtomicUsize,
    operators_asked: AtomicUsize,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) users: HashMap<Email, (UserId, Option<PasswordHash>)>,
    pub(super) names: HashMap<UserId, PersonName>,
    pub(super) resets: HashMap<TokenDigest, Reset>,
    pub(super) members: HashMap<(UserId, TenantId), RoleGrant>,
    pub(super) sessions: HashMap<SessionId, Session>,
    pub(super) tokens: HashMap<TokenDigest, Token>,
    pub(super) browsers: HashMap<TokenDigest, Browser>,
    pub(super) clients: super::clients::Clients,
    pub(super) joining: super::joining::Joining,
    pub(super) factors: super::factors::Factors,
    pub(super) passkeys: super::passkeys::Passkeys,
    operators: HashMap<TokenDigest, OperatorId>,
}

impl State {
    pub(super) fn still_proven(&self, user: UserId, proof: &Proof) -> bool {
        self.users.values().any(|(id, hash)| *id == user && *hash == proof.password_hash)
            && (proof.second_factor || !self.has_factor(user))
    }
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) user: UserId,
    pub(super) tenant: TenantId,
    pub(super) created_at: DateTime<Utc>,
    pub(super) ends_at: DateTime<Utc>,
    pub(super) revoked: bool,
    pub(super) second_factor: bool,
    pub(super) version: Version,
}

impl Session {
    pub(super) const fn new(user: UserId, tenant: TenantId, created_at: DateTime<Utc>, ends_at: DateTime<Utc>) -> Self {
        Self { user, tenant, created_at, ends_at, revoked: false, second_factor: false, version: Version::FIRST }
    }

    pub(super) fn is_live(&self, now: DateTime<Utc>) -> bool {
        !self.revoked && now < self.ends_at
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Browser {
    pub(super) session: SessionId,
    pub(super) last_seen_at: DateTime<Utc>,
}

/// What may set a person's password.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset {
    pub(super) user: UserId,
    pub(super) requested_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) session: SessionId,
    expires_at: DateTime<Utc>,
    used: Option<Used>,
}

#[derive(Clone, Debug)]
struct Used {
    at: DateTime<Utc>,
    nonce: Nonce,
    successor_expires_at: DateTime<Utc>,
}

impl MemoryCredentials {
    /// No users, no sessions, no operators.
    pub fn new(directory: Arc<MemoryDirectory>) -> Self {
        Self { directory, state: Mutex::default(), logins: AtomicUsize::new(0), operators_asked: AtomicUsize::new(0) }
    }

    /// Adds a person.
    pub fn add_user(&self, email: Email, password: Option<PasswordHash>) -> UserId {
        let user = UserId::generate();
        self.state().users.insert(email, (user, password));
        user
    }

    /// Makes a person a member, or gives them another role: then their sessions have another version.
    pub fn join(&self, user: UserId, tenant: TenantId, role: impl Into<RoleGrant>) {
        let (mut state, grant) = (self.state(), role.into());
        if state.members.insert((user, tenant), grant.clone()).is_none_or(|before| before == grant) {
            return;
        }
        for (id, session) in &mut state.sessions {
            if (session.user, session.tenant) == (user, tenant) && !session.revoked {
                session.version.0 += 1;
                self.directory.announce_void(*id, session.version);
            }
        }
    }

    /// Ends a membership.
    pub fn leave(&self, user: UserId, tenant: TenantId) {
        self.state().members.remove(&(user, tenant));
    }

    /// Adds an operator.
    pub fn add_operator(&self, digest: TokenDigest) -> OperatorId {
        let id = OperatorId::generate();
        self.state().operators.insert(digest, id);
        id
    }

    /// How many times a login was looked up.
    pub fn logins_asked(&self) -> usize {
        self.logins.load(Ordering::Relaxed)
    }

    /// How many times an operator was looked up.
    pub fn operators_asked(&self) -> usize {
        self.operators_asked.load(Ordering::Relaxed)
    }

    /// How many refresh tokens could still be exchanged for a new one.
    pub fn unused_tokens(&self) -> usize {
        self.state().tokens.values().filter(|token| token.used.is_none()).count()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(HELD)
    }

    pub(super) fn memberships(&self, state: &State, user: UserId) -> Vec<Membership> {
        let of_user = state.members.iter().filter(|((member, _), _)| *member == user);
        of_user
            .filter_map(|((_, tenant), grant)| {
                let Tenant { id, slug, status, .. } = self.directory.get(*tenant)?;
                let tenant_active = status == TenantStatus::Active;
                Some(Membership { tenant: id, slug, role: grant.role.clone(), tenant_active })
            })
            .collect()
    }

    /// The person's role, if the tenant is active.
    pub(super) fn role(&self, state: &State, user: UserId, tenant: TenantId) -> Option<RoleGrant> {
        self.directory.get(tenant).filter(Tenant::is_active)?;
        state.members.get(&(user, tenant)).cloned()
    }

    fn exchange(&self, state: &mut State, rotation: &Rotation) -> Option<RotationOutcome> {
        let Rotation { old, new, nonce, now, grace, expires_at } = *rotation;
        let token = state.tokens.get(&old).filter(|token| now < token.expires_at)?.clone();
        let id = token.session;
        let session = state.sessions.get_mut(&id).filter(|session| !session.revoked && now < session.ends_at)?;
        if token.used.as_ref().is_some_and(|used| (now - used.at).to_std().is_ok_and(|since| since > grace)) {
            session.revoked = true;
            self.directory.announce_void(id, Version::REVOKED);
            return Some(RotationOutcome::Reused { session: id });
        }
        let (user, tenant, ends_at, version) = (session.user, session.tenant, session.ends_at, session.version);
        let grant = self.role(state, user, tenant)?;
        let live = |expires_at| LiveSession { session: id, user, tenant, version, grant, expires_at };
        if let Some(used) = token.used {
            return Some(RotationOutcome::Replayed { nonce: used.nonce, live: live(used.successor_expires_at) });
        }
        let expires_at = expires_at.min(ends_at);
        let used = Some(Used { at: now, nonce, successor_expires_at: expires_at });
        state.tokens.insert(old, Token { used, ..token });
        state.tokens.insert(new, Token { session: id, expires_at, used: None });
        Some(RotationOutcome::Rotated(live(expires_at)))
    }
}

#[async_trait]
impl CredentialStore for MemoryCredentials {
    async fn login(&self, email: &Email) -> Result<Option<Login>, StoreError> {
        self.logins.fetch_add(1, Ordering::Relaxed);
        let state = self.state();
        let Some((user, password_hash)) = state.users.get(email).cloned() else { return Ok(None) };
        Ok(Some(Login { user, password_hash, memberships: self.memberships(&state, user) }))
    }

    async fn set_password_hash(
        &self,
        user: UserId,
        from: Option<&PasswordHash>,
        to: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let found = state.users.values_mut().find(|(id, hash)| *id == user && hash.as_ref() == from);
        Ok(found.map(|(_, hash)| *hash = Some(to.clone())).is_some())
    }

    async fn begin_session(&self, new: &NewSession) -> Result<Option<Begun>, StoreError> {
        let NewSession { session, user, tenant, digest, now, expires_at, ends_at, ref ground } = *new;
        let mut state = self.state();
        let latest = match ground {
            Ground::Proof(proof) => state.still_proven(user, proof).then_some((ends_at, proof.second_factor)),
            Ground::Session(source) => {
                let source = state.sessions.get(source).filter(|it| it.user == user && it.is_live(now));
                source.map(|it| (it.ends_at, it.second_factor))
            }
        };
        let (Some((latest, second_factor)), Some(grant)) = (latest, self.role(&state, user, tenant)) else {
            return Ok(None);
        };
        let ends_at = ends_at.min(latest);
        state.sessions.insert(session, Session { second_factor, ..Session::new(user, tenant, now, ends_at) });
        state.tokens.insert(digest, Token { session, expires_at: expires_at.min(ends_at), used: None });
        Ok(Some(Begun { grant, ends_at }))
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<RotationOutcome, StoreError> {
        let mut state = self.state();
        Ok(self.exchange(&mut state, rotation).unwrap_or(RotationOutcome::Unknown))
    }

    async fn operator(&self, digest: &TokenDigest) -> Result<Option<OperatorId>, StoreError> {
        self.operators_asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.state().operators.get(digest).copied())
    }
}

#[cfg(test)]
mod tests {
    use tenantry_tenancy::Role;

    use super::*;
    use crate::testing::contract::{self, Fixture};
    use crate::testing::tenant;

    struct Memory {
        directory: Arc<MemoryDirectory>,
        store: Arc<MemoryCredentials>,
    }

    #[async_trait]
    impl Fixture for Memory {
        fn store(&self) -> Arc<dyn CredentialStore> {
            self.store.clone()
        }

        fn directory(&self) -> Arc<dyn Directory> {
            self.directory.clone()
        }

        async fn tenant(&self) -> Tenant {
            let tenant = tenant("acme");
            self.directory.put(tenant.clone());
            tenant
        }

        async fn set_status(&self, tenant: TenantId, status: TenantStatus) {
            self.directory.set_status(tenant, status);
        }

        async fn user(&self, email: &Email) -> UserId {
            self.store.add_user(email.clone(), None)
        }

        async fn join(&self, user: UserId, tenant: TenantId, role: Role) {
            self.store.join(user, tenant, role);
        }

        async fn leave(&self, user: UserId, tenant: TenantId) {
            self.store.leave(user, tenant);
        }

        async fn operator(&self, digest: &TokenDigest) -> OperatorId {
            self.store.add_operator(*digest)
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_store_in_memory_keeps_the_contract() {
        let directory = Arc::new(MemoryDirectory::default());
        let store = Arc::new(MemoryCredentials::new(directory.clone()));

        contract::all(&Memory { directory, store }).await;
    }
}
