//! The audit of the open transaction's tenant.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use tenantry_tenancy::audit::{AuditEvent, AuditQuery, AuditRepo};
use tenantry_tenancy::{AuditEventId, AuditedId, Page, RequestId, StoreError};
use uuid::Uuid;

use crate::schema::audit_events;
use crate::tenant_tx::PgTenantTx;

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_events, check_for_backend(diesel::pg::Pg))]
struct AuditRow {
    id: Uuid,
    at: DateTime<Utc>,
    resource: String,
    row_id: Uuid,
    action: String,
    actor: String,
    request_id: Uuid,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
}

impl From<AuditRow> for AuditEvent {
    fn from(row: AuditRow) -> Self {
        let AuditRow { id, at, resource, row_id, action, actor, request_id, before, after } = row;
        let (id, row, request) =
            (AuditEventId::from_uuid(id), AuditedId::from_uuid(row_id), RequestId::from_uuid(request_id));
        Self { id, at, resource, row, action, actor, request, before, after }
    }
}

#[async_trait]
impl AuditRepo for PgTenantTx {
    async fn list(&mut self, query: &AuditQuery) -> Result<Page<AuditEvent>, StoreError> {
        let mut rows = self
            .rows_of(audit_events::table)
            .select(AuditRow::as_select())
            .order((audit_events::at.desc(), audit_events::id.asc()))
            .limit(query.limit.get() as i64 + 1)
            .into_boxed();
        if let Some(actor) = query.actor {
            rows = rows.filter(audit_events::actor.eq(actor.to_string()));
        }
        if let Some(resource) = &query.resource {
            rows = rows.filter(audit_events::resource.eq(resource.as_str()));
        }
        if let Some(action) = &query.action {
            rows = rows.filter(audit_events::action.eq(action.as_str()));
        }
        if let Some(row) = query.row {
            rows = rows.filter(audit_events::row_id.eq(row.as_uuid()));
        }
        if let Some(from) = query.from {
            rows = rows.filter(audit_events::at.ge(from.time()));
        }
        if let Some(to) = query.to {
            rows = rows.filter(audit_events::at.lt(to.time()));
        }
        if let Some(after) = query.after {
            let last = self.rows_of(audit_events::table).filter(audit_events::id.eq(after.as_uuid()));
            let last: Option<DateTime<Utc>> = self.load_one(last.select(audit_events::at)).await?;
            let Some(at) = last else { return Ok(Page::empty()) };
            // The first condition is what the index is read by.
            let behind = audit_events::at.lt(at).or(audit_events::id.gt(after.as_uuid()));
            rows = rows.filter(audit_events::at.le(at)).filter(behind);
        }
        let items = self.load::<_, AuditRow, _>(rows).await?.into_iter().map(AuditEvent::from).collect();
        Ok(Page::cut(items, query.limit, |event| event.id.as_uuid()))
    }
}
