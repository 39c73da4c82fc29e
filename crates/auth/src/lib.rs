//! Proves who is calling: a password, a token, a key or a cookie goes in, a [`Principal`] comes out.
//!
//! Depends on `tenantry-tenancy` only and knows neither HTTP nor a database: what it must look up it asks of a port,
//! such as [`CredentialStore`], and the vocabulary's `Directory`. Start reading at [`authenticator`], the front door; then
//! [`principal`] (what every credential becomes), [`watch`] (why a suspension is felt within a second although nothing is
//! looked up per request) and [`credentials`] (what a store must promise).

pub mod accounts;
pub mod acting;
pub mod api_keys;
pub mod authenticator;
pub mod browser_sessions;
pub mod clients;
pub mod credentials;
mod enrolment;
pub mod factors;
mod gate;
mod hosts;
pub mod joining;
pub mod keys;
pub mod lockout;
mod logins;
mod opaque;
pub mod operators;
pub mod passes;
pub mod passkeys;
pub mod passwords;
pub mod principal;
pub mod refresh;
pub mod rejections;
mod sealing;
mod security;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tickets;
pub mod tokens;
mod usage;
pub mod watch;

pub use accounts::{Account, AccountError, AccountStore, PasswordChange, PasswordReset, ResetRequest, ResetToken};
pub use acting::ActingRequest;
pub use api_keys::{ApiKeyStore, ApiKeyText, ApiKeyUse, ApiKeys, KeyEnvironment, StoredApiKey};
pub use authenticator::{Authenticator, Credential, Origin, Parts};
pub use browser_sessions::{
    BrowserLogin, LiveBrowserSession, NewBrowserSession, OwnSession, SessionStore, SessionToken,
};
pub use clients::{
    ClientCredentials, ClientGrant, ClientRotation, ClientSecret, ClientStore, ClientTokens, IssuedToken,
    NewClientSession,
};
pub use credentials::{
    Begun, CredentialStore, Ground, LiveSession, Login, Membership, NewSession, Nonce, Proof, Rotation,
    RotationOutcome, TokenDigest,
};
pub use enrolment::{Enrolled, EnrolmentError};
pub use factors::{FactorError, FactorStore, StoredFactor, TotpSecret};
pub use hosts::HostTenant;
pub use joining::{
    Acceptance, Confirmation, InvitationToken, Invited, JoiningError, JoiningStore, NewSignup, Signup, SignupToken,
};
pub use keys::{KeyError, SigningKeys};
pub use lockout::{Again, AttemptStore, DeviceToken};
pub use logins::{Arrival, LoginAttempt, Proven, Tokens};
pub use opaque::challenge;
pub use operators::OperatorToken;
pub use passes::{NewPass, PassText};
pub use passkeys::{
    AddedPasskey, Addition, Ceremony, CeremonyKind, CeremonyToken, Flaw, NewPasskey, OwnPasskey, PasskeyAnswer,
    PasskeyError, PasskeyId, PasskeyMade, PasskeyName, PasskeyOffer, PasskeyQuestion, PasskeyStore, PublicKey,
    RelyingParty, StoredPasskey,
};
pub use passwords::{Busy, ChoiceError, InvalidPassword, Password, PasswordHash, PasswordSettings, Passwords};
pub use principal::{CredentialKind, Forbidden, OperatorPrincipal, Principal};
pub use refresh::RefreshToken;
pub use rejections::{AuthError, LoginError, Rejection};
pub use sealing::Sealer;
pub use security::{
    SecurityEvent, SecurityEventId, SecurityEventKind, SecurityEventQuery, SecurityEventStore, SecurityEvents,
    SecurityLog,
};
pub use tickets::TicketText;
pub use tokens::{Holder, IssueError, TokenSettings};
pub use usage::{Call, ClientUsage, ClientUsageStore, CountedCalls};
pub use watch::Watch;
