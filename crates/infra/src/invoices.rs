//! Invoices in Postgres.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use tenantry_billing::invoices::{
    BillTo, CustomerId, Invoice, InvoiceChange, InvoiceError, InvoiceId, InvoiceNotes, InvoiceOrder, InvoiceQuery,
    InvoiceRepo, InvoiceStatus, NewInvoice, Step,
};
use tenantry_billing::lines::Lines;
use tenantry_billing::series::Series;
use tenantry_tenancy::{Day, Page, Position, Search, SortKey, SortedPage, StoreError};
use uuid::Uuid;

use crate::error::{OnConstraint, PgError};
use crate::lists::sorted;
use crate::rows::{parsed, trusted};
use crate::schema::invoices;
use crate::tenant_tx::PgTenantTx;

const CUSTOMER_KEY: &str = "invoices_customer_fkey";
/// What is issued stays as it is.
const FIXED: &str = "invoices_fixed";

#[derive(Queryable, Selectable)]
#[diesel(table_name = invoices, check_for_backend(diesel::pg::Pg))]
struct InvoiceRow {
    id: Uuid,
    customer_id: Option<Uuid>,
    bill_to: String,
    currency: String,
    lines: serde_json::Value,
    series: String,
    number: Option<i64>,
    notes: String,
    status: String,
    issued_on: Option<NaiveDate>,
    due: Option<NaiveDate>,
    settled_on: Option<NaiveDate>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<InvoiceRow> for Invoice {
    type Error = StoreError;

    fn try_from(row: InvoiceRow) -> Result<Self, StoreError> {
        let day = |day: Option<NaiveDate>| trusted(day.map(Day::new).transpose());
        Ok(Self {
            id: InvoiceId::from_uuid(row.id),
            customer: row.customer_id.map(CustomerId::from_uuid),
            bill_to: BillTo::stored(row.bill_to),
            currency: parsed(&row.currency)?,
            lines: trusted(serde_json::from_value(row.lines))?,
            series: trusted(Series::parse(row.series))?,
            number: row.number,
            notes: InvoiceNotes::stored(row.notes),
            status: parsed(&row.status)?,
            issued_on: day(row.issued_on)?,
            due: day(row.due)?,
            settled_on: day(row.settled_on)?,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

// Not "default": a statement with a DEFAULT that depends on its values is prepared anew each time.
#[derive(Insertable)]
#[diesel(table_name = invoices, treat_none_as_default_value = false)]
struct NewInvoiceRow<'a> {
    id: Uuid,
    customer_id: Option<Uuid>,
    bill_to: &'a str,
    currency: &'a str,
    lines: serde_json::Value,
    net: i64,
    tax: i64,
    series: &'a str,
    notes: &'a str,
    status: &'a str,
    due: Option<NaiveDate>,
}

#[derive(AsChangeset)]
#[diesel(table_name = invoices)]
struct InvoiceChangeRow<'a> {
    customer_id: Option<Option<Uuid>>,
    bill_to: Option<&'a str>,
    currency: Option<&'a str>,
    lines: Option<serde_json::Value>,
    net: Option<i64>,
    tax: Option<i64>,
    series: Option<&'a str>,
    notes: Option<&'a str>,
    due: Option<Option<NaiveDate>>,
}

#[derive(AsChangeset)]
#[diesel(table_name = invoices)]
struct StepRow {
    status: &'static str,
    issued_on: Option<NaiveDate>,
    due: Option<NaiveDate>,
    settled_on: Option<NaiveDate>,
}

impl From<Step> for StepRow {
    fn from(step: Step) -> Self {
        let (issued_on, due, settled_on) = match step {
            Step::Issue { on, due } => (Some(on.day()), Some(due.day()), None),
            Step::Pay { on } | Step::Void { on } => (None, None, Some(on.day())),
        };
        Self { status: step.status().as_str(), issued_on, due, settled_on }
    }
}

fn as_json(lines: &Lines) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(lines).map_err(StoreError::internal)
}

fn new_row(new: &NewInvoice) -> Result<NewInvoiceRow<'_>, StoreError> {
    let NewInvoice { id, customer, bill_to, currency, lines, series, notes, due } = new;
    let sum = lines.sum();
    Ok(NewInvoiceRow {
        id: id.as_uuid(),
        customer_id: customer.map(CustomerId::as_uuid),
        bill_to: bill_to.as_str(),
        currency: currency.as_str(),
        lines: as_json(lines)?,
        net: sum.net,
        tax: sum.tax,
        series: series.as_str(),
        notes: notes.as_str(),
        status: InvoiceStatus::Draft.as_str(),
        due: due.map(Day::day),
    })
}

#[async_trait]
impl InvoiceRepo for PgTenantTx {
    async fn find(&mut self, id: InvoiceId) -> Result<Option<Invoice>, StoreError> {
        let query = self.rows_of(invoices::table).filter(invoices::id.eq(id.as_uuid())).select(InvoiceRow::as_select());
        self.load_one(query).await?.map(Invoice::try_from).transpose()
    }

