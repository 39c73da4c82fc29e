//! `/api/v1/me/totp` and what belongs to it: a person's second factor.

use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use tenantry_app::Mailer;
use tenantry_auth::{Authenticator, FactorError, TotpSecret};
use tenantry_tenancy::Email;
use utoipa::ToSchema;

use crate::extract::{Body, Person};
use crate::notices::Notice;
use crate::percent::percent_encoded;
use crate::problem::ApiError;
use crate::reply::{Gone, Show};
use crate::routes::Routes;

const TOTP: &str = "/api/v1/me/totp";

pub(crate) fn routes(routes: &mut Routes) {
    routes.person(Method::GET, "/api/v1/me/factors", "Show one's own second factor", show);
    routes.person(Method::POST, TOTP, "Begin to enrol an authenticator (TOTP, RFC 6238)", begin);
    routes.person(Method::POST, "/api/v1/me/totp/confirm", "Enrol the authenticator by its first code", confirm);
    routes.person(Method::POST, "/api/v1/me/totp/remove", "Remove the authenticator", remove);
    let renew_codes = "Get other recovery codes in place of all that are left";
    routes.person(Method::POST, "/api/v1/me/recovery-codes", renew_codes, renew);
}

/// A person's second factors.
#[derive(Debug, Serialize, ToSchema)]
struct FactorView {
    /// Whether there is an authenticator.
    totp: bool,
    /// How many passkeys there are.
    passkeys: usize,
    /// How many recovery codes are left.
    recovery_codes: u64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BeginBody {
    /// Your password, once more.
    #[schema(format = "password")]
    password: String,
    /// A recovery code; needed by those who have a passkey.
    #[serde(default)]
    code: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    /// What the authenticator shows.
    code: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactorsBody {
    /// Your password, once more.
    #[schema(format = "password")]
    pub(crate) password: String,
    /// What the authenticator shows, or a recovery code.
    pub(crate) code: String,
}

/// What an authenticator needs. Only in this answer: it is never shown again.
#[derive(Serialize, ToSchema)]
pub(crate) struct SecretView {
    /// To be typed in.
    secret: String,
    /// To be shown as a QR code.
    uri: String,
}

impl SecretView {
    pub(crate) fn new(email: &Email, secret: &TotpSecret) -> Self {
        let (label, secret) = (percent_encoded(email.as_str()), secret.reveal());
        let uri = format!("otpauth://totp/Tenantry:{label}?secret={secret}&issuer=Tenantry");
        Self { secret, uri }
    }
}

/// Codes for when the authenticator is lost, each good once. Only in this answer: they are never shown again.
#[derive(Serialize, ToSchema)]
struct CodesView {
    recovery_codes: Vec<String>,
}

async fn show(person: Person, auth: Data<Authenticator>) -> Result<Show<FactorView>, ApiError> {
    let totp = auth.has_totp(person.user).await?;
    let (passkeys, recovery_codes) = (auth.passkeys(person.user).await?.len(), auth.recovery_left(person.user).await?);
    Ok(Show(FactorView { totp, passkeys, recovery_codes }))
}

async fn begin(
    person: Person,
    auth: Data<Authenticator>,
    Body(body): Body<BeginBody>,
) -> Result<Show<SecretView>, ApiError> {
    let (email, secret) = auth.begin_totp(person.user, &body.password, body.code.as_deref()).await?;
    Ok(Show(SecretView::new(&email, &secret)))
}

async fn confirm(
    person: Person,
    auth: Data<Authenticator>,
    mailer: Data<dyn Mailer>,
    Body(body): Body<CodeBody>,
) -> Result<Show<CodesView>, ApiError> {
    let confirmed = auth.confirm_totp(person.user, person.session, &body.code, person.request).await?;
    let (email, recovery_codes) = confirmed;
    mailer.send(Notice::AuthenticatorAdded.to(email));
    Ok(Show(CodesView { recovery_codes }))
}

async fn remove(
    person: Person,
    auth: Data<Authenticator>,
    mailer: Data<dyn Mailer>,
    Body(body): Body<FactorsBody>,
) -> Result<Gone, ApiError> {
    let email = auth.remove_totp(person.user, &body.password, &body.code, person.request).await?;
    mailer.send(Notice::AuthenticatorRemoved.to(email));
    Ok(Gone)
}

async fn renew(
    person: Person,
    auth: Data<Authenticator>,
    Body(body): Body<FactorsBody>,
) -> Result<Show<CodesView>, ApiError> {
    let recovery_codes = auth.renew_recovery_codes(person.user, &body.password, &body.code, person.request);
    let recovery_codes = recovery_codes.await?;
    Ok(Show(CodesView { recovery_codes }))
}

impl From<FactorError> for ApiError {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::WrongPassword => Self::invalid("password", "wrong", "is not your password"),
            FactorError::WrongCode => Self::invalid("code", "wrong", "is wrong, too old, or was used"),
            FactorError::CodeMissing => Self::invalid("code", "required", "is required: you have a second factor"),
            FactorError::Enrolled | FactorError::NotEnrolled => {
                Self::new(StatusCode::CONFLICT, "conflict", error.to_string())
            }
            FactorError::Busy(busy) => busy.into(),
            FactorError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_of_an_authenticator_is_the_address() {
        let uri = |email| SecretView::new(&Email::parse(email).unwrap(), &TotpSecret::generate()).uri;

        assert!(uri("ada@acme.example").starts_with("otpauth://totp/Tenantry:ada%40acme.example?secret="));
        assert!(uri("a+b?c%&#@acme.example").starts_with("otpauth://totp/Tenantry:a%2Bb%3Fc%25%26%23%40acme.example?"));
    }
}
