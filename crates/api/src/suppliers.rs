//! `/api/v1/inventory/suppliers`.

use actix_web::http::Method;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_inventory::suppliers::{
    self, NewSupplier, Supplier, SupplierAddress, SupplierChange, SupplierError, SupplierId, SupplierName,
    SupplierNotes, SupplierOrder, SupplierPhone, SupplierQuery, SupplierStatus,
};
use tenantry_tenancy::permissions::needs::{ReadSuppliers, WriteSuppliers};
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

const PATH: &str = "/api/v1/inventory/suppliers";
const ONE: &str = "/api/v1/inventory/suppliers/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List suppliers", list);
    routes.tenant(Method::POST, PATH, "Create a supplier", create);
    routes.tenant(
        Method::POST,
        "/api/v1/inventory/suppliers/bulk",
        "Create up to 1,000 suppliers, all or none",
        create_many,
    );
    routes.tenant(Method::GET, ONE, "Show a supplier", show);
    routes.tenant(Method::PUT, ONE, "Replace a supplier", replace);
    routes.tenant(Method::PATCH, ONE, "Change some fields of a supplier", change);
    routes.tenant(Method::DELETE, ONE, "Delete a supplier", delete);
}

/// One supplier.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SupplierView {
    id: SupplierId,
    name: SupplierName,
    /// Where mail reaches it. What is stored may be older than the rules for addresses.
    #[schema(value_type = Option<String>)]
    email: Option<Email>,
    /// Where it can be called.
    phone: Option<SupplierPhone>,
    address: SupplierAddress,
    notes: SupplierNotes,
    status: SupplierStatus,
    /// Counts the changes made to it.
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Supplier> for SupplierView {
    fn from(supplier: Supplier) -> Self {
        let Supplier { id, name, email, phone, address, notes, status, version, created_at, updated_at } = supplier;
        Self { id, name, email, phone, address, notes, status, version, created_at, updated_at }
    }
}

impl Versioned for SupplierView {
    fn version(&self) -> i64 {
        self.version
    }
}

/// All that can be chosen about a supplier.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SupplierBody {
    name: SupplierName,
    #[serde(default)]
    email: Option<Email>,
    #[serde(default)]
    phone: Option<SupplierPhone>,
    #[serde(default)]
    address: Option<SupplierAddress>,
    #[serde(default)]
    notes: Option<SupplierNotes>,
    #[serde(default)]
    status: Option<SupplierStatus>,
}

impl SupplierBody {
    fn into_new(self) -> NewSupplier {
        NewSupplier {
            id: SupplierId::generate(),
            name: self.name,
            email: self.email,
            phone: self.phone,
            address: self.address.unwrap_or_default(),
            notes: self.notes.unwrap_or_default(),
            status: self.status.unwrap_or(SupplierStatus::Active),
        }
    }

    /// Replaces everything: what is not given becomes what it is for a new one.
    fn into_change(self) -> SupplierChange {
        let NewSupplier { name, email, phone, address, notes, status, .. } = self.into_new();
        SupplierChange {
            name: Some(name),
            email: Some(email),
            phone: Some(phone),
            address: Some(address),
            notes: Some(notes),
            status: Some(status),
        }
    }
}

/// Some of what can be chosen about a supplier (JSON Merge Patch, RFC 7396).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SupplierPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    name: Option<SupplierName>,
    #[serde(default, deserialize_with = "present")]
    email: Option<Option<Email>>,
    #[serde(default, deserialize_with = "present")]
    phone: Option<Option<SupplierPhone>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    address: Option<SupplierAddress>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    notes: Option<SupplierNotes>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    status: Option<SupplierStatus>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct SupplierFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<SupplierOrder>,
    /// Only those with this status.
    #[param(inline)]
    status: Option<SupplierStatus>,
    /// Only those changed at this moment or later.
    #[param(inline)]
    updated_since: Option<Moment>,
    /// Only those with words in their texts that begin like these.
    #[param(inline)]
    q: Option<Search>,
}

