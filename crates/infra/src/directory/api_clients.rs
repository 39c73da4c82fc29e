//! Machine clients, through the functions of `migrations/registry/0013_api_clients`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bytea, Interval, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use tenantry_auth::{ClientGrant, ClientRotation, ClientStore, NewClientSession, Nonce, Rotation, TokenDigest};
use tenantry_tenancy::{ApiClientId, CredentialId, PermissionSet, SessionId, StoreError, TenantId, Version};
use uuid::Uuid;

use super::{PgDirectory, interval};

#[derive(QueryableByName)]
struct ClientRow {
    #[diesel(sql_type = SqlUuid)]
    client_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = Array<Text>)]
    permissions: Vec<String>,
    #[diesel(sql_type = BigInt)]
    version: i64,
}

impl From<ClientRow> for ClientGrant {
    fn from(row: ClientRow) -> Self {
        Self {
            client: ApiClientId::from_uuid(row.client_id),
            tenant: TenantId::from_uuid(row.tenant_id),
            permissions: PermissionSet::known_of(row.permissions.iter().map(String::as_str)),
            version: Version(row.version),
        }
    }
}

#[derive(QueryableByName)]
struct RotationRow {
    #[diesel(sql_type = Text)]
    outcome: String,
    #[diesel(sql_type = Nullable<Bytea>)]
    nonce: Option<Vec<u8>>,
    #[diesel(sql_type = SqlUuid)]
    session_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    client_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    permissions: Option<Vec<String>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    version: Option<i64>,
    #[diesel(sql_type = Timestamptz)]
    ends_at: DateTime<Utc>,
}

impl RotationRow {
    fn live(self) -> Result<ClientRotation, StoreError> {
        let nonce = self.nonce.as_deref().and_then(|bytes| bytes.try_into().ok()).map(Nonce::from_bytes);
        let (Some(nonce), Some(permissions), Some(version)) = (nonce, self.permissions, self.version) else {
            return Err(StoreError::internal("a live session has a nonce, permissions and a version"));
        };
        let (client_id, tenant_id) = (self.client_id, self.tenant_id);
        let grant = ClientRow { client_id, tenant_id, permissions, version }.into();
        Ok(ClientRotation::Live { session: SessionId::from_uuid(self.session_id), grant, nonce, ends_at: self.ends_at })
    }
}

mod registry {
    use diesel::sql_types::{Bytea, Timestamptz, Uuid};

    #[diesel::declare_sql_function]
    extern "SQL" {
        #[sql_name = "registry.revoke_api_client_token"]
        fn revoke_api_client_token(client: Uuid, digest: Bytea, moment: Timestamptz) -> BigInt;

        #[sql_name = "registry.void_api_client_grant"]
        fn void_api_client_grant(client: Uuid, voided: Uuid, moment: Timestamptz) -> BigInt;
    }
}

#[async_trait]
impl ClientStore for PgDirectory {
    async fn find(
        &self,
        id: ApiClientId,
        secret: &TokenDigest,
        now: DateTime<Utc>,
    ) -> Result<Option<ClientGrant>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.api_client($1, $2, $3)")
            .bind::<SqlUuid, _>(id.as_uuid())
            .bind::<Bytea, _>(secret.as_bytes().as_slice())
            .bind::<Timestamptz, _>(now);
        Ok(self.pool.load::<_, ClientRow, _>(question).await?.pop().map(ClientGrant::from))
    }

    async fn begin(&self, new: &NewClientSession) -> Result<Option<ClientGrant>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.open_api_client_session($1, $2, $3, $4, $5, $6, $7)")
            .bind::<SqlUuid, _>(new.session.as_uuid())
            .bind::<SqlUuid, _>(new.client.as_uuid())
            .bind::<Bytea, _>(new.secret.as_bytes().as_slice())
            .bind::<Bytea, _>(new.digest.as_bytes().as_slice())
            .bind::<Timestamptz, _>(new.now)
            .bind::<Timestamptz, _>(new.expires_at)
            .bind::<Timestamptz, _>(new.ends_at);
        Ok(self.pool.load::<_, ClientRow, _>(question).await?.pop().map(ClientGrant::from))
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<ClientRotation, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.refresh_api_client($1, $2, $3, $4, $5, $6)")
            .bind::<Bytea, _>(rotation.old.as_bytes().as_slice())
            .bind::<Bytea, _>(rotation.new.as_bytes().as_slice())
            .bind::<Bytea, _>(rotation.nonce.as_bytes().as_slice())
            .bind::<Timestamptz, _>(rotation.now)
            .bind::<Interval, _>(interval(rotation.grace)?)
            .bind::<Timestamptz, _>(rotation.expires_at);
        let Some(row) = self.pool.load::<_, RotationRow, _>(question).await?.pop() else {
            return Ok(ClientRotation::Unknown);
        };
        match row.outcome.as_str() {
            "rotated" | "replayed" => row.live(),
            "reused" => Ok(ClientRotation::Reused { session: SessionId::from_uuid(row.session_id) }),
            outcome => Err(StoreError::internal(format!("unknown outcome {outcome}"))),
        }
    }

    async fn revoke(&self, client: ApiClientId, token: &TokenDigest, now: DateTime<Utc>) -> Result<(), StoreError> {
        let digest = token.as_bytes().as_slice();
        let question = diesel::select(registry::revoke_api_client_token(client.as_uuid(), digest, now));
        self.pool.load::<_, i64, _>(question).await?;
        Ok(())
    }

    async fn void(&self, client: ApiClientId, grant: CredentialId, now: DateTime<Utc>) -> Result<(), StoreError> {
        let question = diesel::select(registry::void_api_client_grant(client.as_uuid(), grant.as_uuid(), now));
        self.pool.load::<_, i64, _>(question).await?;
        Ok(())
    }
}
