//! `/api/v1/crm/customers`.

use actix_web::http::Method;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_crm::customers::{
    self, Customer, CustomerAddress, CustomerChange, CustomerError, CustomerId, CustomerName, CustomerNotes,
    CustomerOrder, CustomerPhone, CustomerQuery, CustomerStatus, NewCustomer,
};
use tenantry_tenancy::permissions::needs::{ReadCustomers, WriteCustomers};
use tenantry_tenancy::{Email, Limit, Moment, Search, SortedQuery};
use utoipa::{IntoParams, ToSchema};

use crate::conditions::{IfMatch, Versioned};
use crate::cursor::Cursors;
use crate::extract::{Body, Bulk, Can, PathId, Query, present};
use crate::list::{List, Paging, spelled};
use crate::listing::{Format, Listing};
use crate::once::Store;
use crate::problem::ApiError;
use crate::reply::{CreatedMany, CreatedResource, NoContent, Resource};
use crate::routes::Routes;

const PATH: &str = "/api/v1/crm/customers";
const ONE: &str = "/api/v1/crm/customers/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List customers", list);
    routes.tenant(Method::POST, PATH, "Create a customer", create);
    routes.tenant(Method::POST, "/api/v1/crm/customers/bulk", "Create up to 1,000 customers, all or none", create_many);
    routes.tenant(Method::GET, ONE, "Show a customer", show);
    routes.tenant(Method::PUT, ONE, "Replace a customer", replace);
    routes.tenant(Method::PATCH, ONE, "Change some fields of a customer", change);
    routes.tenant(Method::DELETE, ONE, "Delete a customer", delete);
}

/// One customer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomerView {
    id: CustomerId,
    name: CustomerName,
    /// Where mail reaches it. What is stored may be older than the rules for addresses.
    #[schema(value_type = Option<String>)]
    email: Option<Email>,
    /// Where it can be called.
    phone: Option<CustomerPhone>,
    address: CustomerAddress,
    notes: CustomerNotes,
    status: CustomerStatus,
    /// Counts the changes made to it.
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Customer> for CustomerView {
    fn from(customer: Customer) -> Self {
        let Customer { id, name, email, phone, address, notes, status, version, created_at, updated_at } = customer;
        Self { id, name, email, phone, address, notes, status, version, created_at, updated_at }
    }
}

impl Versioned for CustomerView {
    fn version(&self) -> i64 {
        self.version
    }
}

/// All that can be chosen about a customer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CustomerBody {
    name: CustomerName,
    #[serde(default)]
    email: Option<Email>,
    #[serde(default)]
    phone: Option<CustomerPhone>,
    #[serde(default)]
    address: Option<CustomerAddress>,
    #[serde(default)]
    notes: Option<CustomerNotes>,
    #[serde(default)]
    status: Option<CustomerStatus>,
}

impl CustomerBody {
    fn into_new(self) -> NewCustomer {
        NewCustomer {
            id: CustomerId::generate(),
            name: self.name,
            email: self.email,
            phone: self.phone,
            address: self.address.unwrap_or_default(),
            notes: self.notes.unwrap_or_default(),
            status: self.status.unwrap_or(CustomerStatus::Active),
        }
    }

    /// Replaces everything: what is not given becomes what it is for a new one.
    fn into_change(self) -> CustomerChange {
        let NewCustomer { name, email, phone, address, notes, status, .. } = self.into_new();
        CustomerChange {
            name: Some(name),
            email: Some(email),
            phone: Some(phone),
            address: Some(address),
            notes: Some(notes),
            status: Some(status),
        }
    }
}

/// Some of what can be chosen about a customer (JSON Merge Patch, RFC 7396).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CustomerPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    name: Option<CustomerName>,
    #[serde(default, deserialize_with = "present")]
    email: Option<Option<Email>>,
    #[serde(default, deserialize_with = "present")]
    phone: Option<Option<CustomerPhone>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    address: Option<CustomerAddress>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    notes: Option<CustomerNotes>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    status: Option<CustomerStatus>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct CustomerFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<CustomerOrder>,
    /// Only those with this status.
    #[param(inline)]
    status: Option<CustomerStatus>,
    /// Only those changed at this moment or later.
    #[param(inline)]
    updated_since: Option<Moment>,
    /// Only those with words in their texts that begin like these.
    #[param(inline)]
    q: Option<Search>,
}

