//! Second factors, in memory.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{RequestId, SessionId, StoreError, UserId};

use super::MemoryCredentials;
use super::memory::State;
use crate::credentials::TokenDigest;
use crate::factors::{FactorStore, StoredFactor};

/// Authenticators by their person.
#[derive(Debug, Default)]
pub(super) struct Factors(HashMap<UserId, Factor>);

impl Factors {
    pub(super) fn is_confirmed(&self, user: UserId) -> bool {
        self.0.get(&user).is_some_and(|factor| factor.is_confirmed)
    }
}

#[derive(Debug, Default)]
struct Factor {
    sealed: Vec<u8>,
    is_confirmed: bool,
    last_step: i64,
    codes: HashSet<TokenDigest>,
}

impl Factors {
    /// An authenticator that was being enrolled.
    pub(super) fn forget_unconfirmed(&mut self, user: UserId) {
        if let Some(factor) = self.0.get_mut(&user).filter(|factor| !factor.is_confirmed) {
            factor.sealed.clear();
        }
    }

    /// Recovery codes of somebody without an authenticator, who has lost their last other factor.
    pub(super) fn forget_spare_codes(&mut self, user: UserId) {
        if self.0.get(&user).is_some_and(|factor| !factor.is_confirmed) {
            self.0.remove(&user);
        }
    }
}

impl State {
    pub(super) fn has_factor(&self, user: UserId) -> bool {
        self.factors.is_confirmed(user) || self.passkeys.has_any(user)
    }

    /// With the last factor goes what was proved by it.
    pub(super) fn forget_factors(&mut self, user: UserId) {
        if !self.has_factor(user) {
            self.sessions.values_mut().filter(|it| it.user == user).for_each(|it| it.second_factor = false);
        }
    }
}

impl MemoryCredentials {
    /// Gives a person one more recovery code.
    pub fn add_recovery_code(&self, user: UserId, code: &str) {
        self.state().factors.0.entry(user).or_default().codes.insert(TokenDigest::of(code));
    }
}

#[async_trait]
impl FactorStore for MemoryCredentials {
    async fn factor(&self, user: UserId) -> Result<Option<StoredFactor>, StoreError> {
        let state = self.state();
        let factor = state.factors.0.get(&user).filter(|factor| !factor.sealed.is_empty());
        Ok(factor.map(|factor| StoredFactor { sealed: factor.sealed.clone(), is_confirmed: factor.is_confirmed }))
    }

    async fn begin(&self, user: UserId, sealed: &[u8], proven: bool) -> Result<bool, StoreError> {
        let mut state = self.state();
        if state.has_factor(user) && !proven {
            return Ok(false);
        }
        let factor = state.factors.0.entry(user).or_default();
        if !factor.is_confirmed {
            factor.sealed = sealed.to_vec();
        }
        Ok(!factor.is_confirmed)
    }

    async fn confirm(
        &self,
        user: UserId,
        step: i64,
        kept: Option<SessionId>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let is_first = !state.has_factor(user);
        if kept.is_none() && !is_first {
            return Ok(false);
        }
        let factor = state.factors.0.get_mut(&user);
        let Some(factor) = factor.filter(|it| it.last_step < step && !it.is_confirmed) else { return Ok(false) };
        (factor.last_step, factor.is_confirmed) = (step, true);
        self.note_factor(&mut state, user, kept, is_first, now);
        Ok(true)
    }

    async fn accept(&self, user: UserId, step: i64, _: DateTime<Utc>) -> Result<bool, StoreError> {
        let mut state = self.state();
        let factor = state.factors.0.get_mut(&user);
        let accepted = factor.filter(|it| it.last_step < step && it.is_confirmed).map(|it| it.last_step = step);
        Ok(accepted.is_some())
    }

    async fn accept_recovery(&self, user: UserId, digest: &TokenDigest) -> Result<bool, StoreError> {
        Ok(self.state().factors.0.get_mut(&user).is_some_and(|factor| factor.codes.remove(digest)))
    }

    async fn recovery_left(&self, user: UserId) -> Result<u64, StoreError> {
        Ok(self.state().factors.0.get(&user).map_or(0, |factor| factor.codes.len() as u64))
    }

    async fn set_recovery(&self, user: UserId, digests: &[TokenDigest], _: RequestId) -> Result<(), StoreError> {
        self.state().factors.0.entry(user).or_default().codes = digests.iter().copied().collect();
        Ok(())
    }

    async fn remove(&self, user: UserId, _: RequestId) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(removed) = state.factors.0.remove(&user) else { return Ok(false) };
        if state.has_factor(user) {
            let codes = removed.codes;
            state.factors.0.insert(user, Factor { codes, ..Factor::default() });
        }
        state.forget_factors(user);
        Ok(true)
    }
}
