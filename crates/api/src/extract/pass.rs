//! A pass in the path, in place of a credential.

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use serde::de::DeserializeOwned;
use tenantry_auth::{AuthError, Authenticator};
use tenantry_tenancy::{Requires, TenantScope};

use super::{Input, request_id};
use crate::edge::RequestContext;
use crate::hosts::agree;
use crate::problem::ApiError;

/// The right to do `P` with one thing, handed on by whoever has it: the `{token}` of the path. Whatever is wrong with it is
/// answered as if there were no such thing. No credential is looked at.
pub(crate) struct Pass<P, T> {
    /// Acts as who handed it on.
    pub(crate) scope: TenantScope,
    /// What it is for.
    pub(crate) thing: T,
    permission: std::marker::PhantomData<P>,
}

impl<P: Requires, T: DeserializeOwned + 'static> Input for Pass<P, T> {
    async fn read(req: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
        let auth = Data::<Authenticator>::read(req, payload).await?;
        let text = req.match_info().get("token").unwrap_or_default();
        let (principal, thing) = auth.admit_pass(P::PERMISSION, text).await.map_err(|error| match error {
            AuthError::Rejected(rejection) => ApiError { source: Some(rejection.into()), ..no_such_file() },
            other => other.into(),
        })?;
        agree(req, &auth, &principal).await.map_err(hidden)?;
        if let Some(context) = req.extensions().get::<RequestContext>() {
            context.caller.set(Some((principal.tenant(), principal.actor())));
        }
        let scope = principal.authorize(P::PERMISSION, request_id(req)).map_err(|_| no_such_file())?;
        Ok(Self { scope, thing, permission: std::marker::PhantomData })
    }
}

/// The one answer to every pass that is no good, and to one for what is gone.
pub(crate) fn no_such_file() -> ApiError {
    ApiError::not_found("file")
}

/// The same for whatever was not found.
pub(crate) fn hidden(error: ApiError) -> ApiError {
    let missing = no_such_file();
    if error.status == missing.status { missing } else { error }
}
