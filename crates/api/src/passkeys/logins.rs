//! `/api/v1/auth/passkey`: logging in with a passkey, after a password or without one.

use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use tenantry_auth::{Authenticator, LoginError, PasskeyAnswer, Rejection, SecurityEventKind};
use utoipa::ToSchema;

use super::shapes::{RequestOptions, SignedCredential, object};
use crate::entering::{Door, Entered, EnteredView};
use crate::extract::Body;
use crate::problem::ApiError;
use crate::reply::Show;
use crate::routes::Routes;
use crate::security_events::note;
use crate::sessions::Keeper;

pub(super) fn routes(routes: &mut Routes) {
    let rejected = StatusCode::UNAUTHORIZED;
    routes.public(Method::POST, "/api/v1/auth/passkey/start", "Begin to log in with a passkey", start).fails(rejected);
    routes.public(Method::POST, "/api/v1/auth/passkey/finish", "Log in with a passkey", finish).fails(rejected);
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StartBody {
    /// From the login by password that was told `second_factor_required`. Without it the passkey is all there is.
    #[serde(default)]
    ticket: Option<String>,
}

/// A login about to happen.
#[derive(Serialize, ToSchema)]
struct QuestionView {
    /// To be sent back with the answer, within five minutes.
    ceremony: String,
    /// For `PublicKeyCredential.parseRequestOptionsFromJSON` and `navigator.credentials.get`.
    options: RequestOptions,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FinishBody {
    /// From the login that was begun. It is good for one attempt.
    ceremony: String,
    #[serde(deserialize_with = "object")]
    credential: SignedCredential,
    /// The slug or id of the tenant; may be left out by members of one tenant, and counts for nothing after a ticket.
    #[serde(default)]
    tenant: Option<String>,
    /// For a session as `/api/v1/auth/session` begins it; tokens if not given.
    #[serde(default)]
    keeper: Option<Keeper>,
}

async fn start(auth: Data<Authenticator>, Body(body): Body<StartBody>) -> Result<Show<QuestionView>, ApiError> {
    let question = auth.ask_for_passkey(body.ticket.as_deref()).await?;
    let ceremony = question.ceremony.reveal();
    Ok(Show(QuestionView { ceremony, options: RequestOptions::new(auth.relying_party(), question) }))
}

async fn finish(
    door: Door,
    auth: Data<Authenticator>,
    Body(body): Body<FinishBody>,
) -> Result<Entered<EnteredView>, ApiError> {
    let (credential, response) = (&body.credential, &body.credential.response);
    let answer = PasskeyAnswer {
        ceremony: &body.ceremony,
        id: &credential.id,
        client_data: &response.client_data_json,
        authenticator_data: &response.authenticator_data,
        signature: &response.signature,
        user: response.user_handle.as_deref(),
    };
    let proven = auth.prove_by_passkey(answer, body.tenant.as_deref(), door.arrival(body.keeper)?).await;
    if let Err(LoginError::Rejected(Rejection::PasskeyCopied(_))) = &proven {
        note(&door.req, SecurityEventKind::PasskeyCopied, None);
    }
    door.let_in(proven?, body.keeper, |entered| entered).await
}
