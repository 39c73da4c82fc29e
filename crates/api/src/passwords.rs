//! `/api/v1/me/password` and `/api/v1/auth/password`: changing a password, and setting one by mail.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::Data;
use serde::Deserialize;
use tenantry_app::{Mail, Mailer};
use tenantry_auth::{AccountError, Authenticator, InvalidPassword};
use tenantry_tenancy::Email;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use crate::devices::WithDevice;
use crate::extract::{Body, Person, request_id};
use crate::notices::Notice;
use crate::problem::ApiError;
use crate::reply::{Accepted, Gone};
use crate::routes::Routes;
use crate::site::Site;

const RESET: &str = "/api/v1/auth/password/reset";

/// How many addresses may be looked up behind their callers' backs at the same time; more are not.
static LOOKUPS: Semaphore = Semaphore::const_new(64);

pub(crate) fn routes(routes: &mut Routes) {
    let change_own = "Change one's password; all one's other sessions end";
    routes.person(Method::POST, "/api/v1/me/password", change_own, change);
    let ask = "Have a token mailed that can set a password, if somebody has this address";
    routes.public(Method::POST, "/api/v1/auth/password/forgot", ask, forgot);
    routes.public(Method::POST, RESET, "Set a password with a token from a mail; all sessions end", reset);
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    #[schema(format = "password")]
    current_password: String,
    #[schema(format = "password")]
    new_password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ForgotBody {
    email: Email,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResetBody {
    /// From the mail; good once, for half an hour.
    token: String,
    #[schema(format = "password")]
    new_password: String,
}

async fn change(
    person: Person,
    auth: Data<Authenticator>,
    mailer: Data<dyn Mailer>,
    Body(body): Body<ChangeBody>,
) -> Result<Gone, ApiError> {
    let passwords = (body.current_password.as_str(), body.new_password.as_str());
    let to = auth.change_password(person.user, person.session, passwords, person.request).await?;
    mailer.send(Notice::PasswordChanged.to(to));
    Ok(Gone)
}

/// Everything that depends on who has the address happens after the answer, which is the same for all.
async fn forgot(
    auth: Data<Authenticator>,
    mailer: Data<dyn Mailer>,
    site: Data<Site>,
    Body(body): Body<ForgotBody>,
) -> Result<Accepted, ApiError> {
    let Ok(turn) = LOOKUPS.try_acquire() else {
        tracing::warn!("a forgotten password was not looked after: too many at once");
        return Ok(Accepted);
    };
    actix_web::rt::spawn(async move {
        let _turn = turn;
        match auth.request_reset(&body.email).await {
            Ok(Some(token)) => mailer.send(invitation(body.email, &token.reveal(), &site.url(RESET))),
            Ok(None) => {}
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "a forgotten password could not be looked after");
            }
        }
    });
    Ok(Accepted)
}

async fn reset(
    req: HttpRequest,
    auth: Data<Authenticator>,
    mailer: Data<dyn Mailer>,
    Body(body): Body<ResetBody>,
) -> Result<WithDevice<Gone>, ApiError> {
    let (to, device) = auth.reset_password(&body.token, &body.new_password, request_id(&req)).await?;
    mailer.send(Notice::PasswordChanged.to(to));
    Ok(WithDevice { device: Some(device), reply: Gone })
}

fn invitation(to: Email, token: &str, url: &str) -> Mail {
    let text = format!(
        "Somebody, probably you, asked to set the password of your account.\n\n\
         This token sets it, once, within 30 minutes:\n\n{token}\n\n\
         Send it with the new password to\n{url}\n\n\
         If it was not you, ignore this mail: nothing has changed.\n"
    );
    Mail { to, subject: "Set your password".to_owned(), text }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::WrongPassword => Self::invalid("current_password", "wrong", "is not your password"),
            AccountError::WrongToken => {
                Self::invalid("token", "unusable", "was used, is older than the password, or has expired")
            }
            AccountError::Unacceptable(why) => Self::invalid("new_password", code(why), why.to_string()),
            AccountError::Busy(busy) => busy.into(),
            AccountError::Store(error) => error.into(),
        }
    }
}

pub(crate) const fn code(why: InvalidPassword) -> &'static str {
    match why {
        InvalidPassword::TooShort => "too_short",
        InvalidPassword::TooLong => "too_long",
        InvalidPassword::Nul => "invalid",
        InvalidPassword::Guessable => "guessable",
    }
}
