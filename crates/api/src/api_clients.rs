//! `/api/v1/api-clients`: the machine clients of a tenant.

use actix_web::http::Method;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_auth::ClientSecret;
use tenantry_tenancy::api_clients::{
    self, ApiClient, ApiClientChange, ApiClientError, ApiClientName, ClientUse, NewApiClient, SecretDigest,
};
use tenantry_tenancy::api_keys::{Overlap, Scopes};
use tenantry_tenancy::permissions::needs::{ReadApiClients, WriteApiClients};
use tenantry_tenancy::{ApiClientId, Clock, Limit, Order, Permission};
use utoipa::{IntoParams, ToSchema};

use crate::conditions::{IfMatch, Versioned};
use crate::cursor::Cursors;
use crate::extract::{Body, Can, PathId, Query, present};
use crate::list::{List, PageView, Paging};
use crate::once::Store;
use crate::problem::ApiError;
use crate::reply::{CreatedResource, Gone, Resource, Show};
use crate::routes::Routes;

const PATH: &str = "/api/v1/api-clients";
const ONE: &str = "/api/v1/api-clients/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List machine clients", list);
    routes.tenant(Method::POST, PATH, "Create a machine client; its secret is told once", create);
    routes.tenant(Method::GET, ONE, "Show a machine client", show);
    routes.tenant(
        Method::GET,
        "/api/v1/api-clients/{id}/usage",
        "List what a machine client called, by the hour",
        usage,
    );
    routes.tenant(Method::PATCH, ONE, "Change some fields of a machine client", change);
    routes.tenant(Method::DELETE, ONE, "Delete a machine client and void its tokens", delete);
    let rotate_path = "/api/v1/api-clients/{id}/rotate-secret";
    routes.tenant(Method::POST, rotate_path, "Give a machine client a new secret, told once", rotate_secret);
}

