//! People's accounts, in memory.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{CredentialId, PersonName, StoreError, UserId, Version};

use super::MemoryCredentials;
use super::memory::{Reset, State};
use crate::accounts::{Account, AccountStore, PasswordChange, PasswordReset, ResetRequest};
use crate::credentials::TokenDigest;
use crate::{PasswordHash, SessionStore};

impl MemoryCredentials {
    /// Sets a password if the person's hash is `from`, or whatever it is.
    fn replace(state: &mut State, user: UserId, from: Option<&PasswordHash>, to: &PasswordHash) -> bool {
        let is_expected = |hash: &Option<PasswordHash>| from.is_none_or(|from| hash.as_ref() == Some(from));
        let found = state.users.values_mut().find(|(id, hash)| *id == user && is_expected(hash));
        let replaced = found.map(|(_, hash)| *hash = Some(to.clone())).is_some();
        if replaced {
            state.resets.retain(|_, reset| reset.user != user);
        }
        replaced
    }
}

#[async_trait]
impl AccountStore for MemoryCredentials {
    async fn find(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        let state = self.state();
        let found = state.users.iter().find(|(_, (id, _))| *id == user);
        Ok(found.map(|(email, (_, password_hash))| Account {
            user,
            email: email.clone(),
            name: state.names.get(&user).cloned(),
            password_hash: password_hash.clone(),
            memberships: self.memberships(&state, user),
        }))
    }

    async fn rename(&self, user: UserId, name: &PersonName) -> Result<(), StoreError> {
        self.state().names.insert(user, name.clone());
        Ok(())
    }

    async fn revoke_family(&self, digest: &TokenDigest, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut state = self.state();
        if let Some(id) = state.clients.revoke(digest) {
            self.directory.announce_void(id, Version::REVOKED);
        }
        let Some(id) = state.tokens.get(digest).map(|token| token.session) else { return Ok(()) };
        if let Some(session) = state.sessions.get_mut(&id).filter(|session| session.is_live(now)) {
            session.revoked = true;
            self.directory.announce_void(id, Version::REVOKED);
        }
        Ok(())
    }

    async fn void(&self, grant: CredentialId, _: DateTime<Utc>) -> Result<(), StoreError> {
        self.directory.announce_void(grant, Version::REVOKED);
        Ok(())
    }

    async fn change_password(&self, change: &PasswordChange<'_>) -> Result<bool, StoreError> {
        let replaced = Self::replace(&mut self.state(), change.user, Some(change.from), change.to);
        if replaced {
            self.revoke_others(change.user, change.kept, change.now).await?;
        }
        Ok(replaced)
    }

    async fn request_reset(&self, request: &ResetRequest<'_>) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some((user, _)) = state.users.get(request.email) else { return Ok(false) };
        let user = *user;
        let ResetRequest { digest, now, pause, expires_at, .. } = *request;
        let good = state.resets.values().filter(|it| it.user == user && now < it.expires_at);
        let asked: Vec<DateTime<Utc>> = good.map(|it| it.requested_at).collect();
        let waits = |last: &DateTime<Utc>| now < *last + pause * (1 << (asked.len() - 1));
        if asked.len() >= 5 || asked.iter().max().is_some_and(waits) {
            return Ok(false);
        }
        state.resets.insert(digest, Reset { user, requested_at: now, expires_at });
        Ok(true)
    }

    async fn reset_of(&self, digest: &TokenDigest, now: DateTime<Utc>) -> Result<Option<UserId>, StoreError> {
        let state = self.state();
        Ok(state.resets.get(digest).filter(|reset| now < reset.expires_at).map(|reset| reset.user))
    }

    async fn reset_password(&self, reset: &PasswordReset<'_>) -> Result<bool, StoreError> {
        let Some(user) = self.reset_of(&reset.digest, reset.now).await? else { return Ok(false) };
        let mut state = self.state();
        let replaced = Self::replace(&mut state, user, None, reset.to);
        for (id, session) in state.sessions.iter_mut().filter(|(_, it)| it.user == user && it.is_live(reset.now)) {
            session.revoked = true;
            self.directory.announce_void(*id, Version::REVOKED);
        }
        Ok(replaced)
    }
}
