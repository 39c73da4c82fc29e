//! API keys of the open transaction's tenant.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use tenantry_tenancy::api_keys::{ApiKey, ApiKeyChange, ApiKeyError, ApiKeyName, ApiKeyRepo, NewApiKey};
use tenantry_tenancy::{ApiKeyId, Networks, Page, PageQuery, PermissionSet, StoreError, UserId};
use uuid::Uuid;

use crate::error::OnConstraint;
use crate::lists::by_id;
use crate::rows::trusted;
use crate::schema::api_keys;
use crate::tenant_tx::PgTenantTx;

/// A key is a member's.
const HOLDER_KEY: &str = "api_keys_holder_fkey";

mod sec {
    use diesel::sql_types::Uuid;

    #[diesel::declare_sql_function]
    extern "SQL" {
        /// When a key of the open transaction's tenant was used last.
        #[sql_name = "sec.api_key_used_at"]
        fn api_key_used_at(key: Uuid) -> Nullable<Timestamptz>;
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(diesel::pg::Pg))]
struct ApiKeyRow {
    id: Uuid,
    user_id: Uuid,
    name: String,
    prefix: String,
    scopes: Vec<String>,
    networks: Option<Vec<String>>,
    expires_at: Option<DateTime<Utc>>,
    replaced_by: Option<Uuid>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A key, and when it was used.
type UsedApiKey = (ApiKeyRow, Option<DateTime<Utc>>);

fn api_key((row, last_used_at): UsedApiKey) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: ApiKeyId::from_uuid(row.id),
        holder: UserId::from_uuid(row.user_id),
        name: trusted(ApiKeyName::parse(row.name))?,
        prefix: row.prefix,
        scopes: PermissionSet::known_of(row.scopes.iter().map(String::as_str)),
        networks: row.networks.map(|networks| trusted(Networks::parse(&networks))).transpose()?,
        expires_at: row.expires_at,
        last_used_at,
        replaced_by: row.replaced_by.map(ApiKeyId::from_uuid),
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

// Not "default": a statement with a DEFAULT that depends on its values is prepared anew each time.
#[derive(Insertable)]
#[diesel(table_name = api_keys, treat_none_as_default_value = false)]
struct NewApiKeyRow<'a> {
    id: Uuid,
    user_id: Uuid,
    name: &'a str,
    prefix: &'a str,
    digest: &'a [u8],
    scopes: Vec<String>,
    networks: Option<Vec<String>>,
    expires_at: Option<DateTime<Utc>>,
}

#[derive(AsChangeset)]
#[diesel(table_name = api_keys)]
struct ApiKeyChangeRow<'a> {
    name: Option<&'a str>,
    scopes: Option<Vec<String>>,
    networks: Option<Option<Vec<String>>>,
    expires_at: Option<Option<DateTime<Utc>>>,
}

#[async_trait]
impl ApiKeyRepo for PgTenantTx {
    async fn find(&mut self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let query = self
            .rows_of(api_keys::table)
            .filter(api_keys::id.eq(id.as_uuid()))
            .select((ApiKeyRow::as_select(), sec::api_key_used_at(api_keys::id)));
        self.load_one(query).await?.map(api_key).transpose()
    }

    async fn find_for_update(&mut self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let query = self
            .rows_of(api_keys::table)
            .filter(api_keys::id.eq(id.as_uuid()))
            .select((ApiKeyRow::as_select(), sec::api_key_used_at(api_keys::id)))
            .for_update();
        self.load_one(query).await?.map(api_key).transpose()
    }

    async fn list(&mut self, page: &PageQuery) -> Result<Page<ApiKey>, StoreError> {
        let rows = self.rows_of(api_keys::table);
        let rows = rows.select((ApiKeyRow::as_select(), sec::api_key_used_at(api_keys::id))).into_boxed();
        let rows: Vec<UsedApiKey> = self.load(by_id!(rows, page, api_keys::id)).await?;
        let items = rows.into_iter().map(api_key).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit, |key| key.id.as_uuid()))
    }

    async fn insert(&mut self, new: &NewApiKey) -> Result<(), ApiKeyError> {
        let row = NewApiKeyRow {
            id: new.id.as_uuid(),
            user_id: new.holder.as_uuid(),
            name: new.terms.name.as_str(),
            prefix: &new.imprint.prefix,
            digest: &new.imprint.digest,
            scopes: new.terms.scopes.to_scopes(),
            networks: new.terms.networks.as_ref().map(texts),
            expires_at: new.terms.expires_at,
        };
        let insert = diesel::insert_into(api_keys::table).values(row);
        self.execute(insert).await.on_constraint(HOLDER_KEY, || ApiKeyError::HolderGone)?;
        Ok(())
    }

    async fn update(&mut self, id: ApiKeyId, change: &ApiKeyChange) -> Result<bool, StoreError> {
        let row = ApiKeyChangeRow {
            name: change.name.as_ref().map(ApiKeyName::as_str),
            scopes: change.scopes.map(PermissionSet::to_scopes),
            networks: change.networks.as_ref().map(|networks| networks.as_ref().map(texts)),
            expires_at: change.expires_at,
        };
        let key = self.rows_of(api_keys::table).filter(api_keys::id.eq(id.as_uuid()));
        Ok(self.execute(diesel::update(key).set(row)).await? > 0)
    }

    async fn replace(&mut self, id: ApiKeyId, by: ApiKeyId, ends_at: DateTime<Utc>) -> Result<bool, StoreError> {
        let key =
            self.rows_of(api_keys::table).filter(api_keys::id.eq(id.as_uuid())).filter(api_keys::replaced_by.is_null());
        let update =
            diesel::update(key).set((api_keys::replaced_by.eq(by.as_uuid()), api_keys::expires_at.eq(ends_at)));
        Ok(self.execute(update).await? > 0)
    }

    async fn delete(&mut self, id: ApiKeyId) -> Result<bool, StoreError> {
        let key = self.rows_of(api_keys::table).filter(api_keys::id.eq(id.as_uuid()));
        Ok(self.execute(diesel::delete(key)).await? > 0)
    }
}

fn texts(networks: &Networks) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}
