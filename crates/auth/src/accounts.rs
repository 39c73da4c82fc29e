//! What people do with their own accounts: their name, their password, other tenants of theirs, and giving tokens back.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{CredentialId, Email, PersonName, RequestId, SessionId, StoreError, UserId};

use crate::HostTenant;
use crate::credentials::{Ground, TokenDigest};
use crate::lockout::Again;
use crate::logins::choose;
use crate::opaque::opaque_token;
use crate::{
    Authenticator, Busy, ChoiceError, DeviceToken, InvalidPassword, LoginError, Membership, Password, PasswordHash,
    RefreshToken, Rejection, Tokens,
};

/// How long the token in a mail may set a password.
pub const RESET_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// How long nobody can ask for a second mail to the same address; twice as long for a third, and so on.
const RESET_PAUSE: Duration = Duration::from_secs(60);

opaque_token!(
    /// What may set a person's password, once. It lets nobody in.
    ResetToken,
    "tnp_"
);

/// Keeps people's accounts. Each method is one transaction.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// A person with the tenants they belong to.
    async fn find(&self, user: UserId) -> Result<Option<Account>, StoreError>;

    /// Changes what a person is called.
    async fn rename(&self, user: UserId, name: &PersonName) -> Result<(), StoreError>;

    /// Revokes the session of a refresh token of a person or a machine client, used or not, with all that came of it.
    async fn revoke_family(&self, digest: &TokenDigest, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Voids one access token, or the session of a machine client, on every instance.
    async fn void(&self, grant: CredentialId, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Replaces a password by compare-and-set, revokes the person's other sessions in whatever tenant, voids a token that
    /// could set another password, and tells the audit of each of their tenants; false if the hash was another.
    async fn change_password(&self, change: &PasswordChange<'_>) -> Result<bool, StoreError>;

    /// Takes note of a token that may set the password of the person with this address, beside those before; false if there
    /// is no such person, five are good already, or the last was asked for a moment ago: less than a `pause`, which doubles
    /// with each that is good.
    async fn request_reset(&self, request: &ResetRequest<'_>) -> Result<bool, StoreError>;

    /// Whose password the token may set, if it has neither been used nor expired.
    async fn reset_of(&self, digest: &TokenDigest, now: DateTime<Utc>) -> Result<Option<UserId>, StoreError>;

    /// Uses the token up and does as [`AccountStore::change_password`], to all sessions; false if it is no good any more. Who
    /// guessed before makes the person wait no longer, and their device becomes known.
    async fn reset_password(&self, reset: &PasswordReset<'_>) -> Result<bool, StoreError>;
}

/// A person as they see themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The person.
    pub user: UserId,
    /// What they log in with.
    pub email: Email,
    /// What they are called.
    pub name: Option<PersonName>,
    /// What their password must match, if they have one.
    pub password_hash: Option<PasswordHash>,
    /// The tenants they belong to, also those that are not active.
    pub memberships: Vec<Membership>,
}

impl Account {
    /// What others know of the person: nothing a password may be made of.
    fn words(&self) -> Vec<String> {
        let slugs = self.memberships.iter().map(|it| it.slug.as_str());
        let known = [self.email.as_str()].into_iter().chain(slugs).chain(self.name.as_ref().map(PersonName::as_str));
        known.flat_map(|text| text.split(|c: char| !c.is_alphanumeric())).map(str::to_owned).collect()
    }
}

/// A password about to be changed by whoever knows it.
#[derive(Clone, Copy, Debug)]
pub struct PasswordChange<'a> {
    /// Whose.
    pub user: UserId,
    /// What it was when it was proven.
    pub from: &'a PasswordHash,
    /// What it becomes.
    pub to: &'a PasswordHash,
    /// The session that goes on.
    pub kept: SessionId,
    /// The current time.
    pub now: DateTime<Utc>,
    /// For the audit.
    pub request: RequestId,
}

/// A token about to be sent to somebody who may have forgotten their password.
#[derive(Clone, Copy, Debug)]
pub struct ResetRequest<'a> {
    /// The address they gave.
    pub email: &'a Email,
    /// The digest of the token.
    pub digest: TokenDigest,
    /// The current time.
    pub now: DateTime<Utc>,
    /// How long before it the first may have been asked for at the latest.
    pub pause: Duration,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
}

/// A password about to be set by whoever reads the person's mail.
#[derive(Clone, Copy, Debug)]
pub struct PasswordReset<'a> {
    /// The digest of the token.
    pub digest: TokenDigest,
    /// What the password becomes.
    pub to: &'a PasswordHash,
    /// The digest of the token by which their device will be known.
    pub device: TokenDigest,
    /// The current time.
    pub now: DateTime<Utc>,
    /// For the audit.
    pub request: RequestId,
}

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The current password is another.
    #[error("the current password is another")]
    WrongPassword,
    /// The token was never issued, has been used, is older than the password, or expired.
    #[error("the token cannot set a password")]
    WrongToken,
    /// The new password is not acceptable.
    #[error("the new password is not acceptable")]
    Unacceptable(#[from] InvalidPassword),
    /// Too much is waiting already.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It could not be found out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ChoiceError> for AccountError {
    fn from(error: ChoiceError) -> Self {
        match error {
            ChoiceError::Unacceptable(why) => Self::Unacceptable(why),
            ChoiceError::Busy(busy) => Self::Busy(busy),
        }
    }
}

