//! The inventory module: what it has, the rules it keeps, and what is asked of whoever stores it.
//!
//! May use `tenancy` only: no HTTP, no SQL, no other module. [`InventoryTx`] is the module's share of an open transaction.
//! With the feature `testing`, in-memory repositories and mocks come along for people who embed the module.

#[cfg(feature = "testing")]
pub mod testing;

pub mod products;
pub mod stock_movements;
pub mod suppliers;
// xtask new: resources

/// The inventory module's share of one open transaction of one tenant.
pub trait InventoryTx: Send {
    /// The tenant's suppliers.
    fn suppliers(&mut self) -> &mut dyn suppliers::SupplierRepo;

    /// The tenant's products.
    fn products(&mut self) -> &mut dyn products::ProductRepo;

    /// The tenant's stock movements.
    fn stock_movements(&mut self) -> &mut dyn stock_movements::StockMovementRepo;

    // xtask new: repositories
}
