//! What an invoice looks like in JSON.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_billing::invoices::{
    BillTo, CustomerId, Invoice, InvoiceChange, InvoiceId, InvoiceNotes, InvoiceStatus, NewInvoice,
};
use tenantry_billing::lines::{Line, LineDescription, Lines};
use tenantry_billing::money::{Currency, LineQuantity, Price, TaxRate};
use tenantry_billing::series::Series;
use tenantry_tenancy::Day;
use utoipa::ToSchema;

use crate::conditions::Versioned;
use crate::extract::present;

/// Something that is sold. Amounts are whole numbers of the currency's minor unit, each rounded half away from zero.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InvoiceLineView {
    description: LineDescription,
    quantity: LineQuantity,
    unit_price: Price,
    tax_basis_points: TaxRate,
    /// `quantity × unit_price`, rounded.
    net: i64,
    /// The tax on `net`, rounded.
    tax: i64,
}

impl From<&Line> for InvoiceLineView {
    fn from(line: &Line) -> Self {
        let amounts = line.amounts();
        let Line { description, quantity, unit_price, tax_basis_points } = line.clone();
        Self { description, quantity, unit_price, tax_basis_points, net: amounts.net, tax: amounts.tax }
    }
}

/// An invoice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvoiceView {
    id: InvoiceId,
    status: InvoiceStatus,
    /// What is printed as its number, once it is issued.
    reference: Option<String>,
    /// What it is numbered within.
    series: Series,
    /// Its number within the series, once it is issued: from 1, without a gap.
    number: Option<i64>,
    customer: Option<CustomerId>,
    /// Whom it is for, as it is printed.
    bill_to: BillTo,
    /// What its amounts are in (ISO 4217).
    currency: Currency,
    lines: Vec<InvoiceLineView>,
    /// What the lines add up to without tax.
    net: i64,
    /// What their taxes add up to.
    tax: i64,
    /// What is to be paid.
    total: i64,
    notes: InvoiceNotes,
    issued_on: Option<Day>,
    /// When it is to be paid.
    due: Option<Day>,
    /// When it was paid, or became void.
    settled_on: Option<Day>,
    /// Counts the changes made to it.
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Invoice> for InvoiceView {
    fn from(invoice: Invoice) -> Self {
        let (sum, reference) = (invoice.lines.sum(), invoice.reference());
        let lines = invoice.lines.as_slice().iter().map(InvoiceLineView::from).collect();
        let Invoice { id, customer, bill_to, currency, lines: _, series, number, notes, status, .. } = invoice;
        let Invoice { issued_on, due, settled_on, version, created_at, updated_at, .. } = invoice;
        Self {
            id,
            status,
            reference,
            series,
            number,
            customer,
            bill_to,
            currency,
            lines,
            net: sum.net,
            tax: sum.tax,
            total: sum.total(),
            notes,
            issued_on,
            due,
            settled_on,
            version,
            created_at,
            updated_at,
        }
    }
}

impl Versioned for InvoiceView {
    fn version(&self) -> i64 {
        self.version
    }
}

/// All that can be chosen about the draft of an invoice.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InvoiceBody {
    /// A customer of the tenant's.
    #[serde(default)]
    customer: Option<CustomerId>,
    /// Whom it is for, as it is printed; the customer's name and address if not given.
    #[serde(default)]
    bill_to: Option<BillTo>,
    /// What its amounts are in (ISO 4217).
    currency: Currency,
    /// What is sold.
    lines: Lines,
    /// What it is numbered within; `INV` if not given.
    #[serde(default)]
    series: Option<Series>,
    #[serde(default)]
    notes: Option<InvoiceNotes>,
    /// When it is to be paid; thirty days after it is issued if not given.
    #[serde(default)]
    due: Option<Day>,
}

impl InvoiceBody {
    pub(super) fn into_new(self) -> NewInvoice {
        NewInvoice {
            id: InvoiceId::generate(),
            customer: self.customer,
            bill_to: self.bill_to.unwrap_or_default(),
            currency: self.currency,
            lines: self.lines,
            series: self.series.unwrap_or_default(),
            notes: self.notes.unwrap_or_default(),
            due: self.due,
        }
    }
}

/// Some of what can be chosen about the draft of an invoice (JSON Merge Patch, RFC 7396).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InvoicePatch {
    #[serde(default, deserialize_with = "present")]
    customer: Option<Option<CustomerId>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    bill_to: Option<BillTo>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    currency: Option<Currency>,
    /// All lines, in place of those there are.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    lines: Option<Lines>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    series: Option<Series>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    notes: Option<InvoiceNotes>,
    #[serde(default, deserialize_with = "present")]
    due: Option<Option<Day>>,
}

impl From<InvoicePatch> for InvoiceChange {
    fn from(patch: InvoicePatch) -> Self {
        let InvoicePatch { customer, bill_to, currency, lines, series, notes, due } = patch;
        Self { customer, bill_to, currency, lines, series, notes, due }
    }
}
