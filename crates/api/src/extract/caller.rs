//! Who is calling, and whether they may.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use tenantry_auth::{Authenticator, Credential, CredentialKind, Origin, Principal};
use tenantry_tenancy::{OperatorId, RequestId, Requires, SessionId, TenantScope, UserId};

use super::Input;
use crate::edge::RequestContext;
use crate::hosts::agree;
use crate::openapi::{Operation, Security};
use crate::problem::ApiError;
use crate::proxies::client_address;
use crate::site::site;

/// The caller may do `P` in its tenant. With [`Pass`](super::Pass) the only thing in a
/// handler's signature that gives it a [`TenantScope`].
pub(crate) struct Can<P> {
    scope: TenantScope,
    principal: Arc<Principal>,
    permission: PhantomData<P>,
}

/// The same caller for another part of the same request.
impl<P> Clone for Can<P> {
    fn clone(&self) -> Self {
        Self { scope: self.scope, principal: self.principal.clone(), permission: PhantomData }
    }
}

impl<P> Deref for Can<P> {
    type Target = TenantScope;

    fn deref(&self) -> &TenantScope {
        &self.scope
    }
}

impl<P> Can<P> {
    /// Who that is, for rules beyond the permission: what they may do besides, and whose key it is.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl<P: Requires> Input for Can<P> {
    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        let principal = identify(req).await?;
        let scope = principal
            .authorize(P::PERMISSION, request_id(req))
            .map_err(|forbidden| ApiError::forbidden(forbidden.0))?;
        Ok(Self { scope, principal, permission: PhantomData })
    }

    fn describe(operation: &mut Operation) {
        operation.secure(Security::Tenant(P::PERMISSION));
    }
}

/// The caller is a person who logged in, and looks after their own account. No machine, key or operator is.
///
/// Gives no [`TenantScope`]: an account is the person's, whatever tenants they belong to.
pub(crate) struct Person {
    principal: Arc<Principal>,
    /// Who that is.
    pub(crate) user: UserId,
    /// The login they are here by.
    pub(crate) session: SessionId,
    /// Whether a browser sent the session's cookie.
    pub(crate) by_cookie: bool,
    /// This request.
    pub(crate) request: RequestId,
}

impl Deref for Person {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

impl Input for Person {
    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        let principal = identify(req).await?;
        let by_cookie = site(req)?.token(req.headers())?.is_some();
        match (principal.user(), principal.session()) {
            (Some(user), Some(session)) => Ok(Self { principal, user, session, by_cookie, request: request_id(req) }),
            _ => Err(ApiError::not_a_person()),
        }
    }

    fn describe(operation: &mut Operation) {
        operation.secure(Security::Person);
    }
}

/// The caller runs the service.
pub(crate) struct OperatorCaller {
    /// Who that is.
    pub(crate) id: OperatorId,
    /// This request.
    pub(crate) request: RequestId,
}

impl Input for OperatorCaller {
    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        let (operator, request) = (authenticator(req)?.authenticate_operator(bearer(req)?).await?, request_id(req));
        tracing::info!(request.id = %request, operator.id = %operator.id(), "operator");
        Ok(Self { id: operator.id(), request })
    }

    fn describe(operation: &mut Operation) {
        operation.secure(Security::Operator);
    }
}

/// Who is calling, by whatever credential. From here on the request's log line and answer name the tenant.
async fn identify(req: &HttpRequest) -> Result<Arc<Principal>, ApiError> {
    let (credential, origin, auth) = (credential(req)?, origin(req), authenticator(req)?);
    let principal = match auth.authenticate_now(credential, origin) {
        Some(known) => known?,
        None => auth.authenticate(credential, origin).await?,
    };
    agree(req, auth, &principal).await?;
    if let Some(context) = req.extensions().get::<RequestContext>() {
        context.names_tenant.set(principal.kind() != CredentialKind::BrowserSession);
        context.caller.set(Some((principal.tenant(), principal.actor())));
        context.demands_if_match.set(principal.settings().require_if_match);
    }
    Ok(principal)
}

/// The one credential of a request: two might contradict each other (RFC 6750, section 3.1, `invalid_request`).
fn credential(req: &HttpRequest) -> Result<Credential<'_>, ApiError> {
    let (header, cookie) = (authorization(req)?, site(req)?.token(req.headers())?);
    match (header, cookie) {
        (Some(_), Some(_)) => {
            Err(ApiError::invalid("authorization", "ambiguous", "must not come with a session's cookie"))
        }
        (Some((scheme, token)), None) if scheme.eq_ignore_ascii_case("bearer") => Ok(Credential::Bearer(token)),
        (Some((scheme, token)), None) if scheme.eq_ignore_ascii_case("session") => Ok(Credential::Session(token)),
        (None, Some(token)) => {
            site(req)?.check_cookie(req)?;
            Ok(Credential::Session(token))
        }
        _ => Err(ApiError::no_credential()),
    }
}

/// Where a request came from, for handlers that let somebody in.
pub(crate) struct CameFrom(pub(crate) Origin, pub(crate) HttpRequest);

impl Input for CameFrom {
    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        Ok(Self(origin(req), req.clone()))
    }
}

/// Where a request came from.
pub(crate) fn origin(req: &HttpRequest) -> Origin {
    Origin { address: client_address(req) }
}

/// The token of an `Authorization: Bearer` header (RFC 6750, section 2.1).
fn bearer(req: &HttpRequest) -> Result<&str, ApiError> {
    match authorization(req)? {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token),
        _ => Err(ApiError::no_credential()),
    }
}

/// Scheme and credentials of the `Authorization` header.
fn authorization(req: &HttpRequest) -> Result<Option<(&str, &str)>, ApiError> {
    let mut headers = req.headers().get_all(AUTHORIZATION);
    let value = match (headers.next(), headers.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().map_err(|_| ApiError::no_credential())?,
        _ => return Err(ApiError::invalid("authorization", "ambiguous", "must come once")),
    };
    Ok(value.split_once(' ').map(|(scheme, token)| (scheme, token.trim())))
}

fn authenticator(req: &HttpRequest) -> Result<&Data<Authenticator>, ApiError> {
    req.app_data::<Data<Authenticator>>().ok_or_else(|| ApiError::internal("no authenticator is configured"))
}

pub(crate) fn request_id(req: &HttpRequest) -> RequestId {
    req.extensions().get::<RequestContext>().map_or_else(RequestId::generate, |context| context.id)
}
