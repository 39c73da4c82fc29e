//! What a member or a machine may do, under one name: a built-in role, or one that the tenant defined.

pub mod custom;

use crate::text::{UnknownWord, is_label};
use crate::{PermissionSet, Role};

/// The name of a role: a built-in one's, or that of a role of the tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName(String);

/// Why a text is not the name of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 2 to 63 lower-case letters, digits and inner hyphens, starting with a letter")]
pub struct InvalidRoleName;

impl RoleName {
    /// The greatest number of characters.
    pub const MAX: usize = 63;

    /// Checks a name.
    pub fn parse(raw: &str) -> Result<Self, InvalidRoleName> {
        if is_label(raw, Self::MAX) { Ok(Self(raw.to_owned())) } else { Err(InvalidRoleName) }
    }

    /// The built-in role of this name.
    pub fn built_in(&self) -> Option<Role> {
        self.0.parse().ok()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        Self(role.as_str().to_owned())
    }
}

impl PartialEq<Role> for RoleName {
    fn eq(&self, role: &Role) -> bool {
        self.0 == role.as_str()
    }
}

impl std::fmt::Display for RoleName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

crate::json_schema!(RoleName, crate::schema::pattern("^[a-z][a-z0-9-]{0,61}[a-z0-9]$", RoleName::MAX));

impl serde::Serialize for RoleName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for RoleName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        Self::parse(&raw).map_err(serde::de::Error::custom)
    }
}

/// A role that somebody holds, and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleGrant {
    /// Its name.
    pub role: RoleName,
    /// What it allows now.
    pub permissions: PermissionSet,
}

impl RoleGrant {
    /// A role as a store knows it: `permissions` are those of a role the tenant defined, none for a built-in one.
    pub fn of(role: RoleName, permissions: Option<&[String]>) -> Result<Self, UnknownWord> {
        let permissions = match permissions {
            Some(words) => PermissionSet::known_of(words.iter().map(String::as_str)),
            None => role.0.parse::<Role>()?.permissions(),
        };
        Ok(Self { role, permissions })
    }
}

impl From<Role> for RoleGrant {
    fn from(role: Role) -> Self {
        Self { role: role.into(), permissions: role.permissions() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Permission;

    #[test]
    fn a_name_is_a_built_in_role_or_looks_like_one() {
        assert_eq!(RoleName::parse("owner").map(|name| name.built_in()), Ok(Some(Role::Owner)));
        assert_eq!(RoleName::parse("support-2").map(|name| name.built_in()), Ok(None));
        for bad in ["", "a", "Support", "-a", "a-", "a b", "a_b", &"a".repeat(64)] {
            assert_eq!(RoleName::parse(bad), Err(InvalidRoleName), "{bad}");
        }
    }

    #[test]
    fn a_permission_this_version_does_not_know_allows_nothing() {
        let name = RoleName::parse("support").unwrap();
        let words = ["tasks:read".to_owned(), "moons:write".to_owned()];

        let grant = RoleGrant::of(name.clone(), Some(&words)).unwrap();

        assert_eq!(grant.permissions, PermissionSet::NONE.with(Permission::ReadTasks));
        assert!(RoleGrant::of(name, None).is_err());
        assert_eq!(RoleGrant::of(Role::Viewer.into(), None), Ok(RoleGrant::from(Role::Viewer)));
    }
}