async fn list(
    caller: Can<ReadCustomers>,
    store: Store,
    cursors: Data<Cursors>,
    format: Format,
    Query(filter): Query<CustomerFilter>,
) -> Result<Listing<ReadCustomers, CustomerOrder, Customer, CustomerView>, ApiError> {
    let CustomerFilter { limit, cursor, sort, status, updated_since, q: search } = filter;
    let filters = [spelled(status), spelled(updated_since), spelled(search.as_ref())].join("&");
    let paging = Paging { limit, cursor: cursor.as_deref(), sort };
    let list = List::open(&cursors, caller.tenant(), format!("customers?{filters}"), &paging)?;
    let query = CustomerQuery { status, updated_since, search, page: SortedQuery::default() };
    let fetch = move |caller: Can<ReadCustomers>, page| {
        let (store, query) = (store.clone(), CustomerQuery { page, ..query.clone() });
        async move { Ok(store.read(&caller, async |tx| tx.crm().customers().list(&query).await).await?) }
    };
    Listing::of("customers", caller, format, list, fetch).await
}

async fn create(
    caller: Can<WriteCustomers>,
    store: Store,
    Body(body): Body<CustomerBody>,
) -> Result<CreatedResource<CustomerView>, ApiError> {
    let new = body.into_new();
    let customer = store.write(&caller, async |tx| customers::create(tx.crm(), new).await).await?;
    Ok(CreatedResource { location: format!("{PATH}/{}", customer.id), view: customer.into() })
}

async fn create_many(
    caller: Can<WriteCustomers>,
    store: Store,
    Bulk(bodies): Bulk<CustomerBody>,
) -> Result<CreatedMany<CustomerView>, ApiError> {
    let new: Vec<NewCustomer> = bodies.into_iter().map(CustomerBody::into_new).collect();
    let made = store.write(&caller, async |tx| customers::create_many(tx.crm(), &new).await).await?;
    Ok(CreatedMany { data: made.into_iter().map(CustomerView::from).collect() })
}

async fn show(
    caller: Can<ReadCustomers>,
    store: Store,
    PathId(id): PathId<CustomerId>,
) -> Result<Resource<CustomerView>, ApiError> {
    let customer = store.read(&caller, async |tx| customers::show(tx.crm(), id).await).await?;
    Ok(Resource(customer.into()))
}

async fn replace(
    caller: Can<WriteCustomers>,
    store: Store,
    PathId(id): PathId<CustomerId>,
    IfMatch(expected): IfMatch,
    Body(body): Body<CustomerBody>,
) -> Result<Resource<CustomerView>, ApiError> {
    let change = body.into_change();
    let customer = store.write(&caller, async |tx| customers::change(tx.crm(), id, &expected, &change).await).await?;
    Ok(Resource(customer.into()))
}

async fn change(
    caller: Can<WriteCustomers>,
    store: Store,
    PathId(id): PathId<CustomerId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<CustomerPatch>,
) -> Result<Resource<CustomerView>, ApiError> {
    let CustomerPatch { name, email, phone, address, notes, status } = patch;
    let change = CustomerChange { name, email, phone, address, notes, status };
    let customer = store.write(&caller, async |tx| customers::change(tx.crm(), id, &expected, &change).await).await?;
    Ok(Resource(customer.into()))
}

async fn delete(
    caller: Can<WriteCustomers>,
    store: Store,
    PathId(id): PathId<CustomerId>,
    IfMatch(expected): IfMatch,
) -> Result<NoContent, ApiError> {
    store.write(&caller, async |tx| customers::delete(tx.crm(), id, &expected).await).await?;
    Ok(NoContent)
}

impl From<CustomerError> for ApiError {
    fn from(error: CustomerError) -> Self {
        match error {
            CustomerError::NotFound(_) => Self::not_found("customer"),
            CustomerError::InUse(_) => Self::conflict("id", "there are invoices for this customer"),
            CustomerError::Stale(stale) => stale.into(),
            CustomerError::Store(error) => error.into(),
        }
    }
}
