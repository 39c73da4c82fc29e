//! Second factors: codes of an authenticator (TOTP, RFC 6238) and, for when it is lost, recovery codes.
//!
//! The secret of an authenticator is kept sealed (AES-256-GCM, bound to its person), so that the database alone computes no
//! code. Each code is good once. Wrong ones count as failed logins do, so that guessing them is as slow (`lockout.rs`).

mod totp;

use std::fmt::Write;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{Email, RequestId, SessionId, StoreError, UserId};

use crate::credentials::TokenDigest;
use crate::lockout::Again;
use crate::opaque;
use crate::{Authenticator, Busy, LoginError, Rejection, TicketText};

pub use totp::TotpSecret;

/// How many recovery codes a person gets.
const CODES: usize = 10;

/// Keeps second factors. Each method is one transaction.
#[async_trait]
pub trait FactorStore: Send + Sync {
    /// The person's authenticator, confirmed or not.
    async fn factor(&self, user: UserId) -> Result<Option<StoredFactor>, StoreError>;

    /// Begins an enrolment in place of any that was not confirmed; false if there is a confirmed one, or another factor that
    /// was not `proven`.
    async fn begin(&self, user: UserId, sealed: &[u8], proven: bool) -> Result<bool, StoreError>;

    /// Ends an enrolment by the code of a step. The session that is `kept` has proved a second factor from now on; with the
    /// person's first one all their others end. Who is in no session yet can have no other factor: false then, too.
    async fn confirm(
        &self,
        user: UserId,
        step: i64,
        kept: Option<SessionId>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// Accepts the code of a step: only if the authenticator is confirmed, and no later or equal one was accepted before.
    async fn accept(&self, user: UserId, step: i64, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Uses a recovery code up; false if the person has no such code.
    async fn accept_recovery(&self, user: UserId, digest: &TokenDigest) -> Result<bool, StoreError>;

    /// How many recovery codes the person has.
    async fn recovery_left(&self, user: UserId) -> Result<u64, StoreError>;

    /// Gives the person other recovery codes in place of all they had.
    async fn set_recovery(&self, user: UserId, digests: &[TokenDigest], request: RequestId) -> Result<(), StoreError>;

    /// Removes the authenticator, and with the person's last factor their recovery codes; false if there is none. With the last
    /// factor no session has proved one any more.
    async fn remove(&self, user: UserId, request: RequestId) -> Result<bool, StoreError>;
}

/// An authenticator as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFactor {
    /// The sealed secret.
    pub sealed: Vec<u8>,
    /// Whether a first code has shown that the authenticator has it.
    pub is_confirmed: bool,
}

/// Why something about second factors was refused.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// The password is not the person's.
    #[error("the password is wrong")]
    WrongPassword,
    /// The code is wrong, too old, or was used.
    #[error("the code is wrong")]
    WrongCode,
    /// There is a factor already, which must be proved, and no code was given.
    #[error("a code must be given")]
    CodeMissing,
    /// There is one already.
    #[error("there is an authenticator already")]
    Enrolled,
    /// There is none.
    #[error("there is no authenticator")]
    NotEnrolled,
    /// Too much is waiting already.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It could not be found out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Authenticator {
    /// The secret of a person's authenticator.
    fn opened(&self, user: UserId, sealed: &[u8]) -> Result<TotpSecret, StoreError> {
        let opened =
            self.sealer.open(user.as_uuid().as_bytes(), sealed).and_then(|bytes| TotpSecret::from_bytes(&bytes));
        opened.ok_or_else(|| StoreError::internal("a second factor cannot be opened: another auth.sealing_key?"))
    }

