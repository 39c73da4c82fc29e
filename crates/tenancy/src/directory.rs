//! What must be known before a tenant is: the few lookups that authentication makes.

use async_trait::async_trait;

use crate::domains::DomainName;
use crate::{CredentialId, StoreError, Tenant, TenantId};

/// A place in the feed of changes. Opaque: only the directory that gave it can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(
    /// Everything committed by transactions before this one has been seen.
    pub u64,
);

/// Something that every instance remembers has changed and must be looked up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// A tenant was suspended, resumed, moved, or changed its plan.
    Tenant(TenantId),
    /// The hosts of some tenant are others than they were.
    Domains,
    /// Whatever a credential gave below this version is void from now on.
    Credential(CredentialId, Version),
}

/// How often what a credential allows was changed. What it gave under a lower version is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(
    /// Counts from 1.
    pub i64,
);

impl Version {
    /// Of a credential that was just made.
    pub const FIRST: Self = Self(1);
    /// Of one that was revoked: higher than any it can have had.
    pub const REVOKED: Self = Self(i64::MAX);
}

/// Answers what authentication must know, one narrow question at a time.
#[async_trait]
pub trait Directory: Send + Sync {
    /// One tenant, in whatever state.
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError>;

    /// The tenant that has proven a host to be its own.
    async fn tenant_of_host(&self, host: &DomainName) -> Result<Option<TenantId>, StoreError>;

    /// What has changed since `mark`, and the mark to ask with next. Without a mark: every change that can still matter.
    ///
    /// A change may come twice, but none is missed, also not one whose transaction commits late.
    async fn changes(&self, since: Option<Mark>) -> Result<(Mark, Vec<Change>), StoreError>;
}
