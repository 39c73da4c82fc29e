//! `/oauth`: the token endpoint of OAuth 2.0 for client credentials (RFC 6749, section 4.4), revocation (RFC 7009),
//! introspection (RFC 7662) and the server's metadata (RFC 8414). Errors are those of RFC 6749, section 5.2.

use actix_web::body::BoxBody;
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;
use serde_json::json;
use tenantry_auth::{AuthError, Authenticator, ClientGrant, IssuedToken, Principal};
use tenantry_tenancy::{Actor, Permission, PermissionSet, StoreError, TenantId};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, Object, Type};

use crate::edge::{self, OwnWords};
use crate::extract::{OauthForm, Parameters};
use crate::openapi::Operation;
use crate::problem::ApiError;
use crate::reply::{Kept, Reply, json};
use crate::routes::Routes;
use crate::site::Site;

const TOKEN: &str = "/oauth/token";
const REVOKE: &str = "/oauth/revoke";
const INTROSPECT: &str = "/oauth/introspect";
/// What is told of a token that is good.
const TOLD: &[&str] = &["aud", "client_id", "exp", "iss", "scope", "sub", "tenant", "token_type"];

pub(crate) fn routes(routes: &mut Routes) {
    let client = [("client_id", "019cadb4-5c40-7cc0-8000-5e0a6c1f44d2"), ("client_secret", "tncs_Vb3q9m…")];
    let asking = [("token", "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9…"), ("token_type_hint", "access_token")];
    let summary = "Get an access token for client credentials (RFC 6749)";
    let grant = [("grant_type", "client_credentials"), ("scope", "projects:read tasks:read")];
    routes.public(Method::POST, TOKEN, summary, token).fields(&[grant, client].concat());
    let summary = "Revoke a token of the client (RFC 7009)";
    routes.public(Method::POST, REVOKE, summary, revoke).fields(&[asking, client].concat());
    let summary = "Tell about a token of the client's tenant (RFC 7662)";
    routes.public(Method::POST, INTROSPECT, summary, introspect).fields(&[asking, client].concat()).shows(TOLD);
    let path = "/.well-known/oauth-authorization-server";
    routes.public(Method::GET, path, "What the authorization server can do (RFC 8414)", metadata);
}

/// An error of OAuth (RFC 6749, section 5.2).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OauthError {
    /// What is wrong, for programs.
    #[schema(examples("invalid_client"))]
    error: &'static str,
    /// What is wrong, for people.
    #[schema(examples("client authentication failed"))]
    error_description: String,
}

/// Why a request of OAuth was refused.
#[derive(Debug)]
pub(crate) struct OauthRefusal {
    error: OauthError,
    /// Whether the client is to be challenged for `Basic`.
    challenges: bool,
}

impl OauthRefusal {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error: OauthError { error, error_description: description.into() }, challenges: false }
    }

    pub(crate) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    /// The one answer to credentials that prove nothing, whatever is wrong with them.
    pub(crate) fn invalid_client(is_basic: bool) -> Self {
        Self { challenges: is_basic, ..Self::new("invalid_client", "client authentication failed") }
    }

    #[cfg(test)]
    pub(crate) const fn code(&self) -> &'static str {
        self.error.error
    }
}

impl Responder for OauthRefusal {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let is_client = self.error.error == "invalid_client";
        let mut response =
            json(if is_client { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST }, &self.error);
        response.extensions_mut().insert(OwnWords);
        if self.challenges {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"tenantry\""));
        }
        response
    }
}

/// A success, or an error in the words of OAuth.
enum Answer<T> {
    Good(T),
    Refused(OauthRefusal),
}

impl<T: Serialize> Responder for Answer<T> {
    type Body = BoxBody;

    fn respond_to(self, req: &HttpRequest) -> HttpResponse {
        match self {
            Self::Good(view) => json(StatusCode::OK, &view),
            Self::Refused(refusal) => refusal.respond_to(req),
        }
    }
}

impl<T: Serialize + ToSchema + 'static> Reply for Answer<T> {
    fn describe(operation: &mut Operation) {
        operation.reply::<T>(StatusCode::OK, &[]);
    }
}

