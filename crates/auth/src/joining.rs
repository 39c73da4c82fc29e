//! Joining a tenant by an invitation, and signing up for a tenant of one's own. The token from a mail proves the address,
//! and nothing else: whoever has an account proves their password as well.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{Email, PersonName, Plan, RequestId, Slug, StoreError, UserId};

use crate::credentials::TokenDigest;
use crate::lockout::Again;
use crate::opaque::opaque_token;
use crate::{Authenticator, Busy, ChoiceError, InvalidPassword, PasswordHash, Rejection};

/// How long an invitation can be answered.
pub const INVITATION_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a sign-up can be confirmed.
const SIGNUP_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long nobody can sign up again with the same address.
const SIGNUP_PAUSE: Duration = Duration::from_secs(60);

opaque_token!(
    /// What an invited person got by mail.
    InvitationToken,
    "tni_"
);
opaque_token!(
    /// What a person who signed up got by mail.
    SignupToken,
    "tnu_"
);

/// Keeps who was invited and who signed up. Each method is one transaction.
#[async_trait]
pub trait JoiningStore: Send + Sync {
    /// Who was invited by this token, if it is good and the tenant is active.
    async fn invited(&self, digest: &TokenDigest, now: DateTime<Utc>) -> Result<Option<Invited>, StoreError>;

    /// Makes the invited person a member, once; false if the token is good no more, or the person's password is not the one
    /// that was proven.
    async fn accept(&self, acceptance: &Acceptance) -> Result<bool, StoreError>;

    /// Remembers that somebody asks for a tenant; false if the same address did so less than `pause` ago.
    async fn ask(&self, signup: &NewSignup, pause: Duration) -> Result<bool, StoreError>;

    /// What was asked for, if the token is good, and whether the person has a password already.
    async fn asked(&self, digest: &TokenDigest, now: DateTime<Utc>) -> Result<Option<(Signup, bool)>, StoreError>;

    /// Ends a sign-up whose tenant is there; the person has this password and name, unless they had one.
    async fn finish(
        &self,
        digest: &TokenDigest,
        chosen: Option<&PasswordHash>,
        name: Option<&PersonName>,
    ) -> Result<(), StoreError>;
}

/// Somebody who was invited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invited {
    /// Their address.
    pub email: Email,
    /// The tenant they were invited to.
    pub tenant: Slug,
    /// What their password must match, if they have one.
    pub password_hash: Option<PasswordHash>,
}

/// An invitation about to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The digest of the token.
    pub digest: TokenDigest,
    /// The password that was proven, if the person had one.
    pub proven: Option<PasswordHash>,
    /// The person's id, if there was none with the address.
    pub fresh: UserId,
    /// The password that the person chose, if they had none.
    pub chosen: Option<PasswordHash>,
    /// What the person calls themselves, if they had not said.
    pub name: Option<PersonName>,
    /// When.
    pub now: DateTime<Utc>,
    /// In which request.
    pub request: RequestId,
}

/// What somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signup {
    /// Who.
    pub email: Email,
    /// The name of the tenant.
    pub slug: Slug,
    /// What it is to pay for.
    pub plan: Plan,
}

/// Somebody asks for a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSignup {
    /// What they ask for.
    pub signup: Signup,
    /// The digest of the token in the mail.
    pub digest: TokenDigest,
    /// When they asked.
    pub now: DateTime<Utc>,
    /// Until when they can confirm it.
    pub expires_at: DateTime<Utc>,
}

/// A sign-up by whoever reads the mail, about to become a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// What was asked for.
    pub signup: Signup,
    token: SignupToken,
    chosen: Option<PasswordHash>,
    name: Option<PersonName>,
}

