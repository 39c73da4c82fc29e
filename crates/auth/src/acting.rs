//! Operators who act in a tenant, by an access token of that tenant that names them.

use std::time::Duration;

use tenantry_tenancy::acting::{ActingRegistry, Minutes, NewActingGrant, Reason};
use tenantry_tenancy::{
    ActingGrantId, Actor, OperatorId, PermissionSet, RequestId, RoleName, StoreError, TenantId, Version,
};

use crate::{Authenticator, Holder};

/// The role of an operator in somebody else's tenant: what it allows is in the token.
const ROLE: &str = "operator";

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActingRequest {
    /// Who asks.
    pub operator: OperatorId,
    /// Where they want to act.
    pub tenant: TenantId,
    /// Why.
    pub reason: Reason,
    /// For how long.
    pub minutes: Minutes,
    /// What they want to do.
    pub permissions: PermissionSet,
    /// The request.
    pub request: RequestId,
}

impl Authenticator {
    /// Lets an operator act in a tenant: writes it down, where the tenant reads it, and only then gives the token.
    pub async fn act_as(
        &self,
        registry: &dyn ActingRegistry,
        asked: ActingRequest,
    ) -> Result<(NewActingGrant, String), StoreError> {
        let ActingRequest { operator, tenant, reason, minutes, permissions, request } = asked;
        let lifetime = Duration::from_secs(u64::from(minutes.get()) * 60);
        let (id, expires_at) = (ActingGrantId::generate(), self.clock.now() + lifetime);
        let grant = NewActingGrant { id, operator, tenant, reason, permissions, request, expires_at };
        let holder = Holder {
            actor: Actor::Operator(operator),
            tenant,
            credential: id.into(),
            grant: None,
            version: Version::FIRST,
            roles: vec![RoleName::parse(ROLE).expect("ROLE is the name of a role")],
            permissions,
        };
        let token = self.issue_for(&holder, lifetime).map_err(StoreError::internal)?;
        registry.begin(&grant).await?;
        Ok((grant, token))
    }
}
