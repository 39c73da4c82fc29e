//! Tenants that let nobody in without a second factor: who has none enrols one on the way in, with a ticket instead of a
//! session, and who got in before is not let back in.

use tenantry_tenancy::{RequestId, StoreError, TenantId, UserId};

use crate::tickets::Purpose;
use crate::{Authenticator, FactorError, Ground, LoginError, Proof, Rejection, Tokens, TotpSecret};

/// Why nobody was enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The ticket is no good, or the person cannot be let in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The code is not what the authenticator shows.
    #[error("the code is wrong")]
    WrongCode,
}

impl From<StoreError> for EnrolmentError {
    fn from(error: StoreError) -> Self {
        Self::Login(error.into())
    }
}

impl From<Rejection> for EnrolmentError {
    fn from(rejection: Rejection) -> Self {
        Self::Login(rejection.into())
    }
}

impl From<FactorError> for EnrolmentError {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::WrongCode | FactorError::NotEnrolled => Self::WrongCode,
            // What the ticket was for is done: it is good for nothing else.
            FactorError::Enrolled | FactorError::WrongPassword => Rejection::Ticket.into(),
            FactorError::Busy(busy) => Self::Login(busy.into()),
            FactorError::Store(error) => error.into(),
        }
    }
}

impl Authenticator {
    /// Begins to enrol an authenticator for the holder of a ticket.
    pub async fn begin_enrolment(&self, ticket: &str) -> Result<(UserId, TotpSecret), EnrolmentError> {
        let user = self.admit(Purpose::Enrol, ticket).await?.user;
        Ok((user, self.enrol_totp(user).await?))
    }

    /// Enrols the authenticator by its first code and lets its person in. Tells the recovery codes, too.
    pub async fn confirm_enrolment(
        &self,
        ticket: &str,
        code: &str,
        request: RequestId,
    ) -> Result<(Tokens, Vec<String>), EnrolmentError> {
        let ticket = self.admit(Purpose::Enrol, ticket).await?;
        let codes = self.confirm_totp(ticket.user, code, request).await?;
        let password_hash = self.accounts.find(ticket.user).await?.and_then(|account| account.password_hash);
        let ground = Ground::Proof(Proof { password_hash, second_factor: true });
        Ok((self.begin(ticket.user, ticket.tenant, ground).await?, codes))
    }

    /// Whether the tenant lets people in with a second factor only.
    pub(crate) async fn requires_factor(&self, tenant: TenantId) -> Result<bool, StoreError> {
        Ok(self.watch.tenant(tenant).await?.is_some_and(|tenant| tenant.settings.require_mfa))
    }

    /// Whether the tenant requires a second factor that the person does not have.
    pub(crate) async fn lacks_factor(&self, user: UserId, tenant: TenantId) -> Result<bool, StoreError> {
        Ok(self.requires_factor(tenant).await? && !self.has_factor(user).await?)
    }
}

#[cfg(test)]
mod tests;
