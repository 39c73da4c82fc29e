//! `/api/v1/api-keys`.

use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_app::TenantTx;
use tenantry_auth::{ApiKeyText, Authenticator, Principal};
use tenantry_tenancy::api_keys::{self, ApiKey, ApiKeyChange, ApiKeyError, ApiKeyName, Maker, Overlap, Scopes, Terms};
use tenantry_tenancy::permissions::needs::{ReadApiKeys, WriteApiKeys};
use tenantry_tenancy::{Actor, ApiKeyId, Clock, Limit, Moment, Network, Networks, Order, Permission, UserId};
use utoipa::{IntoParams, ToSchema};

use crate::conditions::{IfMatch, Versioned};
use crate::cursor::Cursors;
use crate::extract::{Body, Can, PathId, Query, present};
use crate::list::{List, PageView, Paging};
use crate::once::Store;
use crate::problem::ApiError;
use crate::reply::{CreatedResource, Gone, Resource};
use crate::routes::Routes;

const PATH: &str = "/api/v1/api-keys";
const ONE: &str = "/api/v1/api-keys/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List API keys", list);
    routes.tenant(Method::POST, PATH, "Create an API key, shown once", create).shows(&["key"]);
    routes.tenant(Method::GET, ONE, "Show an API key, without its secret", show);
    routes.tenant(Method::PATCH, ONE, "Change some fields of an API key", change);
    routes.tenant(Method::DELETE, ONE, "Revoke an API key at once", revoke);
    let summary = "Make an API key in place of another, which lives on for a while";
    routes.tenant(Method::POST, "/api/v1/api-keys/{id}/rotate", summary, rotate).shows(&["key"]);
}

/// An API key.
#[derive(Debug, Serialize, ToSchema)]
struct ApiKeyView {
    id: ApiKeyId,
    /// The key itself. Only in the answer that makes it: it is never shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    key: Option<String>,
    name: ApiKeyName,
    /// How the key begins.
    prefix: String,
    /// The member who was shown the key. It never allows more than their role does.
    holder: UserId,
    scopes: Vec<Permission>,
    /// From where it may be used; everywhere if `null`.
    networks: Option<Vec<Network>>,
    expires_at: Option<DateTime<Utc>>,
    /// To the minute. To be used is no change: it has no version.
    last_used_at: Option<DateTime<Utc>>,
    /// The key that was made in its place.
    replaced_by: Option<ApiKeyId>,
    /// Counts the changes made to it and to what its holder may do.
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            key: None,
            name: key.name,
            prefix: key.prefix,
            holder: key.holder,
            scopes: key.scopes.iter().collect(),
            networks: key.networks.map(|networks| networks.iter().copied().collect()),
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            replaced_by: key.replaced_by,
            version: key.version,
            created_at: key.created_at,
            updated_at: key.updated_at,
        }
    }
}

impl Versioned for ApiKeyView {
    fn version(&self) -> i64 {
        self.version
    }
}

impl ApiKeyView {
    fn made(key: ApiKey, text: &ApiKeyText) -> CreatedResource<Self> {
        let location = format!("{PATH}/{}", key.id);
        CreatedResource { location, view: Self { key: Some(text.reveal().to_owned()), ..key.into() } }
    }
}

/// All that can be chosen about an API key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApiKeyBody {
    name: ApiKeyName,
    /// What it is for: some of what you may do yourself.
    scopes: Scopes,
    /// From where it may be used; everywhere if not given.
    #[serde(default)]
    networks: Option<Networks>,
    /// When it ends; never if not given, or when the tenant's policy says.
    #[serde(default)]
    expires_at: Option<Moment>,
}

/// Some of what can be chosen about an API key (JSON Merge Patch, RFC 7396): `null` empties `networks` and `expires_at`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApiKeyPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    name: Option<ApiKeyName>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    scopes: Option<Scopes>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Networks>)]
    networks: Option<Option<Networks>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Moment>)]
    expires_at: Option<Option<Moment>>,
}

impl From<ApiKeyPatch> for ApiKeyChange {
    fn from(patch: ApiKeyPatch) -> Self {
        let ApiKeyPatch { name, scopes, networks, expires_at } = patch;
        let expires_at = expires_at.map(|moment| moment.map(Moment::time));
        Self { name, scopes: scopes.map(Scopes::permissions), networks, expires_at }
    }
}

/// How an API key is to be rotated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotationBody {
    /// For how many seconds the old key lives on; a day if not given.
    #[serde(default)]
    overlap_seconds: Option<Overlap>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ApiKeyFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<Order>,
}