/// Why there is no good answer.
enum Failure {
    Refused(OauthRefusal),
    Failed(ApiError),
}

impl From<OauthRefusal> for Failure {
    fn from(refusal: OauthRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

fn answer<T>(result: Result<T, Failure>) -> Result<Answer<T>, ApiError> {
    match result {
        Ok(view) => Ok(Answer::Good(view)),
        Err(Failure::Refused(refusal)) => Ok(Answer::Refused(refusal)),
        Err(Failure::Failed(error)) => Err(error),
    }
}

/// The client of a form, proven, with its parameters.
async fn prove(auth: &Authenticator, form: OauthForm) -> Result<(ClientGrant, Parameters), Failure> {
    let parameters = form.0?;
    match auth.prove_client(parameters.credentials()).await {
        Ok(client) => Ok((client, parameters)),
        Err(AuthError::Rejected(_)) => Err(OauthRefusal::invalid_client(parameters.is_basic).into()),
        Err(error) => Err(Failure::Failed(error.into())),
    }
}

/// An access token (RFC 6749, section 5.1). There is no refresh token: the credentials are good for another.
#[derive(Serialize, ToSchema)]
struct OauthToken {
    access_token: String,
    token_type: &'static str,
    /// Seconds until it expires.
    expires_in: u64,
    /// What it allows.
    scope: String,
}

impl From<IssuedToken> for OauthToken {
    fn from(token: IssuedToken) -> Self {
        Self {
            access_token: token.access,
            token_type: "Bearer",
            expires_in: token.expires_in.as_secs(),
            scope: token.scopes.to_scopes().join(" "),
        }
    }
}

async fn token(auth: Data<Authenticator>, req: HttpRequest, form: OauthForm) -> Result<Answer<OauthToken>, ApiError> {
    answer(grant(&auth, &req, form).await)
}

async fn grant(auth: &Authenticator, req: &HttpRequest, form: OauthForm) -> Result<OauthToken, Failure> {
    let (client, parameters) = prove(auth, form).await?;
    edge::calls(req, client.tenant, Actor::ApiClient(client.client));
    match parameters.get("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return Err(OauthRefusal::new("unsupported_grant_type", "only client_credentials is").into()),
        None => return Err(OauthRefusal::invalid_request("grant_type is missing").into()),
    }
    let scopes = match parameters.get("scope") {
        Some(scope) => narrowed(&client, scope)?,
        None => client.permissions,
    };
    Ok(auth.issue_to_client(&client, scopes)?.into())
}

/// The scopes asked for, if the client has them all.
fn narrowed(client: &ClientGrant, scope: &str) -> Result<PermissionSet, OauthRefusal> {
    let asked = PermissionSet::from_scopes(scope.split(' ').filter(|word| !word.is_empty()));
    let granted = asked.ok().filter(|asked| !asked.is_empty() && client.permissions.covers(*asked));
    granted.ok_or_else(|| OauthRefusal::new("invalid_scope", "the client does not have all of these scopes"))
}

/// Nothing is told of what was revoked.
enum Revocation {
    Done,
    Refused(OauthRefusal),
}

impl Responder for Revocation {
    type Body = BoxBody;

    fn respond_to(self, req: &HttpRequest) -> HttpResponse {
        match self {
            Self::Done => HttpResponse::new(StatusCode::OK),
            Self::Refused(refusal) => refusal.respond_to(req),
        }
    }
}

impl Reply for Revocation {
    fn describe(operation: &mut Operation) {
        operation.empty_reply(StatusCode::OK);
    }
}

async fn revoke(auth: Data<Authenticator>, form: OauthForm) -> Result<Revocation, ApiError> {
    match answer(revoked(&auth, form).await)? {
        Answer::Good(()) => Ok(Revocation::Done),
        Answer::Refused(refusal) => Ok(Revocation::Refused(refusal)),
    }
}

async fn revoked(auth: &Authenticator, form: OauthForm) -> Result<(), Failure> {
    let (client, parameters) = prove(auth, form).await?;
    let token = parameters.get("token").ok_or_else(|| OauthRefusal::invalid_request("token is missing"))?;
    Ok(auth.revoke_of_client(&client, token).await?)
}

/// What a token says (RFC 7662, section 2.2); of one that is not good for the client's tenant, only that.
#[derive(Default, Serialize, ToSchema)]
struct Introspection {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    #[schema(examples("projects:read tasks:read"))]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<&'static str>,
    /// When it expires, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tenant: Option<TenantId>,
}

impl Introspection {
    fn of(principal: &Principal, auth: &Authenticator) -> Self {
        let actor = principal.actor().to_string();
        let sub = actor.split_once(':').map_or(actor.as_str(), |(_, subject)| subject).to_owned();
        let is_client = matches!(principal.actor(), Actor::ApiClient(_));
        Self {
            active: true,
            scope: Some(principal.permissions().to_scopes().join(" ")),
            client_id: is_client.then(|| sub.clone()),
            sub: Some(sub),
            token_type: Some("Bearer"),
            exp: principal.expires_at().map(|at| at.timestamp()),
            iss: Some(auth.settings().issuer.clone()),
            aud: Some(auth.settings().audience.clone()),
            tenant: Some(principal.tenant()),
        }
    }
}

async fn introspect(auth: Data<Authenticator>, form: OauthForm) -> Result<Answer<Introspection>, ApiError> {
    answer(introspected(&auth, form).await)
}

async fn introspected(auth: &Authenticator, form: OauthForm) -> Result<Introspection, Failure> {
    let (client, parameters) = prove(auth, form).await?;
    let token = parameters.get("token").ok_or_else(|| OauthRefusal::invalid_request("token is missing"))?;
    let principal = auth.introspect(&client, token).await?;
    Ok(principal.map_or_else(Introspection::default, |principal| Introspection::of(&principal, auth)))
}

/// What the server can do (RFC 8414, section 2).
#[derive(Serialize, ToSchema)]
struct ServerMetadata {
    #[schema(examples("https://api.example.com"))]
    issuer: String,
    #[schema(examples("https://api.example.com/oauth/token"))]
    token_endpoint: String,
    #[schema(examples("https://api.example.com/oauth/revoke"))]
    revocation_endpoint: String,
    #[schema(examples("https://api.example.com/oauth/introspect"))]
    introspection_endpoint: String,
    #[schema(examples("https://api.example.com/.well-known/jwks.json"))]
    jwks_uri: String,
    #[schema(value_type = Vec<String>, examples("client_credentials"))]
    grant_types_supported: [&'static str; 1],
    /// None: nobody is sent anywhere.
    #[schema(schema_with = nothing)]
    response_types_supported: [&'static str; 0],
    #[schema(value_type = Vec<String>, examples("client_secret_basic"))]
    token_endpoint_auth_methods_supported: [&'static str; 2],
    #[schema(value_type = Vec<String>, examples("client_secret_basic"))]
    revocation_endpoint_auth_methods_supported: [&'static str; 2],
    #[schema(value_type = Vec<String>, examples("client_secret_basic"))]
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    scopes_supported: &'static [Permission],
}

fn nothing() -> Array {
    let none: [&str; 0] = [];
    ArrayBuilder::new().items(Object::with_type(Type::String)).max_items(Some(0)).examples([json!(none)]).build()
}

async fn metadata(auth: Data<Authenticator>, site: Data<Site>) -> Result<Kept<ServerMetadata>, ApiError> {
    let at = |path: &str| format!("{}{path}", site.origin());
    let methods = ["client_secret_basic", "client_secret_post"];
    Ok(Kept(ServerMetadata {
        issuer: auth.settings().issuer.clone(),
        token_endpoint: at(TOKEN),
        revocation_endpoint: at(REVOKE),
        introspection_endpoint: at(INTROSPECT),
        jwks_uri: at("/.well-known/jwks.json"),
        grant_types_supported: ["client_credentials"],
        response_types_supported: [],
        token_endpoint_auth_methods_supported: methods,
        revocation_endpoint_auth_methods_supported: methods,
        introspection_endpoint_auth_methods_supported: methods,
        scopes_supported: Permission::ALL,
    }))
}
