//! `/operator/v1/security-events`: what may be an attack, for those who run the service.

use actix_web::http::Method;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_auth::{
    Principal, SecurityEvent, SecurityEventId, SecurityEventKind, SecurityEventQuery, SecurityEvents, SecurityLog,
};
use tenantry_tenancy::{Clock, Limit, RequestId, TenantId};
use utoipa::{IntoParams, ToSchema};

use crate::edge::RequestContext;
use crate::extract::{OperatorCaller, Query, origin};
use crate::problem::ApiError;
use crate::reply::Show;
use crate::routes::Routes;

pub(crate) fn routes(routes: &mut Routes) {
    routes.operator(Method::GET, "/operator/v1/security-events", "List security events, the newest first", list);
}

/// Notes that a request may be an attack. Its sender is told nothing of it.
pub(crate) fn note(req: &HttpRequest, kind: SecurityEventKind, principal: Option<&Principal>) {
    let (Some(log), Some(clock)) = (req.app_data::<Data<dyn SecurityLog>>(), req.app_data::<Data<dyn Clock>>()) else {
        return;
    };
    log.note(SecurityEvent {
        id: SecurityEventId::generate(),
        at: clock.now(),
        kind,
        tenant: principal.map(Principal::tenant),
        actor: principal.map(Principal::actor),
        address: origin(req).address,
        request: req.extensions().get::<RequestContext>().map_or_else(RequestId::generate, |context| context.id),
    });
}

/// A security event.
#[derive(Debug, Serialize, ToSchema)]
struct SecurityEventView {
    id: SecurityEventId,
    at: DateTime<Utc>,
    kind: SecurityEventKind,
    /// The tenant of the credential that was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tenant: Option<TenantId>,
    /// Whose credential that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    actor: Option<String>,
    /// Where the request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    #[schema(examples("203.0.113.7"))]
    address: Option<String>,
    request_id: RequestId,
}

impl From<SecurityEvent> for SecurityEventView {
    fn from(event: SecurityEvent) -> Self {
        let SecurityEvent { id, at, kind, tenant, actor, address, request } = event;
        let (actor, address) = (actor.map(|it| it.to_string()), address.map(|it| it.to_string()));
        Self { id, at, kind, tenant, actor, address, request_id: request }
    }
}

/// Some security events.
#[derive(Debug, Serialize, ToSchema)]
struct SecurityEventList {
    data: Vec<SecurityEventView>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct SecurityEventFilter {
    /// How many at the most.
    #[param(inline)]
    limit: Option<Limit>,
    /// The id of the last one seen.
    #[param(inline)]
    before: Option<SecurityEventId>,
    /// Only those of this kind.
    #[param(inline)]
    kind: Option<SecurityEventKind>,
    /// Only those in this tenant.
    #[param(inline)]
    tenant: Option<TenantId>,
}

async fn list(
    _caller: OperatorCaller,
    events: Data<dyn SecurityEvents>,
    Query(filter): Query<SecurityEventFilter>,
) -> Result<Show<SecurityEventList>, ApiError> {
    let SecurityEventFilter { limit, before, kind, tenant } = filter;
    let query = SecurityEventQuery { kind, tenant, before, limit: limit.unwrap_or_default().get() };
    let data = events.list(&query).await?.into_iter().map(SecurityEventView::from).collect();
    Ok(Show(SecurityEventList { data }))
}
