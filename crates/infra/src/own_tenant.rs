//! The open transaction's tenant itself.

use async_trait::async_trait;
use diesel::prelude::*;
use tenantry_tenancy::own_tenant::{OwnTenant, OwnTenantRepo};
use tenantry_tenancy::tenants::TenantSettings;
use tenantry_tenancy::{StoreError, Tenant};
use uuid::Uuid;

use crate::registry::TenantRow;
use crate::rows::trusted;
use crate::schema::tenants;
use crate::tenant_tx::PgTenantTx;

fn own(row: Option<(TenantRow, i64)>) -> Result<OwnTenant, StoreError> {
    let (row, version) = row.ok_or_else(|| StoreError::internal("a tenant sees its own row"))?;
    Ok(OwnTenant { tenant: Tenant::try_from(row)?, version })
}

impl PgTenantTx {
    /// Waits for whoever else of the tenant counts before they add something, and makes them wait until the transaction ends.
    pub(crate) async fn one_at_a_time(&mut self) -> Result<(), StoreError> {
        let lock = self.rows_of(tenants::table).select(tenants::id).for_no_key_update();
        self.load::<_, Uuid, _>(lock).await?;
        Ok(())
    }
}

#[async_trait]
impl OwnTenantRepo for PgTenantTx {
    async fn show(&mut self) -> Result<OwnTenant, StoreError> {
        let query = self.rows_of(tenants::table).select((TenantRow::as_select(), tenants::version));
        own(self.load_one(query).await?)
    }

    async fn show_for_update(&mut self) -> Result<OwnTenant, StoreError> {
        let query = self.rows_of(tenants::table).select((TenantRow::as_select(), tenants::version)).for_no_key_update();
        own(self.load_one(query).await?)
    }

    async fn set_settings(&mut self, settings: &TenantSettings) -> Result<OwnTenant, StoreError> {
        let settings = trusted(serde_json::to_value(settings))?;
        let update = diesel::update(self.rows_of(tenants::table))
            .set(tenants::settings.eq(settings))
            .returning((TenantRow::as_returning(), tenants::version));
        own(self.load_one(update).await?)
    }
}