/// Why somebody could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoiningError {
    /// Never issued, expired, used, replaced or taken back.
    #[error("the token is not good any more")]
    WrongToken,
    /// The person has no account yet, and chose no password.
    #[error("a password must be chosen")]
    PasswordMissing,
    /// The person has an account, and this is not its password.
    #[error("the password is not the account's")]
    Rejected(#[from] Rejection),
    /// The password is easily guessed.
    #[error(transparent)]
    Unacceptable(InvalidPassword),
    /// Too much is waiting already.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It could not be found out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ChoiceError> for JoiningError {
    fn from(error: ChoiceError) -> Self {
        match error {
            ChoiceError::Unacceptable(why) => Self::Unacceptable(why),
            ChoiceError::Busy(busy) => Self::Busy(busy),
        }
    }
}

impl Authenticator {
    /// Makes the invited person a member: somebody new with the password they choose, or somebody with an account who proves
    /// theirs. Nothing is told to anybody without the token.
    pub async fn accept_invitation(
        &self,
        token: &str,
        name: Option<PersonName>,
        password: Option<&str>,
        request: RequestId,
    ) -> Result<(), JoiningError> {
        let (now, digest) = (self.clock.now(), InvitationToken::parse(token).ok_or(JoiningError::WrongToken)?.digest());
        let invited = self.joining.invited(&digest, now).await?.ok_or(JoiningError::WrongToken)?;
        let password = password.ok_or(JoiningError::PasswordMissing)?;
        let chosen = match &invited.password_hash {
            Some(hash) => {
                let proof = async { Ok::<_, JoiningError>(self.passwords.verify(Some(hash), password).await?) };
                if !self.proves_again(Again::Invited(invited.email.clone()), proof).await? {
                    return Err(Rejection::Password.into());
                }
                None
            }
            None => Some(self.first_password(password, (&invited.email, &invited.tenant), name.as_ref()).await?),
        };
        let (proven, fresh) = (invited.password_hash, UserId::generate());
        let acceptance = Acceptance { digest, proven, fresh, chosen, name, now, request };
        if self.joining.accept(&acceptance).await? { Ok(()) } else { Err(JoiningError::WrongToken) }
    }

    /// Takes note that somebody asks for a tenant; the token is for a mail to them. `None` if they asked a moment ago.
    ///
    /// Nobody chooses a password here: whoever asks last need not be the one who reads the mail.
    pub async fn sign_up(&self, signup: Signup) -> Result<Option<SignupToken>, StoreError> {
        let (now, token) = (self.clock.now(), SignupToken::generate());
        let expires_at = now + SIGNUP_LIFETIME;
        let new = NewSignup { signup, digest: token.digest(), now, expires_at };
        Ok(self.joining.ask(&new, SIGNUP_PAUSE).await?.then_some(token))
    }

    /// What whoever has this token asked for. Somebody new chooses their password; of somebody who has one it stays, and the
    /// one given counts for nothing.
    pub async fn confirm_signup(
        &self,
        token: &str,
        name: Option<PersonName>,
        password: Option<&str>,
    ) -> Result<Confirmation, JoiningError> {
        let token = SignupToken::parse(token).ok_or(JoiningError::WrongToken)?;
        let asked = self.joining.asked(&token.digest(), self.clock.now()).await?;
        let (signup, has_password) = asked.ok_or(JoiningError::WrongToken)?;
        let chosen = if has_password {
            None
        } else {
            let password = password.ok_or(JoiningError::PasswordMissing)?;
            Some(self.first_password(password, (&signup.email, &signup.slug), name.as_ref()).await?)
        };
        Ok(Confirmation { signup, token, chosen, name })
    }

    /// Ends a sign-up whose tenant is there.
    pub async fn finish_signup(&self, confirmed: &Confirmation) -> Result<(), StoreError> {
        let Confirmation { token, chosen, name, .. } = confirmed;
        self.joining.finish(&token.digest(), chosen.as_ref(), name.as_ref()).await
    }

    async fn first_password(
        &self,
        password: &str,
        (email, tenant): (&Email, &Slug),
        name: Option<&PersonName>,
    ) -> Result<PasswordHash, ChoiceError> {
        let mut words = vec![email.to_string(), tenant.to_string()];
        words.extend(name.map(ToString::to_string));
        self.passwords.hash_choice(password, words).await
    }
}

#[cfg(test)]
mod tests;
