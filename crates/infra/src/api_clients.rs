//! Machine clients in Postgres.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use tenantry_tenancy::api_clients::{
    ApiClient, ApiClientChange, ApiClientName, ApiClientRepo, ApiClientSecretId, ClientUse, ClientUseId, NewApiClient,
    SecretDigest,
};
use tenantry_tenancy::{ApiClientId, Order, Page, PageQuery, PermissionSet, StoreError, TenantId};
use uuid::Uuid;

use crate::lists::by_id;
use crate::registry::PgRegistry;
use crate::rows::trusted;
use crate::schema::{api_client_secrets, api_clients};
use crate::tenant_tx::PgTenantTx;

mod sec {
    use diesel::sql_types::{BigInt, Bool, Nullable, Uuid};

    #[diesel::declare_sql_function]
    extern "SQL" {
        /// What a client of the open transaction's tenant called.
        #[sql_name = "sec.api_client_usage"]
        fn api_client_usage(client: Uuid, after: Nullable<Uuid>, newest: Bool, most: BigInt) -> Jsonb;
    }
}

/// As `sec.api_client_usage()` tells it.
#[derive(serde::Deserialize)]
struct ClientUseRow {
    id: Uuid,
    hour: DateTime<Utc>,
    method: String,
    route: String,
    status: u16,
    calls: u64,
    last_at: DateTime<Utc>,
}

impl From<ClientUseRow> for ClientUse {
    fn from(row: ClientUseRow) -> Self {
        let ClientUseRow { id, hour, method, route, status, calls, last_at } = row;
        Self { id: ClientUseId::from_uuid(id), hour, method, route, status, calls, last_at }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_clients, check_for_backend(diesel::pg::Pg))]
struct ApiClientRow {
    id: Uuid,
    name: String,
    permissions: Vec<String>,
    enabled: bool,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<ApiClientRow> for ApiClient {
    type Error = StoreError;

    fn try_from(row: ApiClientRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: ApiClientId::from_uuid(row.id),
            name: trusted(ApiClientName::parse(row.name))?,
            scopes: PermissionSet::known_of(row.permissions.iter().map(String::as_str)),
            enabled: row.enabled,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = api_clients)]
struct ApiClientChangeRow<'a> {
    name: Option<&'a str>,
    permissions: Option<Vec<String>>,
    enabled: Option<bool>,
}

#[async_trait]
impl ApiClientRepo for PgTenantTx {
    async fn find(&mut self, id: ApiClientId) -> Result<Option<ApiClient>, StoreError> {
        let query = self.rows_of(api_clients::table).filter(api_clients::id.eq(id.as_uuid()));
        self.load_one(query.select(ApiClientRow::as_select())).await?.map(ApiClient::try_from).transpose()
    }

    async fn find_for_update(&mut self, id: ApiClientId) -> Result<Option<ApiClient>, StoreError> {
        let query = self.rows_of(api_clients::table).filter(api_clients::id.eq(id.as_uuid()));
        self.load_one(query.select(ApiClientRow::as_select()).for_update()).await?.map(ApiClient::try_from).transpose()
    }

