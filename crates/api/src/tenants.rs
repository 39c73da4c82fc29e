//! `/operator/v1/tenants`: what those who run the service do with tenants.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_tenancy::provisioning::{self, NewTenant, TenantError, TenantRegistry, TenantStorage};
use tenantry_tenancy::tenants::TenantSettings;
use tenantry_tenancy::{Email, Limit, Placement, Plan, Slug, Tenant, TenantId, TenantStatus};
use utoipa::{IntoParams, ToSchema};

use crate::extract::{Body, OperatorCaller, PathId, Query, present, present_object};
use crate::problem::ApiError;
use crate::reply::{Created, Show};
use crate::routes::Routes;

const PATH: &str = "/operator/v1/tenants";
const ONE: &str = "/operator/v1/tenants/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.operator(Method::GET, PATH, "List tenants by slug", list);
    routes.operator(Method::POST, PATH, "Create a tenant, or go on creating it", create);
    routes.operator(Method::GET, ONE, "Show a tenant", show);
    routes.operator(Method::PATCH, ONE, "Suspend or resume a tenant, or change its settings", change);
}

/// Makes schemas, if this process may.
pub(crate) struct Storage(pub(crate) Option<Arc<dyn TenantStorage>>);

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
struct TenantView {
    id: TenantId,
    slug: Slug,
    plan: Plan,
    placement: Placement,
    status: TenantStatus,
    settings: TenantSettings,
    created_at: DateTime<Utc>,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        let Tenant { id, slug, plan, placement, status, settings, created_at } = tenant;
        Self { id, slug, plan, placement, status, settings, created_at }
    }
}

/// Some tenants.
#[derive(Debug, Serialize, ToSchema)]
struct TenantList {
    data: Vec<TenantView>,
    /// Give this as `after` to get more; `null` when there are none.
    next_after: Option<Slug>,
}

/// A tenant to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TenantBody {
    slug: Slug,
    plan: Plan,
    /// Decided by the plan if not given.
    #[serde(default)]
    placement: Option<Placement>,
    /// Becomes a user without a password if there is none with this address.
    owner_email: Email,
}

/// What is to change about a tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TenantPatch {
    /// `active` or `suspended`.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    status: Option<TenantStatus>,
    /// Replaces all settings.
    #[serde(default, deserialize_with = "present_object")]
    #[schema(nullable = false)]
    settings: Option<TenantSettings>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct TenantFilter {
    /// How many at the most.
    #[param(inline)]
    limit: Option<Limit>,
    /// The slug of the last one seen.
    #[param(inline)]
    after: Option<Slug>,
}

async fn list(
    _caller: OperatorCaller,
    registry: Data<dyn TenantRegistry>,
    Query(filter): Query<TenantFilter>,
) -> Result<Show<TenantList>, ApiError> {
    let limit = filter.limit.unwrap_or_default().get();
    let mut tenants = registry.list(filter.after.as_ref(), limit + 1).await?;
    let more = tenants.len() > limit;
    tenants.truncate(limit);
    let next_after = if more { tenants.last().map(|tenant| tenant.slug.clone()) } else { None };
    Ok(Show(TenantList { data: tenants.into_iter().map(TenantView::from).collect(), next_after }))
}

async fn create(
    _caller: OperatorCaller,
    registry: Data<dyn TenantRegistry>,
    storage: Data<Storage>,
    Body(body): Body<TenantBody>,
) -> Result<Created<TenantView>, ApiError> {
    let placement = body.placement.unwrap_or(body.plan.placement());
    let new = NewTenant { slug: body.slug, plan: body.plan, placement, owner: body.owner_email };
    let tenant = provisioning::provision(&**registry, storage.0.as_deref(), &new).await?;
    Ok(Created { location: format!("{PATH}/{}", tenant.id), view: tenant.into() })
}

async fn show(
    _caller: OperatorCaller,
    registry: Data<dyn TenantRegistry>,
    PathId(id): PathId<TenantId>,
) -> Result<Show<TenantView>, ApiError> {
    let tenant = registry.find(id).await?.ok_or(TenantError::NotFound(id))?;
    Ok(Show(tenant.into()))
}

async fn change(
    _caller: OperatorCaller,
    registry: Data<dyn TenantRegistry>,
    PathId(id): PathId<TenantId>,
    Body(patch): Body<TenantPatch>,
) -> Result<Show<TenantView>, ApiError> {
    let mut tenant = registry.find(id).await?.ok_or(TenantError::NotFound(id))?;
    if let Some(status) = patch.status {
        tenant = provisioning::set_status(&**registry, id, status).await?;
    }
    if let Some(settings) = patch.settings {
        tenant = provisioning::set_settings(&**registry, id, settings).await?;
    }
    Ok(Show(tenant.into()))
}

impl From<TenantError> for ApiError {
    fn from(error: TenantError) -> Self {
        match error {
            TenantError::SlugTaken(_) => Self::conflict("slug", error.to_string()),
            TenantError::Transition { .. } => Self::conflict("status", error.to_string()),
            TenantError::NotFound(_) => Self::not_found("tenant"),
            TenantError::NoStorage => Self::unavailable(error, Duration::from_secs(60)),
            TenantError::Store(error) => error.into(),
        }
    }
}
