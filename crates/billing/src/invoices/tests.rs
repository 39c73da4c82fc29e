use std::sync::Arc;

use tenantry_tenancy::clock::FixedClock;

use super::*;
use crate::testing::{MemoryBilling, MockBilling, new_invoice};

fn clock() -> FixedClock {
    FixedClock(DateTime::from_timestamp(1_800_000_000, 0).unwrap())
}

fn memory() -> MemoryBilling {
    MemoryBilling::new(Arc::new(clock()))
}

fn day(raw: &str) -> Option<Day> {
    Some(Day::parse(raw).unwrap())
}

#[tokio::test]
async fn an_invoice_is_issued_with_a_number_and_paid_or_void_and_then_stays() {
    let mut tx = memory();
    let expected = Expected::ANY;
    let mut settled = Vec::new();
    for number in 1..=2 {
        let draft = create(&mut tx, new_invoice("Ada")).await.unwrap();
        let issued = issue(&mut tx, &clock(), draft.id, &expected).await.unwrap();
        assert_eq!((issued.number, issued.reference().unwrap()), (Some(number), format!("INV-00000{number}")));
        assert_eq!((issued.issued_on, issued.due, issued.settled_on), (day("2027-01-15"), day("2027-02-14"), None));
        settled.push(issued.id);
    }
    let paid = pay(&mut tx, &clock(), settled[0], &expected).await.unwrap();
    let voided = void(&mut tx, &clock(), settled[1], &expected).await.unwrap();
    assert_eq!((paid.status, paid.settled_on), (InvoiceStatus::Paid, day("2027-01-15")));
    assert_eq!((voided.status, voided.number), (InvoiceStatus::Void, Some(2)));

    for id in settled {
        let empty = InvoiceChange::default();
        for refused in [
            change(&mut tx, id, &expected, &empty).await.map(drop),
            issue(&mut tx, &clock(), id, &expected).await.map(drop),
            pay(&mut tx, &clock(), id, &expected).await.map(drop),
            void(&mut tx, &clock(), id, &expected).await.map(drop),
            delete(&mut tx, id, &expected).await,
        ] {
            assert!(
                matches!(refused, Err(InvoiceError::State(InvoiceStatus::Paid | InvoiceStatus::Void))),
                "{refused:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_draft_is_neither_paid_nor_void() {
    let mut tx = memory();
    let draft = create(&mut tx, new_invoice("Ada")).await.unwrap();

    for refused in [
        pay(&mut tx, &clock(), draft.id, &Expected::ANY).await,
        void(&mut tx, &clock(), draft.id, &Expected::ANY).await,
    ] {
        assert!(matches!(refused, Err(InvoiceError::State(InvoiceStatus::Draft))), "{refused:?}");
    }
    delete(&mut tx, draft.id, &Expected::ANY).await.unwrap();
}

#[tokio::test]
async fn what_is_issued_says_whom_it_is_for_and_is_not_yet_due() {
    let mut tx = memory();
    let nobody = create(&mut tx, NewInvoice { bill_to: BillTo::default(), ..new_invoice("") }).await.unwrap();
    let late = create(&mut tx, NewInvoice { due: day("2027-01-14"), ..new_invoice("Ada") }).await.unwrap();
    let today = create(&mut tx, NewInvoice { due: day("2027-01-15"), ..new_invoice("Ada") }).await.unwrap();

    let refused = issue(&mut tx, &clock(), nobody.id, &Expected::ANY).await;
    assert!(matches!(refused, Err(InvoiceError::NoRecipient)), "{refused:?}");
    let refused = issue(&mut tx, &clock(), late.id, &Expected::ANY).await;
    assert!(matches!(refused, Err(InvoiceError::DueBeforeIssue)), "{refused:?}");
    assert_eq!(issue(&mut tx, &clock(), today.id, &Expected::ANY).await.unwrap().number, Some(1), "no number was lost");
}

#[tokio::test]
async fn nothing_is_changed_from_another_version() {
    let mut tx = memory();
    let draft = create(&mut tx, new_invoice("Ada")).await.unwrap();
    let first = Expected::one_of(vec![1]);
    let rename = InvoiceChange { notes: Some(InvoiceNotes::parse("soon").unwrap()), ..InvoiceChange::default() };
    assert_eq!(change(&mut tx, draft.id, &first, &rename).await.unwrap().version, 2);

    for stale in [
        change(&mut tx, draft.id, &first, &rename).await.map(drop),
        issue(&mut tx, &clock(), draft.id, &first).await.map(drop),
        delete(&mut tx, draft.id, &first).await,
    ] {
        assert!(matches!(stale, Err(InvoiceError::Stale(_))), "{stale:?}");
    }
}

#[tokio::test]
async fn a_refused_step_asks_the_store_for_nothing() {
    let mut tx = MockBilling::default();
    tx.invoices.expect_find_for_update().return_once(|_| Ok(None));

    let refused = pay(&mut tx, &clock(), InvoiceId::generate(), &Expected::ANY).await;

    assert!(matches!(refused, Err(InvoiceError::NotFound(_))), "{refused:?}");
}
