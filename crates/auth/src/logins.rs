//! Logging in with a password, and staying logged in by refreshing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tenantry_tenancy::{Email, SessionId, StoreError, TenantId, UserId};

use crate::lockout::Attempt;
use crate::refresh::GRACE;
use crate::tickets::Purpose;
use crate::{
    AuthError, Authenticator, DeviceToken, Ground, Holder, HostTenant, LiveSession, Login, LoginError, Membership,
    NewSession, Nonce, Origin, PasswordHash, Proof, RefreshToken, Rejection, Rotation, RotationOutcome,
};

/// What is looked up for a text that is no address, so that it takes as long. Nobody has it (RFC 2606, section 2).
const NOBODY: &str = "nobody@tenantry.invalid";

/// What a client gets for logging in or refreshing.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Proves who is calling until it expires.
    pub access: String,
    /// Good for the next tokens, once.
    pub refresh: String,
    /// How long the access token lives.
    pub expires_in: Duration,
    /// After a login: what the device is known by from now on.
    pub device: Option<DeviceToken>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// Somebody who wants to log in, and what they show for it.
#[derive(Clone, Copy)]
pub struct LoginAttempt<'a> {
    /// The address they give.
    pub email: &'a str,
    /// The password they give.
    pub password: &'a str,
    /// The slug or id of the tenant, if they name one.
    pub tenant: Option<&'a str>,
    /// A code of their authenticator, or a recovery code, if they give one.
    pub code: Option<&'a str>,
    /// Where they are.
    pub origin: Origin,
    /// The token of the device, if it was given one.
    pub device: Option<&'a str>,
    /// Whose host they asked.
    pub host: &'a HostTenant,
}

/// Where somebody is who is about to be let in.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    /// Where they are.
    pub origin: Origin,
    /// The token of the device, if it was given one.
    pub device: Option<&'a str>,
    /// Whose host they asked.
    pub host: &'a HostTenant,
}

impl Default for Arrival<'_> {
    fn default() -> Self {
        Self { origin: Origin::default(), device: None, host: &HostTenant::Anybodys }
    }
}

/// Somebody who proved who they are, and the tenant they asked for. Good for one session.
#[derive(Debug, PartialEq, Eq)]
pub struct Proven {
    pub(crate) user: UserId,
    pub(crate) tenant: TenantId,
    pub(crate) device: DeviceToken,
    pub(crate) proof: Proof,
}

impl Authenticator {
    /// Logs a person in at the tenant named by slug or id, or at the only active one the person belongs to, among those that the host
    /// serves.
    pub async fn login(&self, attempt: LoginAttempt<'_>) -> Result<Tokens, LoginError> {
        self.let_in(self.prove_person(attempt).await?).await
    }

    /// Begins a session with tokens.
    pub async fn let_in(&self, proven: Proven) -> Result<Tokens, LoginError> {
        let tokens = self.begin(proven.user, proven.tenant, Ground::Proof(proven.proof)).await?;
        Ok(Tokens { device: Some(proven.device), ..tokens })
    }

    /// What every way of logging in with a password has in common.
    ///
    /// Whatever is wrong, it takes one look into the store and the time of one verification to say so, and the answer is
    /// the same, also for somebody who must wait: their password is not even compared. That a tenant must be named, or a code
    /// given, is only told to whom the password was proven.
    pub(crate) async fn prove_person(&self, attempt: LoginAttempt<'_>) -> Result<Proven, LoginError> {
        let arrival = Arrival { origin: attempt.origin, device: attempt.device, host: attempt.host };
        let address = Email::parse(attempt.email).unwrap_or_else(|_| nobody());
        let counted = Attempt::new(address, arrival, self.clock.now());
        // Before anything waits for the database: who is turned away because of all the others takes nothing from them.
        let place = self.passwords.place()?;
        let admitted = self.attempts.admit(&counted).await?;
        let login = self.look_up(attempt.email).await?;
        let stored = login.as_ref().filter(|_| admitted).and_then(|login| login.password_hash.as_ref());
        let proven = self.passwords.verify_at(place, stored, attempt.password).await?;
        if !admitted {
            return Err(Rejection::LockedOut.into());
        }
        let login = login.filter(|_| proven).ok_or(Rejection::Password)?;
        let membership = choose(&login.memberships, attempt.tenant, attempt.host)?;
        let password_hash = self.renew_hash(&login, attempt).await?;
        // Before the attempt is forgiven: a wrong code counts like a wrong password.
        let ticket = |purpose| self.ticket(purpose, login.user, membership.tenant, password_hash.as_ref());
        let second_factor = self.check_second_factor(login.user, attempt.code, || ticket(Purpose::Prove)).await?;
        if !second_factor && self.requires_factor(membership.tenant).await? {
            return Err(LoginError::EnrolmentRequired(Some(ticket(Purpose::Enrol))));
        }
        let device = self.welcome(&counted, login.user, arrival).await?;
        let proof = Proof { password_hash, second_factor };
        Ok(Proven { user: login.user, tenant: membership.tenant, device, proof })
    }

