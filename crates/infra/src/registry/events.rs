//! Security events, for operators.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use tenantry_auth::{SecurityEvent, SecurityEventId, SecurityEventQuery, SecurityEvents};
use tenantry_tenancy::{RequestId, StoreError, TenantId};
use uuid::Uuid;

use super::PgRegistry;
use crate::rows::{parsed, trusted};
use crate::schema::security_events;

#[derive(Queryable, Selectable)]
#[diesel(table_name = security_events, check_for_backend(diesel::pg::Pg))]
struct EventRow {
    id: Uuid,
    at: DateTime<Utc>,
    kind: String,
    tenant_id: Option<Uuid>,
    actor: Option<String>,
    address: Option<String>,
    request_id: Uuid,
}

impl TryFrom<EventRow> for SecurityEvent {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: SecurityEventId::from_uuid(row.id),
            at: row.at,
            kind: parsed(&row.kind)?,
            tenant: row.tenant_id.map(TenantId::from_uuid),
            actor: row.actor.as_deref().map(parsed).transpose()?,
            address: row.address.map(|address| address.parse()).transpose().map_err(StoreError::internal)?,
            request: RequestId::from_uuid(row.request_id),
        })
    }
}

#[async_trait]
impl SecurityEvents for PgRegistry {
    async fn list(&self, query: &SecurityEventQuery) -> Result<Vec<SecurityEvent>, StoreError> {
        let mut rows = security_events::table
            .select(EventRow::as_select())
            .order(security_events::id.desc())
            .limit(trusted(i64::try_from(query.limit))?)
            .into_boxed();
        if let Some(kind) = query.kind {
            rows = rows.filter(security_events::kind.eq(kind.as_str()));
        }
        if let Some(tenant) = query.tenant {
            rows = rows.filter(security_events::tenant_id.eq(tenant.as_uuid()));
        }
        if let Some(before) = query.before {
            rows = rows.filter(security_events::id.lt(before.as_uuid()));
        }
        self.pool.load::<_, EventRow, _>(rows).await?.into_iter().map(SecurityEvent::try_from).collect()
    }
}
