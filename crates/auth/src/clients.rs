//! Machine clients: programs of a tenant that prove who they are by an id and a secret.
//!
//! A token of a client hangs on two things, and dies with either: on the client (`sid`, `ver`), which voids it when anything
//! is taken away from the client; and on its grant, which is the session that a refresh token continues, or the one token.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{
    Actor, ApiClientId, CredentialId, PermissionSet, RoleName, SessionId, StoreError, TenantId, Version,
};

use crate::credentials::{Nonce, Rotation, TokenDigest};
use crate::opaque::checked_token;
use crate::principal::CredentialKind;
use crate::refresh::GRACE;
use crate::{AuthError, Authenticator, Credential, Holder, Origin, Principal, RefreshToken, Rejection};

/// What a client is in its tenant.
const ROLE: &str = "client";

checked_token!(
    /// The secret of a client. Shown once, when it is made; the store gets the digest.
    ///
    /// Spelled `tncs_`, 43 characters base64url (256 random bits), 6 hexadecimal digits of checksum.
    ClientSecret,
    "tncs_"
);

/// What a client shows.
#[derive(Clone, Copy)]
pub struct ClientCredentials<'a> {
    /// Its id, as it was sent.
    pub id: &'a str,
    /// Its secret, as it was sent.
    pub secret: &'a str,
}

impl std::fmt::Debug for ClientCredentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientCredentials(..)")
    }
}

/// A client that proved who it is, and what it may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientGrant {
    /// The client.
    pub client: ApiClientId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it may do.
    pub permissions: PermissionSet,
    /// What its access tokens must have to be good.
    pub version: Version,
}

/// A client's session about to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewClientSession {
    /// Its id, chosen by the caller.
    pub session: SessionId,
    /// The client.
    pub client: ApiClientId,
    /// The digest of the secret it showed.
    pub secret: TokenDigest,
    /// The digest of the first refresh token.
    pub digest: TokenDigest,
    /// When it begins.
    pub now: DateTime<Utc>,
    /// When the first refresh token expires unless used.
    pub expires_at: DateTime<Utc>,
    /// When the session ends however often it is refreshed.
    pub ends_at: DateTime<Utc>,
}

/// What became of a client's refresh token; as [`RotationOutcome`](crate::RotationOutcome).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientRotation {
    /// It was exchanged, or had just been: its successor is derived with this nonce.
    Live {
        /// The session.
        session: SessionId,
        /// What the client may do now.
        grant: ClientGrant,
        /// What the successor is derived with.
        nonce: Nonce,
        /// When the session ends however often it is refreshed.
        ends_at: DateTime<Utc>,
    },
    /// It had been exchanged long ago; the session is now revoked.
    Reused {
        /// The session.
        session: SessionId,
    },
    /// It is not good for anything.
    Unknown,
}

/// Keeps machine clients, their sessions and the digests of their secrets and tokens.
#[async_trait]
pub trait ClientStore: Send + Sync {
    /// The enabled client of an active tenant that has this secret. One round trip, whatever is wrong.
    async fn find(
        &self,
        id: ApiClientId,
        secret: &TokenDigest,
        now: DateTime<Utc>,
    ) -> Result<Option<ClientGrant>, StoreError>;

    /// Begins a session with its first refresh token, if the client has this secret at that very moment.
    async fn begin(&self, new: &NewClientSession) -> Result<Option<ClientGrant>, StoreError>;

    /// Exchanges a refresh token for its successor, by the rules of
    /// [`CredentialStore::rotate`](crate::CredentialStore::rotate).
    async fn rotate(&self, rotation: &Rotation) -> Result<ClientRotation, StoreError>;

    /// Revokes the session of this refresh token, if it is the client's.
    async fn revoke(&self, client: ApiClientId, token: &TokenDigest, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Voids a grant of the client on every instance: its session, or a single access token.
    async fn void(&self, client: ApiClientId, grant: CredentialId, now: DateTime<Utc>) -> Result<(), StoreError>;
}

/// An access token for a client.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// Proves who is calling until it expires.
    pub access: String,
    /// How long it lives.
    pub expires_in: Duration,
    /// In which tenant.
    pub tenant: TenantId,
    /// Whose it is.
    pub client: ApiClientId,
    /// As what.
    pub role: RoleName,
    /// What it allows.
    pub scopes: PermissionSet,
}

/// An access token with a refresh token.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientTokens {
    /// The access token.
    pub token: IssuedToken,
    /// Good for the next tokens, once.
    pub refresh: String,
}

impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedToken").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ClientTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTokens").field("token", &self.token).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Which client shows these. Whatever is wrong, it takes one look into the store to say so, and the answer is the same.
    pub async fn prove_client(&self, shown: ClientCredentials<'_>) -> Result<ClientGrant, AuthError> {
        let (id, digest) = look_up(shown);
        let grant = self.client_store.find(id, &digest, self.clock.now()).await?;
        Ok(grant.ok_or(Rejection::Client)?)
    }

    /// Begins a session of a client.
    pub async fn log_in_client(&self, shown: ClientCredentials<'_>) -> Result<ClientTokens, AuthError> {
        let (settings, now) = (self.tokens.settings(), self.clock.now());
        let ((client, secret), refresh) = (look_up(shown), RefreshToken::generate());
        let new = NewClientSession {
            session: SessionId::generate(),
            client,
            secret,
            digest: refresh.digest(),
            now,
            expires_at: now + settings.refresh_lifetime.min(settings.session_lifetime),
            ends_at: now + settings.session_lifetime,
        };
        let grant = self.client_store.begin(&new).await?.ok_or(Rejection::Client)?;
        let lives = self.access_lifetime_until(new.ends_at);
        let token = self.issue_for_a_while(&grant, grant.permissions, Some(new.session.into()), lives)?;
        Ok(ClientTokens { token, refresh: refresh.reveal() })
    }

    /// Exchanges a client's refresh token for new tokens, as [`refresh`](Self::refresh) does for people.
    pub async fn refresh_client(&self, refresh: &str) -> Result<ClientTokens, AuthError> {
        let old = RefreshToken::parse(refresh).ok_or(Rejection::Malformed)?;
        let (now, nonce) = (self.clock.now(), Nonce::random());
        let rotation = Rotation {
            old: old.digest(),
            new: old.successor(&nonce).digest(),
            nonce,
            now,
            grace: GRACE,
            expires_at: now + self.tokens.settings().refresh_lifetime,
        };
        match self.client_store.rotate(&rotation).await? {
            ClientRotation::Live { session, grant, nonce, ends_at } => {
                let lives = self.access_lifetime_until(ends_at);
                let token = self.issue_for_a_while(&grant, grant.permissions, Some(session.into()), lives)?;
                Ok(ClientTokens { token, refresh: old.successor(&nonce).reveal() })
            }
            ClientRotation::Reused { session } => Err(Rejection::RefreshReused(session).into()),
            ClientRotation::Unknown => Err(Rejection::RefreshUnknown.into()),
        }
    }

    /// An access token alone, for a client that has proved who it is, with no more than `scopes`.
    pub fn issue_to_client(&self, client: &ClientGrant, scopes: PermissionSet) -> Result<IssuedToken, StoreError> {
        self.issue_for_a_while(client, scopes, None, self.settings().access_lifetime)
    }

    fn issue_for_a_while(
        &self,
        client: &ClientGrant,
        scopes: PermissionSet,
        grant: Option<CredentialId>,
        expires_in: Duration,
    ) -> Result<IssuedToken, StoreError> {
        let role = RoleName::parse(ROLE).map_err(StoreError::internal)?;
        let scopes = client.permissions.intersection(scopes);
        let holder = Holder {
            actor: Actor::ApiClient(client.client),
            tenant: client.tenant,
            credential: client.client.into(),
            version: client.version,
            roles: vec![role.clone()],
            permissions: scopes,
            grant,
        };
        let access = self.issue_for(&holder, expires_in).map_err(StoreError::internal)?;
        Ok(IssuedToken { access, expires_in, tenant: client.tenant, client: client.client, role, scopes })
    }

    /// Revokes a token of the client (RFC 7009): with a refresh token its session, with an access token what it was granted
    /// by. What is no token, or not the client's, is left alone.
    pub async fn revoke_of_client(&self, client: &ClientGrant, token: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        if let Some(refresh) = RefreshToken::parse(token) {
            return self.client_store.revoke(client.client, &refresh.digest(), now).await;
        }
        let access = match self.authenticate(Credential::Bearer(token), Origin::default()).await {
            Ok(principal) => principal,
            Err(AuthError::Store(error)) => return Err(error),
            Err(AuthError::Rejected(_) | AuthError::Busy(_)) => return Ok(()),
        };
        match access.access.grant {
            Some(grant) if access.actor() == Actor::ApiClient(client.client) => {
                self.client_store.void(client.client, grant, now).await
            }
            _ => Ok(()),
        }
    }

    /// Who calls with this access token, if it is good and of the client's own tenant (RFC 7662).
    pub async fn introspect(
        &self,
        client: &ClientGrant,
        token: &str,
    ) -> Result<Option<std::sync::Arc<Principal>>, StoreError> {
        match self.authenticate(Credential::Bearer(token), Origin::default()).await {
            Ok(principal) => {
                let signed = principal.kind() != CredentialKind::ApiKey;
                Ok(Some(principal).filter(|it| signed && it.tenant() == client.tenant))
            }
            Err(AuthError::Store(error)) => Err(error),
            Err(AuthError::Rejected(_) | AuthError::Busy(_)) => Ok(None),
        }
    }
}

/// What is looked up for credentials; for those that cannot be any, nobody's, so that it takes as long.
fn look_up(shown: ClientCredentials<'_>) -> (ApiClientId, TokenDigest) {
    let id = shown.id.parse().unwrap_or_else(|_| ApiClientId::generate());
    let secret = ClientSecret::parse(shown.secret).unwrap_or_else(ClientSecret::generate);
    (id, secret.digest())
}

#[cfg(test)]
mod tests;
