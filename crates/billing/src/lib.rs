//! The billing module: what it has, the rules it keeps, and what is asked of whoever stores it.
//!
//! May use `tenancy` only: no HTTP, no SQL, no other module. [`BillingTx`] is the module's share of an open transaction.
//! With the feature `testing`, in-memory repositories and mocks come along for people who embed the module.

#[cfg(feature = "testing")]
pub mod testing;

pub mod invoices;
pub mod lines;
pub mod money;
pub mod series;
// xtask new: resources

/// The billing module's share of one open transaction of one tenant.
pub trait BillingTx: Send {
    /// The tenant's invoices.
    fn invoices(&mut self) -> &mut dyn invoices::InvoiceRepo;
    // xtask new: repositories
}
