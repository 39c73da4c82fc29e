//! What a tenant's administrators manage: who belongs to it, and as what.

use crate::api_clients::ApiClientRepo;
use crate::api_keys::ApiKeyRepo;
use crate::audit::AuditRepo;
use crate::domains::DomainRepo;
use crate::invitations::InvitationRepo;
use crate::memberships::MembershipRepo;
use crate::own_tenant::OwnTenantRepo;
use crate::roles::custom::RoleRepo;

/// The share of administration in a unit of work: everything that says who may do what in the open transaction's tenant.
pub trait AccessTx: Send {
    /// Who belongs to the tenant.
    fn memberships(&mut self) -> &mut dyn MembershipRepo;

    /// Who was asked to join.
    fn invitations(&mut self) -> &mut dyn InvitationRepo;

    /// The tenant's domains.
    fn domains(&mut self) -> &mut dyn DomainRepo;

    /// The members' keys.
    fn api_keys(&mut self) -> &mut dyn ApiKeyRepo;

    /// The roles that the tenant defined.
    fn roles(&mut self) -> &mut dyn RoleRepo;

    /// The tenant itself.
    fn own_tenant(&mut self) -> &mut dyn OwnTenantRepo;

    /// What happened in the tenant.
    fn audit(&mut self) -> &mut dyn AuditRepo;

    /// The machine clients.
    fn api_clients(&mut self) -> &mut dyn ApiClientRepo;
}
