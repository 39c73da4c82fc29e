//! Whose a host is: the second fact about the tenant of a request, beside the credential.

use tenantry_tenancy::{Slug, TenantId};

/// Whose the host is that a request was sent to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostTenant {
    /// Everybody's: the service itself, or a name that means nothing.
    #[default]
    Anybodys,
    /// Below the service's own domain, but no tenant can have it.
    Nobodys,
    /// The tenant's of this name.
    Of(Slug),
    /// The tenant's that has proven the domain.
    Proven(TenantId),
}

impl HostTenant {
    /// Whether the tenant is served there.
    pub fn serves(&self, tenant: TenantId, slug: &Slug) -> bool {
        match self {
            Self::Anybodys => true,
            Self::Nobodys => false,
            Self::Of(name) => name == slug,
            Self::Proven(owner) => *owner == tenant,
        }
    }
}
