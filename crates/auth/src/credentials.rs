//! The port to where credentials are kept. Each method is one atomic step; what that means is said at each.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use tenantry_tenancy::{
    Email, OperatorId, RoleGrant, RoleName, SessionId, Slug, StoreError, TenantId, UserId, Version,
};

use crate::PasswordHash;
use crate::opaque;

/// Keeps users, sessions and the digests of tokens. Whoever reads the whole store still holds no token.
#[async_trait]
pub trait CredentialStore: Send + Sync {
    /// What is needed to log in as the person with this address. One round trip, whether there is such a person or not,
    /// and about as long: its duration must not tell an address that exists from one that does not.
    async fn login(&self, email: &Email) -> Result<Option<Login>, StoreError>;

    /// Replaces a password hash by compare-and-set: true if the person's hash was `from` (`None`: had no password).
    ///
    /// Otherwise nothing changes and the answer is false, so that a hash renewed during a login never overwrites a
    /// password that was changed meanwhile.
    async fn set_password_hash(
        &self,
        user: UserId,
        from: Option<&PasswordHash>,
        to: &PasswordHash,
    ) -> Result<bool, StoreError>;

    /// Begins a session with its first refresh token, if its ground still holds, the person is a member of the tenant and
    /// the tenant is active at that very moment: checked and inserted in one transaction. The answer is the person's role
    /// and when the session ends, or `None` when nothing was begun. Its version is the first.
    async fn begin_session(&self, new: &NewSession) -> Result<Option<Begun>, StoreError>;

    /// Exchanges a refresh token for its successor. One transaction that locks the old token's row first, so that of
    /// any number of concurrent calls with one token exactly one rotates and the others see what it wrote.
    ///
    /// The first rule that applies decides:
    /// 1. No such token, its session was revoked or ended (`ends_at <= now`), or the token expired
    ///    (`expires_at <= now`): [`RotationOutcome::Unknown`].
    /// 2. The token was used longer ago than `grace` (`now - used_at > grace`): the session is revoked, and announced as
    ///    `Change::Credential` in the directory's feed, in the same transaction: [`RotationOutcome::Reused`].
    /// 3. The tenant is not active or the person is no longer a member: nothing changes (the token is not used up, so
    ///    it works again if the tenant is resumed): [`RotationOutcome::Unknown`].
    /// 4. The token was used, within `grace`: nothing changes: [`RotationOutcome::Replayed`] with the nonce that the
    ///    first use stored.
    /// 5. Otherwise: `used_at = now` and the nonce are stored with the old token and the new one is inserted into the
    ///    same session; it expires at `expires_at` or with the session, whichever is sooner: [`RotationOutcome::Rotated`].
    ///
    /// A used token must be kept for a day, or its reuse could not be told from a typing error: whoever has stolen one comes
    /// back with it sooner, or with nothing that is good.
    async fn rotate(&self, rotation: &Rotation) -> Result<RotationOutcome, StoreError>;

    /// The operator whose token has this digest, if that operator may still act.
    async fn operator(&self, digest: &TokenDigest) -> Result<Option<OperatorId>, StoreError>;
}

/// A person who may be logging in. What is in here proves nothing yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The person.
    pub user: UserId,
    /// What the password must match; `None` if the person has none (invited, or logs in otherwise).
    pub password_hash: Option<PasswordHash>,
    /// The tenants the person belongs to, also those that are not active.
    pub memberships: Vec<Membership>,
}

/// A tenant that a person belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name for people.
    pub slug: Slug,
    /// As what.
    pub role: RoleName,
    /// Whether the tenant is served.
    pub tenant_active: bool,
}

/// A session about to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// Its id, chosen by the caller.
    pub session: SessionId,
    /// Who logged in.
    pub user: UserId,
    /// Where.
    pub tenant: TenantId,
    /// The digest of the first refresh token.
    pub digest: TokenDigest,
    /// When it begins.
    pub now: DateTime<Utc>,
    /// When the first refresh token expires unless used.
    pub expires_at: DateTime<Utc>,
    /// When the session ends however often it is refreshed; never later than the one that it was switched from.
    pub ends_at: DateTime<Utc>,
    /// Why it may begin.
    pub ground: Ground,
}

/// Why a session may begin. It does not if that has changed since it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The person proved who they are.
    Proof(Proof),
    /// They are in this session, which goes on.
    Session(SessionId),
}

/// What a person proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What their password had to match; `None` if they had none.
    pub password_hash: Option<PasswordHash>,
    /// Whether they proved a second factor, as they must if they have one by now.
    pub second_factor: bool,
}

/// A session that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// What the person holds in the tenant.
    pub grant: RoleGrant,
    /// When the session ends however often it is refreshed.
    pub ends_at: DateTime<Utc>,
}

/// A refresh token about to be exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The digest of the token presented.
    pub old: TokenDigest,
    /// The digest of its successor under `nonce`.
    pub new: TokenDigest,
    /// What the successor was derived with; stored with the old token.
    pub nonce: Nonce,
    /// The current time.
    pub now: DateTime<Utc>,
    /// How long after its first use the old token still yields its successor.
    pub grace: Duration,
    /// When the successor expires unless used.
    pub expires_at: DateTime<Utc>,
}

/// What became of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RotationOutcome {
    /// It was exchanged.
    Rotated(LiveSession),
    /// It had just been exchanged, and the answer was probably lost: the same successor is due again.
    Replayed {
        /// What the successor was derived with.
        nonce: Nonce,
        /// The session.
        live: LiveSession,
    },
    /// It had been exchanged long ago: somebody else has a copy, and the session is now revoked.
    Reused {
        /// The session.
        session: SessionId,
    },
    /// It is not good for anything.
    Unknown,
}

/// A session whose refresh token was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSession {
    /// The session.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// Where.
    pub tenant: TenantId,
    /// What the session's access tokens must have to be good.
    pub version: Version,
    /// The person's role in the tenant now.
    pub grant: RoleGrant,
    /// When the successor expires unless used, which is never after the session's end.
    pub expires_at: DateTime<Utc>,
}

/// The SHA-256 digest of a token: all that a store ever sees of it.
///
/// A plain digest is enough because the tokens are 256 random bits; and it may be looked up by equality, because how long
/// a comparison of digests takes tells nothing about the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token as it is written.
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Wraps a digest that came from a store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenDigest(..)")
    }
}

/// What, together with an old refresh token, gives its successor. Worth nothing without the token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// A new one.
    pub fn random() -> Self {
        Self(opaque::random())
    }

    /// Wraps a nonce that came from a store.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::fmt::Debug for Nonce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonce(..)")
    }
}
