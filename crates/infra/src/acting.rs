//! Who acts in which tenant, written down as the role `tenantry_platform`.

use async_trait::async_trait;
use diesel::prelude::*;
use tenantry_tenancy::acting::{ActingRegistry, Ending, NewActingGrant};
use tenantry_tenancy::{ServiceName, StoreError};
use uuid::Uuid;

use crate::registry::PgRegistry;
use crate::schema::acting_grants;

#[async_trait]
impl ActingRegistry for PgRegistry {
    async fn begin(&self, new: &NewActingGrant) -> Result<(), StoreError> {
        let insert = diesel::insert_into(acting_grants::table).values((
            acting_grants::id.eq(new.id.as_uuid()),
            acting_grants::operator_id.eq(new.operator.as_uuid()),
            acting_grants::tenant_id.eq(new.tenant.as_uuid()),
            acting_grants::service.eq(new.service.as_ref().map(ServiceName::as_str)),
            acting_grants::reason.eq(new.reason.as_str()),
            acting_grants::permissions.eq(new.permissions.to_scopes()),
            acting_grants::request_id.eq(new.request.as_uuid()),
            acting_grants::expires_at.eq(new.expires_at),
        ));
        self.pool.execute(insert).await?;
        Ok(())
    }

    async fn end(&self, ending: &Ending) -> Result<bool, StoreError> {
        let grant = acting_grants::table.filter(acting_grants::id.eq(ending.id.as_uuid()));
        let update = diesel::update(grant.filter(acting_grants::revoked_at.is_null())).set((
            acting_grants::revoked_at.eq(ending.now),
            acting_grants::revoked_by.eq(ending.by.as_uuid()),
            acting_grants::revoking_request_id.eq(ending.request.as_uuid()),
        ));
        if self.pool.execute(update).await? > 0 {
            return Ok(true);
        }
        let known: Vec<Uuid> = self.pool.load(grant.select(acting_grants::id)).await?;
        Ok(!known.is_empty())
    }
}