async fn list(
    caller: Can<ReadSuppliers>,
    store: Store,
    cursors: Data<Cursors>,
    format: Format,
    Query(filter): Query<SupplierFilter>,
) -> Result<Listing<ReadSuppliers, SupplierOrder, Supplier, SupplierView>, ApiError> {
    let SupplierFilter { limit, cursor, sort, status, updated_since, q: search } = filter;
    let filters = [spelled(status), spelled(updated_since), spelled(search.as_ref())].join("&");
    let paging = Paging { limit, cursor: cursor.as_deref(), sort };
    let list = List::open(&cursors, caller.tenant(), format!("suppliers?{filters}"), &paging)?;
    let query = SupplierQuery { status, updated_since, search, page: SortedQuery::default() };
    let fetch = move |caller: Can<ReadSuppliers>, page| {
        let (store, query) = (store.clone(), SupplierQuery { page, ..query.clone() });
        async move { Ok(store.read(&caller, async |tx| tx.inventory().suppliers().list(&query).await).await?) }
    };
    Listing::of("suppliers", caller, format, list, fetch).await
}

async fn create(
    caller: Can<WriteSuppliers>,
    store: Store,
    Body(body): Body<SupplierBody>,
) -> Result<CreatedResource<SupplierView>, ApiError> {
    let new = body.into_new();
    let supplier = store.write(&caller, async |tx| suppliers::create(tx.inventory(), new).await).await?;
    Ok(CreatedResource { location: format!("{PATH}/{}", supplier.id), view: supplier.into() })
}

async fn create_many(
    caller: Can<WriteSuppliers>,
    store: Store,
    Bulk(bodies): Bulk<SupplierBody>,
) -> Result<CreatedMany<SupplierView>, ApiError> {
    let new: Vec<NewSupplier> = bodies.into_iter().map(SupplierBody::into_new).collect();
    let made = store.write(&caller, async |tx| suppliers::create_many(tx.inventory(), &new).await).await?;
    Ok(CreatedMany { data: made.into_iter().map(SupplierView::from).collect() })
}

async fn show(
    caller: Can<ReadSuppliers>,
    store: Store,
    PathId(id): PathId<SupplierId>,
) -> Result<Resource<SupplierView>, ApiError> {
    let supplier = store.read(&caller, async |tx| suppliers::show(tx.inventory(), id).await).await?;
    Ok(Resource(supplier.into()))
}

async fn replace(
    caller: Can<WriteSuppliers>,
    store: Store,
    PathId(id): PathId<SupplierId>,
    IfMatch(expected): IfMatch,
    Body(body): Body<SupplierBody>,
) -> Result<Resource<SupplierView>, ApiError> {
    let change = body.into_change();
    let supplier =
        store.write(&caller, async |tx| suppliers::change(tx.inventory(), id, &expected, &change).await).await?;
    Ok(Resource(supplier.into()))
}

async fn change(
    caller: Can<WriteSuppliers>,
    store: Store,
    PathId(id): PathId<SupplierId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<SupplierPatch>,
) -> Result<Resource<SupplierView>, ApiError> {
    let SupplierPatch { name, email, phone, address, notes, status } = patch;
    let change = SupplierChange { name, email, phone, address, notes, status };
    let supplier =
        store.write(&caller, async |tx| suppliers::change(tx.inventory(), id, &expected, &change).await).await?;
    Ok(Resource(supplier.into()))
}

async fn delete(
    caller: Can<WriteSuppliers>,
    store: Store,
    PathId(id): PathId<SupplierId>,
    IfMatch(expected): IfMatch,
) -> Result<NoContent, ApiError> {
    store.write(&caller, async |tx| suppliers::delete(tx.inventory(), id, &expected).await).await?;
    Ok(NoContent)
}

impl From<SupplierError> for ApiError {
    fn from(error: SupplierError) -> Self {
        match error {
            SupplierError::NotFound(_) => Self::not_found("supplier"),
            SupplierError::Stale(stale) => stale.into(),
            SupplierError::Store(error) => error.into(),
        }
    }
}
