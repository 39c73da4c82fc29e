//! What a caller may do: `resource:action`, granted by roles.

use crate::text::UnknownWord;

/// Says at compile time which permission a handler needs; see the types in [`needs`].
pub trait Requires: 'static {
    /// The permission.
    const PERMISSION: Permission;
}

macro_rules! permissions {
    ($($(#[doc = $description:literal])+ $name:ident = $word:literal),+ $(,)?) => {
        crate::words!(
            /// One thing a caller may do in its tenant.
            Permission { $($(#[doc = $description])+ $name = $word),+ }
        );

        impl Permission {
            /// What it allows, for people.
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($description),+).trim()),+
                }
            }
        }

        /// One type per permission, for the signature of a handler: `Can<needs::ReadProjects>`.
        pub mod needs {
            use super::{Permission, Requires};

            $(
                $(#[doc = $description])+
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
    /// Create tasks; change, complete and delete one's own: those one created or is assigned to.
    WriteTasks = "tasks:write",
    /// Change, complete and delete everybody's tasks.
    ManageTasks = "tasks:manage",
    /// See documents and download their content.
    ReadDocuments = "documents:read",
    /// Create, upload, change and delete documents.
    WriteDocuments = "documents:write",
    /// See customers.
    ReadCustomers = "customers:read",
    /// Create, change and delete customers.
    WriteCustomers = "customers:write",
    /// See suppliers.
    ReadSuppliers = "suppliers:read",
    /// Create, change and delete suppliers.
    WriteSuppliers = "suppliers:write",
    /// See products.
    ReadProducts = "products:read",
    /// Create, change and delete products.
    WriteProducts = "products:write",
    /// See stock movements.
    ReadStockMovements = "stock_movements:read",
    /// Record stock movements.
    WriteStockMovements = "stock_movements:write",
    /// See invoices.
    ReadInvoices = "invoices:read",
    /// Write, issue and settle invoices.
    WriteInvoices = "invoices:write",
    // xtask new: permissions
    /// See who belongs to the tenant.
    ReadMembers = "members:read",
    /// Invite people, change their roles, remove them.
    WriteMembers = "members:write",
    /// See roles and the catalogue of permissions.
    ReadRoles = "roles:read",
    /// Define, change and delete roles.
    WriteRoles = "roles:write",
    /// See API keys.
    ReadApiKeys = "api_keys:read",
    /// Create, change, rotate and revoke API keys.
    WriteApiKeys = "api_keys:write",
    /// See machine clients and what they did.
    ReadApiClients = "api_clients:read",
    /// Create, change and revoke machine clients.
    WriteApiClients = "api_clients:write",
    /// See the tenant's domains.
    ReadDomains = "domains:read",
    /// Add, prove and remove domains.
    WriteDomains = "domains:write",
    /// See the tenant and its settings.
    ReadTenant = "tenant:read",
    /// Change the tenant's settings.
    WriteTenant = "tenant:write",
    /// Read the audit.
    ReadAudit = "audit:read",
}

impl Permission {
    /// Whether it changes who may do what in the tenant, or the tenant itself.
    pub const fn changes_who_may(self) -> bool {
        matches!(
            self,
            Self::WriteMembers
                | Self::WriteRoles
                | Self::WriteApiKeys
                | Self::WriteApiClients
                | Self::WriteDomains
                | Self::WriteTenant
        )
    }

    /// Whether it is about the tenant's administration rather than its business: members get those only by a role that says so.
    pub const fn is_administrative(self) -> bool {
        matches!(
            self,
            Self::ManageTasks
                | Self::WriteMembers
                | Self::WriteRoles
                | Self::ReadApiKeys
                | Self::WriteApiKeys
                | Self::ReadApiClients
                | Self::WriteApiClients
                | Self::ReadDomains
                | Self::WriteDomains
                | Self::ReadTenant
                | Self::WriteTenant
                | Self::ReadAudit
        )
    }
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
    /// The tenant's business: everything that is not administrative.
    pub const BUSINESS: Self = {
        let mut set = Self::NONE;
        let mut rest = Permission::ALL;
        while let [first, tail @ ..] = rest {
            if !first.is_administrative() {
                set = set.with(*first);
            }
            rest = tail;
        }
        set
    };
    /// Everything of the business that only looks.
    pub const READ: Self = {
        let mut set = Self::NONE;
        let mut rest = Permission::ALL;
        while let [first, tail @ ..] = rest {
            if Self::BUSINESS.contains(*first)
                && matches!(first.as_str().as_bytes(), [.., b':', b'r', b'e', b'a', b'd'])
            {
                set = set.with(*first);
            }
            rest = tail;
        }
        set
    };

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

    /// Whether this set has all that the other has.
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
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

    /// The permissions among some words. A word that this version does not know allows nothing: while a new version is
    /// rolled out, its words also reach instances of the old one.
    pub fn known_of<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Self {
        scopes.into_iter().filter_map(|scope| scope.parse().ok()).fold(Self::NONE, Self::with)
    }

    /// Reads scopes that somebody asks for.
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
        assert!(PermissionSet::from_scopes(["tasks:destroy"]).is_err());
    }

    #[test]
    fn every_permission_says_what_it_allows() {
        assert_eq!(Permission::ReadTasks.description(), "See tasks.");
        assert!(Permission::ALL.iter().all(|it| it.description().ends_with('.')));
    }

    #[test]
    fn read_is_every_permission_of_the_business_that_reads() {
        let reads = PermissionSet::BUSINESS.iter().filter(|it| it.as_str().ends_with(":read"));

        assert_eq!(PermissionSet::READ, reads.fold(PermissionSet::NONE, PermissionSet::with));
        assert!(Permission::ALL.iter().all(|it| PermissionSet::ALL.contains(*it)));
    }
}
