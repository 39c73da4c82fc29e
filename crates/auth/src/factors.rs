//! Second factors: codes of an authenticator (TOTP, RFC 6238) and, for when it is lost, recovery codes.
//!
//! The secret of an authenticator is kept sealed (AES-256-GCM, bound to its person), so that the database alone computes no
//! code. Each code is good once. Wrong ones count as failed logins do, so that guessing them is as slow (`lockout.rs`).

mod totp;

use std::fmt::Write;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{RequestId, StoreError, UserId};

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

    /// Begins an enrolment in place of any that was not confirmed; false if there is a confirmed one.
    async fn begin(&self, user: UserId, sealed: &[u8]) -> Result<bool, StoreError>;

    /// Accepts the code of a step: only if no later or equal one was accepted before, and the factor is confirmed exactly if
    /// this does not `confirm` it.
    async fn accept(&self, user: UserId, step: i64, now: DateTime<Utc>, confirm: bool) -> Result<bool, StoreError>;

    /// Uses a recovery code up; false if the person has no such code.
    async fn accept_recovery(&self, user: UserId, digest: &TokenDigest) -> Result<bool, StoreError>;

    /// How many recovery codes the person has.
    async fn recovery_left(&self, user: UserId) -> Result<u64, StoreError>;

    /// Gives the person other recovery codes in place of all they had.
    async fn set_recovery(&self, user: UserId, digests: &[TokenDigest], request: RequestId) -> Result<(), StoreError>;

    /// Removes the authenticator with all recovery codes; false if there is none.
    async fn remove(&self, user: UserId, request: RequestId) -> Result<bool, StoreError>;
}

/// An authenticator as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFactor {
    /// The sealed secret.
    pub sealed: Vec<u8>,
    /// Whether a first code has shown that the authenticator has it.
    pub is_confirmed: bool,
    /// How many recovery codes are left.
    pub codes_left: u64,
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

    /// The person's authenticator and how many recovery codes are left, if it was confirmed.
    pub async fn second_factor(&self, user: UserId) -> Result<Option<u64>, StoreError> {
        let factor = self.factors.factor(user).await?;
        Ok(factor.filter(|factor| factor.is_confirmed).map(|factor| factor.codes_left))
    }

    /// How many recovery codes a person has left.
    pub async fn recovery_left(&self, user: UserId) -> Result<u64, StoreError> {
        self.factors.recovery_left(user).await
    }

    /// Begins an enrolment, for somebody who proves their password once more.
    pub async fn begin_totp(&self, user: UserId, password: &str) -> Result<TotpSecret, FactorError> {
        self.check_password(user, password).await?;
        self.enrol_totp(user).await
    }

    /// Begins an enrolment, for somebody who has proven their password.
    pub(crate) async fn enrol_totp(&self, user: UserId) -> Result<TotpSecret, FactorError> {
        let secret = TotpSecret::generate();
        let begun = self.factors.begin(user, &self.sealer.seal(user.as_uuid().as_bytes(), secret.bytes())).await?;
        if begun { Ok(secret) } else { Err(FactorError::Enrolled) }
    }

    /// Ends an enrolment by a first code; the answer are the recovery codes.
    pub async fn confirm_totp(&self, user: UserId, code: &str, request: RequestId) -> Result<Vec<String>, FactorError> {
        let factor = self.factors.factor(user).await?.ok_or(FactorError::NotEnrolled)?;
        if factor.is_confirmed {
            return Err(FactorError::Enrolled);
        }
        if !self.proves_again(Again::Code(user), self.confirms(user, &factor, code)).await? {
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

    /// Removes the authenticator, for somebody who proves both factors once more.
    pub async fn remove_totp(
        &self,
        user: UserId,
        password: &str,
        code: &str,
        request: RequestId,
    ) -> Result<(), FactorError> {
        self.check_password(user, password).await?;
        if self.second_factor(user).await?.is_none() {
            return Err(FactorError::NotEnrolled);
        }
        self.check_code(user, code).await?;
        self.factors.remove(user, request).await?;
        Ok(())
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
        if !has_passkey && self.second_factor(user).await?.is_none() {
            return Ok(false);
        }
        let code = code.ok_or_else(|| LoginError::SecondFactorRequired(has_passkey.then(ticket)))?;
        if self.accepts(user, code).await? { Ok(true) } else { Err(Rejection::Code.into()) }
    }

    /// Whether the person has an authenticator or a passkey.
    pub(crate) async fn has_factor(&self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.second_factor(user).await?.is_some() || !self.passkeys(user).await?.is_empty())
    }

    async fn check_code(&self, user: UserId, code: &str) -> Result<(), FactorError> {
        let proven = self.proves_again(Again::Code(user), self.accepts(user, code)).await?;
        if proven { Ok(()) } else { Err(FactorError::WrongCode) }
    }

    async fn confirms(&self, user: UserId, factor: &StoredFactor, code: &str) -> Result<bool, StoreError> {
        let now = self.clock.now();
        match self.opened(user, &factor.sealed)?.step_of(code, now) {
            Some(step) => self.factors.accept(user, step, now, true).await,
            None => Ok(false),
        }
    }

    async fn accepts(&self, user: UserId, code: &str) -> Result<bool, StoreError> {
        let now = self.clock.now();
        if let Some(factor) = self.factors.factor(user).await?
            && let Some(step) = self.opened(user, &factor.sealed)?.step_of(code, now)
        {
            return self.factors.accept(user, step, now, false).await;
        }
        self.factors.accept_recovery(user, &TokenDigest::of(&code.trim().to_lowercase())).await
    }

    pub(crate) async fn check_password(&self, user: UserId, password: &str) -> Result<(), FactorError> {
        let account = self.accounts.find(user).await?;
        let stored = account.as_ref().and_then(|account| account.password_hash.as_ref());
        let proof = async { Ok::<_, FactorError>(self.passwords.verify(stored, password).await?) };
        let proven = self.proves_again(Again::Password(user), proof).await?;
        if proven { Ok(()) } else { Err(FactorError::WrongPassword) }
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
