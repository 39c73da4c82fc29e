//! `/api/v1/audit-events`: what happened in the tenant.

use actix_web::http::Method;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenantry_tenancy::audit::{AuditEvent, AuditQuery, AuditWord};
use tenantry_tenancy::permissions::needs::ReadAudit;
use tenantry_tenancy::{Actor, AuditEventId, AuditedId, Limit, Moment, PageQuery, RequestId, json_schema};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};
use utoipa::{IntoParams, ToSchema};

use crate::cursor::Cursors;
use crate::extract::{Can, Query};
use crate::list::{FEW, List, PageView, Paging, spelled};
use crate::once::Store;
use crate::problem::ApiError;
use crate::routes::Routes;

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, "/api/v1/audit-events", "List what happened in the tenant, the newest first", list);
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
struct AuditEventView {
    id: AuditEventId,
    at: DateTime<Utc>,
    /// To what kind of thing.
    resource: String,
    /// To which one.
    row_id: AuditedId,
    /// `insert`, `update`, `delete`, or the name of an event that changed nothing.
    action: String,
    /// Who did it: `user:<id>`, `api_key:<id>`, `api_client:<id>`, `service:<name>`, `operator:<id>` or `system`.
    actor: String,
    request_id: RequestId,
    /// The thing as it was.
    before: Option<AuditedRow>,
    /// The thing as it was from then on.
    after: Option<AuditedRow>,
}

/// What a thing is made of, each kind otherwise.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct AuditedRow(Value);

json_schema!(AuditedRow, {
    let fields = AdditionalProperties::FreeForm(true);
    let example = json!({ "name": "Website relaunch", "status": "active" });
    ObjectBuilder::new().additional_properties(Some(fields)).examples([example])
});

impl From<AuditEvent> for AuditEventView {
    fn from(event: AuditEvent) -> Self {
        let AuditEvent { id, at, resource, row, action, actor, request, before, after } = event;
        let (before, after) = (before.map(AuditedRow), after.map(AuditedRow));
        Self { id, at, resource, row_id: row, action, actor, request_id: request, before, after }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct AuditFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// Only what they did.
    #[param(inline)]
    actor: Option<Actor>,
    /// Only what happened to this kind of thing.
    #[param(inline)]
    resource: Option<AuditWord>,
    /// Only what happened so.
    #[param(inline)]
    action: Option<AuditWord>,
    /// Only what happened to this one.
    #[param(inline)]
    row_id: Option<AuditedId>,
    /// Only what happened at this moment or later.
    #[param(inline)]
    from: Option<Moment>,
    /// Only what happened before this moment, and not at it.
    #[param(inline)]
    to: Option<Moment>,
}

impl AuditFilter {
    /// The list that the filter makes, as its cursors know it.
    fn name(&self) -> String {
        let word = |word: &Option<AuditWord>| word.as_ref().map(|word| word.as_str().to_owned()).unwrap_or_default();
        format!(
            "audit-events?actor={}&resource={}&action={}&row_id={}&from={}&to={}",
            spelled(self.actor),
            word(&self.resource),
            word(&self.action),
            spelled(self.row_id),
            spelled(self.from),
            spelled(self.to),
        )
    }
}

async fn list(
    caller: Can<ReadAudit>,
    store: Store,
    cursors: Data<Cursors>,
    Query(filter): Query<AuditFilter>,
) -> Result<PageView<AuditEventView>, ApiError> {
    let paging: Paging<'_> = Paging { limit: filter.limit, cursor: filter.cursor.as_deref(), sort: None };
    let list = List::open(&cursors, caller.tenant(), filter.name(), &paging)?;
    let AuditFilter { actor, resource, action, row_id: row, from, to, .. } = filter;
    let query = AuditQuery { actor, resource, action, row, from, to, ..AuditQuery::default() };
    let fetch = async |page: PageQuery| {
        let after = page.after.map(AuditEventId::from_uuid);
        let query = AuditQuery { after, limit: page.limit, ..query.clone() };
        Ok(store.read(&caller, async |tx| tx.access().audit().list(&query).await).await?)
    };
    list.gather(FEW, fetch).await
}
