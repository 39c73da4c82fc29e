//! `/operator/v1/…/act-as`: operators who act in a tenant.

use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_auth::{ActingRequest, Authenticator};
use tenantry_tenancy::acting::{ActingRegistry, Ending, Minutes, Reason};
use tenantry_tenancy::api_keys::Scopes;
use tenantry_tenancy::provisioning::TenantRegistry;
use tenantry_tenancy::{ActingGrantId, Clock, Permission, PermissionSet, TenantId};
use utoipa::ToSchema;

use crate::extract::{Body, OperatorCaller, PathId};
use crate::problem::ApiError;
use crate::reply::{Created, Gone};
use crate::routes::Routes;

const ONE: &str = "/operator/v1/act-as/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.operator(
        Method::POST,
        "/operator/v1/tenants/{id}/act-as",
        "Act in a tenant for a while, seen in its audit",
        begin_acting,
    );
    routes.operator(Method::DELETE, ONE, "Act no longer: the token is void within a second", end_acting);
}

/// Why, for how long and what for an operator acts in a tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ActingBody {
    /// For the tenant to read in its audit.
    reason: Reason,
    minutes: Minutes,
    /// What the token allows; what only looks at the tenant's business if not given.
    #[serde(default)]
    permissions: Option<Scopes>,
}

/// The right to act in a tenant.
#[derive(Debug, Serialize, ToSchema)]
struct ActingView {
    id: ActingGrantId,
    tenant: TenantId,
    /// An access token of that tenant. Only in this answer: it is never shown again.
    access: String,
    token_type: &'static str,
    permissions: Vec<Permission>,
    expires_at: DateTime<Utc>,
}

async fn begin_acting(
    caller: OperatorCaller,
    auth: Data<Authenticator>,
    tenants: Data<dyn TenantRegistry>,
    acting: Data<dyn ActingRegistry>,
    PathId(tenant): PathId<TenantId>,
    Body(body): Body<ActingBody>,
) -> Result<Created<ActingView>, ApiError> {
    let found = tenants.find(tenant).await?.ok_or_else(|| ApiError::not_found("tenant"))?;
    if !found.is_active() {
        return Err(ApiError::new(StatusCode::CONFLICT, "conflict", "the tenant is not active"));
    }
    let ActingBody { reason, minutes, permissions } = body;
    let permissions = permissions.map_or(PermissionSet::READ, Scopes::permissions);
    let asked = ActingRequest { operator: caller.id, tenant, reason, minutes, permissions, request: caller.request };
    let (grant, access) = auth.act_as(&**acting, asked).await?;
    let permissions = grant.permissions.iter().collect();
    let view =
        ActingView { id: grant.id, tenant, access, token_type: "Bearer", permissions, expires_at: grant.expires_at };
    Ok(Created { location: ONE.replace("{id}", &grant.id.to_string()), view })
}

async fn end_acting(
    caller: OperatorCaller,
    acting: Data<dyn ActingRegistry>,
    clock: Data<dyn Clock>,
    PathId(id): PathId<ActingGrantId>,
) -> Result<Gone, ApiError> {
    let ending = Ending { id, by: caller.id, request: caller.request, now: clock.now() };
    if acting.end(&ending).await? { Ok(Gone) } else { Err(ApiError::not_found("grant")) }
}
