//! Roles that a tenant defines beside the built-in ones.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{Expected, Permission, PermissionSet, Role, RoleId, RoleName, Stale, StoreError};

/// How many a tenant can have.
pub const MAX_ROLES: usize = 100;

crate::text!(
    /// What a role is for.
    RoleDescription,
    Paragraphs,
    1000
);

/// A role of the tenant's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomRole {
    /// Its identity.
    pub id: RoleId,
    /// Its name, which it keeps.
    pub name: RoleName,
    /// What it is for.
    pub description: RoleDescription,
    /// What it allows.
    pub permissions: PermissionSet,
    /// How often it was changed, plus one.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A role to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRole {
    /// Its identity.
    pub id: RoleId,
    /// Its name.
    pub name: RoleName,
    /// What it is for.
    pub description: RoleDescription,
    /// What it allows.
    pub permissions: PermissionSet,
}

/// What to change about a role; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleChange {
    /// What it is for.
    pub description: Option<RoleDescription>,
    /// What it allows.
    pub permissions: Option<PermissionSet>,
}

/// Why an operation on roles was refused.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// There is none with this id.
    #[error("role {0} does not exist")]
    NotFound(RoleId),
    /// The name is that of a built-in role.
    #[error("the role {0} is built in")]
    BuiltIn(Role),
    /// Another role of the tenant has the name.
    #[error("there is a role {0} already")]
    NameTaken(RoleName),
    /// It would allow what whoever defines it may not do.
    #[error("you may not do this yourself: {}", .0.to_scopes().join(", "))]
    Exceeds(PermissionSet),
    /// The tenant has as many as it can have.
    #[error("a tenant has at most {MAX_ROLES} roles of its own")]
    TooMany,
    /// Somebody has it.
    #[error("somebody still has the role")]
    InUse(RoleId),
    /// The change was made from another version.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The roles that the tenant whose transaction is open defined.
#[async_trait]
pub trait RoleRepo: Send {
    /// One role.
    async fn find(&mut self, id: RoleId) -> Result<Option<CustomRole>, StoreError>;

    /// One role, which nobody else changes until the transaction ends.
    async fn find_for_update(&mut self, id: RoleId) -> Result<Option<CustomRole>, StoreError>;

    /// All of them by name: there are at most [`MAX_ROLES`].
    async fn list(&mut self) -> Result<Vec<CustomRole>, StoreError>;

    /// How many there are. Nobody else makes one until the transaction ends.
    async fn count_for_insert(&mut self) -> Result<usize, StoreError>;

    /// Stores a new role. Fails with [`RoleError::NameTaken`] when the tenant has one of that name.
    async fn insert(&mut self, new: &NewRole) -> Result<CustomRole, RoleError>;

    /// Changes the fields given.
    async fn update(&mut self, id: RoleId, change: &RoleChange) -> Result<Option<CustomRole>, StoreError>;

    /// Deletes a role; false when there is none. Fails with [`RoleError::InUse`] when somebody has it.
    async fn delete(&mut self, id: RoleId) -> Result<bool, RoleError>;
}

/// Shows one role.
pub async fn show(roles: &mut dyn RoleRepo, id: RoleId) -> Result<CustomRole, RoleError> {
    roles.find(id).await?.ok_or(RoleError::NotFound(id))
}

/// Defines a role that allows no more than `by`, what whoever defines it may do.
pub async fn define(roles: &mut dyn RoleRepo, by: PermissionSet, new: &NewRole) -> Result<CustomRole, RoleError> {
    if let Some(role) = new.name.built_in() {
        return Err(RoleError::BuiltIn(role));
    }
    check_gift(by, new.permissions)?;
    if roles.count_for_insert().await? >= MAX_ROLES {
        return Err(RoleError::TooMany);
    }
    roles.insert(new).await
}

/// Changes the fields given. Whoever has the role is held to it within a second.
pub async fn change(
    roles: &mut dyn RoleRepo,
    by: PermissionSet,
    id: RoleId,
    expected: &Expected,
    change: &RoleChange,
) -> Result<CustomRole, RoleError> {
    let role = roles.find_for_update(id).await?.ok_or(RoleError::NotFound(id))?;
    expected.admit(role.version)?;
    check_gift(by, change.permissions.unwrap_or_default())?;
    let RoleChange { description, permissions } = change;
    let same_description = description.as_ref().is_none_or(|description| *description == role.description);
    if same_description && permissions.is_none_or(|permissions| permissions == role.permissions) {
        return Ok(role);
    }
    roles.update(id, change).await?.ok_or(RoleError::NotFound(id))
}

/// Deletes a role that nobody has.
pub async fn delete(roles: &mut dyn RoleRepo, id: RoleId, expected: &Expected) -> Result<(), RoleError> {
    let role = roles.find_for_update(id).await?.ok_or(RoleError::NotFound(id))?;
    expected.admit(role.version)?;
    if roles.delete(id).await? { Ok(()) } else { Err(RoleError::NotFound(id)) }
}

/// Nobody gives what they do not have.
fn check_gift(by: PermissionSet, given: PermissionSet) -> Result<(), RoleError> {
    let lacking = |permission: &Permission| !by.contains(*permission);
    let excess = given.iter().filter(lacking).fold(PermissionSet::NONE, PermissionSet::with);
    if excess.is_empty() { Ok(()) } else { Err(RoleError::Exceeds(excess)) }
}

#[cfg(test)]
mod tests;
