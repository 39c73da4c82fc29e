//! For tests: the module without a database, mocks of its repositories, and the contract that every store of it keeps.

#![expect(clippy::indexing_slicing, reason = "a contract that is not kept fails the test that runs it")]

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;

use tenantry_tenancy::Clock;

use crate::BillingTx;

mod invoices;

pub use crate::invoices::MockInvoiceRepo;
use crate::invoices::{BillTo, CustomerId, Invoice, InvoiceId, InvoiceNotes, InvoiceRepo, NewInvoice};
use crate::lines::{Line, LineDescription, Lines};
use crate::money::{Price, TaxRate};
use crate::series::Series;

/// One to be made, for tests that do not care which.
pub fn new_invoice(bill_to: &str) -> NewInvoice {
    let line = Line {
        description: LineDescription::parse("Consulting").expect("a clean line"),
        quantity: "2.5".parse().expect("a quantity"),
        unit_price: Price::new(10_000).expect("a price"),
        tax_basis_points: TaxRate::new(1900).expect("a rate"),
    };
    NewInvoice {
        id: InvoiceId::generate(),
        customer: None,
        bill_to: BillTo::parse(bill_to).expect("a clean text"),
        currency: "EUR".parse().expect("a currency"),
        lines: Lines::new(vec![line]).expect("a line"),
        series: Series::default(),
        notes: InvoiceNotes::default(),
        due: None,
    }
}
// xtask new: modules

/// What the module has of one tenant, in memory. It answers as Postgres does, except that a failure undoes nothing.
#[derive(Clone)]
pub struct MemoryBilling {
    clock: Arc<dyn Clock>,
    invoices: BTreeMap<InvoiceId, Invoice>,
    /// The last number of each series.
    series: BTreeMap<Series, i64>,
    customers: BTreeSet<CustomerId>,
    // xtask new: tables
}

impl MemoryBilling {
    /// Nothing yet. The clock says when rows are made and changed.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            invoices: BTreeMap::new(),
            series: BTreeMap::new(),
            customers: BTreeSet::new(),
            // xtask new: empty tables
        }
    }

    /// With a customer, as the CRM module has it.
    #[must_use]
    pub fn with_customer(mut self, id: CustomerId) -> Self {
        self.customers.insert(id);
        self
    }
}

impl BillingTx for MemoryBilling {
    fn invoices(&mut self) -> &mut dyn InvoiceRepo {
        self
    }
    // xtask new: accessors
}

/// A transaction of mocks. A call that was not expected panics.
#[derive(Default)]
pub struct MockBilling {
    /// The tenant's invoices.
    pub invoices: MockInvoiceRepo,
    // xtask new: mocks
}

impl BillingTx for MockBilling {
    fn invoices(&mut self) -> &mut dyn InvoiceRepo {
        &mut self.invoices
    }
    // xtask new: mocked accessors
}

/// Checks one behaviour of a store. Panics if it behaves otherwise.
pub type Check = for<'a> fn(&'a mut dyn BillingTx) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What every store of the module does. Run each check in a transaction of its own and undo it afterwards.
pub const CONTRACT: &[(&str, Check)] = &[
    ("what is stored comes back", |tx| Box::pin(invoices::what_is_stored_comes_back(tx))),
    ("a change touches what it names and counts up", |tx| {
        Box::pin(invoices::a_change_touches_what_it_names_and_counts_up(tx))
    }),
    ("what is deleted is gone", |tx| Box::pin(invoices::what_is_deleted_is_gone(tx))),
    ("a list is sorted and searched page by page", |tx| {
        Box::pin(invoices::a_list_is_sorted_and_searched_page_by_page(tx))
    }),
    ("numbers of a series have no gap", |tx| Box::pin(invoices::numbers_of_a_series_have_no_gap(tx))),
    ("an unknown customer is refused", |tx| Box::pin(invoices::an_unknown_customer_is_refused(tx))),
    ("an unknown customer is refused in a change", |tx| {
        Box::pin(invoices::an_unknown_customer_is_refused_in_a_change(tx))
    }),
    ("what is issued is not changed", |tx| Box::pin(invoices::what_is_issued_is_not_changed(tx))),
    ("what is issued is not issued again", |tx| Box::pin(invoices::what_is_issued_is_not_issued_again(tx))),
    ("what is issued is not deleted", |tx| Box::pin(invoices::what_is_issued_is_not_deleted(tx))),
    ("what is paid does not become void", |tx| Box::pin(invoices::what_is_paid_does_not_become_void(tx))),
    ("a draft is not paid", |tx| Box::pin(invoices::a_draft_is_not_paid(tx))),
    // xtask new: contract
];

#[cfg(test)]
mod tests {
    use tenantry_tenancy::clock::FixedClock;

    use super::*;

    #[tokio::test]
    async fn the_contract_is_kept_in_memory() {
        let mut tx = MemoryBilling::new(Arc::new(FixedClock(chrono::DateTime::UNIX_EPOCH)));
        for (name, check) in CONTRACT {
            println!("{name}");
            check(&mut tx).await;
        }
    }
}
