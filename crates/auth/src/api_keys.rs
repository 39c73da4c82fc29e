//! API keys: opaque, with a checksum, looked up by how they begin; and the port to where they are kept.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use subtle::ConstantTimeEq;
use tenantry_tenancy::api_keys::Imprint;
use tenantry_tenancy::{
    Actor, ApiKeyId, Clock, Networks, PermissionSet, RoleGrant, StoreError, Tenant, TenantId, UserId, Version, words,
};

use crate::principal::{Access, CredentialKind};
use crate::{AuthError, Authenticator, Origin, Principal, Rejection, TokenDigest, opaque};

/// What every key looks like, for scanners of source code and logs.
pub const PATTERN: &str = r"\btenantry_sk_(live|test)_[0-9A-Za-z]{61}\b";

const BRAND: &str = "tenantry_sk_";
/// How many characters name the key, are its secret, and are the checksum of all before them.
const NAME: usize = 12;
const SECRET: usize = 43;
const CHECKSUM: usize = 6;

/// How long a key is remembered before it is looked up again, so that whatever changed is certainly in the feed.
const REMEMBERED: TimeDelta = TimeDelta::minutes(5);
/// How far apart two notes of a key's use are.
const COARSE: TimeDelta = TimeDelta::minutes(1);

words!(
    /// For what a key is good.
    KeyEnvironment {
        /// Production.
        Live = "live",
        /// Development.
        Test = "test",
    }
);

/// The text of a key. Shown once, when it is made; the store gets its [`Imprint`].
///
/// Spelled `tenantry_sk_live_` (or `test`), 12 characters that name it, 43 that are secret (256 random bits), and 6 that are
/// the CRC-32 of all before them, which tells a key from a typing error without asking anybody. All of them are letters
/// and digits.
#[derive(Clone)]
pub struct ApiKeyText(String);

impl ApiKeyText {
    /// A new one.
    pub fn generate(environment: KeyEnvironment) -> Self {
        let body = format!("{BRAND}{environment}_{}", random_word(NAME + SECRET));
        let checksum = checksum(&body);
        Self(body + &checksum)
    }

    /// Reads one; `None` if it cannot be one of ours, or is good elsewhere.
    pub fn parse(raw: &str, environment: KeyEnvironment) -> Option<Self> {
        let word = raw.strip_prefix(BRAND)?.strip_prefix(environment.as_str())?.strip_prefix('_')?;
        let shaped = word.len() == NAME + SECRET + CHECKSUM && word.bytes().all(|byte| ALPHABET.contains(&byte));
        let (body, sum) = raw.split_at_checked(raw.len().checked_sub(CHECKSUM)?).filter(|_| shaped)?;
        (sum == checksum(body)).then(|| Self(raw.to_owned()))
    }

    /// Whether a text is meant to be a key, rather than a token of another kind.
    pub(crate) fn is_meant_by(raw: &str) -> bool {
        raw.starts_with(BRAND)
    }

    /// How it begins: all before the secret.
    pub fn prefix(&self) -> &str {
        self.0.get(..self.0.len() - SECRET - CHECKSUM).expect("a key has a secret and a checksum, in ASCII")
    }

    /// What is kept of it.
    pub fn imprint(&self) -> Imprint {
        Imprint { prefix: self.prefix().to_owned(), digest: *self.digest().as_bytes() }
    }

    /// The key as text, for its holder only.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }
}

impl std::fmt::Debug for ApiKeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKeyText(..)")
    }
}

/// Keeps keys. Whoever reads the whole store still holds none.
#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// The key whose text begins so, with what its holder's role allows at that moment: both and the version are of one
    /// snapshot. Nothing if there is none or its holder is no member any more. Whoever asks compares the digest.
    async fn find(&self, prefix: &str) -> Result<Option<StoredApiKey>, StoreError>;

    /// Notes when keys were used last. Keys that are gone are passed over.
    async fn note_uses(&self, uses: &[ApiKeyUse]) -> Result<(), StoreError>;

    /// Writes into the audit of each tenant which keys end within `ahead` of `now`, each end once. Tells how many.
    async fn warn_of_expiring(&self, now: DateTime<Utc>, ahead: TimeDelta) -> Result<u64, StoreError>;
}

/// A key as it is kept.
#[derive(Clone, Debug)]
pub struct StoredApiKey {
    /// Its identity.
    pub id: ApiKeyId,
    /// Where it is good.
    pub tenant: TenantId,
    /// Whose it is.
    pub holder: UserId,
    /// The digest of its text.
    pub digest: TokenDigest,
    /// What it is meant to do.
    pub scopes: PermissionSet,
    /// From where it may be used; everywhere if not said.
    pub networks: Option<Networks>,
    /// When it ends, if it does.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// What it must have to be good.
    pub version: Version,
    /// Its holder's role now.
    pub grant: RoleGrant,
}

/// A key was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiKeyUse {
    /// Where.
    pub tenant: TenantId,
    /// Which.
    pub key: ApiKeyId,
    /// When.
    pub at: DateTime<Utc>,
}

/// Proves keys, and remembers which were used until that is kept.
pub struct ApiKeys {
    store: Arc<dyn ApiKeyStore>,
    environment: KeyEnvironment,
    uses: Mutex<HashMap<ApiKeyId, ApiKeyUse>>,
}

/// What must be checked at every call by a key.
#[derive(Debug)]
pub(crate) struct KeyTerms {
    networks: Option<Networks>,
    made_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    /// When the use of it was noted last, in seconds since 1970.
    noted: AtomicI64,
}

impl PartialEq for KeyTerms {
    fn eq(&self, other: &Self) -> bool {
        (&self.networks, self.made_at, self.expires_at) == (&other.networks, other.made_at, other.expires_at)
    }
}

