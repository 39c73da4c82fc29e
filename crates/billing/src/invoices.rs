//! Invoices: drafts that are changed at will, then issued with the next number of their series, and from then on only paid or
//! void.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tenantry_tenancy::{
    Clock, Day, Expected, Moment, Position, Search, SortKey, SortedPage, SortedQuery, Stale, StoreError, id, text,
    words,
};

use crate::BillingTx;
use crate::lines::Lines;
use crate::money::Currency;
use crate::series::Series;

id!(
    /// One invoice.
    InvoiceId
);
id!(
    /// A customer of the tenant, as the CRM module knows it.
    CustomerId
);
text!(
    /// Whom it is for: name and address, as they are printed.
    BillTo,
    Paragraphs,
    2000
);
text!(
    /// What else is to be said on it.
    InvoiceNotes,
    Paragraphs,
    2000
);
words!(
    /// What became of an invoice.
    InvoiceStatus {
        /// Not sent yet.
        Draft = "draft",
        /// Sent, with a number.
        Issued = "issued",
        /// Paid.
        Paid = "paid",
        /// Not to be paid any more. Its number stays taken.
        Void = "void",
    }
);
words!(
    /// In which order a list of invoices comes.
    #[derive(Default)]
    InvoiceOrder {
        /// The newest first.
        #[default]
        Newest = "-created_at",
        /// The oldest first.
        Oldest = "created_at",
        /// By what is printed as their number; drafts have none and come first.
        Reference = "reference",
        /// The same from the end.
        ReferenceDescending = "-reference",
        /// The one longest unchanged first.
        Updated = "updated_at",
        /// The last changed first.
        LastUpdated = "-updated_at",
    }
);

/// How many days there are to pay an invoice that does not say when it is due.
const TERM: TimeDelta = TimeDelta::days(30);

/// One invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Its identity.
    pub id: InvoiceId,
    /// The customer it is for, if that is one of the CRM's.
    pub customer: Option<CustomerId>,
    /// Whom it is for, as it is printed.
    pub bill_to: BillTo,
    /// What its amounts are in.
    pub currency: Currency,
    /// What is sold.
    pub lines: Lines,
    /// What it is numbered within.
    pub series: Series,
    /// Its number within the series, once it is issued.
    pub number: Option<i64>,
    /// What else is to be said on it.
    pub notes: InvoiceNotes,
    /// What became of it.
    pub status: InvoiceStatus,
    /// When it was issued.
    pub issued_on: Option<Day>,
    /// When it is to be paid.
    pub due: Option<Day>,
    /// When it was paid, or became void.
    pub settled_on: Option<Day>,
    /// How often it was changed, plus one.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Invoice {
    /// What is printed as its number, once it has one.
    pub fn reference(&self) -> Option<String> {
        self.number.map(|number| self.series.reference(number))
    }
}

/// A draft to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvoice {
    /// Its identity.
    pub id: InvoiceId,
    /// The customer it is for.
    pub customer: Option<CustomerId>,
    /// Whom it is for, as it is printed.
    pub bill_to: BillTo,
    /// What its amounts are in.
    pub currency: Currency,
    /// What is sold.
    pub lines: Lines,
    /// What it is numbered within.
    pub series: Series,
    /// What else is to be said on it.
    pub notes: InvoiceNotes,
    /// When it is to be paid.
    pub due: Option<Day>,
}

/// What to change about a draft; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvoiceChange {
    /// The customer it is for.
    pub customer: Option<Option<CustomerId>>,
    /// Whom it is for, as it is printed.
    pub bill_to: Option<BillTo>,
    /// What its amounts are in.
    pub currency: Option<Currency>,
    /// What is sold: all lines.
    pub lines: Option<Lines>,
    /// What it is numbered within.
    pub series: Option<Series>,
    /// What else is to be said on it.
    pub notes: Option<InvoiceNotes>,
    /// When it is to be paid.
    pub due: Option<Option<Day>>,
}

/// All of a draft becomes what a new one would be.
impl From<NewInvoice> for InvoiceChange {
    fn from(new: NewInvoice) -> Self {
        let NewInvoice { id: _, customer, bill_to, currency, lines, series, notes, due } = new;
        Self {
            customer: Some(customer),
            bill_to: Some(bill_to),
            currency: Some(currency),
            lines: Some(lines),
            series: Some(series),
            notes: Some(notes),
            due: Some(due),
        }
    }
}

