//! `/api/v1/inventory/products`.

use actix_web::http::Method;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_inventory::products::{
    self, NewProduct, Product, ProductChange, ProductDescription, ProductError, ProductId, ProductName, ProductOrder,
    ProductQuery, ProductSku, ProductStatus,
};
use tenantry_tenancy::permissions::needs::{ReadProducts, WriteProducts};
use tenantry_tenancy::{Limit, Moment, Search, SortedQuery};
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

const PATH: &str = "/api/v1/inventory/products";
const ONE: &str = "/api/v1/inventory/products/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List products", list);
    routes.tenant(Method::POST, PATH, "Create a product", create);
    routes.tenant(
        Method::POST,
        "/api/v1/inventory/products/bulk",
        "Create up to 1,000 products, all or none",
        create_many,
    );
    routes.tenant(Method::GET, ONE, "Show a product", show);
    routes.tenant(Method::PUT, ONE, "Replace a product", replace);
    routes.tenant(Method::PATCH, ONE, "Change some fields of a product", change);
    routes.tenant(Method::DELETE, ONE, "Delete a product", delete);
}

/// One product.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProductView {
    id: ProductId,
    name: ProductName,
    sku: ProductSku,
    description: ProductDescription,
    status: ProductStatus,
    /// How much of it there is: the sum of its movements, and changed by them alone.
    stock: i64,
    /// Counts the changes made to it, and its movements.
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Product> for ProductView {
    fn from(product: Product) -> Self {
        let Product { id, name, sku, description, status, stock, version, created_at, updated_at } = product;
        Self { id, name, sku, description, status, stock, version, created_at, updated_at }
    }
}

impl Versioned for ProductView {
    fn version(&self) -> i64 {
        self.version
    }
}

/// All that can be chosen about a product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProductBody {
    name: ProductName,
    sku: ProductSku,
    #[serde(default)]
    description: Option<ProductDescription>,
    #[serde(default)]
    status: Option<ProductStatus>,
}

impl ProductBody {
    fn into_new(self) -> NewProduct {
        NewProduct {
            id: ProductId::generate(),
            name: self.name,
            sku: self.sku,
            description: self.description.unwrap_or_default(),
            status: self.status.unwrap_or(ProductStatus::Active),
        }
    }

    /// Replaces everything: what is not given becomes what it is for a new one.
    fn into_change(self) -> ProductChange {
        let NewProduct { name, sku, description, status, .. } = self.into_new();
        ProductChange { name: Some(name), sku: Some(sku), description: Some(description), status: Some(status) }
    }
}

/// Some of what can be chosen about a product (JSON Merge Patch, RFC 7396).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProductPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    name: Option<ProductName>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    sku: Option<ProductSku>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    description: Option<ProductDescription>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    status: Option<ProductStatus>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ProductFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<ProductOrder>,
    /// Only those with this status.
    #[param(inline)]
    status: Option<ProductStatus>,
    /// Only those changed at this moment or later.
    #[param(inline)]
    updated_since: Option<Moment>,
    /// Only those with words in their texts that begin like these.
    #[param(inline)]
    q: Option<Search>,
}

async fn list(
    caller: Can<ReadProducts>,
    store: Store,
    cursors: Data<Cursors>,
    format: Format,
    Query(filter): Query<ProductFilter>,
) -> Result<Listing<ReadProducts, ProductOrder, Product, ProductView>, ApiError> {
    let ProductFilter { limit, cursor, sort, status, updated_since, q: search } = filter;
    let filters = [spelled(status), spelled(updated_since), spelled(search.as_ref())].join("&");
    let paging = Paging { limit, cursor: cursor.as_deref(), sort };
    let list = List::open(&cursors, caller.tenant(), format!("products?{filters}"), &paging)?;
    let query = ProductQuery { status, updated_since, search, page: SortedQuery::default() };
    let fetch = move |caller: Can<ReadProducts>, page| {
        let (store, query) = (store.clone(), ProductQuery { page, ..query.clone() });
        async move { Ok(store.read(&caller, async |tx| tx.inventory().products().list(&query).await).await?) }
    };
    Listing::of("products", caller, format, list, fetch).await
}

async fn create(
    caller: Can<WriteProducts>,
    store: Store,
    Body(body): Body<ProductBody>,
) -> Result<CreatedResource<ProductView>, ApiError> {
    let new = body.into_new();
    let product = store.write(&caller, async |tx| products::create(tx.inventory(), new).await).await?;
    Ok(CreatedResource { location: format!("{PATH}/{}", product.id), view: product.into() })
}

async fn create_many(
    caller: Can<WriteProducts>,
    store: Store,
    Bulk(bodies): Bulk<ProductBody>,
) -> Result<CreatedMany<ProductView>, ApiError> {
    let new: Vec<NewProduct> = bodies.into_iter().map(ProductBody::into_new).collect();
    let made = store.write(&caller, async |tx| products::create_many(tx.inventory(), &new).await).await?;
    Ok(CreatedMany { data: made.into_iter().map(ProductView::from).collect() })
}

async fn show(
    caller: Can<ReadProducts>,
    store: Store,
    PathId(id): PathId<ProductId>,
) -> Result<Resource<ProductView>, ApiError> {
    let product = store.read(&caller, async |tx| products::show(tx.inventory(), id).await).await?;
    Ok(Resource(product.into()))
}

async fn replace(
    caller: Can<WriteProducts>,
    store: Store,
    PathId(id): PathId<ProductId>,
    IfMatch(expected): IfMatch,
    Body(body): Body<ProductBody>,
) -> Result<Resource<ProductView>, ApiError> {
    let change = body.into_change();
    let product =
        store.write(&caller, async |tx| products::change(tx.inventory(), id, &expected, &change).await).await?;
    Ok(Resource(product.into()))
}

async fn change(
    caller: Can<WriteProducts>,
    store: Store,
    PathId(id): PathId<ProductId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<ProductPatch>,
) -> Result<Resource<ProductView>, ApiError> {
    let ProductPatch { name, sku, description, status } = patch;
    let change = ProductChange { name, sku, description, status };
    let product =
        store.write(&caller, async |tx| products::change(tx.inventory(), id, &expected, &change).await).await?;
    Ok(Resource(product.into()))
}

async fn delete(
    caller: Can<WriteProducts>,
    store: Store,
    PathId(id): PathId<ProductId>,
    IfMatch(expected): IfMatch,
) -> Result<NoContent, ApiError> {
    store.write(&caller, async |tx| products::delete(tx.inventory(), id, &expected).await).await?;
    Ok(NoContent)
}

impl From<ProductError> for ApiError {
    fn from(error: ProductError) -> Self {
        match error {
            ProductError::NotFound(_) => Self::not_found("product"),
            ProductError::Stale(stale) => stale.into(),
            ProductError::SkuTaken => Self::conflict("sku", "is another product's"),
            ProductError::HasMovements(_) => Self::conflict("id", "has stock movements; archive it instead"),
            ProductError::Store(error) => error.into(),
        }
    }
}
