//! `/api/v1/members`: who belongs to the tenant, and as what.

use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_auth::Principal;
use tenantry_tenancy::memberships::{self, Administrator, Membership, MembershipError, PersonName};
use tenantry_tenancy::permissions::needs::{ReadMembers, WriteMembers};
use tenantry_tenancy::{Email, Limit, Order, Role, RoleName, UserId};
use utoipa::{IntoParams, ToSchema};

use crate::conditions::{IfMatch, Versioned};
use crate::cursor::Cursors;
use crate::extract::{Body, Can, PathId, Query};
use crate::list::{List, PageView, Paging};
use crate::once::Store;
use crate::problem::ApiError;
use crate::reply::{Gone, Resource};
use crate::routes::Routes;

const PATH: &str = "/api/v1/members";
const ONE: &str = "/api/v1/members/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List members", list);
    routes.tenant(Method::GET, ONE, "Show a member", show);
    routes.tenant(Method::PATCH, ONE, "Give a member another role", change).fails(StatusCode::CONFLICT);
    routes.tenant(Method::DELETE, ONE, "Remove a member, with sessions and keys", remove).fails(StatusCode::CONFLICT);
}

/// A member.
#[derive(Debug, Serialize, ToSchema)]
struct MemberView {
    user_id: UserId,
    email: String,
    /// What they call themselves, if they have said.
    #[schema(value_type = Option<PersonName>)]
    name: Option<PersonName>,
    role: RoleName,
    /// Counts the changes made to the membership.
    version: i64,
    /// Since when they belong to the tenant.
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Membership> for MemberView {
    fn from(member: Membership) -> Self {
        let Membership { user, email, name, role, version, created_at, updated_at } = member;
        Self { user_id: user, email: Email::as_str(&email).to_owned(), name, role, version, created_at, updated_at }
    }
}

impl Versioned for MemberView {
    fn version(&self) -> i64 {
        self.version
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MemberPatch {
    /// A built-in role, or one that the tenant has defined.
    role: RoleName,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct MemberFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<Order>,
}

/// What the caller may give to others.
pub(crate) fn administrator(principal: &Principal) -> Administrator {
    Administrator {
        is_owner: principal.roles().iter().any(|role| *role == Role::Owner),
        permissions: principal.permissions(),
    }
}

async fn list(
    caller: Can<ReadMembers>,
    store: Store,
    cursors: Data<Cursors>,
    Query(filter): Query<MemberFilter>,
) -> Result<PageView<MemberView>, ApiError> {
    let paging = Paging { limit: filter.limit, cursor: filter.cursor.as_deref(), sort: filter.sort };
    let list = List::open(&cursors, caller.tenant(), "members?".to_owned(), &paging)?;
    let page = store.read(&caller, async |tx| tx.access().memberships().list(&list.page).await).await?;
    list.view(page)
}

async fn show(
    caller: Can<ReadMembers>,
    store: Store,
    PathId(id): PathId<UserId>,
) -> Result<Resource<MemberView>, ApiError> {
    let member = store.read(&caller, async |tx| memberships::show(tx.access().memberships(), id).await).await?;
    Ok(Resource(member.into()))
}

async fn change(
    caller: Can<WriteMembers>,
    store: Store,
    PathId(id): PathId<UserId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<MemberPatch>,
) -> Result<Resource<MemberView>, ApiError> {
    let by = administrator(caller.principal());
    let changed = store.write(&caller, async |tx| {
        memberships::change_role(tx.access().memberships(), by, id, &expected, &patch.role).await
    });
    Ok(Resource(changed.await?.into()))
}

async fn remove(
    caller: Can<WriteMembers>,
    store: Store,
    PathId(id): PathId<UserId>,
    IfMatch(expected): IfMatch,
) -> Result<Gone, ApiError> {
    let by = administrator(caller.principal());
    store.write(&caller, async |tx| memberships::remove(tx.access().memberships(), by, id, &expected).await).await?;
    Ok(Gone)
}

impl From<MembershipError> for ApiError {
    fn from(error: MembershipError) -> Self {
        let message = error.to_string();
        match error {
            MembershipError::NotFound(_) => Self::not_found("member"),
            MembershipError::RoleUnknown(_) => Self::invalid("role", "unknown", message),
            MembershipError::Exceeds(_) => Self::exceeds("role", message),
            MembershipError::Outranked(_) | MembershipError::OwnersOnly => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", message)
            }
            MembershipError::LastOwner => Self::conflict("role", message),
            MembershipError::JustInvited | MembershipError::TooManyInvited => Self::conflict("email", message),
            MembershipError::Stale(stale) => stale.into(),
            MembershipError::Store(error) => error.into(),
        }
    }
}