/// A step from one state to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A draft is issued.
    Issue {
        /// When.
        on: Day,
        /// When it is to be paid.
        due: Day,
    },
    /// An issued one is paid.
    Pay {
        /// When.
        on: Day,
    },
    /// An issued one is not to be paid any more.
    Void {
        /// When.
        on: Day,
    },
}

impl Step {
    /// What becomes of the invoice.
    pub const fn status(self) -> InvoiceStatus {
        match self {
            Self::Issue { .. } => InvoiceStatus::Issued,
            Self::Pay { .. } => InvoiceStatus::Paid,
            Self::Void { .. } => InvoiceStatus::Void,
        }
    }
}

/// Which invoices a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvoiceQuery {
    /// Only those with this status.
    pub status: Option<InvoiceStatus>,
    /// Only those for this customer.
    pub customer: Option<CustomerId>,
    /// Only those changed at this moment or later.
    pub updated_since: Option<Moment>,
    /// Only those with these words in their texts.
    pub search: Option<Search>,
    /// Which page.
    pub page: SortedQuery<InvoiceOrder>,
}

impl InvoiceOrder {
    /// Where one stands in this order.
    pub fn position(self, invoice: &Invoice) -> Position {
        let key = match self {
            Self::Newest | Self::Oldest => SortKey::Id,
            Self::Reference | Self::ReferenceDescending => SortKey::Text(invoice.reference().unwrap_or_default()),
            Self::Updated | Self::LastUpdated => SortKey::Time(invoice.updated_at),
        };
        Position { key, id: invoice.id.as_uuid() }
    }

    /// Whether it goes from the end to the beginning.
    pub fn is_descending(self) -> bool {
        matches!(self, Self::Newest | Self::ReferenceDescending | Self::LastUpdated)
    }
}

/// Why an operation on invoices was refused.
#[derive(Debug, thiserror::Error)]
pub enum InvoiceError {
    /// There is none with this id.
    #[error("invoice {0} does not exist")]
    NotFound(InvoiceId),
    /// The tenant has no such customer.
    #[error("there is no such customer")]
    CustomerUnknown,
    /// It is not in the state that this begins from.
    #[error("the invoice is {0}")]
    State(InvoiceStatus),
    /// A draft that does not say whom it is for cannot be issued.
    #[error("the invoice does not say whom it is for")]
    NoRecipient,
    /// A draft that is due before it is issued cannot be issued.
    #[error("the invoice is due before it is issued")]
    DueBeforeIssue,
    /// The store keeps what is issued as it is, and lets no state be left out.
    #[error("invoice {0} is fixed")]
    Fixed(InvoiceId),
    /// The change was made from another version.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The invoices of the tenant whose transaction is open.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait InvoiceRepo: Send {
    /// One of them.
    async fn find(&mut self, id: InvoiceId) -> Result<Option<Invoice>, StoreError>;

    /// One of them, which nobody else changes until the transaction ends.
    async fn find_for_update(&mut self, id: InvoiceId) -> Result<Option<Invoice>, StoreError>;

    /// One page of them.
    async fn list(&mut self, query: &InvoiceQuery) -> Result<SortedPage<Invoice>, StoreError>;

    /// Stores drafts, all in one statement, and tells them in the same order.
    ///
    /// Fails with [`InvoiceError::CustomerUnknown`] when one names a customer that the tenant does not have.
    async fn insert(&mut self, new: &[NewInvoice]) -> Result<Vec<Invoice>, InvoiceError>;

    /// Changes the fields given of a draft, in one statement, and tells what it is now.
    ///
    /// Fails with [`InvoiceError::CustomerUnknown`], and with [`InvoiceError::Fixed`] when it is none any more.
    async fn update(&mut self, id: InvoiceId, change: &InvoiceChange) -> Result<Option<Invoice>, InvoiceError>;

    /// Takes a step. An invoice that is issued gets the next number of its series: whoever else issues one of it waits until
    /// the transaction ends, and if that is undone the number is the next one's.
    ///
    /// Fails with [`InvoiceError::Fixed`] when it is not in the state that the step begins from.
    async fn step(&mut self, id: InvoiceId, step: Step) -> Result<Option<Invoice>, InvoiceError>;

