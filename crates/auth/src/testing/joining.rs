//! Invitations and sign-ups, in memory.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{Email, PersonName, Role, StoreError, Tenant, TenantId, UserId};

use super::MemoryCredentials;
use crate::PasswordHash;
use crate::credentials::TokenDigest;
use crate::joining::{Acceptance, InvitationToken, Invited, JoiningStore, NewSignup, Signup};

/// Who was invited and who signed up.
#[derive(Debug, Default)]
pub(super) struct Joining {
    invitations: HashMap<TokenDigest, (Email, TenantId, Role, DateTime<Utc>)>,
    signups: HashMap<Email, NewSignup>,
}

impl MemoryCredentials {
    /// Invites somebody until then.
    pub fn invite(&self, email: Email, tenant: TenantId, role: Role, until: DateTime<Utc>) -> InvitationToken {
        let token = InvitationToken::generate();
        self.state().joining.invitations.insert(token.digest(), (email, tenant, role, until));
        token
    }
}

#[async_trait]
impl JoiningStore for MemoryCredentials {
    async fn invited(&self, digest: &TokenDigest, now: DateTime<Utc>) -> Result<Option<Invited>, StoreError> {
        let state = self.state();
        let Some((email, tenant, _, _)) = state.joining.invitations.get(digest).filter(|it| now < it.3) else {
            return Ok(None);
        };
        let Some(tenant) = self.directory.get(*tenant).filter(Tenant::is_active) else { return Ok(None) };
        let password_hash = state.users.get(email).and_then(|(_, hash)| hash.clone());
        Ok(Some(Invited { email: email.clone(), tenant: tenant.slug, password_hash }))
    }

    async fn accept(&self, acceptance: &Acceptance) -> Result<bool, StoreError> {
        let Acceptance { digest, proven, fresh, chosen, name, now, request: _ } = acceptance.clone();
        let mut state = self.state();
        let Some((email, tenant, role, _)) = state.joining.invitations.get(&digest).filter(|it| now < it.3).cloned()
        else {
            return Ok(false);
        };
        let (user, hash) = state.users.get(&email).cloned().unwrap_or((fresh, None));
        if hash != proven {
            return Ok(false);
        }
        state.users.insert(email, (user, hash.or(chosen)));
        if let Some(name) = name {
            state.names.entry(user).or_insert(name);
        }
        state.members.entry((user, tenant)).or_insert(role.into());
        state.joining.invitations.remove(&digest);
        Ok(true)
    }

    async fn ask(&self, new: &NewSignup, pause: Duration) -> Result<bool, StoreError> {
        let signups = &mut self.state().joining.signups;
        if signups.get(&new.signup.email).is_some_and(|former| new.now < former.now + pause) {
            return Ok(false);
        }
        signups.insert(new.signup.email.clone(), new.clone());
        Ok(true)
    }

    async fn asked(&self, digest: &TokenDigest, now: DateTime<Utc>) -> Result<Option<(Signup, bool)>, StoreError> {
        let state = self.state();
        let asked = state.joining.signups.values().find(|it| it.digest == *digest && now < it.expires_at);
        let has_password = |email| state.users.get(email).is_some_and(|(_, hash)| hash.is_some());
        Ok(asked.map(|it| (it.signup.clone(), has_password(&it.signup.email))))
    }

    async fn finish(
        &self,
        digest: &TokenDigest,
        chosen: Option<&PasswordHash>,
        name: Option<&PersonName>,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let asked = state.joining.signups.values().find(|it| it.digest == *digest).cloned();
        let Some(NewSignup { signup, .. }) = asked else { return Ok(()) };
        state.joining.signups.remove(&signup.email);
        let (user, hash) = state.users.entry(signup.email).or_insert_with(|| (UserId::generate(), None));
        let user = *user;
        *hash = hash.take().or(chosen.cloned());
        if let Some(name) = name {
            state.names.entry(user).or_insert(name.clone());
        }
        Ok(())
    }
}
