//! Operators who act in a tenant, by an access token of that tenant that names them.

use std::time::Duration;

use tenantry_tenancy::acting::{ActingRegistry, Minutes, NewActingGrant, Reason};
use tenantry_tenancy::{
    ActingGrantId, Actor, OperatorId, PermissionSet, RequestId, RoleName, ServiceName, StoreError, TenantId, Version,
};

use crate::{Authenticator, Holder};

/// The roles of an operator and of a service in somebody else's tenant: what they allow is in the token.
const OPERATOR: &str = "operator";
const SERVICE: &str = "service";

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActingRequest {
    /// Who asks.
    pub operator: OperatorId,
    /// Where they want to act.
    pub tenant: TenantId,
    /// The service of ours that is to act in their stead, if one is.
    pub service: Option<ServiceName>,
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
    /// Lets an operator, or a service, act in a tenant: writes it down, where the tenant reads it, and only then gives the token.
    pub async fn act_as(
        &self,
        registry: &dyn ActingRegistry,
        asked: ActingRequest,
    ) -> Result<(NewActingGrant, String), StoreError> {
        let ActingRequest { operator, tenant, service, reason, minutes, permissions, request } = asked;
        let lifetime = Duration::from_secs(u64::from(minutes.get()) * 60);
        let (id, expires_at) = (ActingGrantId::generate(), self.clock.now() + lifetime);
        let grant = NewActingGrant { id, operator, tenant, service, reason, permissions, request, expires_at };
        let (actor, role) = match service {
            Some(service) => (Actor::Service(service), SERVICE),
            None => (Actor::Operator(operator), OPERATOR),
        };
        let holder = Holder {
            actor,
            tenant,
            credential: id.into(),
            grant: None,
            version: Version::FIRST,
            roles: vec![RoleName::parse(role).expect("both are names of roles")],
            permissions,
        };
        let token = self.issue_for(&holder, lifetime).map_err(StoreError::internal)?;
        registry.begin(&grant).await?;
        Ok((grant, token))
    }
}
