//! Invoices in memory, and what every repository of them does.

use async_trait::async_trait;
use tenantry_tenancy::testing::{admits, check_free, finds, page};
use tenantry_tenancy::{Day, Limit, Search, SortedPage, SortedQuery, StoreError};

use super::MemoryBilling;
use crate::BillingTx;
use crate::invoices::{
    CustomerId, Invoice, InvoiceChange, InvoiceError, InvoiceId, InvoiceOrder, InvoiceQuery, InvoiceRepo,
    InvoiceStatus, NewInvoice, Step,
};
use crate::series::Series;

#[async_trait]
impl InvoiceRepo for MemoryBilling {
    async fn find(&mut self, id: InvoiceId) -> Result<Option<Invoice>, StoreError> {
        Ok(self.invoices.get(&id).cloned())
    }

    async fn find_for_update(&mut self, id: InvoiceId) -> Result<Option<Invoice>, StoreError> {
        Ok(self.invoices.get(&id).cloned())
    }

    async fn list(&mut self, query: &InvoiceQuery) -> Result<SortedPage<Invoice>, StoreError> {
        let matching = self.invoices.values().filter(|invoice| {
            query.updated_since.is_none_or(|since| invoice.updated_at >= since.time())
                && finds(
                    query.search.as_ref(),
                    &[&invoice.reference().unwrap_or_default(), invoice.bill_to.as_str(), invoice.notes.as_str()],
                )
                && admits(query.status, invoice.status)
                && query.customer.is_none_or(|customer| invoice.customer == Some(customer))
        });
        let order = query.page.order;
        Ok(page(matching, &query.page, order.is_descending(), |invoice| order.position(invoice)))
    }

    async fn insert(&mut self, new: &[NewInvoice]) -> Result<Vec<Invoice>, InvoiceError> {
        let now = self.clock.now();
        for new in new {
            check_free(&self.invoices, new.id)?;
            self.check_customer(new.customer)?;
            let NewInvoice { id, customer, bill_to, currency, lines, series, notes, due } = new.clone();
            let invoice = Invoice {
                id,
                customer,
                bill_to,
                currency,
                lines,
                series,
                number: None,
                notes,
                status: InvoiceStatus::Draft,
                issued_on: None,
                due,
                settled_on: None,
                version: 1,
                created_at: now,
                updated_at: now,
            };
            self.invoices.insert(id, invoice);
        }
        Ok(new.iter().filter_map(|new| self.invoices.get(&new.id).cloned()).collect())
    }

    async fn update(&mut self, id: InvoiceId, change: &InvoiceChange) -> Result<Option<Invoice>, InvoiceError> {
        let now = self.clock.now();
        if self.invoices.get(&id).is_some_and(|stored| stored.status != InvoiceStatus::Draft) {
            return Err(InvoiceError::Fixed(id));
        }
        if self.invoices.contains_key(&id) {
            self.check_customer(change.customer.flatten())?;
        }
        let Some(stored) = self.invoices.get_mut(&id) else { return Ok(None) };
        let InvoiceChange { customer, bill_to, currency, lines, series, notes, due } = change.clone();
        *stored = Invoice {
            customer: customer.unwrap_or(stored.customer),
            bill_to: bill_to.unwrap_or_else(|| stored.bill_to.clone()),
            currency: currency.unwrap_or(stored.currency),
            lines: lines.unwrap_or_else(|| stored.lines.clone()),
            series: series.unwrap_or_else(|| stored.series.clone()),
            notes: notes.unwrap_or_else(|| stored.notes.clone()),
            due: due.unwrap_or(stored.due),
            version: stored.version + 1,
            updated_at: now,
            ..stored.clone()
        };
        Ok(Some(stored.clone()))
    }

    async fn step(&mut self, id: InvoiceId, step: Step) -> Result<Option<Invoice>, InvoiceError> {
        let now = self.clock.now();
        let Some(stored) = self.invoices.get_mut(&id) else { return Ok(None) };
        let begins_from = match step {
            Step::Issue { .. } => InvoiceStatus::Draft,
            Step::Pay { .. } | Step::Void { .. } => InvoiceStatus::Issued,
        };
        if stored.status != begins_from {
            return Err(InvoiceError::Fixed(id));
        }
        match step {
            Step::Issue { on, due } => {
                let last = self.series.entry(stored.series.clone()).or_default();
                *last += 1;
                (stored.number, stored.issued_on, stored.due) = (Some(*last), Some(on), Some(due));
            }
            Step::Pay { on } | Step::Void { on } => stored.settled_on = Some(on),
        }
        (stored.status, stored.version, stored.updated_at) = (step.status(), stored.version + 1, now);
        Ok(Some(stored.clone()))
    }

