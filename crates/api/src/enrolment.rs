//! `/api/v1/auth/second-factor/enrol`: who belongs to a tenant that requires a second factor enrols one on the way in.

use actix_web::HttpRequest;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use tenantry_auth::{Authenticator, EnrolmentError, FactorError};
use utoipa::ToSchema;

use crate::extract::{Body, request_id};
use crate::factors::SecretView;
use crate::problem::ApiError;
use crate::reply::Show;
use crate::routes::Routes;

const ENROL: &str = "/api/v1/auth/second-factor/enrol";
const CONFIRM: &str = "/api/v1/auth/second-factor/enrol/confirm";

pub(crate) fn routes(routes: &mut Routes) {
    let rejected = StatusCode::UNAUTHORIZED;
    let begin_enrolment = "Begin to enrol an authenticator that a tenant requires (TOTP, RFC 6238)";
    routes.public(Method::POST, ENROL, begin_enrolment, begin).fails(rejected);
    let confirm_enrolment = "Enrol the authenticator by its first code, and log in";
    routes.public(Method::POST, CONFIRM, confirm_enrolment, confirm).fails(rejected);
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TicketBody {
    /// From the login that was told to enrol. It is good for ten minutes.
    ticket: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TicketCodeBody {
    /// From the login that was told to enrol.
    ticket: String,
    /// What the authenticator shows.
    code: String,
}

/// Tokens, and codes for when the authenticator is lost, each good once. The codes are only in this answer.
#[derive(Serialize, ToSchema)]
struct EnrolledView {
    /// Send it as `Authorization: Bearer …`.
    access: String,
    /// Exchange it at `/api/v1/auth/token/refresh` once the access token has expired.
    refresh: String,
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
    recovery_codes: Vec<String>,
}

async fn begin(auth: Data<Authenticator>, Body(body): Body<TicketBody>) -> Result<Show<SecretView>, ApiError> {
    let (user, secret) = auth.begin_enrolment(&body.ticket).await?;
    Ok(Show(SecretView::new(user, &secret)))
}

async fn confirm(
    req: HttpRequest,
    auth: Data<Authenticator>,
    Body(body): Body<TicketCodeBody>,
) -> Result<Show<EnrolledView>, ApiError> {
    let (tokens, recovery_codes) = auth.confirm_enrolment(&body.ticket, &body.code, request_id(&req)).await?;
    Ok(Show(EnrolledView {
        access: tokens.access,
        refresh: tokens.refresh,
        token_type: "Bearer",
        expires_in: tokens.expires_in.as_secs(),
        recovery_codes,
    }))
}

impl From<EnrolmentError> for ApiError {
    fn from(error: EnrolmentError) -> Self {
        match error {
            EnrolmentError::Login(error) => error.into(),
            EnrolmentError::WrongCode => FactorError::WrongCode.into(),
        }
    }
}
