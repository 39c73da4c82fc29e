//! Products in Postgres.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use tenantry_inventory::products::{
    NewProduct, Product, ProductChange, ProductDescription, ProductError, ProductId, ProductName, ProductOrder,
    ProductQuery, ProductRepo, ProductSku,
};
use tenantry_tenancy::{Page, Position, Search, SortKey, SortedPage, StoreError};
use uuid::Uuid;

use crate::error::OnConstraint;
use crate::lists::sorted;
use crate::rows::{parsed, trusted};
use crate::schema::products;
use crate::tenant_tx::PgTenantTx;

/// A number is given once per tenant.
const SKU_KEY: &str = "products_sku_key";

#[derive(Queryable, Selectable)]
#[diesel(table_name = products, check_for_backend(diesel::pg::Pg))]
struct ProductRow {
    id: Uuid,
    name: String,
    sku: String,
    description: String,
    status: String,
    stock: i64,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<ProductRow> for Product {
    type Error = StoreError;

    fn try_from(row: ProductRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: ProductId::from_uuid(row.id),
            name: trusted(ProductName::parse(row.name))?,
            sku: trusted(ProductSku::parse(row.sku))?,
            description: trusted(ProductDescription::parse(row.description))?,
            status: parsed(&row.status)?,
            stock: row.stock,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

// Not "default": a statement with a DEFAULT that depends on its values is prepared anew each time.
#[derive(Insertable)]
#[diesel(table_name = products, treat_none_as_default_value = false)]
struct NewProductRow<'a> {
    id: Uuid,
    name: &'a str,
    sku: &'a str,
    description: &'a str,
    status: &'a str,
}

#[derive(AsChangeset)]
#[diesel(table_name = products)]
struct ProductChangeRow<'a> {
    name: Option<&'a str>,
    sku: Option<&'a str>,
    description: Option<&'a str>,
    status: Option<&'a str>,
}

#[async_trait]
impl ProductRepo for PgTenantTx {
    async fn find(&mut self, id: ProductId) -> Result<Option<Product>, StoreError> {
        let query = self.rows_of(products::table).filter(products::id.eq(id.as_uuid())).select(ProductRow::as_select());
        self.load_one(query).await?.map(Product::try_from).transpose()
    }

    async fn find_for_update(&mut self, id: ProductId) -> Result<Option<Product>, StoreError> {
        let row = self.rows_of(products::table).filter(products::id.eq(id.as_uuid()));
        self.load_one(row.select(ProductRow::as_select()).for_update()).await?.map(Product::try_from).transpose()
    }

    async fn list(&mut self, query: &ProductQuery) -> Result<SortedPage<Product>, StoreError> {
        let ProductQuery { status, updated_since, search, page } = query.clone();
        let limit = page.limit.get() as i64 + 1;
        let mut rows = self.rows_of(products::table).select(ProductRow::as_select()).limit(limit).into_boxed();
        if let Some(status) = status {
            rows = rows.filter(products::status.eq(status.as_str()));
        }
        if let Some(since) = updated_since {
            rows = rows.filter(products::updated_at.ge(since.time()));
        }
        for word in search.iter().flat_map(Search::words) {
            rows = rows.filter(products::id.eq_any(self.rows_with_word("products", word)));
        }
        let after = page.after;
        let rows = match page.order {
            ProductOrder::Newest => sorted!(rows, after, products, id, desc),
            ProductOrder::Oldest => sorted!(rows, after, products, id, asc),
            ProductOrder::Name => sorted!(rows, after, products, name: Text, asc),
            ProductOrder::NameDescending => sorted!(rows, after, products, name: Text, desc),
            ProductOrder::Updated => sorted!(rows, after, products, updated_at: Time, asc),
            ProductOrder::LastUpdated => sorted!(rows, after, products, updated_at: Time, desc),
        };
        let items = self.load(rows).await?.into_iter().map(Product::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit, |product| page.order.position(product)))
    }

    async fn insert(&mut self, new: &[NewProduct]) -> Result<Vec<Product>, ProductError> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let rows = new.iter().map(|new| NewProductRow {
            id: new.id.as_uuid(),
            name: new.name.as_str(),
            sku: new.sku.as_str(),
            description: new.description.as_str(),
            status: new.status.as_str(),
        });
        let rows: Vec<_> = rows.collect();
        let insert = diesel::insert_into(products::table).values(rows).returning(ProductRow::as_returning());
        let rows = self.load(insert).await.on_constraint(SKU_KEY, || ProductError::SkuTaken)?;
        Ok(rows.into_iter().map(Product::try_from).collect::<Result<_, _>>()?)
    }

    async fn update(&mut self, id: ProductId, change: &ProductChange) -> Result<Option<Product>, ProductError> {
        let row = ProductChangeRow {
            name: change.name.as_ref().map(ProductName::as_str),
            sku: change.sku.as_ref().map(ProductSku::as_str),
            description: change.description.as_ref().map(ProductDescription::as_str),
            status: change.status.map(|word| word.as_str()),
        };
        let update = diesel::update(self.rows_of(products::table).filter(products::id.eq(id.as_uuid())))
            .set(row)
            .returning(ProductRow::as_returning());
        let row = self.load_one(update).await.on_constraint(SKU_KEY, || ProductError::SkuTaken)?;
        Ok(row.map(Product::try_from).transpose()?)
    }

    async fn delete(&mut self, id: ProductId) -> Result<bool, ProductError> {
        let delete = diesel::delete(self.rows_of(products::table).filter(products::id.eq(id.as_uuid())));
        let deleted = self.execute(delete).await;
        Ok(deleted.on_constraint("stock_movements_product_fkey", || ProductError::HasMovements(id))? > 0)
    }
}
