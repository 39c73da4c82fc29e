//! `/api/v1/billing/invoices`.

mod addressing;
mod print;
mod views;

use actix_web::http::Method;
use actix_web::web::Data;
use serde::Deserialize;
use tenantry_billing::invoices::{
    self, CustomerId, Invoice, InvoiceChange, InvoiceError, InvoiceId, InvoiceOrder, InvoiceQuery, InvoiceStatus,
    NewInvoice,
};
use tenantry_tenancy::permissions::needs::{ReadInvoices, WriteInvoices};
use tenantry_tenancy::{Clock, Limit, Moment, Search, SortedQuery};
use utoipa::IntoParams;

use crate::conditions::IfMatch;
use crate::cursor::Cursors;
use crate::extract::{Body, Bulk, Can, PathId, Query};
use crate::list::{FEW, List, Paging, spelled};
use crate::listing::{Format, Listing};
use crate::once::Store;
use crate::problem::ApiError;
use crate::reply::{CreatedMany, CreatedResource, NoContent, Resource};
use crate::routes::Routes;

use addressing::{address, address_many};
use print::{Printed, Sheet};
use views::{InvoiceBody, InvoicePatch, InvoiceView};

const PATH: &str = "/api/v1/billing/invoices";
const ONE: &str = "/api/v1/billing/invoices/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List invoices", list);
    routes.tenant(Method::POST, PATH, "Draft an invoice", create);
    routes.tenant(
        Method::POST,
        "/api/v1/billing/invoices/bulk",
        "Draft up to 1,000 invoices, all or none",
        create_many,
    );
    routes.tenant(Method::GET, ONE, "Show an invoice, or print it as HTML", show);
    routes.tenant(Method::PUT, ONE, "Replace the draft of an invoice", replace);
    routes.tenant(Method::PATCH, ONE, "Change some fields of the draft of an invoice", change);
    routes.tenant(Method::DELETE, ONE, "Delete the draft of an invoice", delete);
    let path = "/api/v1/billing/invoices/{id}/issue";
    routes.tenant(Method::POST, path, "Issue an invoice: it gets its number and is fixed", issue);
    let path = "/api/v1/billing/invoices/{id}/pay";
    routes.tenant(Method::POST, path, "Note that an invoice was paid", pay);
    let path = "/api/v1/billing/invoices/{id}/void";
    routes.tenant(Method::POST, path, "Make an invoice void; its number stays taken", void);
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct InvoiceFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<InvoiceOrder>,
    /// Only those with this status.
    #[param(inline)]
    status: Option<InvoiceStatus>,
    /// Only those for this customer.
    #[param(inline)]
    customer: Option<CustomerId>,
    /// Only those changed at this moment or later.
    #[param(inline)]
    updated_since: Option<Moment>,
    /// Only those with words in their texts that begin like these.
    #[param(inline)]
    q: Option<Search>,
}

async fn list(
    caller: Can<ReadInvoices>,
    store: Store,
    cursors: Data<Cursors>,
    format: Format,
    Query(filter): Query<InvoiceFilter>,
) -> Result<Listing<ReadInvoices, InvoiceOrder, Invoice, InvoiceView>, ApiError> {
    let InvoiceFilter { limit, cursor, sort, status, customer, updated_since, q: search } = filter;
    let filters = [spelled(status), spelled(customer), spelled(updated_since), spelled(search.as_ref())].join("&");
    let paging = Paging { limit, cursor: cursor.as_deref(), sort };
    let list = List::open(&cursors, caller.tenant(), format!("invoices?{filters}"), &paging)?;
    let query = InvoiceQuery { status, customer, updated_since, search, page: SortedQuery::default() };
    let fetch = move |caller: Can<ReadInvoices>, page| {
        let (store, query) = (store.clone(), InvoiceQuery { page, ..query.clone() });
        async move { Ok(store.read(&caller, async |tx| tx.billing().invoices().list(&query).await).await?) }
    };
    Listing::in_parts("invoices", FEW, caller, format, list, fetch).await
}

async fn create(
    caller: Can<WriteInvoices>,
    store: Store,
    Body(body): Body<InvoiceBody>,
) -> Result<CreatedResource<InvoiceView>, ApiError> {
    let mut new = body.into_new();
    let invoice = store
        .write(&caller, async |tx| {
            address(tx, &caller, &mut new).await?;
            Ok::<_, ApiError>(invoices::create(tx.billing(), new).await?)
        })
        .await?;
    Ok(CreatedResource { location: format!("{PATH}/{}", invoice.id), view: invoice.into() })
}