/// A machine client.
#[derive(Debug, Serialize, ToSchema)]
struct ApiClientView {
    /// Its `client_id`.
    id: ApiClientId,
    name: ApiClientName,
    scopes: Vec<Permission>,
    /// Whether it may log in.
    enabled: bool,
    /// Counts the changes made to it.
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<ApiClient> for ApiClientView {
    fn from(client: ApiClient) -> Self {
        let ApiClient { id, name, scopes, enabled, version, created_at, updated_at } = client;
        Self { id, name, scopes: scopes.iter().collect(), enabled, version, created_at, updated_at }
    }
}

impl Versioned for ApiClientView {
    fn version(&self) -> i64 {
        self.version
    }
}

/// How often a machine client called something within an hour, and with what result.
#[derive(Debug, Serialize, ToSchema)]
struct ClientUseView {
    /// When the hour began.
    hour: DateTime<Utc>,
    /// The HTTP method.
    #[schema(examples("GET"))]
    method: String,
    /// The pattern of the path.
    #[schema(examples("/api/v1/projects/{id}"))]
    route: String,
    /// The HTTP status of the answers.
    #[schema(examples(200))]
    status: u16,
    /// How many calls.
    #[schema(examples(17))]
    calls: u64,
    /// When the last one was.
    last_at: DateTime<Utc>,
}

impl From<ClientUse> for ClientUseView {
    fn from(used: ClientUse) -> Self {
        let ClientUse { id: _, hour, method, route, status, calls, last_at } = used;
        Self { hour, method, route, status, calls, last_at }
    }
}

/// A machine client with its secret.
#[derive(Serialize, ToSchema)]
struct ApiClientSecretView {
    /// Its `client_id`.
    id: ApiClientId,
    /// The secret. Nobody can ever tell it again.
    client_secret: String,
    name: ApiClientName,
    scopes: Vec<Permission>,
    enabled: bool,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl Versioned for ApiClientSecretView {
    fn version(&self) -> i64 {
        self.version
    }
}

impl ApiClientSecretView {
    fn new(client: ApiClient, secret: &ClientSecret) -> Self {
        let ApiClientView { id, name, scopes, enabled, version, created_at, updated_at } = client.into();
        let client_secret = secret.reveal().to_owned();
        Self { id, client_secret, name, scopes, enabled, version, created_at, updated_at }
    }
}

/// A machine client to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApiClientBody {
    name: ApiClientName,
    /// What it may do: among your own permissions.
    scopes: Scopes,
}

/// What is to change about a machine client.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApiClientPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    name: Option<ApiClientName>,
    /// What it may do: what is added must be among your own permissions.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    scopes: Option<Scopes>,
    /// Whether it may log in. Disabling it voids its tokens.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// How a secret is replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretRotationBody {
    /// How long the current secret is good beside the new one: up to a week, a day if not given. With 0 it is withdrawn at
    /// once, and every token that was had for it is void.
    #[serde(default)]
    overlap_seconds: Option<Overlap>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ApiClientFilter {
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
    caller: Can<ReadApiClients>,
    store: Store,
    cursors: Data<Cursors>,
    Query(filter): Query<ApiClientFilter>,
) -> Result<PageView<ApiClientView>, ApiError> {
    let paging = Paging { limit: filter.limit, cursor: filter.cursor.as_deref(), sort: filter.sort };
    let list = List::open(&cursors, caller.tenant(), "api-clients".to_owned(), &paging)?;
    let page = store.read(&caller, async |tx| tx.access().api_clients().list(&list.page).await).await?;
    list.view(page)
}

async fn create(
    caller: Can<WriteApiClients>,
    store: Store,
    Body(body): Body<ApiClientBody>,
) -> Result<CreatedResource<ApiClientSecretView>, ApiError> {
    let (maker, secret) = (caller.principal().permissions(), ClientSecret::generate());
    let new = NewApiClient { id: ApiClientId::generate(), name: body.name, scopes: body.scopes.permissions() };
    let digest = digest(&secret);
    let made = store
        .write(&caller, async |tx| api_clients::create(tx.access().api_clients(), maker, &new, &digest).await)
        .await?;
    Ok(CreatedResource { location: format!("{PATH}/{}", made.id), view: ApiClientSecretView::new(made, &secret) })
}

async fn show(
    caller: Can<ReadApiClients>,
    store: Store,
    PathId(id): PathId<ApiClientId>,
) -> Result<Resource<ApiClientView>, ApiError> {
    let client = store.read(&caller, async |tx| api_clients::show(tx.access().api_clients(), id).await).await?;
    Ok(Resource(client.into()))
}

async fn usage(
    caller: Can<ReadApiClients>,
    store: Store,
    cursors: Data<Cursors>,
    PathId(id): PathId<ApiClientId>,
    Query(filter): Query<ApiClientFilter>,
) -> Result<PageView<ClientUseView>, ApiError> {
    let paging = Paging { limit: filter.limit, cursor: filter.cursor.as_deref(), sort: filter.sort };
    let list = List::open(&cursors, caller.tenant(), format!("usage of {id}"), &paging)?;
    let page =
        store.read(&caller, async |tx| api_clients::usage(tx.access().api_clients(), id, &list.page).await).await?;
    list.view(page)
}

async fn change(
    caller: Can<WriteApiClients>,
    store: Store,
    PathId(id): PathId<ApiClientId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<ApiClientPatch>,
) -> Result<Resource<ApiClientView>, ApiError> {
    let changer = caller.principal().permissions();
    let ApiClientPatch { name, scopes, enabled } = patch;
    let change = ApiClientChange { name, scopes: scopes.map(Scopes::permissions), enabled };
    let client = store
        .write(&caller, async |tx| {
            api_clients::change(tx.access().api_clients(), changer, id, &expected, &change).await
        })
        .await?;
    Ok(Resource(client.into()))
}

async fn delete(
    caller: Can<WriteApiClients>,
    store: Store,
    PathId(id): PathId<ApiClientId>,
    IfMatch(expected): IfMatch,
) -> Result<Gone, ApiError> {
    store.write(&caller, async |tx| api_clients::delete(tx.access().api_clients(), id, &expected).await).await?;
    Ok(Gone)
}

async fn rotate_secret(
    caller: Can<WriteApiClients>,
    store: Store,
    clock: Data<dyn Clock>,
    PathId(id): PathId<ApiClientId>,
    Body(body): Body<SecretRotationBody>,
) -> Result<Show<ApiClientSecretView>, ApiError> {
    let (rotator, secret) = (caller.principal().permissions(), ClientSecret::generate());
    let (overlap, digest) = (body.overlap_seconds.unwrap_or_default().as_delta(), digest(&secret));
    let rotated = store
        .write(&caller, async |tx| {
            api_clients::rotate_secret(tx.access().api_clients(), &**clock, rotator, id, overlap, &digest).await
        })
        .await?;
    Ok(Show(ApiClientSecretView::new(rotated, &secret)))
}

fn digest(secret: &ClientSecret) -> SecretDigest {
    SecretDigest(*secret.digest().as_bytes())
}

impl From<ApiClientError> for ApiError {
    fn from(error: ApiClientError) -> Self {
        match error {
            ApiClientError::NotFound(_) => Self::not_found("api client"),
            ApiClientError::Exceeds => Self::exceeds("scopes", error.to_string()),
            ApiClientError::Stale(stale) => stale.into(),
            ApiClientError::Store(error) => error.into(),
        }
    }
}
