//! `/api/v1/auth` and the public keys.

use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenantry_auth::{
    AuthError, Authenticator, Credential, CredentialKind, LoginAttempt, LoginError, Rejection, SecurityEventKind,
    Tokens,
};
use tenantry_tenancy::{Permission, RoleName, TenantId, UserId, json_schema};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Type};

use crate::devices::{WithDevice, device};
use crate::extract::{Body, CameFrom, Person};
use crate::hosts::host_tenant;
use crate::problem::ApiError;
use crate::reply::{Gone, Kept, Show};
use crate::routes::Routes;
use crate::security_events::note;
use crate::site::Site;

pub(crate) fn routes(routes: &mut Routes) {
    let rejected = StatusCode::UNAUTHORIZED;
    let log_in = routes.public(Method::POST, "/api/v1/auth/token", "Log in with a password", token);
    log_in.fails(rejected);
    log_in.fails(StatusCode::FORBIDDEN);
    routes
        .public(Method::POST, "/api/v1/auth/token/refresh", "Exchange a refresh token for new tokens", refresh)
        .fails(rejected);
    routes
        .public(Method::POST, "/api/v1/auth/token/verify", "Tell whether an access token is good", verify)
        .fails(rejected);
    let revoke_token = "Give a refresh or access token back: its whole session, if it has one, is over (RFC 7009)";
    routes.public(Method::POST, "/api/v1/auth/token/revoke", revoke_token, revoke);
    let switch_tenant = "Get tokens for another tenant one belongs to";
    routes.person(Method::POST, "/api/v1/auth/token/switch", switch_tenant, switch).fails(StatusCode::NOT_FOUND);
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
    /// What the authenticator shows, or a recovery code; needed by those who have one.
    #[serde(default)]
    otp: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefreshBody {
    /// The refresh token. It is good for one use.
    refresh: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RevokeBody {
    /// A refresh or access token.
    token: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SwitchBody {
    /// The slug or id of the tenant.
    tenant: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VerifyBody {
    /// The access token.
    token: String,
}

/// Tokens to come back with.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenView {
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
    site: Data<Site>,
    CameFrom(origin, req): CameFrom,
    Body(body): Body<Credentials>,
) -> Result<WithDevice<Show<TokenView>>, ApiError> {
    let Credentials { username, password, tenant, otp } = &body;
    let device = device(&site, req.headers());
    let host = host_tenant(&req, &auth).await?;
    let (tenant, code) = (tenant.as_deref(), otp.as_deref());
    let attempt = LoginAttempt { email: username, password, tenant, code, origin, device, host: &host };
    let tokens = auth.login(attempt).await?;
    Ok(WithDevice { device: tokens.device.clone(), reply: Show(tokens.into()) })
}

async fn refresh(
    auth: Data<Authenticator>,
    CameFrom(_, req): CameFrom,
    Body(body): Body<RefreshBody>,
) -> Result<Show<TokenView>, ApiError> {
    let refreshed = auth.refresh(&body.refresh).await;
    if let Err(AuthError::Rejected(Rejection::RefreshReused(_))) = &refreshed {
        note(&req, SecurityEventKind::RefreshReused, None);
    }
    Ok(Show(refreshed?.into()))
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

/// Whatever the token was, the answer is the same: after it the token is good for nothing.
async fn revoke(auth: Data<Authenticator>, Body(body): Body<RevokeBody>) -> Result<Gone, ApiError> {
    auth.revoke(&body.token).await?;
    Ok(Gone)
}

/// The session that asks goes on. A browser's gets no tokens: no script of a page may ever see one.
async fn switch(
    person: Person,
    auth: Data<Authenticator>,
    Body(body): Body<SwitchBody>,
) -> Result<Show<TokenView>, ApiError> {
    if person.kind() != CredentialKind::AccessToken {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", "this needs an access token"));
    }
    let tokens = auth.switch(person.user, person.session, &body.tenant).await?;
    let tokens = tokens.ok_or_else(|| ApiError::not_found("tenant"))?;
    Ok(Show(tokens.into()))
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
    let example = json!({ "kty": "OKP", "use": "sig", "alg": "EdDSA", "kid": "6Jt3m1r0yQm9rT4k", "crv": "Ed25519",
        "x": "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE" });
    let key = key.examples([example]);
    ObjectBuilder::new().property("keys", ArrayBuilder::new().items(key)).required("keys")
});

async fn jwks(auth: Data<Authenticator>) -> Result<Kept<KeySet>, ApiError> {
    Ok(Kept(KeySet(auth.jwks())))
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Rejected(rejection) => Self::rejected(rejection),
            LoginError::SecondFactorRequired(ticket) => Self::second_factor_required(ticket),
            LoginError::EnrolmentRequired(ticket) => Self::enrolment_required(ticket),
            LoginError::TenantRequired => {
                Self::invalid("tenant", "required", "is required: you belong to several tenants")
            }
            LoginError::Busy(busy) => busy.into(),
            LoginError::Store(error) => error.into(),
        }
    }
}