    /// Whether the person has an authenticator.
    pub async fn has_totp(&self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.factors.factor(user).await?.is_some_and(|factor| factor.is_confirmed))
    }

    /// How many recovery codes a person has left.
    pub async fn recovery_left(&self, user: UserId) -> Result<u64, StoreError> {
        self.factors.recovery_left(user).await
    }

    /// Begins an enrolment, for somebody who proves their password once more, and a code if they have a passkey. Tells what
    /// the account is called, too.
    pub async fn begin_totp(
        &self,
        user: UserId,
        password: &str,
        code: Option<&str>,
    ) -> Result<(Email, TotpSecret), FactorError> {
        let email = self.check_password(user, password).await?;
        if self.has_totp(user).await? {
            return Err(FactorError::Enrolled);
        }
        let proven = self.check_factor(user, code).await?;
        Ok((email, self.enrol_totp(user, proven).await?))
    }

    /// Begins an enrolment, for somebody who has proven their password; whether they have `proven` another factor is checked.
    pub(crate) async fn enrol_totp(&self, user: UserId, proven: bool) -> Result<TotpSecret, FactorError> {
        let secret = TotpSecret::generate();
        let sealed = self.sealer.seal(user.as_uuid().as_bytes(), secret.bytes());
        if self.factors.begin(user, &sealed, proven).await? { Ok(secret) } else { Err(FactorError::Enrolled) }
    }

    /// Ends an enrolment by a first code. If it is the person's first factor, all their sessions end but this one. Tells who to
    /// notify, and the recovery codes.
    pub async fn confirm_totp(
        &self,
        user: UserId,
        session: SessionId,
        code: &str,
        request: RequestId,
    ) -> Result<(Email, Vec<String>), FactorError> {
        let account = self.accounts.find(user).await?.ok_or(FactorError::NotEnrolled)?;
        Ok((account.email, self.confirm_enrolled(user, Some(session), code, request).await?))
    }

    /// The same without a session that goes on, for somebody on their way in.
    pub(crate) async fn confirm_enrolled(
        &self,
        user: UserId,
        kept: Option<SessionId>,
        code: &str,
        request: RequestId,
    ) -> Result<Vec<String>, FactorError> {
        let factor = self.factors.factor(user).await?.ok_or(FactorError::NotEnrolled)?;
        if factor.is_confirmed {
            return Err(FactorError::Enrolled);
        }
        if !self.proves_again(Again::Code(user), self.confirms(user, &factor, kept, code)).await? {
            return Err(FactorError::WrongCode);
        }
        Ok(self.new_recovery_codes(user, request).await?)
    }

    /// Other recovery codes in place of all that are left, for somebody who proves the password and a code once more. Whoever
    /// has passkeys only proves one of the recovery codes.
    pub async fn renew_recovery_codes(
        &self,
        user: UserId,
        password: &str,
        code: &str,
        request: RequestId,
    ) -> Result<Vec<String>, FactorError> {
        self.check_password(user, password).await?;
        if !self.has_factor(user).await? {
            return Err(FactorError::NotEnrolled);
        }
        self.check_code(user, code).await?;
        Ok(self.new_recovery_codes(user, request).await?)
    }

    /// Removes the authenticator, for somebody who proves both factors once more. Tells who to notify.
    pub async fn remove_totp(
        &self,
        user: UserId,
        password: &str,
        code: &str,
        request: RequestId,
    ) -> Result<Email, FactorError> {
        let email = self.check_password(user, password).await?;
        if !self.has_totp(user).await? {
            return Err(FactorError::NotEnrolled);
        }
        self.check_code(user, code).await?;
        self.factors.remove(user, request).await?;
        Ok(email)
    }

    /// What a login needs beyond the password: nothing for somebody without a second factor. A wrong code is answered like a
    /// wrong password. Tells whether there was one. Without a code whoever has a passkey gets the ticket to use it.
    pub(crate) async fn check_second_factor(
        &self,
        user: UserId,
        code: Option<&str>,
        ticket: impl FnOnce() -> TicketText + Send,
    ) -> Result<bool, LoginError> {
        let has_passkey = !self.passkeys(user).await?.is_empty();
        if !has_passkey && !self.has_totp(user).await? {
            return Ok(false);
        }
        let code = code.ok_or_else(|| LoginError::SecondFactorRequired(has_passkey.then(ticket)))?;
        if self.accepts(user, code).await? { Ok(true) } else { Err(Rejection::Code.into()) }
    }

    /// Whether the person has an authenticator or a passkey.
    pub(crate) async fn has_factor(&self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.has_totp(user).await? || !self.passkeys(user).await?.is_empty())
    }

    /// Whoever has a second factor proves it once more; tells whether they have one.
    pub(crate) async fn check_factor(&self, user: UserId, code: Option<&str>) -> Result<bool, FactorError> {
        if !self.has_factor(user).await? {
            return Ok(false);
        }
        self.check_code(user, code.ok_or(FactorError::CodeMissing)?).await?;
        Ok(true)
    }

    pub(crate) async fn check_code(&self, user: UserId, code: &str) -> Result<(), FactorError> {
        let proven = self.proves_again(Again::Code(user), self.accepts(user, code)).await?;
        if proven { Ok(()) } else { Err(FactorError::WrongCode) }
    }

    async fn confirms(
        &self,
        user: UserId,
        factor: &StoredFactor,
        kept: Option<SessionId>,
        code: &str,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        match self.opened(user, &factor.sealed)?.step_of(code, now) {
            Some(step) => self.factors.confirm(user, step, kept, now).await,
            None => Ok(false),
        }
    }

    async fn accepts(&self, user: UserId, code: &str) -> Result<bool, StoreError> {
        let now = self.clock.now();
        if let Some(factor) = self.factors.factor(user).await?
            && let Some(step) = self.opened(user, &factor.sealed)?.step_of(code, now)
        {
            return self.factors.accept(user, step, now).await;
        }
        self.factors.accept_recovery(user, &TokenDigest::of(&code.trim().to_lowercase())).await
    }

    /// Somebody proves their password once more; tells their address.
    pub(crate) async fn check_password(&self, user: UserId, password: &str) -> Result<Email, FactorError> {
        let account = self.accounts.find(user).await?;
        let stored = account.as_ref().and_then(|account| account.password_hash.as_ref());
        let proof = async { Ok::<_, FactorError>(self.passwords.verify(stored, password).await?) };
        let proven = self.proves_again(Again::Password(user), proof).await?;
        account.filter(|_| proven).map(|account| account.email).ok_or(FactorError::WrongPassword)
    }

    pub(crate) async fn new_recovery_codes(&self, user: UserId, request: RequestId) -> Result<Vec<String>, StoreError> {
        let codes: Vec<String> = (0..CODES).map(|_| recovery_code()).collect();
        let digests: Vec<TokenDigest> = codes.iter().map(|code| TokenDigest::of(code)).collect();
        self.factors.set_recovery(user, &digests, request).await?;
        Ok(codes)
    }
}

/// 128 random bits in eight groups: enough that a plain digest of it can be kept (ASVS 6.5.2).
fn recovery_code() -> String {
    let bytes: [u8; 16] = opaque::random();
    let mut code = String::with_capacity(39);
    for (place, pair) in bytes.chunks(2).enumerate() {
        if place > 0 {
            code.push('-');
        }
        for byte in pair {
            // Writing to a String cannot fail.
            let _ = write!(code, "{byte:02x}");
        }
    }
    code
}

#[cfg(test)]
mod tests;
