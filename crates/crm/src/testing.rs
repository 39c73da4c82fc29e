//! For tests: the module without a database, mocks of its repositories, and the contract that every store of it keeps.

#![expect(clippy::indexing_slicing, reason = "a contract that is not kept fails the test that runs it")]

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;

use tenantry_tenancy::Clock;

use crate::CrmTx;

mod customers;

pub use crate::customers::MockCustomerRepo;
use crate::customers::{
    Customer, CustomerAddress, CustomerId, CustomerName, CustomerNotes, CustomerRepo, CustomerStatus, NewCustomer,
};
pub use customers::what_is_in_use_stays;

/// One to be made, for tests that do not care which.
pub fn new_customer(name: &str) -> NewCustomer {
    NewCustomer {
        id: CustomerId::generate(),
        name: CustomerName::parse(name).expect("a clean line"),
        email: None,
        phone: None,
        address: CustomerAddress::default(),
        notes: CustomerNotes::default(),
        status: CustomerStatus::Active,
    }
}
// xtask new: modules

/// What the module has of one tenant, in memory. It answers as Postgres does, except that a failure undoes nothing.
#[derive(Clone)]
pub struct MemoryCrm {
    clock: Arc<dyn Clock>,
    customers: BTreeMap<CustomerId, Customer>,
    /// Those that something of another module is for.
    in_use: BTreeSet<CustomerId>,
    // xtask new: tables
}

impl MemoryCrm {
    /// Nothing yet. The clock says when rows are made and changed.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            customers: BTreeMap::new(),
            in_use: BTreeSet::new(),
            // xtask new: empty tables
        }
    }

    /// Puts a customer to use, as an invoice does.
    pub fn put_to_use(&mut self, id: CustomerId) {
        self.in_use.insert(id);
    }
}

impl CrmTx for MemoryCrm {
    fn customers(&mut self) -> &mut dyn CustomerRepo {
        self
    }

    // xtask new: accessors
}

/// A transaction of mocks. A call that was not expected panics.
#[derive(Default)]
pub struct MockCrm {
    /// The tenant's customers.
    pub customers: MockCustomerRepo,
    // xtask new: mocks
}

impl CrmTx for MockCrm {
    fn customers(&mut self) -> &mut dyn CustomerRepo {
        &mut self.customers
    }

    // xtask new: mocked accessors
}

/// Checks one behaviour of a store. Panics if it behaves otherwise.
pub type Check = for<'a> fn(&'a mut dyn CrmTx) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What every store of the module does. Run each check in a transaction of its own and undo it afterwards.
pub const CONTRACT: &[(&str, Check)] = &[
    ("what is stored comes back", |tx| Box::pin(customers::what_is_stored_comes_back(tx))),
    ("a change touches what it names and counts up", |tx| {
        Box::pin(customers::a_change_touches_what_it_names_and_counts_up(tx))
    }),
    ("what is deleted is gone", |tx| Box::pin(customers::what_is_deleted_is_gone(tx))),
    ("many are found at once", |tx| Box::pin(customers::many_are_found_at_once(tx))),
    ("a list is sorted and searched page by page", |tx| {
        Box::pin(customers::a_list_is_sorted_and_searched_page_by_page(tx))
    }),
    // xtask new: contract
];

#[cfg(test)]
mod tests {
    use tenantry_tenancy::clock::FixedClock;

    use super::*;

    #[tokio::test]
    async fn the_contract_is_kept_in_memory() {
        let mut tx = MemoryCrm::new(Arc::new(FixedClock(chrono::DateTime::UNIX_EPOCH)));
        for (name, check) in CONTRACT {
            println!("{name}");
            check(&mut tx).await;
        }
        let made = tx.customers().insert(&[new_customer("Ada")]).await.unwrap();
        tx.put_to_use(made[0].id);
        what_is_in_use_stays(&mut tx, made[0].id).await;
    }
}
