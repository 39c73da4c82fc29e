//! `/api/v1/invitations`: people who are asked to join the tenant, and how they answer.

use actix_web::HttpRequest;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_app::{Mail, Mailer};
use tenantry_auth::joining::INVITATION_LIFETIME;
use tenantry_auth::{Authenticator, InvitationToken, JoiningError};
use tenantry_tenancy::invitations::{self, Invitation, InvitationId, NewInvitation};
use tenantry_tenancy::permissions::needs::{ReadMembers, WriteMembers};
use tenantry_tenancy::{Clock, Email, Limit, Order, PersonName, RoleName};
use utoipa::{IntoParams, ToSchema};

use crate::cursor::Cursors;
use crate::extract::{Body, Can, PathId, Query, request_id};
use crate::list::{List, PageView, Paging};
use crate::members::administrator;
use crate::once::Store;
use crate::passwords;
use crate::problem::ApiError;
use crate::reply::{Created, NoContent};
use crate::routes::Routes;
use crate::site::Site;

const PATH: &str = "/api/v1/invitations";
const ACCEPT: &str = "/api/v1/auth/invitations/accept";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List invitations that were not answered yet", list);
    routes.tenant(Method::POST, PATH, "Ask somebody to join, by mail", create);
    routes.tenant(Method::DELETE, "/api/v1/invitations/{id}", "Take an invitation back", delete);
    routes
        .public(Method::POST, ACCEPT, "Join a tenant by the token of an invitation", accept)
        .fails(StatusCode::UNAUTHORIZED);
}

/// An invitation. Its token is in the mail alone.
#[derive(Debug, Serialize, ToSchema)]
struct InvitationView {
    id: InvitationId,
    #[schema(format = "email")]
    email: String,
    role: RoleName,
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        let Invitation { id, email, role, expires_at, created_at } = invitation;
        Self { id, email: email.to_string(), role, expires_at, created_at }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InvitationBody {
    email: Email,
    /// A built-in role, or one that the tenant has defined.
    role: RoleName,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct InvitationFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<Order>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptBody {
    /// From the mail.
    token: String,
    /// What you call yourself, if you have not said yet.
    #[serde(default)]
    name: Option<PersonName>,
    /// The password of your account, or the one you choose for a new account.
    #[serde(default)]
    #[schema(format = "password")]
    password: Option<String>,
}

async fn list(
    caller: Can<ReadMembers>,
    store: Store,
    cursors: Data<Cursors>,
    Query(filter): Query<InvitationFilter>,
) -> Result<PageView<InvitationView>, ApiError> {
    let paging = Paging { limit: filter.limit, cursor: filter.cursor.as_deref(), sort: filter.sort };
    let list = List::open(&cursors, caller.tenant(), "invitations?".to_owned(), &paging)?;
    let page = store.read(&caller, async |tx| tx.access().invitations().list(&list.page).await).await?;
    list.view(page)
}

async fn create(
    caller: Can<WriteMembers>,
    store: Store,
    clock: Data<dyn Clock>,
    mailer: Data<dyn Mailer>,
    site: Data<Site>,
    Body(body): Body<InvitationBody>,
) -> Result<Created<InvitationView>, ApiError> {
    let (by, token) = (administrator(caller.principal()), InvitationToken::generate());
    let created_at = clock.now();
    let new = NewInvitation {
        id: InvitationId::generate(),
        email: body.email,
        role: body.role,
        digest: *token.digest().as_bytes(),
        created_at,
        expires_at: created_at + INVITATION_LIFETIME,
    };
    let invitation = store.write(&caller, async |tx| invitations::invite(tx.access(), by, &new).await).await?;
    mailer.send(mail(new.email, caller.principal().slug().as_str(), &token.reveal(), &site.url(ACCEPT)));
    Ok(Created { location: format!("{PATH}/{}", invitation.id), view: invitation.into() })
}

async fn delete(
    caller: Can<WriteMembers>,
    store: Store,
    PathId(id): PathId<InvitationId>,
) -> Result<NoContent, ApiError> {
    let deleted = store.write(&caller, async |tx| tx.access().invitations().delete(id).await).await?;
    if deleted { Ok(NoContent) } else { Err(ApiError::not_found("invitation")) }
}

async fn accept(
    req: HttpRequest,
    auth: Data<Authenticator>,
    Body(body): Body<AcceptBody>,
) -> Result<NoContent, ApiError> {
    let AcceptBody { token, name, password } = body;
    auth.accept_invitation(&token, name, password.as_deref(), request_id(&req)).await?;
    Ok(NoContent)
}

fn mail(to: Email, tenant: &str, token: &str, url: &str) -> Mail {
    let text = format!(
        "You are invited to join {tenant}.\n\n\
         This token accepts the invitation, once, within 7 days:\n\n{token}\n\n\
         Send it with your password, or with the one you choose if you have no account yet, to\n{url}\n\n\
         If you do not want to join, ignore this mail.\n"
    );
    Mail { to, subject: format!("Join {tenant}"), text }
}

impl From<JoiningError> for ApiError {
    fn from(error: JoiningError) -> Self {
        match error {
            JoiningError::WrongToken => {
                Self::invalid("token", "unusable", "was used, was replaced by a later one, or has expired")
            }
            JoiningError::PasswordMissing => Self::invalid("password", "required", "is required"),
            JoiningError::Rejected(rejection) => Self::rejected(rejection),
            JoiningError::Unacceptable(why) => Self::invalid("password", passwords::code(why), why.to_string()),
            JoiningError::Busy(busy) => busy.into(),
            JoiningError::Store(error) => error.into(),
        }
    }
}