    async fn delete(&mut self, id: InvoiceId) -> Result<bool, InvoiceError> {
        if self.invoices.get(&id).is_some_and(|stored| stored.status != InvoiceStatus::Draft) {
            return Err(InvoiceError::Fixed(id));
        }
        Ok(self.invoices.remove(&id).is_some())
    }
}

impl MemoryBilling {
    fn check_customer(&self, customer: Option<CustomerId>) -> Result<(), InvoiceError> {
        if customer.is_none_or(|id| self.customers.contains(&id)) { Ok(()) } else { Err(InvoiceError::CustomerUnknown) }
    }
}

fn day(raw: &str) -> Day {
    Day::parse(raw).expect("a day")
}

pub(super) async fn what_is_stored_comes_back(tx: &mut dyn BillingTx) {
    let new: Vec<_> = ["c", "'); drop table invoices; --", "мир 🦀"].map(super::new_invoice).into();

    let made = tx.invoices().insert(&new).await.expect("they are stored");

    assert_eq!(made.iter().map(|it| it.id).collect::<Vec<_>>(), new.iter().map(|it| it.id).collect::<Vec<_>>());
    for (made, new) in made.iter().zip(&new) {
        assert_eq!((&made.bill_to, made.version, made.created_at), (&new.bill_to, 1, made.updated_at));
        assert_eq!((&made.lines, made.currency, &made.series), (&new.lines, new.currency, &new.series));
        assert_eq!((made.status, made.number, made.reference()), (InvoiceStatus::Draft, None, None));
        assert_eq!(tx.invoices().find(new.id).await.expect("it is looked up").as_ref(), Some(made));
        assert_eq!(tx.invoices().find_for_update(new.id).await.expect("it is looked up").as_ref(), Some(made));
    }
    assert_eq!(tx.invoices().insert(&[]).await.expect("nothing is stored"), []);
}

pub(super) async fn a_change_touches_what_it_names_and_counts_up(tx: &mut dyn BillingTx) {
    let made = tx.invoices().insert(&["a", "b"].map(super::new_invoice)).await.expect("they are stored");
    let change = InvoiceChange { bill_to: Some(super::new_invoice("z").bill_to), ..InvoiceChange::default() };

    let changed = tx.invoices().update(made[0].id, &change).await.expect("it is changed").expect("it is there");

    let expected = Invoice {
        bill_to: super::new_invoice("z").bill_to,
        version: 2,
        updated_at: changed.updated_at,
        ..made[0].clone()
    };
    assert_eq!(changed, expected);
    assert_eq!(tx.invoices().find(made[1].id).await.expect("it is looked up").as_ref(), Some(&made[1]));
    let missing = tx.invoices().update(InvoiceId::generate(), &change).await.expect("nothing is changed");
    assert_eq!(missing, None);
}

pub(super) async fn what_is_deleted_is_gone(tx: &mut dyn BillingTx) {
    let made = tx.invoices().insert(&["a", "b"].map(super::new_invoice)).await.expect("they are stored");

    assert!(tx.invoices().delete(made[0].id).await.expect("it is deleted"));

    assert!(!tx.invoices().delete(made[0].id).await.expect("nothing is deleted"));
    assert_eq!(tx.invoices().find(made[0].id).await.expect("it is looked up"), None);
    assert_eq!(tx.invoices().find(made[1].id).await.expect("it is looked up").as_ref(), Some(&made[1]));
}

pub(super) async fn a_list_is_sorted_and_searched_page_by_page(tx: &mut dyn BillingTx) {
    // A word of this list alone: the tenant may have others.
    let word = InvoiceId::generate().to_string().replace('-', "");
    let new: Vec<_> = ["b", "a", "c", "b", "a"].iter().map(|it| super::new_invoice(&format!("{it} {word}"))).collect();
    let made = tx.invoices().insert(&new).await.expect("they are stored");

    for order in InvoiceOrder::ALL {
        let mut expected: Vec<_> = made.iter().map(|it| (order.position(it), it.id)).collect();
        expected.sort_by(|(a, _), (b, _)| (&a.key, a.id).cmp(&(&b.key, b.id)));
        if order.is_descending() {
            expected.reverse();
        }

        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = SortedQuery { after, limit: Limit::new(2).expect("a small page"), order: *order };
            let query = InvoiceQuery { search: Search::parse(&word[..20]).ok(), page, ..InvoiceQuery::default() };
            let page = tx.invoices().list(&query).await.expect("they are listed");
            seen.extend(page.items.iter().map(|it| it.id));
            let Some(next) = page.next else { break };
            after = Some(next);
        }

        assert_eq!(seen, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), "{order}");
    }
}

