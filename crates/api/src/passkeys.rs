//! `/api/v1/me/passkeys`: a person's passkeys. Logging in with one is in `passkeys/logins.rs`, what browsers take and give in
//! `passkeys/shapes.rs`.

mod logins;
mod shapes;

use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_app::Mailer;
use tenantry_auth::{AddedPasskey, Authenticator, Flaw, OwnPasskey, PasskeyError, PasskeyId, PasskeyMade, PasskeyName};
use utoipa::ToSchema;

use crate::extract::{Body, PathId, Person};
use crate::factors::FactorsBody;
use crate::notices::Notice;
use crate::problem::ApiError;
use crate::reply::{Created, Gone, Show};
use crate::routes::Routes;
use shapes::{CreationOptions, MadeCredential};

const PATH: &str = "/api/v1/me/passkeys";

pub(crate) fn routes(routes: &mut Routes) {
    routes.person(Method::POST, "/api/v1/me/passkeys/register", "Begin to add a passkey (Web Authentication)", begin);
    routes.person(Method::POST, PATH, "Add the passkey that was made", add);
    routes.person(Method::GET, PATH, "List one's own passkeys", list);
    routes.person(Method::POST, "/api/v1/me/passkeys/{id}/remove", "Remove one of one's own passkeys", remove);
    logins::routes(routes);
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RegisterBody {
    /// Your password, once more.
    #[schema(format = "password")]
    password: String,
    /// What the authenticator shows, or a recovery code; needed by those who have a second factor.
    #[serde(default)]
    code: Option<String>,
}

/// A passkey about to be made.
#[derive(Serialize, ToSchema)]
struct RegistrationView {
    /// To be sent back with what was made, within five minutes.
    ceremony: String,
    /// For `PublicKeyCredential.parseCreationOptionsFromJSON` and `navigator.credentials.create`.
    options: CreationOptions,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasskeyBody {
    /// From the registration that was begun. It is good for one attempt.
    ceremony: String,
    #[serde(deserialize_with = "shapes::object")]
    credential: MadeCredential,
    /// What you call it.
    name: PasskeyName,
}

/// One of a person's own passkeys.
#[derive(Serialize, ToSchema)]
struct PasskeyView {
    id: PasskeyId,
    name: PasskeyName,
    created_at: DateTime<Utc>,
    /// When somebody last logged in with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_used_at: Option<DateTime<Utc>>,
}

impl From<OwnPasskey> for PasskeyView {
    fn from(passkey: OwnPasskey) -> Self {
        let OwnPasskey { id, credential: _, name, created_at, last_used_at } = passkey;
        Self { id, name, created_at, last_used_at }
    }
}

/// A person's own passkeys.
#[derive(Serialize, ToSchema)]
struct OwnPasskeys {
    data: Vec<PasskeyView>,
}

/// A passkey that was added.
#[derive(Serialize, ToSchema)]
struct AddedPasskeyView {
    id: PasskeyId,
    name: PasskeyName,
    created_at: DateTime<Utc>,
    /// For whoever had none: codes for when the passkey is lost, each good once. They are never shown again.
    recovery_codes: Vec<String>,
}

async fn begin(
    person: Person,
    auth: Data<Authenticator>,
    Body(body): Body<RegisterBody>,
) -> Result<Show<RegistrationView>, ApiError> {
    let offer = auth.begin_passkey(person.user, &body.password, body.code.as_deref()).await?;
    let ceremony = offer.ceremony.reveal();
    Ok(Show(RegistrationView { ceremony, options: CreationOptions::new(auth.relying_party(), offer) }))
}

async fn add(
    person: Person,
    auth: Data<Authenticator>,
    mailer: Data<dyn Mailer>,
    Body(body): Body<PasskeyBody>,
) -> Result<Created<AddedPasskeyView>, ApiError> {
    let PasskeyBody { ceremony, credential, name } = body;
    let made = PasskeyMade {
        ceremony: &ceremony,
        id: &credential.id,
        client_data: &credential.response.client_data_json,
        attestation: &credential.response.attestation_object,
    };
    let added = auth.finish_passkey((person.user, person.session), made, name, person.request).await?;
    let AddedPasskey { passkey: OwnPasskey { id, name, created_at, .. }, email, codes: recovery_codes } = added;
    mailer.send(Notice::PasskeyAdded.to(email));
    Ok(Created { location: format!("{PATH}/{id}"), view: AddedPasskeyView { id, name, created_at, recovery_codes } })
}

async fn list(person: Person, auth: Data<Authenticator>) -> Result<Show<OwnPasskeys>, ApiError> {
    let data = auth.passkeys(person.user).await?.into_iter().map(PasskeyView::from).collect();
    Ok(Show(OwnPasskeys { data }))
}

async fn remove(
    person: Person,
    auth: Data<Authenticator>,
    mailer: Data<dyn Mailer>,
    PathId(id): PathId<PasskeyId>,
    Body(FactorsBody { password, code }): Body<FactorsBody>,
) -> Result<Gone, ApiError> {
    let removed = auth.remove_passkey(person.user, id, (&password, &code), person.request).await?;
    let email = removed.ok_or_else(|| ApiError::not_found("passkey"))?;
    mailer.send(Notice::PasskeyRemoved.to(email));
    Ok(Gone)
}

impl From<PasskeyError> for ApiError {
    fn from(error: PasskeyError) -> Self {
        match error {
            PasskeyError::Factor(error) => error.into(),
            PasskeyError::Flawed(Flaw::Ceremony | Flaw::Person) => {
                Self::invalid("ceremony", "unusable", "was used, is not yours, or has expired")
            }
            PasskeyError::Flawed(_) => Self::invalid("credential", "unusable", "is not what was asked for"),
            PasskeyError::Taken => Self::conflict("credential", error.to_string()),
            PasskeyError::TooMany => Self::new(StatusCode::CONFLICT, "conflict", error.to_string()),
        }
    }
}
