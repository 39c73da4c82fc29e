//! The front door: credentials in, principals out.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;
use serde_json::Value;
use tenantry_tenancy::domains::DomainName;
use tenantry_tenancy::{Clock, StoreError, Tenant, TenantId, Version};

use crate::gate::Gate;
use crate::passkeys::{CEREMONIES_AT_ONCE, CEREMONIES_WAITING};
use crate::principal::Access;
use crate::tokens::AccessTokens;
use crate::{
    AccountStore, ApiKeyText, ApiKeys, AttemptStore, AuthError, ClientStore, CredentialKind, CredentialStore,
    FactorStore, Holder, IssueError, JoiningStore, OperatorPrincipal, OperatorToken, PasskeyStore, Passwords,
    Principal, Rejection, RelyingParty, Sealer, SessionStore, SigningKeys, TokenSettings, Watch,
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
    /// Counts attempts to log in.
    pub attempts: Arc<dyn AttemptStore>,
    /// Where people's accounts are kept.
    pub accounts: Arc<dyn AccountStore>,
    /// Where second factors are kept.
    pub factors: Arc<dyn FactorStore>,
    /// Seals their secrets.
    pub sealer: Sealer,
    /// Seals passes.
    pub passes: Sealer,
    /// Where passkeys are kept.
    pub passkeys: Arc<dyn PasskeyStore>,
    /// Who passkeys are for.
    pub relying_party: RelyingParty,
    /// Where it is kept who was invited and who signed up.
    pub joining: Arc<dyn JoiningStore>,
    /// Proves API keys.
    pub api_keys: ApiKeys,
    /// Where the sessions of browsers are kept.
    pub sessions: Arc<dyn SessionStore>,
    /// Where machine clients are kept.
    pub clients: Arc<dyn ClientStore>,
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
    pub(crate) attempts: Arc<dyn AttemptStore>,
    pub(crate) accounts: Arc<dyn AccountStore>,
    pub(crate) factors: Arc<dyn FactorStore>,
    pub(crate) sealer: Sealer,
    pub(crate) passes: Sealer,
    pub(crate) passkeys: Arc<dyn PasskeyStore>,
    pub(crate) relying_party: RelyingParty,
    pub(crate) ceremonies: Gate,
    pub(crate) joining: Arc<dyn JoiningStore>,
    pub(crate) api_keys: ApiKeys,
    pub(crate) session_store: Arc<dyn SessionStore>,
    pub(crate) client_store: Arc<dyn ClientStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) watch: Arc<Watch>,
    /// Counts how often a key was taken away: what was verified before is not remembered after.
    key_generation: AtomicU64,
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
            attempts: parts.attempts,
            accounts: parts.accounts,
            factors: parts.factors,
            sealer: parts.sealer,
            passes: parts.passes,
            passkeys: parts.passkeys,
            relying_party: parts.relying_party,
            ceremonies: Gate::new(CEREMONIES_AT_ONCE, CEREMONIES_WAITING),
            joining: parts.joining,
            api_keys: parts.api_keys,
            session_store: parts.sessions,
            client_store: parts.clients,
            clock: parts.clock,
            watch: parts.watch,
            key_generation: AtomicU64::new(0),
            verified: Cache::new(parts.remembered_tokens),
        }
    }

    /// Who calls with this credential.
    ///
    /// A signature is verified, or an opaque credential looked up, once; that it has not expired, is not void and its tenant
    /// is active is checked at every call.
    pub async fn authenticate(&self, credential: Credential<'_>, origin: Origin) -> Result<Arc<Principal>, AuthError> {
        let (text, generation) = (credential.text(), self.key_generation());
        let known = match self.remembered(credential)? {
            Some(principal) if !self.is_void(&principal.access).await? => Some(principal),
            Some(principal) => {
                self.forget_void(text, &principal)?;
                None
            }
            None => None,
        };
        let proof = match known {
            Some(principal) => Proof::Known(principal),
            None => Proof::New(self.prove(credential).await?),
        };
        let access = proof.access();
        if self.is_void(access).await? {
            return Err(Rejection::Void.into());
        }
        let tenant = self.watch.tenant(access.tenant).await?;
        Ok(self.decide((text, generation), proof, tenant, origin)?)
    }

    /// The same without ever waiting: `None` if something must be looked up first. Allocates nothing for a credential seen
    /// before.
    pub fn authenticate_now(
        &self,
        credential: Credential<'_>,
        origin: Origin,
    ) -> Option<Result<Arc<Principal>, AuthError>> {
        let (text, generation) = (credential.text(), self.key_generation());
        let proof = match self.remembered(credential) {
            Ok(Some(principal)) => Proof::Known(principal),
            Ok(None) => match self.prove_now(credential)? {
                Ok(access) => Proof::New(access),
                Err(rejection) => return Some(Err(rejection.into())),
            },
            Err(rejection) => return Some(Err(rejection.into())),
        };
        let fresh = self.watch.fresh()?;
        let access = proof.access();
        if access.is_void(|credential, version| fresh.is_void(credential, version)) {
            if access.kind.is_looked_up() {
                return None;
            }
            self.verified.remove(text);
            return Some(Err(Rejection::Void.into()));
        }
        let tenant = fresh.tenant(access.tenant)?;
        Some(self.decide((text, generation), proof, Some(tenant), origin).map_err(AuthError::from))
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

    /// The tenant that has proven a host to be its own.
    pub async fn tenant_of_host(&self, host: &DomainName) -> Result<Option<TenantId>, StoreError> {
        self.watch.tenant_of_host(host).await
    }

    /// Signs and verifies with other keys from now on. What was signed by a key that is not among them is void at once.
    pub fn set_keys(&self, keys: SigningKeys) {
        if !self.tokens.set_keys(keys) {
            self.key_generation.fetch_add(1, Ordering::SeqCst);
            self.verified.clear();
        }
    }

    /// The public keys, for everybody who wants to verify our tokens.
    pub fn jwks(&self) -> Value {
        self.tokens.keys().jwks()
    }

    /// Who issues tokens, for whom, and for how long.
    pub const fn settings(&self) -> &TokenSettings {
        self.tokens.settings()
    }

    /// The principal that the same credential proved before, unless its time is over.
    fn remembered(&self, credential: Credential<'_>) -> Result<Option<Arc<Principal>>, Rejection> {
        let text = credential.text();
        let Some(principal) = self.verified.get(text) else { return Ok(None) };
        // A cookie's token is no bearer token: what it may do without a cookie's defences would be another question.
        if matches!(credential, Credential::Session(_)) != (principal.kind() == CredentialKind::BrowserSession) {
            return Err(Rejection::Malformed);
        }
        if principal.expires_at().is_none_or(|expires_at| self.clock.now() < expires_at) {
            return Ok(Some(principal));
        }
        self.verified.remove(text);
        if principal.kind().is_looked_up() { Ok(None) } else { Err(Rejection::Expired) }
    }

    /// What is remembered is void: something looked up may be looked up again, a token is no good any more.
    fn forget_void(&self, text: &str, principal: &Principal) -> Result<(), Rejection> {
        self.verified.remove(text);
        if principal.kind().is_looked_up() { Ok(()) } else { Err(Rejection::Void) }
    }

    /// Whether what the credential hangs on was revoked or changed.
    pub(crate) async fn is_void(&self, access: &Access) -> Result<bool, StoreError> {
        if self.watch.is_void(access.credential, access.version).await? {
            return Ok(true);
        }
        match access.grant {
            Some(grant) => self.watch.is_void(grant, Version::FIRST).await,
            None => Ok(false),
        }
    }

    /// What a credential says that was not seen before.
    async fn prove(&self, credential: Credential<'_>) -> Result<Access, AuthError> {
        match credential {
            Credential::Bearer(key) if ApiKeyText::is_meant_by(key) => self.api_keys.prove(key, self.clock.now()).await,
            Credential::Bearer(token) => Ok(self.tokens.verify(token, self.clock.now())?),
            Credential::Session(token) => self.prove_session(token).await,
        }
    }

    /// The same if nothing need be looked up for it.
    fn prove_now(&self, credential: Credential<'_>) -> Option<Result<Access, Rejection>> {
        match credential {
            Credential::Bearer(key) if ApiKeyText::is_meant_by(key) => self.api_keys.read(key).err().map(Err),
            Credential::Bearer(token) => Some(self.tokens.verify(token, self.clock.now())),
            Credential::Session(_) => None,
        }
    }

    fn key_generation(&self) -> u64 {
        self.key_generation.load(Ordering::SeqCst)
    }

    /// What is remembered of the credential's text goes with the keys of that generation.
    fn decide(
        &self,
        remembered_as: (&str, u64),
        proof: Proof,
        tenant: Option<Arc<Tenant>>,
        origin: Origin,
    ) -> Result<Arc<Principal>, Rejection> {
        let tenant = tenant.ok_or(Rejection::TenantUnknown)?;
        if !tenant.is_active() {
            return Err(Rejection::TenantInactive);
        }
        let principal = match proof {
            Proof::Known(principal) if Arc::ptr_eq(&principal.tenant, &tenant) => principal,
            Proof::Known(principal) => self.remember(remembered_as, principal.with_tenant(tenant)),
            Proof::New(access) => self.remember(remembered_as, Principal { access, tenant }),
        };
        self.api_keys.admit(&principal, origin, &*self.clock)?;
        Ok(principal)
    }

    fn remember(&self, (text, generation): (&str, u64), principal: Principal) -> Arc<Principal> {
        let principal = Arc::new(principal);
        self.verified.insert(text.into(), Arc::clone(&principal));
        // Keys that change from here on find it; those that have changed since it was verified may have been its own.
        if self.key_generation() != generation {
            self.verified.remove(text);
        }
        principal
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

/// What came with a request.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer(&'a str),
    /// The token of a browser's session, from a cookie or from the backend in front of the browser.
    Session(&'a str),
}

impl<'a> Credential<'a> {
    const fn text(self) -> &'a str {
        match self {
            Self::Bearer(text) | Self::Session(text) => text,
        }
    }
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(..)",
            Self::Session(_) => "Session(..)",
        })
    }
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address of the client, if it is known.
    pub address: Option<IpAddr>,
}

/// A credential that is genuine and has not expired; whether it is still good for anything is another question.
enum Proof {
    /// Proven before.
    Known(Arc<Principal>),
    /// Proven just now.
    New(Access),
}

impl Proof {
    fn access(&self) -> &Access {
        match self {
            Self::Known(principal) => &principal.access,
            Self::New(access) => access,
        }
    }
}

#[cfg(test)]
mod tests;
