//! An authenticator with all it needs in memory.

use std::sync::Arc;

use chrono::DateTime;
use tenantry_tenancy::{ApiKeyId, Clock, Email, PermissionSet, RequestId, Role, SessionId, Tenant, UserId, Version};

use super::{MemoryApiKeys, MemoryAttempts, MemoryCredentials, MemoryDirectory, SettableClock, tenant, weak_passwords};
use crate::HostTenant;
use crate::api_keys::{ApiKeyText, ApiKeys, KeyEnvironment, StoredApiKey};
use crate::authenticator::{Authenticator, Credential, Origin, Parts};
use crate::credentials::TokenDigest;
use crate::keys::SigningKeys;
use crate::logins::{LoginAttempt, Tokens};
use crate::passwords::{Password, Passwords};
use crate::principal::Principal;
use crate::rejections::{AuthError, LoginError};
use crate::tokens::{Holder, TokenSettings};
use crate::watch::Watch;
use crate::{Addition, NewPasskey, PasskeyId, PasskeyName, PasskeyStore, PublicKey, RelyingParty, Sealer};

/// The password of everybody in a [`World`].
pub const PASSWORD: &str = "correct horse battery staple";

/// The base point of Ed25519 (RFC 8032, section 5.1).
const POINT: [u8; 32] = {
    let mut point = [0x66; 32];
    point[0] = 0x58;
    point
};

/// A small world of tenants and people. Its feed is polled when a test says so.
#[derive(Debug)]
pub struct World {
    /// Its time.
    pub clock: Arc<SettableClock>,
    /// Its tenants.
    pub directory: Arc<MemoryDirectory>,
    /// Its people.
    pub store: Arc<MemoryCredentials>,
    /// Their keys.
    pub api_keys: Arc<MemoryApiKeys>,
    /// What is remembered of both.
    pub watch: Arc<Watch>,
    /// Hashes their passwords.
    pub passwords: Passwords,
    /// Lets them in.
    pub authenticator: Authenticator,
}

impl World {
    /// A world without anybody, that has been polled once.
    pub async fn new() -> Self {
        let directory = Arc::new(MemoryDirectory::default());
        let store = Arc::new(MemoryCredentials::new(directory.clone()));
        let world = Self::over(directory, store, weak_passwords());
        world.poll().await;
        world
    }

    /// Another instance over the same stores, with a key of its own and these passwords.
    pub fn over(directory: Arc<MemoryDirectory>, store: Arc<MemoryCredentials>, passwords: Passwords) -> Self {
        let start = DateTime::from_timestamp(1_800_000_000, 0).expect("this is a time");
        let clock = Arc::new(SettableClock::new(start));
        let settings = TokenSettings::default();
        let api_keys = Arc::new(MemoryApiKeys::default());
        let watch = Arc::new(Watch::new(directory.clone(), 100, settings.revocation_memory()));
        let keys = SigningKeys::from_pems(&[SigningKeys::generate_pem()]).expect("the key was just made");
        let authenticator = Authenticator::new(Parts {
            keys,
            settings,
            passwords: passwords.clone(),
            store: store.clone(),
            attempts: Arc::new(MemoryAttempts::default()),
            accounts: store.clone(),
            factors: store.clone(),
            sealer: Sealer::new(b"the sealing key of a small world", "second factors"),
            passes: Sealer::new(b"the sealing key of a small world", "passes"),
            passkeys: store.clone(),
            relying_party: RelyingParty::new("localhost", "http://localhost:8000"),
            joining: store.clone(),
            api_keys: ApiKeys::new(api_keys.clone(), KeyEnvironment::Test),
            sessions: store.clone(),
            clients: store.clone(),
            watch: watch.clone(),
            clock: clock.clone(),
            remembered_tokens: 100,
        });
        Self { clock, directory, store, api_keys, watch, passwords, authenticator }
    }

    /// Takes note of what has changed.
    pub async fn poll(&self) {
        self.watch.poll_once().await.expect("the directory in memory answers unless it is switched off");
    }

    /// Who calls with this token.
    pub async fn authenticate(&self, token: &str) -> Result<Arc<Principal>, AuthError> {
        self.authenticator.authenticate(Credential::Bearer(token), Origin::default()).await
    }

    /// The same without waiting.
    pub fn authenticate_now(&self, token: &str) -> Option<Result<Arc<Principal>, AuthError>> {
        self.authenticator.authenticate_now(Credential::Bearer(token), Origin::default())
    }

    /// Logs somebody in.
    pub async fn log_in(&self, email: &str, password: &str, tenant: Option<&str>) -> Result<Tokens, LoginError> {
        self.authenticator
            .login(LoginAttempt {
                email,
                password,
                tenant,
                code: None,
                origin: Origin::default(),
                device: None,
                host: &HostTenant::Anybodys,
            })
            .await
    }

    /// Adds an active tenant.
    pub fn add_tenant(&self, slug: &str) -> Tenant {
        let tenant = tenant(slug);
        self.directory.put(tenant.clone());
        tenant
    }

    /// Adds a person whose password is [`PASSWORD`] to some tenants.
    pub async fn add_person(&self, email: &str, memberships: &[(&Tenant, Role)]) -> UserId {
        let password = Password::parse(PASSWORD).expect("it is long enough");
        let hash = self.passwords.hash(&password).await.expect("nobody else is hashing");
        let user = self.store.add_user(Email::parse(email).expect("the caller gives an address"), Some(hash));
        for (tenant, role) in memberships {
            self.store.join(user, tenant.id, *role);
        }
        user
    }

    /// Gives a person a passkey, as if they had added it in this session.
    pub async fn add_passkey(&self, user: UserId, session: SessionId) {
        let id = PasskeyId::generate();
        let new = NewPasskey {
            id,
            user,
            credential: id.as_uuid().as_bytes().to_vec(),
            key: PublicKey::from_bytes(&POINT).expect("it is a point of the curve"),
            counter: 0,
            name: PasskeyName::parse("laptop".to_owned()).expect("it is a name"),
            session,
            proven: true,
            now: self.clock.now(),
            request: RequestId::generate(),
        };
        let added = self.store.add_passkey(&new).await.expect("memory answers");
        assert_eq!(added, Addition::Added);
    }

    /// A key of somebody new in the tenant, with all scopes; `terms` may change whatever it has.
    pub fn add_key(
        &self,
        tenant: &Tenant,
        role: Role,
        terms: impl FnOnce(&mut StoredApiKey),
    ) -> (ApiKeyId, ApiKeyText) {
        let text = ApiKeyText::generate(KeyEnvironment::Test);
        let imprint = text.imprint();
        let mut key = StoredApiKey {
            id: ApiKeyId::generate(),
            tenant: tenant.id,
            holder: UserId::generate(),
            digest: TokenDigest::from_bytes(imprint.digest),
            scopes: PermissionSet::ALL,
            networks: None,
            expires_at: None,
            made_at: self.clock.now(),
            version: Version::FIRST,
            grant: role.into(),
        };
        terms(&mut key);
        self.api_keys.put(&imprint.prefix, key.clone());
        (key.id, text)
    }

    /// An access token for somebody new in the tenant.
    pub fn access_token(&self, tenant: &Tenant, role: Role) -> (Holder, String) {
        let holder = Holder::member(UserId::generate(), tenant.id, SessionId::generate(), role);
        let lifetime = TokenSettings::default().access_lifetime;
        let token = self.authenticator.issue_for(&holder, lifetime).expect("the key signs");
        (holder, token)
    }
}
