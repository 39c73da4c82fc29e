//! What a tenant's administrators manage: who belongs to it, and as what.

use crate::MemberRepo;
use crate::api_clients::ApiClientRepo;

/// The share of administration in a unit of work: everything that says who may do what in the open transaction's tenant.
pub trait AccessTx: Send {
    /// The members.
    fn members(&mut self) -> &mut dyn MemberRepo;

    /// The machine clients.
    fn api_clients(&mut self) -> &mut dyn ApiClientRepo;
}
