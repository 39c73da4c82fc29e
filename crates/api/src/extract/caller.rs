//! Who is calling, and whether they may.

use std::marker::PhantomData;
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use tenantry_auth::{Authenticator, Principal};
use tenantry_tenancy::{RequestId, Requires, TenantScope};

use super::Input;
use crate::edge::RequestContext;
use crate::openapi::{Operation, Security};
use crate::problem::ApiError;

/// The caller may do `P` in its tenant. The only thing in a handler's signature that gives it a [`TenantScope`].
pub(crate) struct Can<P> {
    scope: TenantScope,
    permission: PhantomData<P>,
}

impl<P> Deref for Can<P> {
    type Target = TenantScope;

    fn deref(&self) -> &TenantScope {
        &self.scope
    }
}

impl<P: Requires> Can<P> {
    fn authorize(req: &HttpRequest, principal: &Principal) -> Result<Self, ApiError> {
        let scope = principal
            .authorize(P::PERMISSION, request_id(req))
            .map_err(|forbidden| ApiError::forbidden(forbidden.0))?;
        if let Some(context) = req.extensions().get::<RequestContext>() {
            context.caller.set(Some((scope.tenant(), scope.actor())));
        }
        Ok(Self { scope, permission: PhantomData })
    }
}

impl<P: Requires> Input for Can<P> {
    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        let token = bearer(req)?;
        let auth = authenticator(req)?;
        let principal = match auth.authenticate_now(token) {
            Some(known) => known?,
            None => auth.authenticate(token).await?,
        };
        Self::authorize(req, &principal)
    }

    fn describe(operation: &mut Operation) {
        operation.secure(Security::Tenant(P::PERMISSION));
    }
}

/// The caller runs the service.
pub(crate) struct OperatorCaller;

impl Input for OperatorCaller {
    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        let operator = authenticator(req)?.authenticate_operator(bearer(req)?).await?;
        tracing::info!(request.id = %request_id(req), operator.id = %operator.id(), "operator");
        Ok(Self)
    }

    fn describe(operation: &mut Operation) {
        operation.secure(Security::Operator);
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750, section 2.1).
fn bearer(req: &HttpRequest) -> Result<&str, ApiError> {
    let mut headers = req.headers().get_all(AUTHORIZATION);
    let value = match (headers.next(), headers.next()) {
        (Some(value), None) => value.to_str().map_err(|_| ApiError::no_credential())?,
        // None, or two that might contradict each other.
        _ => return Err(ApiError::no_credential()),
    };
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(ApiError::no_credential()),
    }
}

fn authenticator(req: &HttpRequest) -> Result<&Data<Authenticator>, ApiError> {
    req.app_data::<Data<Authenticator>>().ok_or_else(|| ApiError::internal("no authenticator is configured"))
}

fn request_id(req: &HttpRequest) -> RequestId {
    req.extensions().get::<RequestContext>().map_or_else(RequestId::generate, |context| context.id)
}
