//! Tickets: what somebody holds between proving their password and being let in. They are sealed rather than kept, say for
//! whom, where and until when they are good, and are good for one purpose alone, while the password is the one that was proven.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use tenantry_tenancy::{TenantId, UserId};
use uuid::Uuid;

use crate::credentials::TokenDigest;
use crate::{Account, Authenticator, LoginError, PasswordHash, Rejection};

const PREFIX: &str = "tnt_";

/// How long a ticket is good: long enough to find one's telephone.
const LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// What a ticket is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Enrolling a second factor.
    Enrol,
    /// Proving a second factor by a passkey.
    Prove,
}

impl Purpose {
    /// What binds the seal, so that no ticket opens as one of another purpose, nor as any other secret.
    const fn seal(self) -> &'static [u8] {
        match self {
            Self::Enrol => b"ticket: enrol",
            Self::Prove => b"ticket: prove",
        }
    }
}

/// A ticket as text, for its holder only.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketText(String);

impl TicketText {
    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for TicketText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketText(..)")
    }
}

/// Who proved their password, and the tenant they asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) user: UserId,
    pub(crate) tenant: TenantId,
    password: TokenDigest,
    expires_at: i64,
}

impl Ticket {
    fn to_bytes(self) -> Vec<u8> {
        let (user, tenant) = (self.user.as_uuid(), self.tenant.as_uuid());
        let expires_at = self.expires_at.to_be_bytes();
        [user.as_bytes().as_slice(), tenant.as_bytes(), self.password.as_bytes(), &expires_at].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (user, rest) = bytes.split_first_chunk::<16>()?;
        let (tenant, rest) = rest.split_first_chunk::<16>()?;
        let (password, expires_at) = rest.split_first_chunk::<32>()?;
        Some(Self {
            user: UserId::from_uuid(Uuid::from_bytes(*user)),
            tenant: TenantId::from_uuid(Uuid::from_bytes(*tenant)),
            password: TokenDigest::from_bytes(*password),
            expires_at: i64::from_be_bytes(expires_at.try_into().ok()?),
        })
    }

    fn is_good_at(&self, now: DateTime<Utc>) -> bool {
        now.timestamp() < self.expires_at
    }
}

impl Authenticator {
    /// A ticket for somebody who has just proven this password.
    pub(crate) fn ticket(
        &self,
        purpose: Purpose,
        user: UserId,
        tenant: TenantId,
        proven: Option<&PasswordHash>,
    ) -> TicketText {
        let expires_at = (self.clock.now() + LIFETIME).timestamp();
        let ticket = Ticket { user, tenant, password: digest(proven), expires_at };
        TicketText(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.sealer.seal(purpose.seal(), &ticket.to_bytes()))))
    }

    /// What a ticket says, and of whom, if it is good. It can be shown again until then: what it leads to sees to being done once.
    pub(crate) async fn admit(&self, purpose: Purpose, text: &str) -> Result<(Ticket, Account), LoginError> {
        let ticket = self.opened_ticket(purpose, text).ok_or(Rejection::Ticket)?;
        let account = self.accounts.find(ticket.user).await?.ok_or(Rejection::Ticket)?;
        let is_good = ticket.is_good_at(self.clock.now()) && ticket.password == digest(account.password_hash.as_ref());
        if is_good { Ok((ticket, account)) } else { Err(Rejection::Ticket.into()) }
    }

    fn opened_ticket(&self, purpose: Purpose, text: &str) -> Option<Ticket> {
        let sealed = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        Ticket::from_bytes(&self.sealer.open(purpose.seal(), &sealed)?)
    }
}

/// What tells one password from the next.
fn digest(hash: Option<&PasswordHash>) -> TokenDigest {
    TokenDigest::of(hash.map_or("", PasswordHash::as_str))
}