impl Authenticator {
    /// A person with the tenants they belong to.
    pub async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.accounts.find(user).await
    }

    /// Changes what a person is called.
    pub async fn rename(&self, user: UserId, name: &PersonName) -> Result<(), StoreError> {
        self.accounts.rename(user, name).await
    }

    /// Begins a session in another tenant of the person, named by slug or id, that ends with the one they are in at the
    /// latest. `None` if there is no such tenant, the person is no member, it is not active, or their session is over: nobody
    /// can tell which.
    pub async fn switch(&self, user: UserId, session: SessionId, tenant: &str) -> Result<Option<Tokens>, LoginError> {
        let memberships = self.accounts.find(user).await?.map_or_else(Vec::new, |account| account.memberships);
        let Ok(membership) = choose(&memberships, Some(tenant), &HostTenant::Anybodys) else { return Ok(None) };
        if self.lacks_factor(session, membership.tenant).await? {
            let has_factor = self.has_factor(user).await?;
            return Err(if has_factor {
                LoginError::SecondFactorRequired(None)
            } else {
                LoginError::EnrolmentRequired(None)
            });
        }
        match self.begin(user, membership.tenant, Ground::Session(session)).await {
            Err(LoginError::Rejected(Rejection::Membership)) => Ok(None),
            begun => begun.map(Some),
        }
    }

    /// Takes a refresh or access token back with its whole session, or by itself if it has none. A text that is neither was
    /// never any good (RFC 7009).
    pub async fn revoke(&self, token: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        if let Some(refresh) = RefreshToken::parse(token) {
            return self.accounts.revoke_family(&refresh.digest(), now).await;
        }
        let Ok(access) = self.tokens.verify(token, now) else { return Ok(()) };
        match (access.user, access.grant) {
            (Some(user), _) if access.kind.has_session() => {
                let session = SessionId::from_uuid(access.credential.as_uuid());
                self.session_store.revoke(user, session, now).await.map(drop)
            }
            (_, Some(grant)) => self.accounts.void(grant, now).await,
            (_, None) => Ok(()),
        }
    }

    /// Changes the password of somebody who knows it; their other sessions end. Tells who to notify.
    pub async fn change_password(
        &self,
        user: UserId,
        kept: SessionId,
        (current, new): (&str, &str),
        request: RequestId,
    ) -> Result<Email, AccountError> {
        Password::parse(new)?;
        let account = self.accounts.find(user).await?;
        let stored = account.as_ref().and_then(|account| account.password_hash.as_ref());
        let proof = async { Ok::<_, AccountError>(self.passwords.verify(stored, current).await?) };
        let proven = self.proves_again(Again::Password(user), proof).await?;
        let (true, Some(account), Some(from)) = (proven, &account, stored) else {
            return Err(AccountError::WrongPassword);
        };
        let to = &self.passwords.hash_choice(new, account.words()).await?;
        let change = PasswordChange { user, from, to, kept, now: self.clock.now(), request };
        if self.accounts.change_password(&change).await? {
            Ok(account.email.clone())
        } else {
            Err(AccountError::WrongPassword)
        }
    }

    /// A token that may set the password of the person with this address, to be mailed there and nowhere else. `None` if
    /// there is no such person, or they were sent one a moment ago.
    pub async fn request_reset(&self, email: &Email) -> Result<Option<ResetToken>, StoreError> {
        let (token, now) = (ResetToken::generate(), self.clock.now());
        let (digest, expires_at) = (token.digest(), now + RESET_LIFETIME);
        let request = ResetRequest { email, digest, now, pause: RESET_PAUSE, expires_at };
        Ok(self.accounts.request_reset(&request).await?.then_some(token))
    }

    /// Sets a password for whoever reads the person's mail; all their sessions end, and none begins: who logs in proves all
    /// that a login asks for. Tells who to notify, and what their device is known by from now on.
    pub async fn reset_password(
        &self,
        token: &str,
        new: &str,
        request: RequestId,
    ) -> Result<(Email, DeviceToken), AccountError> {
        Password::parse(new)?;
        let digest = ResetToken::parse(token).ok_or(AccountError::WrongToken)?.digest();
        let user = self.accounts.reset_of(&digest, self.clock.now()).await?.ok_or(AccountError::WrongToken)?;
        let account = self.accounts.find(user).await?.ok_or(AccountError::WrongToken)?;
        let to = &self.passwords.hash_choice(new, account.words()).await?;
        let device = DeviceToken::generate();
        let reset = PasswordReset { digest, to, device: device.digest(), now: self.clock.now(), request };
        let done = self.accounts.reset_password(&reset).await?;
        if done { Ok((account.email, device)) } else { Err(AccountError::WrongToken) }
    }
}

#[cfg(test)]
mod tests;
