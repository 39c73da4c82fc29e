//! `/api/v1/roles` and `/api/v1/permissions`: what members and machines may do, and under which name.

use actix_web::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_tenancy::api_keys::Scopes;
use tenantry_tenancy::permissions::needs::{ReadRoles, WriteRoles};
use tenantry_tenancy::roles::custom::{self, CustomRole, NewRole, RoleChange, RoleDescription, RoleError};
use tenantry_tenancy::{Permission, Role, RoleId, RoleName};
use utoipa::ToSchema;

use crate::conditions::{IfMatch, Versioned};
use crate::extract::{Body, Can, PathId, present};
use crate::once::Store;
use crate::problem::ApiError;
use crate::reply::{CreatedResource, Gone, Resource, Show};
use crate::routes::Routes;

const PATH: &str = "/api/v1/roles";
const ONE: &str = "/api/v1/roles/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, "/api/v1/permissions", "List every permission there is", list_permissions);
    routes.tenant(Method::GET, PATH, "List roles, the built-in ones first", list);
    routes.tenant(Method::POST, PATH, "Define a role", define);
    routes.tenant(Method::GET, ONE, "Show a role of the tenant", show);
    routes.tenant(Method::PUT, ONE, "Replace all of a role but its name", replace);
    routes.tenant(Method::PATCH, ONE, "Change some fields of a role", change);
    routes.tenant(Method::DELETE, ONE, "Delete a role that nobody has", delete).fails(StatusCode::CONFLICT);
}

/// A permission.
#[derive(Debug, Serialize, ToSchema)]
struct PermissionView {
    name: Permission,
    /// What it allows.
    #[schema(examples("See projects"))]
    description: &'static str,
}

/// Every permission.
#[derive(Debug, Serialize, ToSchema)]
struct PermissionList {
    data: Vec<PermissionView>,
}

/// A role: a built-in one, or one that the tenant defined.
#[derive(Debug, Serialize, ToSchema)]
struct RoleView {
    /// None for a built-in role.
    id: Option<RoleId>,
    name: RoleName,
    #[schema(examples("Keeps the books"))]
    description: String,
    permissions: Vec<Permission>,
    /// Built-in roles are the same in every tenant.
    built_in: bool,
    /// Counts the changes made to it.
    version: i64,
    /// None for a built-in role.
    created_at: Option<DateTime<Utc>>,
    /// None for a built-in role.
    updated_at: Option<DateTime<Utc>>,
}

impl From<CustomRole> for RoleView {
    fn from(role: CustomRole) -> Self {
        Self {
            id: Some(role.id),
            name: role.name,
            description: role.description.into_string(),
            permissions: role.permissions.iter().collect(),
            built_in: false,
            version: role.version,
            created_at: Some(role.created_at),
            updated_at: Some(role.updated_at),
        }
    }
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        Self {
            id: None,
            name: role.into(),
            description: role.description().to_owned(),
            permissions: role.permissions().iter().collect(),
            built_in: true,
            version: 1,
            created_at: None,
            updated_at: None,
        }
    }
}

impl Versioned for RoleView {
    fn version(&self) -> i64 {
        self.version
    }
}

/// All roles.
#[derive(Debug, Serialize, ToSchema)]
struct RoleList {
    data: Vec<RoleView>,
}

/// A role to be defined.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRoleBody {
    /// Stays as it is for good.
    name: RoleName,
    /// Empty if not given.
    #[serde(default)]
    description: Option<RoleDescription>,
    /// Some of what you may do yourself.
    permissions: Scopes,
}

/// All that can be changed about a role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RoleBody {
    /// Empty if not given.
    #[serde(default)]
    description: Option<RoleDescription>,
    /// Some of what you may do yourself.
    permissions: Scopes,
}

/// Some of what can be changed about a role (JSON Merge Patch, RFC 7396).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RolePatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    description: Option<RoleDescription>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    permissions: Option<Scopes>,
}

async fn list_permissions(_caller: Can<ReadRoles>) -> Result<Show<PermissionList>, ApiError> {
    let view = |permission: &Permission| PermissionView { name: *permission, description: permission.description() };
    Ok(Show(PermissionList { data: Permission::ALL.iter().map(view).collect() }))
}

async fn list(caller: Can<ReadRoles>, store: Store) -> Result<Show<RoleList>, ApiError> {
    let custom = store.read(&caller, async |tx| tx.access().roles().list().await).await?;
    let built_in = Role::ALL.iter().copied().map(RoleView::from);
    Ok(Show(RoleList { data: built_in.chain(custom.into_iter().map(RoleView::from)).collect() }))
}

async fn define(
    caller: Can<WriteRoles>,
    store: Store,
    Body(body): Body<NewRoleBody>,
) -> Result<CreatedResource<RoleView>, ApiError> {
    let NewRoleBody { name, description, permissions } = body;
    let (description, permissions) = (description.unwrap_or_default(), permissions.permissions());
    let new = NewRole { id: RoleId::generate(), name, description, permissions };
    let by = caller.principal().permissions();
    let role = store.write(&caller, async |tx| custom::define(tx.access().roles(), by, &new).await).await?;
    Ok(CreatedResource { location: format!("{PATH}/{}", role.id), view: role.into() })
}

async fn show(
    caller: Can<ReadRoles>,
    store: Store,
    PathId(id): PathId<RoleId>,
) -> Result<Resource<RoleView>, ApiError> {
    let role = store.read(&caller, async |tx| custom::show(tx.access().roles(), id).await).await?;
    Ok(Resource(role.into()))
}

async fn replace(
    caller: Can<WriteRoles>,
    store: Store,
    PathId(id): PathId<RoleId>,
    IfMatch(expected): IfMatch,
    Body(body): Body<RoleBody>,
) -> Result<Resource<RoleView>, ApiError> {
    let by = caller.principal().permissions();
    let description = Some(body.description.unwrap_or_default());
    let change = RoleChange { description, permissions: Some(body.permissions.permissions()) };
    let role =
        store.write(&caller, async |tx| custom::change(tx.access().roles(), by, id, &expected, &change).await).await?;
    Ok(Resource(role.into()))
}

async fn change(
    caller: Can<WriteRoles>,
    store: Store,
    PathId(id): PathId<RoleId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<RolePatch>,
) -> Result<Resource<RoleView>, ApiError> {
    let by = caller.principal().permissions();
    let change = RoleChange { description: patch.description, permissions: patch.permissions.map(Scopes::permissions) };
    let role =
        store.write(&caller, async |tx| custom::change(tx.access().roles(), by, id, &expected, &change).await).await?;
    Ok(Resource(role.into()))
}

async fn delete(
    caller: Can<WriteRoles>,
    store: Store,
    PathId(id): PathId<RoleId>,
    IfMatch(expected): IfMatch,
) -> Result<Gone, ApiError> {
    store.write(&caller, async |tx| custom::delete(tx.access().roles(), id, &expected).await).await?;
    Ok(Gone)
}

impl From<RoleError> for ApiError {
    fn from(error: RoleError) -> Self {
        let message = error.to_string();
        match error {
            RoleError::NotFound(_) => Self::not_found("role"),
            RoleError::BuiltIn(_) | RoleError::NameTaken(_) => Self::conflict("name", message),
            RoleError::Exceeds(_) => Self::exceeds("permissions", message),
            RoleError::TooMany | RoleError::InUse(_) => Self::new(StatusCode::CONFLICT, "conflict", message),
            RoleError::Stale(stale) => stale.into(),
            RoleError::Store(error) => error.into(),
        }
    }
}
