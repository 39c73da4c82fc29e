//! `/api/v1/auth` and the public keys.

use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenantry_auth::{Authenticator, Credential, LoginAttempt, LoginError, Tokens};
use tenantry_tenancy::{Permission, RoleName, TenantId, UserId, json_schema};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Type};

use crate::extract::{Body, CameFrom};
use crate::problem::ApiError;
use crate::reply::{Kept, Show};
use crate::routes::Routes;

pub(crate) fn routes(routes: &mut Routes) {
    let rejected = StatusCode::UNAUTHORIZED;
    routes.public(Method::POST, "/api/v1/auth/token", "Log in with a password", token).fails(rejected);
    routes
        .public(Method::POST, "/api/v1/auth/token/refresh", "Exchange a refresh token for new tokens", refresh)
        .fails(rejected);
    routes
        .public(Method::POST, "/api/v1/auth/token/verify", "Tell whether an access token is good", verify)
        .fails(rejected);
    routes.public(Method::GET, "/.well-known/jwks.json", "The keys that verify our tokens (RFC 7517)", jwks);
}

/// A person's name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// The e-mail address.
    username: String,
    #[schema(format = "password")]
    password: String,
    /// The slug or id of the tenant; may be left out by members of one tenant.
    #[serde(default)]
    tenant: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefreshBody {
    /// The refresh token. It is good for one use.
    refresh: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VerifyBody {
    /// The access token.
    token: String,
}

/// Tokens to come back with.
#[derive(Serialize, ToSchema)]
struct TokenView {
    /// Send it as `Authorization: Bearer …`.
    access: String,
    /// Exchange it at `/api/v1/auth/token/refresh` once the access token has expired.
    refresh: String,
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
}

impl From<Tokens> for TokenView {
    fn from(tokens: Tokens) -> Self {
        Self {
            access: tokens.access,
            refresh: tokens.refresh,
            token_type: "Bearer",
            expires_in: tokens.expires_in.as_secs(),
        }
    }
}

/// What a good access token says.
#[derive(Serialize, ToSchema)]
struct VerifiedView {
    valid: bool,
    tenant: TenantId,
    user_id: Option<UserId>,
    roles: Vec<RoleName>,
    scopes: Vec<Permission>,
    expires_at: Option<DateTime<Utc>>,
}

async fn token(
    auth: Data<Authenticator>,
    CameFrom(origin, _): CameFrom,
    Body(body): Body<Credentials>,
) -> Result<Show<TokenView>, ApiError> {
    let Credentials { username, password, tenant } = &body;
    let attempt = LoginAttempt { email: username, password, tenant: tenant.as_deref(), origin };
    Ok(Show(auth.login(attempt).await?.into()))
}

async fn refresh(auth: Data<Authenticator>, Body(body): Body<RefreshBody>) -> Result<Show<TokenView>, ApiError> {
    Ok(Show(auth.refresh(&body.refresh).await?.into()))
}

async fn verify(
    auth: Data<Authenticator>,
    CameFrom(origin, _): CameFrom,
    Body(body): Body<VerifyBody>,
) -> Result<Show<VerifiedView>, ApiError> {
    let principal = auth.authenticate(Credential::Bearer(&body.token), origin).await?;
    Ok(Show(VerifiedView {
        valid: true,
        tenant: principal.tenant(),
        user_id: principal.user(),
        roles: principal.roles().to_vec(),
        scopes: principal.permissions().iter().collect(),
        expires_at: principal.expires_at(),
    }))
}

/// A JSON Web Key Set.
#[derive(Serialize)]
#[serde(transparent)]
struct KeySet(Value);

json_schema!(KeySet, {
    let text = || Object::with_type(Type::String);
    // All that a key of any of our algorithms has (RFC 7518, section 6; RFC 8037, section 2).
    let key = ["kty", "use", "alg", "kid", "crv", "x", "y", "n", "e"]
        .into_iter()
        .fold(ObjectBuilder::new(), |key, member| key.property(member, text()));
    let key = ["kty", "use", "alg", "kid"].into_iter().fold(key, ObjectBuilder::required);
    ObjectBuilder::new().property("keys", ArrayBuilder::new().items(key)).required("keys")
});

async fn jwks(auth: Data<Authenticator>) -> Result<Kept<KeySet>, ApiError> {
    Ok(Kept(KeySet(auth.jwks())))
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Rejected(rejection) => Self::rejected(rejection),
            LoginError::TenantRequired => {
                Self::invalid("tenant", "required", "is required: you belong to several tenants")
            }
            LoginError::Busy(busy) => busy.into(),
            LoginError::Store(error) => error.into(),
        }
    }
}