    async fn find_for_update(&mut self, id: InvoiceId) -> Result<Option<Invoice>, StoreError> {
        let row = self.rows_of(invoices::table).filter(invoices::id.eq(id.as_uuid()));
        self.load_one(row.select(InvoiceRow::as_select()).for_update()).await?.map(Invoice::try_from).transpose()
    }

    async fn list(&mut self, query: &InvoiceQuery) -> Result<SortedPage<Invoice>, StoreError> {
        let InvoiceQuery { status, customer, updated_since, search, page } = query.clone();
        let limit = page.limit.get() as i64 + 1;
        let mut rows = self.rows_of(invoices::table).select(InvoiceRow::as_select()).limit(limit).into_boxed();
        if let Some(status) = status {
            rows = rows.filter(invoices::status.eq(status.as_str()));
        }
        if let Some(customer) = customer {
            rows = rows.filter(invoices::customer_id.eq(customer.as_uuid()));
        }
        if let Some(since) = updated_since {
            rows = rows.filter(invoices::updated_at.ge(since.time()));
        }
        for word in search.iter().flat_map(Search::words) {
            rows = rows.filter(invoices::id.eq_any(self.rows_with_word("invoices", word)));
        }
        let after = page.after;
        let rows = match page.order {
            InvoiceOrder::Newest => sorted!(rows, after, invoices, id, desc),
            InvoiceOrder::Oldest => sorted!(rows, after, invoices, id, asc),
            InvoiceOrder::Reference => sorted!(rows, after, invoices, reference: Text, asc),
            InvoiceOrder::ReferenceDescending => sorted!(rows, after, invoices, reference: Text, desc),
            InvoiceOrder::Updated => sorted!(rows, after, invoices, updated_at: Time, asc),
            InvoiceOrder::LastUpdated => sorted!(rows, after, invoices, updated_at: Time, desc),
        };
        let items = self.load(rows).await?.into_iter().map(Invoice::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit, |invoice| page.order.position(invoice)))
    }

    async fn insert(&mut self, new: &[NewInvoice]) -> Result<Vec<Invoice>, InvoiceError> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let rows = new.iter().map(new_row).collect::<Result<Vec<_>, _>>()?;
        let insert = diesel::insert_into(invoices::table).values(rows).returning(InvoiceRow::as_returning());
        let rows = self.load(insert).await.on_constraint(CUSTOMER_KEY, || InvoiceError::CustomerUnknown)?;
        Ok(rows.into_iter().map(Invoice::try_from).collect::<Result<_, _>>()?)
    }

    async fn update(&mut self, id: InvoiceId, change: &InvoiceChange) -> Result<Option<Invoice>, InvoiceError> {
        let InvoiceChange { customer, bill_to, currency, lines, series, notes, due } = change;
        let sum = lines.as_ref().map(Lines::sum);
        let row = InvoiceChangeRow {
            customer_id: customer.map(|it| it.map(CustomerId::as_uuid)),
            bill_to: bill_to.as_ref().map(BillTo::as_str),
            currency: currency.as_ref().map(|it| it.as_str()),
            lines: lines.as_ref().map(as_json).transpose()?,
            net: sum.map(|it| it.net),
            tax: sum.map(|it| it.tax),
            series: series.as_ref().map(Series::as_str),
            notes: notes.as_ref().map(InvoiceNotes::as_str),
            due: due.map(|it| it.map(Day::day)),
        };
        let update = diesel::update(self.rows_of(invoices::table).filter(invoices::id.eq(id.as_uuid())))
            .set(row)
            .returning(InvoiceRow::as_returning());
        let row: Option<InvoiceRow> = self.load_one(update).await.map_err(|error| {
            if error.is_of(CUSTOMER_KEY) { InvoiceError::CustomerUnknown } else { fixed(id, error) }
        })?;
        Ok(row.map(Invoice::try_from).transpose()?)
    }

    async fn step(&mut self, id: InvoiceId, step: Step) -> Result<Option<Invoice>, InvoiceError> {
        let update = diesel::update(self.rows_of(invoices::table).filter(invoices::id.eq(id.as_uuid())))
            .set(StepRow::from(step))
            .returning(InvoiceRow::as_returning());
        let row: Option<InvoiceRow> = self.load_one(update).await.map_err(|error| fixed(id, error))?;
        Ok(row.map(Invoice::try_from).transpose()?)
    }

    async fn delete(&mut self, id: InvoiceId) -> Result<bool, InvoiceError> {
        let delete = diesel::delete(self.rows_of(invoices::table).filter(invoices::id.eq(id.as_uuid())));
        Ok(self.execute(delete).await.map_err(|error| fixed(id, error))? > 0)
    }
}

fn fixed(id: InvoiceId, error: PgError) -> InvoiceError {
    if error.is_of(FIXED) { InvoiceError::Fixed(id) } else { StoreError::from(error).into() }
}
