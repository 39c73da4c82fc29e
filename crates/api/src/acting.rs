//! `/operator/v1/…/act-as` and `…/service-tokens`: operators, and other services of ours, who act in a tenant.

use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_auth::{ActingRequest, Authenticator};
use tenantry_tenancy::acting::{ActingRegistry, Ending, Minutes, NewActingGrant, Reason};
use tenantry_tenancy::api_keys::Scopes;
use tenantry_tenancy::provisioning::TenantRegistry;
use tenantry_tenancy::{ActingGrantId, Clock, Permission, PermissionSet, ServiceName, TenantId};
use utoipa::ToSchema;

use crate::extract::{Body, OperatorCaller, PathId};
use crate::problem::ApiError;
use crate::reply::{Created, NoContent};
use crate::routes::Routes;

const ONE: &str = "/operator/v1/act-as/{id}";
const ONE_SERVICE: &str = "/operator/v1/service-tokens/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.operator(
        Method::POST,
        "/operator/v1/tenants/{id}/act-as",
        "Act in a tenant for a while, seen in its audit",
        begin_acting,
    );
    routes.operator(
        Method::POST,
        "/operator/v1/tenants/{id}/service-tokens",
        "Let another service of ours act in a tenant for a while, seen in its audit",
        admit_service,
    );
    routes.operator(Method::DELETE, ONE_SERVICE, "Let the service act no longer", dismiss_service);
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

/// Which service acts in a tenant, why, for how long and what for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ServiceBody {
    service: ServiceName,
    /// For the tenant to read in its audit.
    reason: Reason,
    minutes: Minutes,
    /// What the token allows: all that it can ever do.
    permissions: Scopes,
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
    check_active(&**tenants, tenant).await?;
    let ActingBody { reason, minutes, permissions } = body;
    let permissions = lendable(permissions.map_or(PermissionSet::READ, Scopes::permissions))?;
    let (operator, request) = (caller.id, caller.request);
    let asked = ActingRequest { operator, tenant, service: None, reason, minutes, permissions, request };
    Ok(created(auth.act_as(&**acting, asked).await?, ONE))
}

async fn admit_service(
    caller: OperatorCaller,
    auth: Data<Authenticator>,
    tenants: Data<dyn TenantRegistry>,
    acting: Data<dyn ActingRegistry>,
    PathId(tenant): PathId<TenantId>,
    Body(body): Body<ServiceBody>,
) -> Result<Created<ActingView>, ApiError> {
    check_active(&**tenants, tenant).await?;
    let ServiceBody { service, reason, minutes, permissions } = body;
    let (operator, request, permissions) = (caller.id, caller.request, lendable(permissions.permissions())?);
    let asked = ActingRequest { operator, tenant, service: Some(service), reason, minutes, permissions, request };
    Ok(created(auth.act_as(&**acting, asked).await?, ONE_SERVICE))
}

/// Refuses what would outlive the hour: whoever may make a client or invite somebody could stay.
fn lendable(permissions: PermissionSet) -> Result<PermissionSet, ApiError> {
    match permissions.iter().find(|permission| permission.changes_who_may()) {
        Some(excess) => Err(ApiError::invalid("permissions", "too_much", format!("must not have {excess}"))),
        None => Ok(permissions),
    }
}

async fn check_active(tenants: &dyn TenantRegistry, tenant: TenantId) -> Result<(), ApiError> {
    let found = tenants.find(tenant).await?.ok_or_else(|| ApiError::not_found("tenant"))?;
    let inactive = || ApiError::new(StatusCode::CONFLICT, "conflict", "the tenant is not active");
    if found.is_active() { Ok(()) } else { Err(inactive()) }
}

fn created((grant, access): (NewActingGrant, String), path: &str) -> Created<ActingView> {
    let NewActingGrant { id, tenant, permissions, expires_at, .. } = grant;
    let permissions = permissions.iter().collect();
    let view = ActingView { id, tenant, access, token_type: "Bearer", permissions, expires_at };
    Created { location: path.replace("{id}", &id.to_string()), view }
}

async fn dismiss_service(
    caller: OperatorCaller,
    acting: Data<dyn ActingRegistry>,
    clock: Data<dyn Clock>,
    id: PathId<ActingGrantId>,
) -> Result<NoContent, ApiError> {
    end_acting(caller, acting, clock, id).await
}

async fn end_acting(
    caller: OperatorCaller,
    acting: Data<dyn ActingRegistry>,
    clock: Data<dyn Clock>,
    PathId(id): PathId<ActingGrantId>,
) -> Result<NoContent, ApiError> {
    let ending = Ending { id, by: caller.id, request: caller.request, now: clock.now() };
    if acting.end(&ending).await? { Ok(NoContent) } else { Err(ApiError::not_found("grant")) }
}
