//! For tests: the module without a database, mocks of its repositories, and the contract that every store of it keeps.

#![expect(clippy::indexing_slicing, reason = "a contract that is not kept fails the test that runs it")]

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use tenantry_tenancy::Clock;

use crate::InventoryTx;

mod suppliers;

pub use crate::suppliers::MockSupplierRepo;
use crate::suppliers::{
    NewSupplier, Supplier, SupplierAddress, SupplierId, SupplierName, SupplierNotes, SupplierRepo, SupplierStatus,
};

/// One to be made, for tests that do not care which.
pub fn new_supplier(name: &str) -> NewSupplier {
    NewSupplier {
        id: SupplierId::generate(),
        name: SupplierName::parse(name).expect("a clean line"),
        email: None,
        phone: None,
        address: SupplierAddress::default(),
        notes: SupplierNotes::default(),
        status: SupplierStatus::Active,
    }
}
mod products;

pub use crate::products::MockProductRepo;
use crate::products::{
    NewProduct, Product, ProductDescription, ProductId, ProductName, ProductRepo, ProductSku, ProductStatus,
};

/// One to be made, for tests that do not care which.
pub fn new_product(name: &str) -> NewProduct {
    NewProduct {
        id: ProductId::generate(),
        name: ProductName::parse(name).expect("a clean line"),
        // Each has its own.
        sku: ProductSku::parse(ProductId::generate().to_string()).expect("a clean line"),
        description: ProductDescription::default(),
        status: ProductStatus::Active,
    }
}
mod stock_movements;

pub use crate::stock_movements::MockStockMovementRepo;
use crate::stock_movements::{
    NewStockMovement, Quantity, StockMovement, StockMovementId, StockMovementNote, StockMovementReason,
    StockMovementRepo,
};

/// One to be recorded, for tests that do not care why.
pub fn new_stock_movement(product: ProductId, quantity: i64) -> NewStockMovement {
    NewStockMovement {
        id: StockMovementId::generate(),
        product,
        quantity: Quantity::new(quantity).expect("a small quantity"),
        reason: StockMovementReason::Correction,
        note: StockMovementNote::default(),
    }
}

// xtask new: modules

/// What the module has of one tenant, in memory. It answers as Postgres does, except that a failure undoes nothing.
#[derive(Clone)]
pub struct MemoryInventory {
    clock: Arc<dyn Clock>,
    suppliers: BTreeMap<SupplierId, Supplier>,
    products: BTreeMap<ProductId, Product>,
    stock_movements: BTreeMap<StockMovementId, StockMovement>,
    // xtask new: tables
}

impl MemoryInventory {
    /// Nothing yet. The clock says when rows are made and changed.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            suppliers: BTreeMap::new(),
            products: BTreeMap::new(),
            stock_movements: BTreeMap::new(),
            // xtask new: empty tables
        }
    }
}

impl InventoryTx for MemoryInventory {
    fn suppliers(&mut self) -> &mut dyn SupplierRepo {
        self
    }

    fn products(&mut self) -> &mut dyn ProductRepo {
        self
    }

    fn stock_movements(&mut self) -> &mut dyn StockMovementRepo {
        self
    }

    // xtask new: accessors
}

/// A transaction of mocks. A call that was not expected panics.
#[derive(Default)]
pub struct MockInventory {
    /// The tenant's suppliers.
    pub suppliers: MockSupplierRepo,
    /// The tenant's products.
    pub products: MockProductRepo,
    /// The tenant's stock movements.
    pub stock_movements: MockStockMovementRepo,
    // xtask new: mocks
}

impl InventoryTx for MockInventory {
    fn suppliers(&mut self) -> &mut dyn SupplierRepo {
        &mut self.suppliers
    }

    fn products(&mut self) -> &mut dyn ProductRepo {
        &mut self.products
    }

    fn stock_movements(&mut self) -> &mut dyn StockMovementRepo {
        &mut self.stock_movements
    }

    // xtask new: mocked accessors
}

/// Checks one behaviour of a store. Panics if it behaves otherwise.
pub type Check = for<'a> fn(&'a mut dyn InventoryTx) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What every store of the module does. Run each check in a transaction of its own and undo it afterwards.
pub const CONTRACT: &[(&str, Check)] = &[
    ("what is stored comes back", |tx| Box::pin(suppliers::what_is_stored_comes_back(tx))),
    ("a change touches what it names and counts up", |tx| {
        Box::pin(suppliers::a_change_touches_what_it_names_and_counts_up(tx))
    }),
    ("what is deleted is gone", |tx| Box::pin(suppliers::what_is_deleted_is_gone(tx))),
    ("a list is sorted and searched page by page", |tx| {
        Box::pin(suppliers::a_list_is_sorted_and_searched_page_by_page(tx))
    }),
    ("what is stored comes back", |tx| Box::pin(products::what_is_stored_comes_back(tx))),
    ("a change touches what it names and counts up", |tx| {
        Box::pin(products::a_change_touches_what_it_names_and_counts_up(tx))
    }),
    ("what is deleted is gone", |tx| Box::pin(products::what_is_deleted_is_gone(tx))),
    ("a list is sorted and searched page by page", |tx| {
        Box::pin(products::a_list_is_sorted_and_searched_page_by_page(tx))
    }),
    ("a number is given once", |tx| Box::pin(products::a_number_is_given_once(tx))),
    ("a number is not taken over", |tx| Box::pin(products::a_number_is_not_taken_over(tx))),
    ("what has movements stays", |tx| Box::pin(products::what_has_movements_stays(tx))),
    ("the stock is the sum of the movements", |tx| {
        Box::pin(stock_movements::the_stock_is_the_sum_of_the_movements(tx))
    }),
    ("no more goes out than there is", |tx| Box::pin(stock_movements::no_more_goes_out_than_there_is(tx))),
    ("what does not exist does not move", |tx| Box::pin(stock_movements::what_does_not_exist_does_not_move(tx))),
    // xtask new: contract
];

#[cfg(test)]
mod tests {
    use tenantry_tenancy::clock::FixedClock;

    use super::*;

    #[tokio::test]
    async fn the_contract_is_kept_in_memory() {
        let mut tx = MemoryInventory::new(Arc::new(FixedClock(chrono::DateTime::UNIX_EPOCH)));
        for (name, check) in CONTRACT {
            println!("{name}");
            check(&mut tx).await;
        }
    }
}
