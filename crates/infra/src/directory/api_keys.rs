//! API keys, before their tenant is known.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bytea, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use tenantry_auth::{ApiKeyStore, ApiKeyUse, StoredApiKey, TokenDigest};
use tenantry_tenancy::{ApiKeyId, Networks, PermissionSet, StoreError, TenantId, UserId, Version};
use uuid::Uuid;

use super::{PgDirectory, granted};
use crate::rows::trusted;

#[derive(QueryableByName)]
struct ApiKeyRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Bytea)]
    digest: Vec<u8>,
    #[diesel(sql_type = Array<Text>)]
    scopes: Vec<String>,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    networks: Option<Vec<String>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    expires_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    permissions: Option<Vec<String>>,
}

impl TryFrom<ApiKeyRow> for StoredApiKey {
    type Error = StoreError;

    fn try_from(row: ApiKeyRow) -> Result<Self, StoreError> {
        let digest = row.digest.as_slice().try_into().map(TokenDigest::from_bytes);
        Ok(Self {
            id: ApiKeyId::from_uuid(row.id),
            tenant: TenantId::from_uuid(row.tenant_id),
            holder: UserId::from_uuid(row.user_id),
            digest: trusted(digest)?,
            scopes: PermissionSet::known_of(row.scopes.iter().map(String::as_str)),
            networks: row.networks.map(|networks| trusted(Networks::parse(&networks))).transpose()?,
            expires_at: row.expires_at,
            made_at: row.created_at,
            version: Version(row.version),
            grant: granted(&row.role, row.permissions.as_deref())?,
        })
    }
}

/// The questions whose answer is one value.
mod registry {
    use diesel::sql_types::{Interval, Timestamptz};

    #[diesel::declare_sql_function]
    extern "SQL" {
        #[sql_name = "registry.warn_of_expiring_api_keys"]
        fn warn_of_expiring_api_keys(moment: Timestamptz, ahead: Interval) -> BigInt;
    }
}

#[async_trait]
impl ApiKeyStore for PgDirectory {
    async fn find(&self, prefix: &str) -> Result<Option<StoredApiKey>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.api_key($1)").bind::<Text, _>(prefix);
        self.pool.load::<_, ApiKeyRow, _>(question).await?.pop().map(StoredApiKey::try_from).transpose()
    }

    async fn note_uses(&self, uses: &[ApiKeyUse]) -> Result<(), StoreError> {
        let tenants: Vec<Uuid> = uses.iter().map(|it| it.tenant.as_uuid()).collect();
        let keys: Vec<Uuid> = uses.iter().map(|it| it.key.as_uuid()).collect();
        let moments: Vec<DateTime<Utc>> = uses.iter().map(|it| it.at).collect();
        let note = diesel::sql_query("SELECT registry.note_api_key_uses($1, $2, $3)")
            .bind::<Array<SqlUuid>, _>(tenants)
            .bind::<Array<SqlUuid>, _>(keys)
            .bind::<Array<Timestamptz>, _>(moments);
        self.pool.execute(note).await?;
        Ok(())
    }

    async fn warn_of_expiring(&self, now: DateTime<Utc>, ahead: TimeDelta) -> Result<u64, StoreError> {
        let ahead = PgInterval::from_microseconds(ahead.num_microseconds().unwrap_or(i64::MAX));
        let warn = diesel::select(registry::warn_of_expiring_api_keys(now, ahead));
        let warned = self.pool.load::<_, i64, _>(warn).await?.pop().unwrap_or_default();
        trusted(u64::try_from(warned))
    }
}
