//! What a tenant's administrators manage: who belongs to it, and as what.

use crate::api_clients::ApiClientRepo;
use crate::api_keys::ApiKeyRepo;
use crate::memberships::MembershipRepo;

/// The share of administration in a unit of work: everything that says who may do what in the open transaction's tenant.
pub trait AccessTx: Send {
    /// Who belongs to the tenant.
    fn memberships(&mut self) -> &mut dyn MembershipRepo;

    /// The members' keys.
    fn api_keys(&mut self) -> &mut dyn ApiKeyRepo;

    /// The machine clients.
    fn api_clients(&mut self) -> &mut dyn ApiClientRepo;
}
