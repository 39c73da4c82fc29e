//! What a caller may do: `resource:action`, granted by roles.

use crate::text::UnknownWord;

/// Says at compile time which permission a handler needs; see the types in [`needs`].
pub trait Requires: 'static {
    /// The permission.
    const PERMISSION: Permission;
}

macro_rules! permissions {
    ($($(#[$meta:meta])* $name:ident = $word:literal),+ $(,)?) => {
        crate::words!(
            /// One thing a caller may do in its tenant.
            Permission { $($(#[$meta])* $name = $word),+ }
        );

        /// One type per permission, for the signature of a handler: `Can<needs::ReadProjects>`.
        pub mod needs {
            use super::{Permission, Requires};

            $(
                $(#[$meta])*
                #[derive(Clone, Copy, Debug)]
                pub enum $name {}

                impl Requires for $name {
                    const PERMISSION: Permission = Permission::$name;
                }
            )+
        }
    };
}

permissions! {
    /// See projects and their statistics.
    ReadProjects = "projects:read",
    /// Create, change and delete projects.
    WriteProjects = "projects:write",
    /// See tasks.
    ReadTasks = "tasks:read",
    /// Create, change, complete and delete tasks.
    WriteTasks = "tasks:write",
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PermissionSet(u64);

impl PermissionSet {
    /// No permission at all.
    pub const NONE: Self = Self(0);
    /// Every permission there is.
    pub const ALL: Self = {
        let mut set = Self::NONE;
        let mut rest = Permission::ALL;
        while let [first, tail @ ..] = rest {
            set = set.with(*first);
            rest = tail;
        }
        set
    };
    /// Everything that only looks.
    pub const READ: Self = Self::NONE.with(Permission::ReadProjects).with(Permission::ReadTasks);

    /// This set and one more permission.
    #[must_use]
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | 1 << permission as u64)
    }

    /// What both sets allow: a scope narrows its holder's permissions, it never widens them.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What either set allows: several roles add up.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set has it.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u64) != 0
    }

    /// The permissions, in their order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.contains(*permission))
    }

    /// The set as scopes of a token: `["projects:read", …]`.
    pub fn to_scopes(self) -> Vec<String> {
        self.iter().map(|permission| permission.as_str().to_owned()).collect()
    }

    /// Reads the scopes of a token.
    pub fn from_scopes<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownWord> {
        scopes.into_iter().try_fold(Self::NONE, |set, scope| Ok(set.with(scope.parse()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_narrows_and_never_widens() {
        let holder = PermissionSet::READ;
        let asked = PermissionSet::NONE.with(Permission::ReadTasks).with(Permission::WriteTasks);

        let granted = holder.intersection(asked);

        assert_eq!(granted.to_scopes(), ["tasks:read"]);
        assert_eq!(PermissionSet::from_scopes(["tasks:read"]), Ok(granted));
        assert!(PermissionSet::from_scopes(["tasks:own"]).is_err());
    }

    #[test]
    fn read_is_every_permission_that_reads() {
        let reads = Permission::ALL.iter().filter(|it| it.as_str().ends_with(":read"));

        assert_eq!(PermissionSet::READ, reads.fold(PermissionSet::NONE, |set, it| set.with(*it)));
        assert!(Permission::ALL.iter().all(|it| PermissionSet::ALL.contains(*it)));
    }
}