async fn list(
    caller: Can<ReadApiKeys>,
    store: Store,
    cursors: Data<Cursors>,
    Query(filter): Query<ApiKeyFilter>,
) -> Result<PageView<ApiKeyView>, ApiError> {
    let paging = Paging { limit: filter.limit, cursor: filter.cursor.as_deref(), sort: filter.sort };
    let list = List::open(&cursors, caller.tenant(), "api-keys".to_owned(), &paging)?;
    let page = store.read(&caller, async |tx| tx.access().api_keys().list(&list.page).await).await?;
    list.view(page)
}

async fn create(
    caller: Can<WriteApiKeys>,
    store: Store,
    auth: Data<Authenticator>,
    clock: Data<dyn Clock>,
    Body(body): Body<ApiKeyBody>,
) -> Result<CreatedResource<ApiKeyView>, ApiError> {
    let (maker, text) = (maker(caller.principal())?, auth.new_api_key());
    let ApiKeyBody { name, scopes, networks, expires_at } = body;
    let terms = Terms { name, scopes: scopes.permissions(), networks, expires_at: expires_at.map(Moment::time) };
    let make =
        async |tx: &mut TenantTx| api_keys::make(tx.access().api_keys(), &**clock, &maker, text.imprint(), terms).await;
    let key = store.write(&caller, make).await?;
    Ok(ApiKeyView::made(key, &text))
}

async fn show(
    caller: Can<ReadApiKeys>,
    store: Store,
    PathId(id): PathId<ApiKeyId>,
) -> Result<Resource<ApiKeyView>, ApiError> {
    let key = store.read(&caller, async |tx| api_keys::show(tx.access().api_keys(), id).await).await?;
    Ok(Resource(key.into()))
}

async fn change(
    caller: Can<WriteApiKeys>,
    store: Store,
    clock: Data<dyn Clock>,
    PathId(id): PathId<ApiKeyId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<ApiKeyPatch>,
) -> Result<Resource<ApiKeyView>, ApiError> {
    let (maker, change) = (maker(caller.principal())?, patch.into());
    let change = async |tx: &mut TenantTx| {
        api_keys::change(tx.access().api_keys(), &**clock, &maker, id, &expected, change).await
    };
    let key = store.write(&caller, change).await?;
    Ok(Resource(key.into()))
}

async fn rotate(
    caller: Can<WriteApiKeys>,
    store: Store,
    auth: Data<Authenticator>,
    clock: Data<dyn Clock>,
    PathId(id): PathId<ApiKeyId>,
    Body(body): Body<RotationBody>,
) -> Result<CreatedResource<ApiKeyView>, ApiError> {
    let (maker, text) = (maker(caller.principal())?, auth.new_api_key());
    let overlap = body.overlap_seconds.unwrap_or_default();
    let rotate = async |tx: &mut TenantTx| {
        api_keys::rotate(tx.access().api_keys(), &**clock, &maker, id, text.imprint(), overlap).await
    };
    let key = store.write(&caller, rotate).await?;
    Ok(ApiKeyView::made(key, &text))
}

async fn revoke(
    caller: Can<WriteApiKeys>,
    store: Store,
    PathId(id): PathId<ApiKeyId>,
    IfMatch(expected): IfMatch,
) -> Result<Gone, ApiError> {
    store.write(&caller, async |tx| api_keys::revoke(tx.access().api_keys(), id, &expected).await).await?;
    Ok(Gone)
}

/// A key is a member's: they make it themselves, or a key of theirs does.
fn maker(caller: &Principal) -> Result<Maker, ApiError> {
    let (permissions, max_age) = (caller.permissions(), caller.settings().api_key_max_age_days);
    match (caller.user(), caller.actor()) {
        (Some(user), Actor::User(_)) => Ok(Maker { user, permissions, key: None, max_age }),
        (Some(user), Actor::ApiKey(key)) => Ok(Maker { user, permissions, key: Some(key), max_age }),
        _ => Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", "an API key is a member's, and you are none")),
    }
}

impl From<ApiKeyError> for ApiError {
    fn from(error: ApiKeyError) -> Self {
        let message = error.to_string();
        match error {
            ApiKeyError::NotFound(_) => Self::not_found("API key"),
            ApiKeyError::Scopes(_) => Self::exceeds("scopes", message),
            ApiKeyError::TooPowerful(_) => Self::new(StatusCode::FORBIDDEN, "forbidden", message),
            ApiKeyError::Network(_) => Self::invalid("networks", "forbidden", message),
            ApiKeyError::Expiry => Self::invalid("expires_at", "invalid", message),
            ApiKeyError::HolderGone => Self::new(StatusCode::CONFLICT, "conflict", message),
            ApiKeyError::Rotated(_) => Self::new(StatusCode::CONFLICT, "conflict", "the key was rotated before"),
            ApiKeyError::Stale(stale) => stale.into(),
            ApiKeyError::Store(error) => error.into(),
        }
    }
}
