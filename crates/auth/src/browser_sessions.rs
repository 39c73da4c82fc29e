//! Sessions of browsers: one opaque token in a cookie, looked up instead of verified, so that it can be taken away at once
//! and says nothing about anybody. And what a person can do about all their sessions, those of tokens too.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{Actor, RoleGrant, SessionId, Slug, StoreError, TenantId, UserId, Version};

use crate::credentials::{Proof, TokenDigest};
use crate::opaque::opaque_token;
use crate::principal::{Access, CredentialKind};
use crate::{AuthError, Authenticator, DeviceToken, LoginAttempt, LoginError, Proven, Rejection};

/// How long an instance remembers a session it has looked up. Every look-up counts as being seen, so this is also how
/// exactly idleness is known.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);

opaque_token!(
    /// The token of a browser's session. Only the browser, or the backend in front of it, keeps it; the store gets the digest.
    SessionToken,
    "tns_"
);

/// Keeps the sessions of people.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Begins a browser's session if what the person proved still holds, they are a member of the tenant and the tenant is
    /// active at that very moment. The answer is the person's role, or `None` when nothing was begun.
    async fn open(&self, new: &NewBrowserSession) -> Result<Option<RoleGrant>, StoreError>;

    /// The session behind a token, if it was neither revoked nor has ended, was last asked for less than `idle` ago and its
    /// person is still a member. Asking counts as being seen.
    async fn look_up(
        &self,
        digest: &TokenDigest,
        now: DateTime<Utc>,
        idle: Duration,
    ) -> Result<Option<LiveBrowserSession>, StoreError>;

    /// The person's sessions that have neither ended nor been revoked, the newest first.
    async fn list(&self, user: UserId, now: DateTime<Utc>) -> Result<Vec<OwnSession>, StoreError>;

    /// Revokes one of the person's sessions with all that came of it; false if the person has no such session.
    async fn revoke(&self, user: UserId, session: SessionId, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Revokes all of the person's sessions but one.
    async fn revoke_others(&self, user: UserId, kept: SessionId, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Whether a second factor was proved for this session: when it began, or by enrolling one in it. One that was enrolled
    /// elsewhere says nothing of it.
    async fn proved_factor(&self, session: SessionId) -> Result<bool, StoreError>;
}

/// A browser's session about to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBrowserSession {
    /// Its id, chosen by the caller.
    pub session: SessionId,
    /// Who logged in.
    pub user: UserId,
    /// Where.
    pub tenant: TenantId,
    /// The digest of its token.
    pub digest: TokenDigest,
    /// When it begins.
    pub now: DateTime<Utc>,
    /// When it ends however often it is used.
    pub ends_at: DateTime<Utc>,
    /// What the person proved.
    pub proof: Proof,
}

/// A browser's session that is good for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveBrowserSession {
    /// The session.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// Where.
    pub tenant: TenantId,
    /// What the person holds in the tenant now.
    pub grant: RoleGrant,
    /// The version that goes with it.
    pub version: Version,
    /// When it ends however often it is used.
    pub ends_at: DateTime<Utc>,
}

/// One of a person's own sessions, as the person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSession {
    /// The session.
    pub id: SessionId,
    /// The tenant it is in.
    pub tenant: Slug,
    /// Whether a browser has it; otherwise somebody with tokens.
    pub is_browser: bool,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last looked up or refreshed.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends however often it is used.
    pub ends_at: DateTime<Utc>,
}

/// A browser that has just been let in.
#[derive(Clone, Debug)]
pub struct BrowserLogin {
    /// What the browser keeps.
    pub token: SessionToken,
    /// What the device is known by from now on.
    pub device: DeviceToken,
    /// What the person holds.
    pub grant: RoleGrant,
    /// When the session ends however often it is used.
    pub ends_at: DateTime<Utc>,
}

impl Authenticator {
    /// Logs a person in with a browser; see [`Authenticator::let_in_browser`].
    pub async fn log_in_browser(
        &self,
        attempt: LoginAttempt<'_>,
        previous: Option<&str>,
    ) -> Result<BrowserLogin, LoginError> {
        self.let_in_browser(self.prove_person(attempt).await?, previous).await
    }

    /// Begins a session for a browser. It always gets a new token, and the session of the token it had is over: whoever
    /// planted that one has no part in this session (session fixation).
    pub async fn let_in_browser(&self, proven: Proven, previous: Option<&str>) -> Result<BrowserLogin, LoginError> {
        let (token, now) = (SessionToken::generate(), self.clock.now());
        let ends_at = now + self.tokens.settings().session_lifetime;
        let new = NewBrowserSession {
            session: SessionId::generate(),
            user: proven.user,
            tenant: proven.tenant,
            digest: token.digest(),
            now,
            ends_at,
            proof: proven.proof,
        };
        let grant = self.session_store.open(&new).await?.ok_or(Rejection::Membership)?;
        if let Some(previous) = previous.and_then(SessionToken::parse)
            && let Some(live) = self.session_store.look_up(&previous.digest(), now, self.idle_lifetime()).await?
        {
            self.session_store.revoke(live.user, live.session, now).await?;
        }
        Ok(BrowserLogin { token, device: proven.device, grant, ends_at })
    }

    /// The person's own sessions.
    pub async fn sessions(&self, user: UserId) -> Result<Vec<OwnSession>, StoreError> {
        self.session_store.list(user, self.clock.now()).await
    }

    /// Ends one of the person's sessions; false if they have no such session.
    pub async fn end_session(&self, user: UserId, session: SessionId) -> Result<bool, StoreError> {
        self.session_store.revoke(user, session, self.clock.now()).await
    }

    /// Ends all of the person's sessions but one.
    pub async fn end_other_sessions(&self, user: UserId, kept: SessionId) -> Result<(), StoreError> {
        self.session_store.revoke_others(user, kept, self.clock.now()).await
    }

    pub(crate) async fn prove_session(&self, token: &str) -> Result<Access, AuthError> {
        let (now, token) = (self.clock.now(), SessionToken::parse(token).ok_or(Rejection::Malformed)?);
        let live = self.session_store.look_up(&token.digest(), now, self.idle_lifetime()).await?;
        let LiveBrowserSession { session, user, tenant, grant, version, ends_at } =
            live.ok_or(Rejection::SessionUnknown)?;
        if self.lacks_factor(session, tenant).await? {
            return Err(Rejection::FactorMissing.into());
        }
        Ok(Access {
            kind: CredentialKind::BrowserSession,
            actor: Actor::User(user),
            user: Some(user),
            tenant,
            credential: session.into(),
            grant: None,
            version,
            roles: vec![grant.role],
            permissions: grant.permissions,
            expires_at: Some(ends_at.min(now + REMEMBERED)),
            terms: None,
        })
    }

    fn idle_lifetime(&self) -> Duration {
        self.tokens.settings().idle_lifetime
    }
}

#[cfg(test)]
mod tests;
