//! The sessions of browsers, in memory.

use std::cmp::Reverse;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{RoleGrant, SessionId, StoreError, UserId, Version};

use super::MemoryCredentials;
use super::memory::{Browser, Session, State};
use crate::browser_sessions::{LiveBrowserSession, NewBrowserSession, OwnSession, SessionStore};
use crate::credentials::TokenDigest;

impl MemoryCredentials {
    pub(super) fn end_others(&self, state: &mut State, user: UserId, kept: Option<SessionId>, now: DateTime<Utc>) {
        let is_other = |id: SessionId, it: &Session| Some(id) != kept && it.user == user && it.is_live(now);
        for (id, other) in state.sessions.iter_mut().filter(|(id, it)| is_other(**id, it)) {
            other.revoked = true;
            self.directory.announce_void(*id, Version::REVOKED);
        }
    }

    /// Somebody has got a factor in the session that is kept: with the first one their others end.
    pub(super) fn note_factor(
        &self,
        state: &mut State,
        user: UserId,
        kept: Option<SessionId>,
        is_first: bool,
        now: DateTime<Utc>,
    ) {
        if is_first {
            self.end_others(state, user, kept, now);
        }
        if let Some(session) = kept.and_then(|kept| state.sessions.get_mut(&kept)) {
            session.second_factor = true;
        }
    }
}

#[async_trait]
impl SessionStore for MemoryCredentials {
    async fn open(&self, new: &NewBrowserSession) -> Result<Option<RoleGrant>, StoreError> {
        let NewBrowserSession { session, user, tenant, digest, now, ends_at, ref proof } = *new;
        let mut state = self.state();
        let grant = self.role(&state, user, tenant).filter(|_| state.still_proven(user, proof));
        let Some(grant) = grant else { return Ok(None) };
        let second_factor = proof.second_factor;
        state.sessions.insert(session, Session { second_factor, ..Session::new(user, tenant, now, ends_at) });
        state.browsers.insert(digest, Browser { session, last_seen_at: now });
        Ok(Some(grant))
    }

    async fn look_up(
        &self,
        digest: &TokenDigest,
        now: DateTime<Utc>,
        idle: Duration,
    ) -> Result<Option<LiveBrowserSession>, StoreError> {
        let mut state = self.state();
        let Some(browser) = state.browsers.get(digest).filter(|it| it.last_seen_at > now - idle).copied() else {
            return Ok(None);
        };
        let Some(session) = state.sessions.get(&browser.session).filter(|it| it.is_live(now)) else { return Ok(None) };
        let (user, tenant, ends_at, version) = (session.user, session.tenant, session.ends_at, session.version);
        let Some(grant) = state.members.get(&(user, tenant)).cloned() else { return Ok(None) };
        state.browsers.insert(*digest, Browser { last_seen_at: now, ..browser });
        Ok(Some(LiveBrowserSession { session: browser.session, user, tenant, grant, version, ends_at }))
    }

    async fn list(&self, user: UserId, now: DateTime<Utc>) -> Result<Vec<OwnSession>, StoreError> {
        let state = self.state();
        let own = state.sessions.iter().filter(|(_, session)| session.user == user && session.is_live(now));
        let mut own: Vec<OwnSession> = own
            .filter_map(|(id, session)| {
                let browser = state.browsers.values().find(|browser| browser.session == *id);
                Some(OwnSession {
                    id: *id,
                    tenant: self.directory.get(session.tenant)?.slug,
                    is_browser: browser.is_some(),
                    created_at: session.created_at,
                    last_seen_at: browser.map_or(session.created_at, |browser| browser.last_seen_at),
                    ends_at: session.ends_at,
                })
            })
            .collect();
        own.sort_by_key(|session| Reverse(session.created_at));
        Ok(own)
    }

    async fn revoke(&self, user: UserId, session: SessionId, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(own) = state.sessions.get_mut(&session).filter(|it| it.user == user && it.is_live(now)) else {
            return Ok(false);
        };
        own.revoked = true;
        self.directory.announce_void(session, Version::REVOKED);
        Ok(true)
    }

    async fn revoke_others(&self, user: UserId, kept: SessionId, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.end_others(&mut self.state(), user, Some(kept), now);
        Ok(())
    }

    async fn proved_factor(&self, session: SessionId) -> Result<bool, StoreError> {
        Ok(self.state().sessions.get(&session).is_some_and(|session| session.second_factor))
    }
}
