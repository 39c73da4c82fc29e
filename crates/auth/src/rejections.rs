//! Why an authentication failed: one answer for the caller, the reason for our logs.

use tenantry_tenancy::{SessionId, StoreError};

use crate::{Busy, Flaw, PasskeyId, TicketText};

/// Why a credential did not become a principal.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The credential proves nothing. All of these look the same from outside: the reason is for logs only.
    #[error("the credential was rejected")]
    Rejected(#[from] Rejection),
    /// Too much is waiting already.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It could not be found out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Address, password and tenant do not go together. Which of them is wrong is for logs only.
    #[error("the login was rejected")]
    Rejected(#[from] Rejection),
    /// The password is right, but the person has a second factor and gave no code. The ticket is for who has a passkey.
    #[error("a second factor must be given")]
    SecondFactorRequired(Option<TicketText>),
    /// The password is right, but the tenant requires a second factor and the person has none. The ticket lets them enrol one;
    /// who is logged in elsewhere needs none.
    #[error("a second factor must be enrolled")]
    EnrolmentRequired(Option<TicketText>),
    /// The password is right, but the person belongs to several tenants and named none.
    #[error("the tenant must be named")]
    TenantRequired,
    /// Too much is waiting already.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It could not be found out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was wrong with a credential. Never shown to the caller: each of these would help an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Not a token of ours at all.
    #[error("the token is malformed")]
    Malformed,
    /// Longer than any token of ours.
    #[error("the token is too long")]
    TooLong,
    /// The header says more than algorithm, key and type.
    #[error("the header of the token has parameters we never write")]
    Header,
    /// Signed by nobody we know.
    #[error("the token names no key of ours")]
    UnknownKey,
    /// The header names another algorithm than the key's.
    #[error("the token names another algorithm than its key has")]
    Algorithm,
    /// Forged or damaged.
    #[error("the signature is wrong")]
    Signature,
    /// A token for another purpose.
    #[error("the token is not an access token")]
    Type,
    /// From somebody else.
    #[error("the issuer is another")]
    Issuer,
    /// For somebody else.
    #[error("the audience is another")]
    Audience,
    /// Too late.
    #[error("the token has expired")]
    Expired,
    /// Too early.
    #[error("the token was issued in the future")]
    FromTheFuture,
    /// Lives longer than a revocation is remembered.
    #[error("the token lives longer than any may")]
    Lifetime,
    /// What it hangs on was revoked, or allows something else by now.
    #[error("the credential was revoked or changed")]
    Void,
    /// Too many have failed before it.
    #[error("too many attempts have failed")]
    LockedOut,
    /// Never made, or gone.
    #[error("there is no such API key")]
    KeyUnknown,
    /// Used from elsewhere than it may be.
    #[error("the credential may not be used from that address")]
    Network,
    /// The tenant is gone.
    #[error("the tenant does not exist")]
    TenantUnknown,
    /// The tenant is not served.
    #[error("the tenant is not active")]
    TenantInactive,
    /// No such person, no password, or another.
    #[error("address and password do not go together")]
    Password,
    /// The code of the second factor is wrong, too old, or was used.
    #[error("the code of the second factor is wrong")]
    Code,
    /// The answer of a passkey, of which this was wrong.
    #[error("the passkey is not good: {0}")]
    Passkey(Flaw),
    /// Its counter did not go up: there are two of it.
    #[error("the counter of passkey {0} did not go up")]
    PasskeyCopied(PasskeyId),
    /// Never issued, expired, for something else, or what it stood for is done or has changed.
    #[error("the ticket is not good")]
    Ticket,
    /// The tenant lets nobody in without a second factor.
    #[error("the tenant requires a second factor, and the session has proved none")]
    FactorMissing,
    /// The person is no member of the tenant named, or of no tenant that is active.
    #[error("the person is not a member of an active tenant of that name")]
    Membership,
    /// Never issued, expired, or its session is over.
    #[error("the refresh token is unknown, expired or revoked")]
    RefreshUnknown,
    /// A copy of a token that was exchanged before: the session has been revoked.
    #[error("the refresh token of session {0} was used again")]
    RefreshReused(SessionId),
    /// Never issued, idle for too long, or over.
    #[error("the browser's session is unknown or over")]
    SessionUnknown,
    /// No such machine client, another secret, or it is disabled.
    #[error("the machine client is unknown, disabled, or has another secret")]
    Client,
    /// No operator has this token.
    #[error("the operator's token is unknown")]
    OperatorUnknown,
}
