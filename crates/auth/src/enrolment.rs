//! Tenants that let nobody in without a second factor: who has none enrols one on the way in, with a ticket instead of a
//! session, and who got in before is not let back in.

use tenantry_tenancy::{Email, RequestId, SessionId, StoreError, TenantId};

use crate::lockout::Attempt;
use crate::tickets::{Purpose, Ticket};
use crate::{Account, Arrival, Authenticator, FactorError, LoginError, Proof, Proven, Rejection, TotpSecret};

/// Somebody who enrolled a second factor on their way in.
#[derive(Debug)]
pub struct Enrolled {
    /// They, to be let in.
    pub proven: Proven,
    /// Whom to notify.
    pub email: Email,
    /// Their recovery codes.
    pub codes: Vec<String>,
}

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
            FactorError::WrongCode | FactorError::CodeMissing | FactorError::NotEnrolled => Self::WrongCode,
            // What the ticket was for is done: it is good for nothing else.
            FactorError::Enrolled | FactorError::WrongPassword => Rejection::Ticket.into(),
            FactorError::Busy(busy) => Self::Login(busy.into()),
            FactorError::Store(error) => error.into(),
        }
    }
}

impl Authenticator {
    /// Begins to enrol an authenticator for the holder of a ticket. Tells what the account is called, too.
    pub async fn begin_enrolment(&self, ticket: &str) -> Result<(Email, TotpSecret), EnrolmentError> {
        let (ticket, account) = self.admit_without_factor(ticket).await?;
        Ok((account.email, self.enrol_totp(ticket.user, false).await?))
    }

    /// Enrols the authenticator by its first code, which proves its person for a login. All sessions they had end.
    pub async fn confirm_enrolment(
        &self,
        ticket: &str,
        code: &str,
        arrival: Arrival<'_>,
        request: RequestId,
    ) -> Result<Enrolled, EnrolmentError> {
        let (ticket, Account { user, email, password_hash, .. }) = self.admit_without_factor(ticket).await?;
        let codes = self.confirm_enrolled(user, None, code, request).await?;
        let attempt = Attempt::new(email.clone(), arrival, self.clock.now());
        let device = self.welcome(&attempt, user, arrival).await?;
        let proof = Proof { password_hash, second_factor: true };
        Ok(Enrolled { proven: Proven { user, tenant: ticket.tenant, device, proof }, email, codes })
    }

    /// The holder of a ticket who still has nothing but their password. Whoever has got a factor since shows that.
    async fn admit_without_factor(&self, ticket: &str) -> Result<(Ticket, Account), EnrolmentError> {
        let (ticket, account) = self.admit(Purpose::Enrol, ticket).await?;
        if self.has_factor(ticket.user).await? { Err(Rejection::Ticket.into()) } else { Ok((ticket, account)) }
    }

    /// Whether the tenant lets people in with a second factor only.
    pub(crate) async fn requires_factor(&self, tenant: TenantId) -> Result<bool, StoreError> {
        Ok(self.watch.tenant(tenant).await?.is_some_and(|tenant| tenant.settings.require_mfa))
    }

    /// Whether the tenant requires a second factor that was not proved for this session.
    pub(crate) async fn lacks_factor(&self, session: SessionId, tenant: TenantId) -> Result<bool, StoreError> {
        Ok(self.requires_factor(tenant).await? && !self.session_store.proved_factor(session).await?)
    }
}

#[cfg(test)]
mod tests;