pub(super) async fn numbers_of_a_series_have_no_gap(tx: &mut dyn BillingTx) {
    // A series of this check alone: the tenant may have issued others.
    let series =
        Series::parse(InvoiceId::generate().to_string().to_uppercase()[16..].replace('-', "")).expect("a series");
    let (first, second) = (day("2028-01-31"), day("2028-02-01"));
    let new: Vec<_> = ["a", "b"]
        .map(super::new_invoice)
        .into_iter()
        .map(|new| NewInvoice { series: series.clone(), ..new })
        .collect();
    let made = tx.invoices().insert(&new).await.expect("they are stored");

    for (number, invoice) in (1..).zip(&made) {
        let step = Step::Issue { on: first, due: second };
        let issued = tx.invoices().step(invoice.id, step).await.expect("it is issued").expect("it is there");
        let expected = Invoice {
            status: InvoiceStatus::Issued,
            number: Some(number),
            issued_on: Some(first),
            due: Some(second),
            version: 2,
            updated_at: issued.updated_at,
            ..invoice.clone()
        };
        assert_eq!(issued, expected);
    }
    for (invoice, step) in made.iter().zip([Step::Pay { on: second }, Step::Void { on: second }]) {
        let settled = tx.invoices().step(invoice.id, step).await.expect("it is settled").expect("it is there");
        assert_eq!((settled.status, settled.settled_on, settled.version), (step.status(), Some(second), 3));
        assert_eq!(tx.invoices().find(invoice.id).await.expect("it is looked up"), Some(settled));
    }
    let missing = tx.invoices().step(InvoiceId::generate(), Step::Pay { on: first }).await.expect("nothing is paid");
    assert_eq!(missing, None);
}

// What is refused comes last in each of these: Postgres takes nothing more in a transaction that failed.

pub(super) async fn an_unknown_customer_is_refused(tx: &mut dyn BillingTx) {
    let new = NewInvoice { customer: Some(CustomerId::generate()), ..super::new_invoice("a") };

    let refused = tx.invoices().insert(&[super::new_invoice("b"), new]).await;

    assert!(matches!(refused, Err(InvoiceError::CustomerUnknown)), "{refused:?}");
}

pub(super) async fn an_unknown_customer_is_refused_in_a_change(tx: &mut dyn BillingTx) {
    let made = tx.invoices().insert(&[super::new_invoice("a")]).await.expect("it is stored");
    let change = InvoiceChange { customer: Some(Some(CustomerId::generate())), ..InvoiceChange::default() };

    let refused = tx.invoices().update(made[0].id, &change).await;

    assert!(matches!(refused, Err(InvoiceError::CustomerUnknown)), "{refused:?}");
}

pub(super) async fn what_is_issued_is_not_changed(tx: &mut dyn BillingTx) {
    let id = issued(tx).await;
    let change = InvoiceChange { bill_to: Some(super::new_invoice("z").bill_to), ..InvoiceChange::default() };

    let refused = tx.invoices().update(id, &change).await;

    assert!(matches!(refused, Err(InvoiceError::Fixed(fixed)) if fixed == id), "{refused:?}");
}

pub(super) async fn what_is_issued_is_not_issued_again(tx: &mut dyn BillingTx) {
    let id = issued(tx).await;

    let refused = tx.invoices().step(id, ISSUE).await;

    assert!(matches!(refused, Err(InvoiceError::Fixed(fixed)) if fixed == id), "{refused:?}");
}

pub(super) async fn what_is_issued_is_not_deleted(tx: &mut dyn BillingTx) {
    let id = issued(tx).await;

    let refused = tx.invoices().delete(id).await;

    assert!(matches!(refused, Err(InvoiceError::Fixed(fixed)) if fixed == id), "{refused:?}");
}

pub(super) async fn what_is_paid_does_not_become_void(tx: &mut dyn BillingTx) {
    let id = issued(tx).await;
    tx.invoices().step(id, Step::Pay { on: Day::MAX }).await.expect("it is paid");

    let refused = tx.invoices().step(id, Step::Void { on: Day::MAX }).await;

    assert!(matches!(refused, Err(InvoiceError::Fixed(fixed)) if fixed == id), "{refused:?}");
}

pub(super) async fn a_draft_is_not_paid(tx: &mut dyn BillingTx) {
    let made = tx.invoices().insert(&[super::new_invoice("a")]).await.expect("it is stored");

    let refused = tx.invoices().step(made[0].id, Step::Pay { on: Day::MAX }).await;

    assert!(matches!(refused, Err(InvoiceError::Fixed(fixed)) if fixed == made[0].id), "{refused:?}");
}

const ISSUE: Step = Step::Issue { on: Day::MAX, due: Day::MAX };

async fn issued(tx: &mut dyn BillingTx) -> InvoiceId {
    let made = tx.invoices().insert(&[super::new_invoice("a")]).await.expect("it is stored");
    tx.invoices().step(made[0].id, ISSUE).await.expect("it is issued");
    made[0].id
}
