//! `/api/v1/me`: the person's own account.

use actix_web::http::Method;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use tenantry_auth::{Account, Authenticator, CredentialKind, Membership};
use tenantry_tenancy::{Permission, PersonName, RoleName, SessionId, Slug, TenantId, UserId};
use utoipa::ToSchema;

use crate::extract::{Body, Person};
use crate::problem::ApiError;
use crate::reply::Show;
use crate::routes::Routes;

const ME: &str = "/api/v1/me";

pub(crate) fn routes(routes: &mut Routes) {
    routes.person(Method::GET, ME, "Show one's own account", show);
    routes.person(Method::PATCH, ME, "Change what one is called", rename);
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NameBody {
    name: PersonName,
}

/// A person as they see themselves, in the tenant that they are in.
#[derive(Serialize, ToSchema)]
struct ProfileView {
    user_id: UserId,
    /// What they log in with.
    #[schema(format = "email")]
    email: String,
    name: Option<PersonName>,
    tenant: HomeView,
    roles: Vec<RoleName>,
    permissions: Vec<Permission>,
    session: SessionId,
    /// The active tenants they belong to: they may switch to any.
    memberships: Vec<MembershipView>,
}

/// A tenant. Browsers are told no ids of tenants.
#[derive(Serialize, ToSchema)]
struct HomeView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<TenantId>,
    slug: Slug,
}

/// A tenant, and what the person is in it.
#[derive(Serialize, ToSchema)]
struct MembershipView {
    #[serde(flatten)]
    tenant: HomeView,
    role: RoleName,
}

impl ProfileView {
    fn new(person: &Person, account: Account) -> Self {
        let is_told_ids = person.kind() != CredentialKind::BrowserSession;
        let home = |id, slug| HomeView { id: Some(id).filter(|_| is_told_ids), slug };
        let active = account.memberships.into_iter().filter(|it| it.tenant_active);
        Self {
            user_id: account.user,
            email: account.email.to_string(),
            name: account.name,
            tenant: home(person.tenant(), person.slug().clone()),
            roles: person.roles().to_vec(),
            permissions: person.permissions().iter().collect(),
            session: person.session,
            memberships: active
                .map(|Membership { tenant, slug, role, .. }| MembershipView { tenant: home(tenant, slug), role })
                .collect(),
        }
    }
}

async fn show(person: Person, auth: Data<Authenticator>) -> Result<Show<ProfileView>, ApiError> {
    let account = auth.account(person.user).await?.ok_or_else(|| ApiError::not_found("account"))?;
    Ok(Show(ProfileView::new(&person, account)))
}

async fn rename(
    person: Person,
    auth: Data<Authenticator>,
    Body(body): Body<NameBody>,
) -> Result<Show<ProfileView>, ApiError> {
    auth.rename(person.user, &body.name).await?;
    show(person, auth).await
}
