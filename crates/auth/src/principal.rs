//! What every credential becomes, whatever kind it was.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tenantry_tenancy::{
    Actor, OperatorId, Permission, PermissionSet, Plan, RequestId, Role, SchemaName, SessionId, Slug, Tenant, TenantId,
    TenantScope, words,
};

words!(
    /// How somebody proved who they are. Handlers cannot tell; the audit can.
    CredentialKind {
        /// A signed access token of a person who logged in.
        AccessToken = "access_token",
    }
);

/// Somebody who proved who they are, and what they may do in the one tenant their credential is for.
///
/// Only authentication makes one: the fields are private and there is no constructor outside this crate.
#[derive(Clone, Debug)]
pub struct Principal {
    pub(crate) actor: Actor,
    /// The tenant as it was when this principal was made. Authentication makes a new principal when it has changed.
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) roles: Vec<Role>,
    /// What the roles allow and the scopes did not take away.
    pub(crate) permissions: PermissionSet,
    pub(crate) kind: CredentialKind,
    pub(crate) session: Option<SessionId>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

impl Principal {
    /// Who acts.
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    /// In which tenant.
    pub fn tenant(&self) -> TenantId {
        self.tenant.id
    }

    /// Where that tenant's rows lie.
    pub fn schema(&self) -> SchemaName {
        self.tenant.schema()
    }

    /// The tenant's name for people.
    pub fn slug(&self) -> &Slug {
        &self.tenant.slug
    }

    /// What the tenant pays for.
    pub fn plan(&self) -> Plan {
        self.tenant.plan
    }

    /// As what.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// All that the credential allows.
    pub const fn permissions(&self) -> PermissionSet {
        self.permissions
    }

    /// How it was proven.
    pub const fn kind(&self) -> CredentialKind {
        self.kind
    }

    /// The session behind the credential, if it has one.
    pub const fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// When the credential ends, if it does.
    pub const fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.expires_at
    }

    /// The right to do what needs `permission`, for one request.
    pub fn authorize(&self, permission: Permission, request: RequestId) -> Result<TenantScope, Forbidden> {
        if self.permissions.contains(permission) {
            Ok(TenantScope::grant(self.tenant(), self.schema(), self.actor, request))
        } else {
            Err(Forbidden(permission))
        }
    }

    /// The same caller in the same tenant, which has changed.
    pub(crate) fn with_tenant(&self, tenant: Arc<Tenant>) -> Self {
        Self { tenant, ..self.clone() }
    }
}

/// The credential does not allow this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the permission {0} is missing")]
pub struct Forbidden(
    /// What would have been needed.
    pub Permission,
);

/// An operator who proved who they are. Good for the operators' own API, never for a tenant's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorPrincipal {
    pub(crate) id: OperatorId,
}

impl OperatorPrincipal {
    /// Who acts.
    pub const fn id(&self) -> OperatorId {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use tenantry_tenancy::{Placement, UserId};

    use super::*;
    use crate::testing::tenant;

    fn viewer(placement: Placement) -> Principal {
        Principal {
            actor: Actor::User(UserId::generate()),
            tenant: Arc::new(Tenant { placement, ..tenant("acme") }),
            roles: vec![Role::Viewer],
            permissions: Role::Viewer.permissions(),
            kind: CredentialKind::AccessToken,
            session: None,
            expires_at: None,
        }
    }

    #[test]
    fn a_permission_becomes_a_scope_of_the_principals_own_tenant() {
        for placement in Placement::ALL {
            let (principal, request) = (viewer(*placement), RequestId::generate());

            let scope = principal.authorize(Permission::ReadTasks, request).unwrap();

            assert_eq!(scope.tenant(), principal.tenant());
            assert_eq!(scope.schema(), SchemaName::of(principal.tenant(), *placement));
            assert_eq!((scope.actor(), scope.request()), (principal.actor(), request));
        }
    }

    #[test]
    fn without_the_permission_there_is_no_scope() {
        let refused = viewer(Placement::Pooled).authorize(Permission::WriteTasks, RequestId::generate());

        assert_eq!(refused, Err(Forbidden(Permission::WriteTasks)));
    }
}