    /// Deletes a draft; false when there is none. Fails with [`InvoiceError::Fixed`] when it is none any more.
    async fn delete(&mut self, id: InvoiceId) -> Result<bool, InvoiceError>;
}

/// Makes a draft.
pub async fn create(tx: &mut dyn BillingTx, new: NewInvoice) -> Result<Invoice, InvoiceError> {
    let mut made = create_many(tx, &[new]).await?;
    made.pop().ok_or_else(|| StoreError::internal("an insert returned nothing").into())
}

/// Makes several drafts or, if one of them cannot be made, none.
pub async fn create_many(tx: &mut dyn BillingTx, new: &[NewInvoice]) -> Result<Vec<Invoice>, InvoiceError> {
    tx.invoices().insert(new).await
}

/// Shows one.
pub async fn show(tx: &mut dyn BillingTx, id: InvoiceId) -> Result<Invoice, InvoiceError> {
    tx.invoices().find(id).await?.ok_or(InvoiceError::NotFound(id))
}

/// Changes the fields given of a draft, if it has the version expected. An empty change changes nothing, not even the version.
pub async fn change(
    tx: &mut dyn BillingTx,
    id: InvoiceId,
    expected: &Expected,
    change: &InvoiceChange,
) -> Result<Invoice, InvoiceError> {
    let draft = admit(tx, id, expected, InvoiceStatus::Draft).await?;
    if *change == InvoiceChange::default() {
        return Ok(draft);
    }
    tx.invoices().update(id, change).await?.ok_or(InvoiceError::NotFound(id))
}

/// Issues a draft today. Without a day of its own it is due in thirty days.
pub async fn issue(
    tx: &mut dyn BillingTx,
    clock: &dyn Clock,
    id: InvoiceId,
    expected: &Expected,
) -> Result<Invoice, InvoiceError> {
    let draft = admit(tx, id, expected, InvoiceStatus::Draft).await?;
    if draft.bill_to.as_str().is_empty() {
        return Err(InvoiceError::NoRecipient);
    }
    let on = today(clock)?;
    let due = draft.due.map_or_else(|| Day::new(on.day() + TERM).map_err(StoreError::internal), Ok)?;
    if due < on {
        return Err(InvoiceError::DueBeforeIssue);
    }
    step(tx, id, Step::Issue { on, due }).await
}

/// Notes that an issued invoice was paid today.
pub async fn pay(
    tx: &mut dyn BillingTx,
    clock: &dyn Clock,
    id: InvoiceId,
    expected: &Expected,
) -> Result<Invoice, InvoiceError> {
    admit(tx, id, expected, InvoiceStatus::Issued).await?;
    step(tx, id, Step::Pay { on: today(clock)? }).await
}

/// Makes an issued invoice void, as of today.
pub async fn void(
    tx: &mut dyn BillingTx,
    clock: &dyn Clock,
    id: InvoiceId,
    expected: &Expected,
) -> Result<Invoice, InvoiceError> {
    admit(tx, id, expected, InvoiceStatus::Issued).await?;
    step(tx, id, Step::Void { on: today(clock)? }).await
}

/// Deletes a draft, if it has the version expected.
pub async fn delete(tx: &mut dyn BillingTx, id: InvoiceId, expected: &Expected) -> Result<(), InvoiceError> {
    admit(tx, id, expected, InvoiceStatus::Draft).await?;
    if tx.invoices().delete(id).await? { Ok(()) } else { Err(InvoiceError::NotFound(id)) }
}

/// Locks it, so that it has still this version and this state when the change comes.
async fn admit(
    tx: &mut dyn BillingTx,
    id: InvoiceId,
    expected: &Expected,
    state: InvoiceStatus,
) -> Result<Invoice, InvoiceError> {
    let invoice = tx.invoices().find_for_update(id).await?.ok_or(InvoiceError::NotFound(id))?;
    expected.admit(invoice.version)?;
    if invoice.status == state { Ok(invoice) } else { Err(InvoiceError::State(invoice.status)) }
}

async fn step(tx: &mut dyn BillingTx, id: InvoiceId, step: Step) -> Result<Invoice, InvoiceError> {
    tx.invoices().step(id, step).await?.ok_or(InvoiceError::NotFound(id))
}

/// The day in UTC.
fn today(clock: &dyn Clock) -> Result<Day, StoreError> {
    Day::new(clock.now().date_naive()).map_err(StoreError::internal)
}

#[cfg(test)]
mod tests;