    async fn list(&mut self, page: &PageQuery) -> Result<Page<ApiClient>, StoreError> {
        let rows = self.rows_of(api_clients::table).select(ApiClientRow::as_select()).into_boxed();
        let rows = by_id!(rows, page, api_clients::id);
        let rows: Vec<ApiClientRow> = self.load(rows).await?;
        let items = rows.into_iter().map(ApiClient::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit, |client| client.id.as_uuid()))
    }

    async fn usage(&mut self, id: ApiClientId, page: &PageQuery) -> Result<Page<ClientUse>, StoreError> {
        let (newest, most) = (page.order == Order::Newest, page.limit.get() as i64 + 1);
        let usage = diesel::select(sec::api_client_usage(id.as_uuid(), page.after, newest, most));
        let rows: serde_json::Value = self.load_one(usage).await?.unwrap_or_default();
        let rows: Vec<ClientUseRow> = trusted(serde_json::from_value(rows))?;
        Ok(Page::cut(rows.into_iter().map(ClientUse::from).collect(), page.limit, |it| it.id.as_uuid()))
    }

    async fn insert(&mut self, new: &NewApiClient) -> Result<ApiClient, StoreError> {
        let insert = diesel::insert_into(api_clients::table)
            .values((
                api_clients::id.eq(new.id.as_uuid()),
                api_clients::name.eq(new.name.as_str()),
                api_clients::permissions.eq(new.scopes.to_scopes()),
            ))
            .returning(ApiClientRow::as_returning());
        self.load_one(insert).await?.ok_or_else(|| StoreError::internal("an insert returned nothing"))?.try_into()
    }

    async fn update(&mut self, id: ApiClientId, change: &ApiClientChange) -> Result<Option<ApiClient>, StoreError> {
        let row = ApiClientChangeRow {
            name: change.name.as_ref().map(ApiClientName::as_str),
            permissions: change.scopes.map(PermissionSet::to_scopes),
            enabled: change.enabled,
        };
        let update = diesel::update(self.rows_of(api_clients::table).filter(api_clients::id.eq(id.as_uuid())))
            .set(row)
            .returning(ApiClientRow::as_returning());
        self.load_one(update).await?.map(ApiClient::try_from).transpose()
    }

    async fn delete(&mut self, id: ApiClientId) -> Result<bool, StoreError> {
        let delete = diesel::delete(self.rows_of(api_clients::table).filter(api_clients::id.eq(id.as_uuid())));
        Ok(self.execute(delete).await? > 0)
    }

    async fn add_secret(&mut self, id: ApiClientId, digest: &SecretDigest) -> Result<(), StoreError> {
        let insert = diesel::insert_into(api_client_secrets::table).values((
            api_client_secrets::id.eq(ApiClientSecretId::generate().as_uuid()),
            api_client_secrets::api_client_id.eq(id.as_uuid()),
            api_client_secrets::digest.eq(digest.0.as_slice()),
        ));
        self.execute(insert).await?;
        Ok(())
    }

    async fn retire_secret(&mut self, id: ApiClientId, until: DateTime<Utc>) -> Result<(), StoreError> {
        let of_client =
            self.rows_of(api_client_secrets::table).filter(api_client_secrets::api_client_id.eq(id.as_uuid()));
        // Those that a rotation before has retired go now. An expired one is withdrawn in peace: what was had for it stays.
        let end = diesel::update(of_client.filter(api_client_secrets::expires_at.is_not_null()))
            .set(api_client_secrets::expires_at.eq(now.into_sql::<Timestamptz>().nullable()));
        self.execute(end).await?;
        let of_client =
            self.rows_of(api_client_secrets::table).filter(api_client_secrets::api_client_id.eq(id.as_uuid()));
        self.execute(diesel::delete(of_client.filter(api_client_secrets::expires_at.is_not_null()))).await?;
        let of_client =
            self.rows_of(api_client_secrets::table).filter(api_client_secrets::api_client_id.eq(id.as_uuid()));
        let retire = diesel::update(of_client.filter(api_client_secrets::expires_at.is_null()))
            .set(api_client_secrets::expires_at.eq(Some(until)));
        self.execute(retire).await?;
        Ok(())
    }

    async fn withdraw_secrets(&mut self, id: ApiClientId) -> Result<(), StoreError> {
        let of_client =
            self.rows_of(api_client_secrets::table).filter(api_client_secrets::api_client_id.eq(id.as_uuid()));
        self.execute(diesel::delete(of_client)).await?;
        Ok(())
    }
}

impl PgRegistry {
    /// Makes a client of a tenant, as an operator does.
    pub async fn add_api_client(
        &self,
        tenant: TenantId,
        new: &NewApiClient,
        secret: &SecretDigest,
    ) -> Result<(), StoreError> {
        let client = diesel::insert_into(api_clients::table).values((
            api_clients::tenant_id.eq(tenant.as_uuid()),
            api_clients::id.eq(new.id.as_uuid()),
            api_clients::name.eq(new.name.as_str()),
            api_clients::permissions.eq(new.scopes.to_scopes()),
        ));
        self.pool.execute(client).await?;
        let secret = diesel::insert_into(api_client_secrets::table).values((
            api_client_secrets::tenant_id.eq(tenant.as_uuid()),
            api_client_secrets::id.eq(ApiClientSecretId::generate().as_uuid()),
            api_client_secrets::api_client_id.eq(new.id.as_uuid()),
            api_client_secrets::digest.eq(secret.0.as_slice()),
        ));
        self.pool.execute(secret).await?;
        Ok(())
    }

    /// Removes a tenant's clients of this name.
    pub async fn remove_api_clients(&self, tenant: TenantId, name: &ApiClientName) -> Result<(), StoreError> {
        let named = api_clients::table
            .filter(api_clients::tenant_id.eq(tenant.as_uuid()))
            .filter(api_clients::name.eq(name.as_str()));
        self.pool.execute(diesel::delete(named)).await?;
        Ok(())
    }
}
