//! Passkeys, in memory.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{RequestId, StoreError, UserId};

use super::MemoryCredentials;
use crate::credentials::TokenDigest;
use crate::passkeys::{
    Addition, Ceremony, CeremonyKind, MOST_PASSKEYS, NewPasskey, OwnPasskey, PasskeyId, PasskeyStore, StoredPasskey,
};

/// Passkeys in the order they came in, and ceremonies under way.
#[derive(Debug, Default)]
pub(super) struct Passkeys {
    kept: Vec<(NewPasskey, Option<DateTime<Utc>>)>,
    ceremonies: HashMap<TokenDigest, Ceremony>,
}

impl Passkeys {
    pub(super) fn has_any(&self, user: UserId) -> bool {
        self.kept.iter().any(|(it, _)| it.user == user)
    }
}

#[async_trait]
impl PasskeyStore for MemoryCredentials {
    async fn begin_ceremony(&self, ceremony: &Ceremony, _: DateTime<Utc>) -> Result<(), StoreError> {
        self.state().passkeys.ceremonies.insert(ceremony.digest, ceremony.clone());
        Ok(())
    }

    async fn take_ceremony(
        &self,
        digest: &TokenDigest,
        kind: CeremonyKind,
        now: DateTime<Utc>,
    ) -> Result<Option<Ceremony>, StoreError> {
        let ceremonies = &mut self.state().passkeys.ceremonies;
        if ceremonies.get(digest).is_none_or(|it| it.kind != kind) {
            return Ok(None);
        }
        Ok(ceremonies.remove(digest).filter(|it| now < it.expires_at))
    }

    async fn add_passkey(&self, new: &NewPasskey) -> Result<Addition, StoreError> {
        let mut state = self.state();
        let (kept, is_first) = (&state.passkeys.kept, !state.has_factor(new.user));
        if !is_first && !new.proven {
            return Ok(Addition::Unproven);
        }
        if kept.iter().filter(|(it, _)| it.user == new.user).count() >= MOST_PASSKEYS {
            return Ok(Addition::TooMany);
        }
        if kept.iter().any(|(it, _)| it.credential == new.credential) {
            return Ok(Addition::Taken);
        }
        state.passkeys.kept.push((new.clone(), None));
        if is_first {
            state.factors.forget_unconfirmed(new.user);
        }
        self.note_factor(&mut state, new.user, Some(new.session), is_first, new.now);
        Ok(Addition::Added)
    }

    async fn passkeys_of(&self, user: UserId) -> Result<Vec<OwnPasskey>, StoreError> {
        let state = self.state();
        let own = state.passkeys.kept.iter().filter(|(it, _)| it.user == user);
        let own = own.map(|(it, last_used_at)| OwnPasskey {
            id: it.id,
            credential: it.credential.clone(),
            name: it.name.clone(),
            created_at: it.now,
            last_used_at: *last_used_at,
        });
        Ok(own.collect())
    }

    async fn passkey(&self, credential: &[u8]) -> Result<Option<StoredPasskey>, StoreError> {
        let state = self.state();
        let found = state.passkeys.kept.iter().find(|(it, _)| it.credential == credential);
        Ok(found.map(|(it, _)| StoredPasskey { id: it.id, user: it.user, key: it.key.clone() }))
    }

    async fn use_passkey(&self, id: PasskeyId, counter: u32, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let mut state = self.state();
        let found = state.passkeys.kept.iter_mut().find(|(it, _)| it.id == id);
        let Some((passkey, used)) = found.filter(|(it, _)| it.counter < counter || (it.counter, counter) == (0, 0))
        else {
            return Ok(false);
        };
        (passkey.counter, *used) = (counter, Some(now));
        Ok(true)
    }

    async fn remove_passkey(&self, user: UserId, id: PasskeyId, _: RequestId) -> Result<bool, StoreError> {
        let mut state = self.state();
        let before = state.passkeys.kept.len();
        state.passkeys.kept.retain(|(it, _)| (it.id, it.user) != (id, user));
        let is_removed = state.passkeys.kept.len() < before;
        if is_removed && !state.passkeys.kept.iter().any(|(it, _)| it.user == user) {
            state.factors.forget_spare_codes(user);
        }
        state.forget_factors(user);
        Ok(is_removed)
    }
}
