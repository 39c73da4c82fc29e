//! `/api/v1/auth/second-factor/enrol`: who belongs to a tenant that requires a second factor enrols one on the way in.

use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use tenantry_app::Mailer;
use tenantry_auth::{Authenticator, Enrolled, EnrolmentError, FactorError};
use utoipa::ToSchema;

use crate::entering::{Door, Entered, EnteredView};
use crate::extract::Body;
use crate::factors::SecretView;
use crate::notices::Notice;
use crate::problem::ApiError;
use crate::reply::Show;
use crate::routes::Routes;
use crate::sessions::Keeper;

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
    /// For a session as `/api/v1/auth/session` begins it; tokens if not given.
    #[serde(default)]
    keeper: Option<Keeper>,
}

/// What lets them in, and codes for when the authenticator is lost, each good once. The codes are only in this answer.
#[derive(Serialize, ToSchema)]
struct EnrolledView {
    #[serde(flatten)]
    entered: EnteredView,
    recovery_codes: Vec<String>,
}

async fn begin(auth: Data<Authenticator>, Body(body): Body<TicketBody>) -> Result<Show<SecretView>, ApiError> {
    let (email, secret) = auth.begin_enrolment(&body.ticket).await?;
    Ok(Show(SecretView::new(&email, &secret)))
}

async fn confirm(
    door: Door,
    auth: Data<Authenticator>,
    mailer: Data<dyn Mailer>,
    Body(body): Body<TicketCodeBody>,
) -> Result<Entered<EnrolledView>, ApiError> {
    let TicketCodeBody { ticket, code, keeper } = body;
    let enrolled = auth.confirm_enrolment(&ticket, &code, door.arrival(keeper)?, door.request()).await?;
    let Enrolled { proven, email, codes: recovery_codes } = enrolled;
    mailer.send(Notice::AuthenticatorAdded.to(email));
    door.let_in(proven, keeper, |entered| EnrolledView { entered, recovery_codes }).await
}

impl From<EnrolmentError> for ApiError {
    fn from(error: EnrolmentError) -> Self {
        match error {
            EnrolmentError::Login(error) => error.into(),
            EnrolmentError::WrongCode => FactorError::WrongCode.into(),
        }
    }
}