async fn create_many(
    caller: Can<WriteInvoices>,
    store: Store,
    Bulk(bodies): Bulk<InvoiceBody>,
) -> Result<CreatedMany<InvoiceView>, ApiError> {
    let mut new: Vec<NewInvoice> = bodies.into_iter().map(InvoiceBody::into_new).collect();
    let made = store
        .write(&caller, async |tx| {
            address_many(tx, &caller, &mut new).await?;
            Ok::<_, ApiError>(invoices::create_many(tx.billing(), &new).await?)
        })
        .await?;
    Ok(CreatedMany { data: made.into_iter().map(InvoiceView::from).collect() })
}

async fn show(
    caller: Can<ReadInvoices>,
    store: Store,
    sheet: Sheet,
    PathId(id): PathId<InvoiceId>,
) -> Result<Printed, ApiError> {
    let invoice = store.read(&caller, async |tx| invoices::show(tx.billing(), id).await).await?;
    Ok(Printed { sheet, invoice })
}

async fn replace(
    caller: Can<WriteInvoices>,
    store: Store,
    PathId(id): PathId<InvoiceId>,
    IfMatch(expected): IfMatch,
    Body(body): Body<InvoiceBody>,
) -> Result<Resource<InvoiceView>, ApiError> {
    let mut new = body.into_new();
    let invoice = store
        .write(&caller, async |tx| {
            address(tx, &caller, &mut new).await?;
            Ok::<_, ApiError>(invoices::change(tx.billing(), id, &expected, &new.into()).await?)
        })
        .await?;
    Ok(Resource(invoice.into()))
}

async fn change(
    caller: Can<WriteInvoices>,
    store: Store,
    PathId(id): PathId<InvoiceId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<InvoicePatch>,
) -> Result<Resource<InvoiceView>, ApiError> {
    let change = InvoiceChange::from(patch);
    let invoice = store.write(&caller, async |tx| invoices::change(tx.billing(), id, &expected, &change).await).await?;
    Ok(Resource(invoice.into()))
}

async fn delete(
    caller: Can<WriteInvoices>,
    store: Store,
    PathId(id): PathId<InvoiceId>,
    IfMatch(expected): IfMatch,
) -> Result<NoContent, ApiError> {
    store.write(&caller, async |tx| invoices::delete(tx.billing(), id, &expected).await).await?;
    Ok(NoContent)
}

async fn issue(
    caller: Can<WriteInvoices>,
    store: Store,
    clock: Data<dyn Clock>,
    PathId(id): PathId<InvoiceId>,
    IfMatch(expected): IfMatch,
) -> Result<Resource<InvoiceView>, ApiError> {
    let invoice = store.write(&caller, async |tx| invoices::issue(tx.billing(), &**clock, id, &expected).await).await?;
    Ok(Resource(invoice.into()))
}

async fn pay(
    caller: Can<WriteInvoices>,
    store: Store,
    clock: Data<dyn Clock>,
    PathId(id): PathId<InvoiceId>,
    IfMatch(expected): IfMatch,
) -> Result<Resource<InvoiceView>, ApiError> {
    let invoice = store.write(&caller, async |tx| invoices::pay(tx.billing(), &**clock, id, &expected).await).await?;
    Ok(Resource(invoice.into()))
}

async fn void(
    caller: Can<WriteInvoices>,
    store: Store,
    clock: Data<dyn Clock>,
    PathId(id): PathId<InvoiceId>,
    IfMatch(expected): IfMatch,
) -> Result<Resource<InvoiceView>, ApiError> {
    let invoice = store.write(&caller, async |tx| invoices::void(tx.billing(), &**clock, id, &expected).await).await?;
    Ok(Resource(invoice.into()))
}

impl From<InvoiceError> for ApiError {
    fn from(error: InvoiceError) -> Self {
        match error {
            InvoiceError::NotFound(_) => Self::not_found("invoice"),
            InvoiceError::CustomerUnknown => Self::invalid("customer", "unknown", "there is no such customer"),
            InvoiceError::State(state) => Self::conflict("status", format!("the invoice is {state}")),
            InvoiceError::Fixed(_) => Self::conflict("status", "does not allow that any more"),
            InvoiceError::NoRecipient => {
                Self::conflict("bill_to", "must say whom an invoice is for before it is issued")
            }
            InvoiceError::DueBeforeIssue => Self::conflict("due", "must not be before the day of issue"),
            InvoiceError::Stale(stale) => stale.into(),
            InvoiceError::Store(error) => error.into(),
        }
    }
}