    /// Exchanges a refresh token for new tokens. Within [`GRACE`] the same token yields the same successor again; later it
    /// is a sign of theft, and the whole session is revoked.
    pub async fn refresh(&self, refresh: &str) -> Result<Tokens, AuthError> {
        let old = RefreshToken::parse(refresh).ok_or(Rejection::Malformed)?;
        let (now, nonce) = (self.clock.now(), Nonce::random());
        let rotation = Rotation {
            old: old.digest(),
            new: old.successor(&nonce).digest(),
            nonce,
            now,
            grace: GRACE,
            expires_at: now + self.tokens.settings().refresh_lifetime,
        };
        let (live, nonce) = match self.store.rotate(&rotation).await? {
            RotationOutcome::Rotated(live) => (live, nonce),
            RotationOutcome::Replayed { nonce, live } => (live, nonce),
            RotationOutcome::Reused { session } => return Err(Rejection::RefreshReused(session).into()),
            RotationOutcome::Unknown => return Err(Rejection::RefreshUnknown.into()),
        };
        let LiveSession { session, user, tenant, version, grant, expires_at } = live;
        if self.lacks_factor(session, tenant).await? {
            // Or the token that was used up here would look stolen the next time.
            self.session_store.revoke(user, session, now).await?;
            return Err(Rejection::FactorMissing.into());
        }
        let holder = Holder::member(user, tenant, session, grant).at_version(version);
        Ok(self.hand_out(&holder, &old.successor(&nonce), expires_at)?)
    }

    async fn look_up(&self, email: &str) -> Result<Option<Login>, LoginError> {
        match Email::parse(email) {
            Ok(email) => Ok(self.store.login(&email).await?),
            Err(_) => {
                self.store.login(&nobody()).await?;
                Ok(None)
            }
        }
    }

    /// Hashes the password anew if the parameters have changed since; tells the hash that the person has now. A login does
    /// not fail for it: there will be others.
    async fn renew_hash(&self, login: &Login, attempt: LoginAttempt<'_>) -> Result<Option<PasswordHash>, LoginError> {
        let proven = login.password_hash.clone();
        let Some(old) = proven.as_ref().filter(|hash| self.passwords.needs_rehash(hash)) else { return Ok(proven) };
        let Ok(new) = self.passwords.rehash(attempt.password).await else { return Ok(proven) };
        match self.store.set_password_hash(login.user, Some(old), &new).await {
            Ok(true) => Ok(Some(new)),
            // Another login was faster, or the password is another by now.
            Ok(false) => {
                let stored = self.look_up(attempt.email).await?.and_then(|login| login.password_hash);
                let proven = self.passwords.verify(stored.as_ref(), attempt.password).await?;
                if proven { Ok(stored) } else { Err(Rejection::Password.into()) }
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, user.id = %login.user, "a password hash could not be renewed");
                Ok(proven)
            }
        }
    }

    pub(crate) async fn begin(&self, user: UserId, tenant: TenantId, ground: Ground) -> Result<Tokens, LoginError> {
        let (settings, now) = (self.tokens.settings(), self.clock.now());
        let (session, refresh) = (SessionId::generate(), RefreshToken::generate());
        let new = NewSession {
            session,
            user,
            tenant,
            digest: refresh.digest(),
            now,
            expires_at: now + settings.refresh_lifetime.min(settings.session_lifetime),
            ends_at: now + settings.session_lifetime,
            ground,
        };
        // Between the look-up and now the person may have left or set another password, or the tenant been suspended.
        let begun = self.store.begin_session(&new).await?.ok_or(Rejection::Membership)?;
        Ok(self.hand_out(&Holder::member(user, tenant, session, begun.grant), &refresh, begun.ends_at)?)
    }

    /// The access token does not outlive the session.
    fn hand_out(
        &self,
        holder: &Holder,
        refresh: &RefreshToken,
        session_ends: DateTime<Utc>,
    ) -> Result<Tokens, StoreError> {
        let expires_in = self.access_lifetime_until(session_ends);
        let access = self.issue_for(holder, expires_in).map_err(StoreError::internal)?;
        Ok(Tokens { access, refresh: refresh.reveal(), expires_in, device: None })
    }

    /// How long an access token lives of a session that ends then.
    pub(crate) fn access_lifetime_until(&self, session_ends: DateTime<Utc>) -> Duration {
        let left = (session_ends - self.clock.now()).to_std().unwrap_or_default();
        self.tokens.settings().access_lifetime.min(Duration::from_secs(left.as_secs()))
    }
}

fn nobody() -> Email {
    Email::parse(NOBODY).expect("NOBODY is an address")
}

pub(crate) fn choose<'a>(
    memberships: &'a [Membership],
    named: Option<&str>,
    host: &HostTenant,
) -> Result<&'a Membership, LoginError> {
    let mut active = memberships.iter().filter(|it| it.tenant_active && host.serves(it.tenant, &it.slug));
    if let Some(named) = named {
        // A slug can look like an id; the id goes first, so that nobody can name a tenant after another.
        let id = named.parse().ok();
        let by_id = active.clone().find(|it| Some(it.tenant) == id);
        return Ok(by_id.or_else(|| active.find(|it| it.slug.as_str() == named)).ok_or(Rejection::Membership)?);
    }
    match (active.next(), active.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Rejection::Membership.into()),
        (Some(_), Some(_)) => Err(LoginError::TenantRequired),
    }
}

#[cfg(test)]
mod tests;
