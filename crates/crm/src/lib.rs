//! The crm module: what it has, the rules it keeps, and what is asked of whoever stores it.
//!
//! May use `tenancy` only: no HTTP, no SQL, no other module. [`CrmTx`] is the module's share of an open transaction.
//! With the feature `testing`, in-memory repositories and mocks come along for people who embed the module.

#[cfg(feature = "testing")]
pub mod testing;

pub mod customers;
// xtask new: resources

/// The crm module's share of one open transaction of one tenant.
pub trait CrmTx: Send {
    /// The tenant's customers.
    fn customers(&mut self) -> &mut dyn customers::CustomerRepo;

    // xtask new: repositories
}
