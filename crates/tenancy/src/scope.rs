//! The proof that somebody may act inside one tenant.

use crate::{OperatorId, RequestId, SchemaName, TenantId, UserId};

/// Who acts, as the audit trail names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A member of the tenant.
    User(UserId),
    /// Somebody who runs the service.
    Operator(OperatorId),
    /// The service itself: seeds, jobs.
    System,
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Operator(id) => write!(f, "operator:{id}"),
            Self::System => f.write_str("system"),
        }
    }
}

/// The right to act in one tenant, for one request. Without one, no query on tenant data compiles.
///
/// It cannot be written down, only granted:
///
/// ```compile_fail,E0451
/// use tenantry_tenancy::{Actor, RequestId, SchemaName, TenantId, TenantScope};
/// # let (tenant, schema): (TenantId, SchemaName) = unimplemented!();
/// let forged = TenantScope { tenant, schema, actor: Actor::System, request: RequestId::generate() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantScope {
    tenant: TenantId,
    schema: SchemaName,
    actor: Actor,
    request: RequestId,
}

impl TenantScope {
    /// Grants the right. Only authorization and the job runner may call this: `cargo xtask check` refuses any other caller.
    pub const fn grant(tenant: TenantId, schema: SchemaName, actor: Actor, request: RequestId) -> Self {
        Self { tenant, schema, actor, request }
    }

    /// Whose data.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Where that data lies.
    pub const fn schema(&self) -> SchemaName {
        self.schema
    }

    /// Who acts.
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    /// On behalf of which request.
    pub const fn request(&self) -> RequestId {
        self.request
    }
}
