//! `/api/v1/auth/api-client`: how machine clients log in and stay so.

use actix_web::HttpRequest;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use tenantry_auth::{Authenticator, ClientCredentials, ClientTokens};
use tenantry_tenancy::{Actor, Permission, RoleName, TenantId};
use utoipa::ToSchema;

use crate::edge;
use crate::extract::Body;
use crate::problem::ApiError;
use crate::reply::Show;
use crate::routes::Routes;

pub(crate) fn routes(routes: &mut Routes) {
    let rejected = StatusCode::UNAUTHORIZED;
    routes
        .public(Method::POST, "/api/v1/auth/api-client/token", "Log in with the secret of a machine client", token)
        .fails(rejected);
    routes
        .public(
            Method::POST,
            "/api/v1/auth/api-client/refresh",
            "Exchange a machine client's refresh token for new tokens",
            refresh,
        )
        .fails(rejected);
}

/// A client's id and secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClientBody {
    client_id: String,
    #[schema(format = "password")]
    client_secret: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClientRefreshBody {
    /// The refresh token. It is good for one use.
    refresh: String,
}

/// Tokens of a machine client.
#[derive(Serialize, ToSchema)]
struct ClientTokenView {
    /// Send it as `Authorization: Bearer …`.
    access: String,
    /// Exchange it at `/api/v1/auth/api-client/refresh` once the access token has expired.
    refresh: String,
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
    tenant: TenantId,
    roles: Vec<RoleName>,
    scopes: Vec<Permission>,
}

impl From<ClientTokens> for ClientTokenView {
    fn from(tokens: ClientTokens) -> Self {
        let ClientTokens { token, refresh } = tokens;
        Self {
            access: token.access,
            refresh,
            token_type: "Bearer",
            expires_in: token.expires_in.as_secs(),
            tenant: token.tenant,
            roles: vec![token.role],
            scopes: token.scopes.iter().collect(),
        }
    }
}

async fn token(
    auth: Data<Authenticator>,
    req: HttpRequest,
    Body(body): Body<ClientBody>,
) -> Result<Show<ClientTokenView>, ApiError> {
    let shown = ClientCredentials { id: &body.client_id, secret: &body.client_secret };
    Ok(handed_out(&req, auth.log_in_client(shown).await?))
}

async fn refresh(
    auth: Data<Authenticator>,
    req: HttpRequest,
    Body(body): Body<ClientRefreshBody>,
) -> Result<Show<ClientTokenView>, ApiError> {
    Ok(handed_out(&req, auth.refresh_client(&body.refresh).await?))
}

fn handed_out(req: &HttpRequest, tokens: ClientTokens) -> Show<ClientTokenView> {
    edge::calls(req, tokens.token.tenant, Actor::ApiClient(tokens.token.client));
    Show(tokens.into())
}
