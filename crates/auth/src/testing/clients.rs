//! Machine clients, in memory.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{ApiClientId, CredentialId, PermissionSet, SessionId, StoreError, Tenant, TenantId, Version};

use super::MemoryCredentials;
use crate::clients::{ClientGrant, ClientRotation, ClientSecret, ClientStore, NewClientSession};
use crate::credentials::{Nonce, Rotation, TokenDigest};

#[derive(Debug, Default)]
pub(super) struct Clients {
    known: HashMap<ApiClientId, (ClientGrant, TokenDigest)>,
    sessions: HashMap<SessionId, Session>,
    tokens: HashMap<TokenDigest, Token>,
}

#[derive(Debug)]
struct Session {
    client: ApiClientId,
    ends_at: DateTime<Utc>,
    revoked: bool,
}

#[derive(Clone, Debug)]
struct Token {
    session: SessionId,
    expires_at: DateTime<Utc>,
    used: Option<(DateTime<Utc>, Nonce)>,
}

impl Clients {
    /// Revokes the session that a refresh token is of, and tells which that is.
    pub(super) fn revoke(&mut self, token: &TokenDigest) -> Option<SessionId> {
        let id = self.tokens.get(token)?.session;
        self.sessions.get_mut(&id)?.revoked = true;
        Some(id)
    }
}

impl MemoryCredentials {
    /// Adds a client of a tenant, and tells its secret.
    pub fn add_client(&self, tenant: TenantId, permissions: PermissionSet) -> (ApiClientId, ClientSecret) {
        let (client, secret) = (ApiClientId::generate(), ClientSecret::generate());
        let grant = ClientGrant { client, tenant, permissions, version: Version::FIRST };
        self.state().clients.known.insert(client, (grant, secret.digest()));
        (client, secret)
    }

    /// Takes everything but `permissions` away from a client.
    pub fn narrow_client(&self, client: ApiClientId, permissions: PermissionSet) {
        if let Some((grant, _)) = self.state().clients.known.get_mut(&client) {
            grant.permissions = permissions;
            grant.version = Version(grant.version.0 + 1);
            self.directory.announce_void(client, grant.version);
        }
    }

    fn client(&self, clients: &Clients, id: ApiClientId) -> Option<ClientGrant> {
        let (grant, _) = clients.known.get(&id)?;
        self.directory.get(grant.tenant).filter(Tenant::is_active).map(|_| *grant)
    }
}

#[async_trait]
impl ClientStore for MemoryCredentials {
    async fn find(
        &self,
        id: ApiClientId,
        secret: &TokenDigest,
        _: DateTime<Utc>,
    ) -> Result<Option<ClientGrant>, StoreError> {
        let clients = &self.state().clients;
        let has_it = clients.known.get(&id).is_some_and(|(_, digest)| digest == secret);
        Ok(self.client(clients, id).filter(|_| has_it))
    }

    async fn begin(&self, new: &NewClientSession) -> Result<Option<ClientGrant>, StoreError> {
        let grant = self.find(new.client, &new.secret, new.now).await?;
        if grant.is_some() {
            let clients = &mut self.state().clients;
            let session = Session { client: new.client, ends_at: new.ends_at, revoked: false };
            clients.sessions.insert(new.session, session);
            clients.tokens.insert(new.digest, Token { session: new.session, expires_at: new.expires_at, used: None });
        }
        Ok(grant)
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<ClientRotation, StoreError> {
        let mut state = self.state();
        let clients = &mut state.clients;
        let Some(token) = clients.tokens.get(&rotation.old).cloned() else { return Ok(ClientRotation::Unknown) };
        let id = token.session;
        let Some(session) = clients.sessions.get_mut(&id) else { return Ok(ClientRotation::Unknown) };
        if session.revoked || session.ends_at <= rotation.now || token.expires_at <= rotation.now {
            return Ok(ClientRotation::Unknown);
        }
        if token
            .used
            .is_some_and(|(used_at, _)| (rotation.now - used_at).to_std().is_ok_and(|since| since > rotation.grace))
        {
            session.revoked = true;
            self.directory.announce_void(id, Version::REVOKED);
            return Ok(ClientRotation::Reused { session: id });
        }
        let (client, ends_at) = (session.client, session.ends_at);
        let Some(grant) = self.client(clients, client) else { return Ok(ClientRotation::Unknown) };
        if let Some((_, nonce)) = token.used {
            return Ok(ClientRotation::Live { session: id, grant, nonce, ends_at });
        }
        clients.tokens.insert(rotation.old, Token { used: Some((rotation.now, rotation.nonce)), ..token });
        let expires_at = rotation.expires_at.min(ends_at);
        clients.tokens.insert(rotation.new, Token { session: id, expires_at, used: None });
        Ok(ClientRotation::Live { session: id, grant, nonce: rotation.nonce, ends_at })
    }

    async fn revoke(&self, client: ApiClientId, token: &TokenDigest, now: DateTime<Utc>) -> Result<(), StoreError> {
        let session = self.state().clients.tokens.get(token).map(|token| token.session);
        let is_own = |id: &SessionId| self.state().clients.sessions.get(id).is_some_and(|it| it.client == client);
        match session.filter(is_own) {
            Some(session) => self.void(client, session.into(), now).await,
            None => Ok(()),
        }
    }

    async fn void(&self, client: ApiClientId, grant: CredentialId, _: DateTime<Utc>) -> Result<(), StoreError> {
        let mut state = self.state();
        let session = SessionId::from_uuid(grant.as_uuid());
        if let Some(session) = state.clients.sessions.get_mut(&session).filter(|it| it.client == client) {
            session.revoked = true;
        }
        self.directory.announce_void(grant, Version::REVOKED);
        Ok(())
    }
}
