//! The front door: credentials in, principals out.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use serde_json::Value;
use tenantry_tenancy::{Actor, Clock, SessionId, Tenant, TenantId};

use crate::tokens::{Access, AccessTokens};
use crate::{
    AuthError, CredentialKind, CredentialStore, Holder, IssueError, OperatorPrincipal, OperatorToken, Passwords,
    Principal, Rejection, SigningKeys, TokenSettings, Watch,
};

/// What an [`Authenticator`] is made of.
pub struct Parts {
    /// Signs and verifies access tokens.
    pub keys: SigningKeys,
    /// Who issues tokens, for whom, and for how long.
    pub settings: TokenSettings,
    /// Proves passwords.
    pub passwords: Passwords,
    /// Where credentials are kept.
    pub store: Arc<dyn CredentialStore>,
    /// What is remembered of tenants and sessions. Somebody must keep it fresh: see [`Watch::run`].
    pub watch: Arc<Watch>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How many verified tokens are remembered. Each takes about 1.5 KiB.
    pub remembered_tokens: usize,
}

/// Proves who is calling. One per process, shared by all requests.
///
/// Logging in and refreshing are in `logins.rs`.
pub struct Authenticator {
    pub(crate) tokens: AccessTokens,
    pub(crate) passwords: Passwords,
    pub(crate) store: Arc<dyn CredentialStore>,
    pub(crate) clock: Arc<dyn Clock>,
    watch: Arc<Watch>,
    /// Tokens whose signature was verified, by their whole text, so that a damaged copy of one is not taken for it.
    verified: Cache<Box<str>, Arc<Principal>>,
}

impl Authenticator {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self {
            tokens: AccessTokens::new(parts.keys, parts.settings),
            passwords: parts.passwords,
            store: parts.store,
            clock: parts.clock,
            watch: parts.watch,
            verified: Cache::new(parts.remembered_tokens),
        }
    }

    /// Who calls with this access token.
    ///
    /// The signature is verified once per token; that the token has not expired, its session is not revoked and its
    /// tenant is active is checked at every call.
    pub async fn authenticate(&self, token: &str) -> Result<Arc<Principal>, AuthError> {
        let proof = self.proof(token)?;
        let (session, id) = (proof.session(), proof.tenant());
        let revoked = match session {
            Some(session) => self.watch.is_revoked(session).await?,
            None => false,
        };
        let tenant = if revoked { None } else { self.watch.tenant(id).await? };
        Ok(self.decide(token, proof, revoked, tenant)?)
    }

    /// The same without ever waiting: `None` if something must be looked up first. Allocates nothing for a token seen before.
    pub fn authenticate_now(&self, token: &str) -> Option<Result<Arc<Principal>, AuthError>> {
        let proof = match self.proof(token) {
            Ok(proof) => proof,
            Err(rejection) => return Some(Err(rejection.into())),
        };
        let fresh = self.watch.fresh()?;
        let revoked = proof.session().is_some_and(|session| fresh.is_revoked(session));
        let tenant = if revoked { None } else { Some(fresh.tenant(proof.tenant())?) };
        Some(self.decide(token, proof, revoked, tenant).map_err(AuthError::from))
    }

    /// Whether an access token is good, for those who only want to know.
    pub async fn verify(&self, access: &str) -> Result<(), AuthError> {
        self.authenticate(access).await.map(|_| ())
    }

    /// Which operator calls with this token. Asks the store every time; a text that cannot be a token costs no query.
    pub async fn authenticate_operator(&self, token: &str) -> Result<OperatorPrincipal, AuthError> {
        let token = OperatorToken::parse(token).ok_or(Rejection::Malformed)?;
        let id = self.store.operator(&token.digest()).await?.ok_or(Rejection::OperatorUnknown)?;
        Ok(OperatorPrincipal { id })
    }

    /// An access token of a chosen lifetime, at most [`TokenSettings::max_access_lifetime`]: for seeds and tests, where
    /// nobody logs in.
    pub fn issue_for(&self, holder: &Holder, lifetime: Duration) -> Result<String, IssueError> {
        self.tokens.issue(holder, self.clock.now(), lifetime)
    }

    /// The public keys, for everybody who wants to verify our tokens.
    pub fn jwks(&self) -> Value {
        self.tokens.keys().jwks()
    }

    fn proof(&self, token: &str) -> Result<Proof, Rejection> {
        let now = self.clock.now();
        match self.verified.get(token) {
            Some(principal) if principal.expires_at().is_none_or(|expires_at| now < expires_at) => {
                Ok(Proof::Known(principal))
            }
            Some(_) => {
                self.verified.remove(token);
                Err(Rejection::Expired)
            }
            None => self.tokens.verify(token, now).map(Proof::New),
        }
    }

    fn decide(
        &self,
        token: &str,
        proof: Proof,
        revoked: bool,
        tenant: Option<Arc<Tenant>>,
    ) -> Result<Arc<Principal>, Rejection> {
        if revoked {
            self.verified.remove(token);
            return Err(Rejection::SessionRevoked);
        }
        let tenant = tenant.ok_or(Rejection::TenantUnknown)?;
        if !tenant.is_active() {
            return Err(Rejection::TenantInactive);
        }
        let principal = match proof {
            Proof::Known(principal) if Arc::ptr_eq(&principal.tenant, &tenant) => return Ok(principal),
            Proof::Known(principal) => principal.with_tenant(tenant),
            Proof::New(access) => access.principal(tenant),
        };
        let principal = Arc::new(principal);
        self.verified.insert(token.into(), Arc::clone(&principal));
        Ok(principal)
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("tokens", &self.tokens)
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}

/// A token that is genuine and has not expired; whether it is still good for anything is another question.
enum Proof {
    /// Verified before.
    Known(Arc<Principal>),
    /// Verified just now.
    New(Access),
}

impl Proof {
    fn session(&self) -> Option<SessionId> {
        match self {
            Self::Known(principal) => principal.session(),
            Self::New(access) => Some(access.session),
        }
    }

    fn tenant(&self) -> TenantId {
        match self {
            Self::Known(principal) => principal.tenant(),
            Self::New(access) => access.tenant,
        }
    }
}

impl Access {
    fn principal(self, tenant: Arc<Tenant>) -> Principal {
        Principal {
            actor: Actor::User(self.user),
            tenant,
            roles: self.roles,
            permissions: self.permissions,
            kind: CredentialKind::AccessToken,
            session: Some(self.session),
            expires_at: Some(self.expires_at),
        }
    }
}

#[cfg(test)]
mod tests;