impl Eq for KeyTerms {}

impl ApiKeys {
    /// Proves keys of one environment.
    pub fn new(store: Arc<dyn ApiKeyStore>, environment: KeyEnvironment) -> Self {
        Self { store, environment, uses: Mutex::default() }
    }

    /// Reads what is meant to be a key. Asks nobody.
    pub(crate) fn read(&self, raw: &str) -> Result<ApiKeyText, Rejection> {
        ApiKeyText::parse(raw, self.environment).ok_or(Rejection::Malformed)
    }

    /// What a key says. Whether there is such a key or not, one look into the store and one comparison are made.
    pub(crate) async fn prove(&self, raw: &str, now: DateTime<Utc>) -> Result<Access, AuthError> {
        let text = self.read(raw)?;
        let stored = self.store.find(text.prefix()).await?;
        let kept = stored.as_ref().map_or([0; 32], |key| *key.digest.as_bytes());
        let genuine = bool::from(text.digest().as_bytes().ct_eq(&kept));
        let key = stored.filter(|_| genuine).ok_or(Rejection::KeyUnknown)?;
        if key.expires_at.is_some_and(|end| end <= now) {
            return Err(Rejection::Expired.into());
        }
        Ok(key.access(now))
    }

    /// Lets a key in that is used from where it may be and is not too old for its tenant; and notes that it was used.
    pub(crate) fn admit(&self, principal: &Principal, origin: Origin, clock: &dyn Clock) -> Result<(), Rejection> {
        let (Some(terms), Actor::ApiKey(key)) = (&principal.access.terms, principal.actor()) else { return Ok(()) };
        let now = clock.now();
        terms.check(&principal.tenant, origin.address, now)?;
        if terms.is_news(now) {
            let used = ApiKeyUse { tenant: principal.tenant(), key, at: now };
            self.uses.lock().unwrap_or_else(PoisonError::into_inner).insert(key, used);
        }
        Ok(())
    }

    async fn keep_uses(&self) -> Result<(), StoreError> {
        let uses = std::mem::take(&mut *self.uses.lock().unwrap_or_else(PoisonError::into_inner));
        if uses.is_empty() {
            return Ok(());
        }
        self.store.note_uses(&uses.into_values().collect::<Vec<_>>()).await
    }
}

impl Authenticator {
    /// The text of a new key, good where this process runs.
    pub fn new_api_key(&self) -> ApiKeyText {
        ApiKeyText::generate(self.api_keys.environment)
    }

    /// Keeps which keys were used since it was called last. If it fails, that is forgotten: a key in use is used again.
    pub async fn keep_api_key_uses(&self) -> Result<(), StoreError> {
        self.api_keys.keep_uses().await
    }
}

impl StoredApiKey {
    fn access(self, now: DateTime<Utc>) -> Access {
        let remembered_until = now + REMEMBERED;
        Access {
            kind: CredentialKind::ApiKey,
            actor: Actor::ApiKey(self.id),
            user: Some(self.holder),
            tenant: self.tenant,
            credential: self.id.into(),
            grant: None,
            version: self.version,
            permissions: self.grant.permissions.intersection(self.scopes),
            roles: vec![self.grant.role],
            expires_at: Some(self.expires_at.map_or(remembered_until, |end| end.min(remembered_until))),
            terms: Some(Arc::new(KeyTerms {
                networks: self.networks,
                made_at: self.made_at,
                expires_at: self.expires_at,
                noted: AtomicI64::new(i64::MIN),
            })),
        }
    }
}

impl KeyTerms {
    fn check(&self, tenant: &Tenant, address: Option<IpAddr>, now: DateTime<Utc>) -> Result<(), Rejection> {
        if self.networks.as_ref().is_some_and(|networks| !networks.contain(address)) {
            return Err(Rejection::Network);
        }
        if self.end(tenant).is_some_and(|end| end <= now) { Err(Rejection::Expired) } else { Ok(()) }
    }

    /// When the key is no good any more: at its own end, or when it is too old for its tenant.
    pub(crate) fn end(&self, tenant: &Tenant) -> Option<DateTime<Utc>> {
        let too_old = tenant.settings.api_key_max_age_days.map(|age| self.made_at + age.as_delta());
        self.expires_at.into_iter().chain(too_old).min()
    }

    /// Whether the last note of a use is old; then this is the one to note.
    fn is_news(&self, now: DateTime<Utc>) -> bool {
        let (now, noted) = (now.timestamp(), self.noted.load(Ordering::Relaxed));
        let is_old = noted <= now.saturating_sub(COARSE.num_seconds());
        is_old && self.noted.compare_exchange(noted, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// So many letters and digits, each as likely as any other.
fn random_word(length: usize) -> String {
    let mut word = String::with_capacity(length);
    while word.len() < length {
        // The bytes that would make some characters likelier are passed over.
        let fair = opaque::random::<64>().into_iter().filter(|byte| usize::from(*byte) < 4 * ALPHABET.len());
        word.extend(fair.take(length - word.len()).map(|byte| letter(u32::from(byte))));
    }
    word
}

/// CRC-32 (ISO 3309, as in zip and Ethernet), spelled in six letters and digits.
fn checksum(body: &str) -> String {
    let crc = body.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    });
    let base = 62_u32;
    (0..6).rev().map(|place| letter(!crc / base.pow(place))).collect()
}

fn letter(number: u32) -> char {
    let place = usize::try_from(number).unwrap_or_default() % ALPHABET.len();
    ALPHABET.get(place).copied().map_or('0', char::from)
}

#[cfg(test)]
mod tests;
