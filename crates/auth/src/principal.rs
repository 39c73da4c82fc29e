//! What every credential becomes, whatever kind it was.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tenantry_tenancy::tenants::TenantSettings;
use tenantry_tenancy::{
    Actor, CredentialId, OperatorId, Permission, PermissionSet, Plan, RequestId, RoleName, SchemaName, SessionId, Slug,
    Tenant, TenantId, TenantScope, UserId, Version, words,
};

use crate::api_keys::KeyTerms;

words!(
    /// How somebody proved who they are. Handlers cannot tell; the audit can.
    CredentialKind {
        /// A signed access token of a person who logged in.
        AccessToken = "access_token",
        /// A member's API key.
        ApiKey = "api_key",
        /// A browser's session.
        BrowserSession = "browser_session",
        /// A signed access token of a machine client.
        ClientToken = "client_token",
        /// A signed access token of another service of ours.
        ServiceToken = "service_token",
        /// A signed access token of an operator who acts in the tenant.
        ActingOperator = "acting_operator",
    }
);

impl CredentialKind {
    /// Whether it is looked up rather than read: then it can be looked up again when what is remembered of it is void.
    pub(crate) const fn is_looked_up(self) -> bool {
        matches!(self, Self::ApiKey | Self::BrowserSession)
    }

    /// Whether the credential came of a login, so that a session stands behind it.
    pub(crate) const fn has_session(self) -> bool {
        matches!(self, Self::AccessToken | Self::BrowserSession)
    }
}

/// What a genuine credential says. Whether it is still good for anything is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) kind: CredentialKind,
    pub(crate) actor: Actor,
    /// The person behind it: the actor, or the holder of the key.
    pub(crate) user: Option<UserId>,
    pub(crate) tenant: TenantId,
    /// What can be revoked to void it, and how old it is.
    pub(crate) credential: CredentialId,
    pub(crate) version: Version,
    /// What can be revoked as well and voids this: a machine client's session, or the one token.
    pub(crate) grant: Option<CredentialId>,
    pub(crate) roles: Vec<RoleName>,
    /// What the roles allow and the scopes did not take away.
    pub(crate) permissions: PermissionSet,
    /// When it ends, if it does. What is looked up ends in the memory of this process long before, and is looked up again.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// Of an API key: what must be checked at every call.
    pub(crate) terms: Option<Arc<KeyTerms>>,
}

impl Access {
    /// Whether anything it hangs on is void.
    pub(crate) fn is_void(&self, is_void: impl Fn(CredentialId, Version) -> bool) -> bool {
        is_void(self.credential, self.version) || self.grant.is_some_and(|grant| is_void(grant, Version::FIRST))
    }
}

/// Somebody who proved who they are, and what they may do in the one tenant their credential is for.
///
/// Only authentication makes one: the fields are private and there is no constructor outside this crate.
#[derive(Clone, Debug)]
pub struct Principal {
    pub(crate) access: Access,
    /// The tenant as it was when this principal was made. Authentication makes a new principal when it has changed.
    pub(crate) tenant: Arc<Tenant>,
}

impl Principal {
    /// Who acts.
    pub const fn actor(&self) -> Actor {
        self.access.actor
    }

    /// The person who acts, or whose key does.
    pub const fn user(&self) -> Option<UserId> {
        self.access.user
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

    /// What the tenant set for itself.
    pub fn settings(&self) -> &TenantSettings {
        &self.tenant.settings
    }

    /// As what.
    pub fn roles(&self) -> &[RoleName] {
        &self.access.roles
    }

    /// All that the credential allows.
    pub const fn permissions(&self) -> PermissionSet {
        self.access.permissions
    }

    /// How it was proven.
    pub const fn kind(&self) -> CredentialKind {
        self.access.kind
    }

    /// The session behind the credential, if somebody logged in for it.
    pub fn session(&self) -> Option<SessionId> {
        self.access.kind.has_session().then(|| SessionId::from_uuid(self.access.credential.as_uuid()))
    }

    /// When the credential ends, if it does.
    pub const fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.access.expires_at
    }

    /// The right to do what needs `permission`, for one request.
    pub fn authorize(&self, permission: Permission, request: RequestId) -> Result<TenantScope, Forbidden> {
        if self.access.permissions.contains(permission) {
            Ok(TenantScope::grant(self.tenant(), self.schema(), self.actor(), request))
        } else {
            Err(Forbidden(permission))
        }
    }

    /// The same caller in the same tenant, which has changed.
    pub(crate) fn with_tenant(&self, tenant: Arc<Tenant>) -> Self {
        Self { tenant, access: self.access.clone() }
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
    use tenantry_tenancy::{Placement, Role};

    use super::*;
    use crate::testing::tenant;

    fn viewer(placement: Placement) -> Principal {
        let (user, tenant) = (UserId::generate(), Tenant { placement, ..tenant("acme") });
        Principal {
            access: Access {
                kind: CredentialKind::AccessToken,
                actor: Actor::User(user),
                user: Some(user),
                tenant: tenant.id,
                credential: CredentialId::generate(),
                version: Version::FIRST,
                grant: None,
                roles: vec![Role::Viewer.into()],
                permissions: Role::Viewer.permissions(),
                expires_at: None,
                terms: None,
            },
            tenant: Arc::new(tenant),
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
