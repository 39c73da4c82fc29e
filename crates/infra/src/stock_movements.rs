//! Stock movements in Postgres. The product's stock is moved by the table's trigger (`sec.move_stock`).

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use tenantry_inventory::products::ProductId;
use tenantry_inventory::stock_movements::{
    NewStockMovement, Quantity, StockMovement, StockMovementError, StockMovementId, StockMovementNote,
    StockMovementQuery, StockMovementRepo,
};
use tenantry_tenancy::{Page, StoreError};
use uuid::Uuid;

use crate::error::OnConstraint;
use crate::lists::by_id;
use crate::rows::{parsed, trusted};
use crate::schema::stock_movements;
use crate::tenant_tx::PgTenantTx;

#[derive(Queryable, Selectable)]
#[diesel(table_name = stock_movements, check_for_backend(diesel::pg::Pg))]
struct StockMovementRow {
    id: Uuid,
    product_id: Uuid,
    quantity: i64,
    reason: String,
    note: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<StockMovementRow> for StockMovement {
    type Error = StoreError;

    fn try_from(row: StockMovementRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: StockMovementId::from_uuid(row.id),
            product: ProductId::from_uuid(row.product_id),
            quantity: trusted(Quantity::new(row.quantity))?,
            reason: parsed(&row.reason)?,
            note: trusted(StockMovementNote::parse(row.note))?,
            created_at: row.created_at,
        })
    }
}

#[async_trait]
impl StockMovementRepo for PgTenantTx {
    async fn find(&mut self, id: StockMovementId) -> Result<Option<StockMovement>, StoreError> {
        let rows = self.rows_of(stock_movements::table).filter(stock_movements::id.eq(id.as_uuid()));
        self.load_one(rows.select(StockMovementRow::as_select())).await?.map(StockMovement::try_from).transpose()
    }

    async fn list(&mut self, query: &StockMovementQuery) -> Result<Page<StockMovement>, StoreError> {
        let mut rows = self.rows_of(stock_movements::table).select(StockMovementRow::as_select()).into_boxed();
        if let Some(product) = query.product {
            rows = rows.filter(stock_movements::product_id.eq(product.as_uuid()));
        }
        let page = &query.page;
        let rows = by_id!(rows, page, stock_movements::id);
        let items = self.load(rows).await?.into_iter().map(StockMovement::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit, |movement| movement.id.as_uuid()))
    }

    async fn insert(&mut self, new: &NewStockMovement) -> Result<StockMovement, StockMovementError> {
        let row = (
            stock_movements::id.eq(new.id.as_uuid()),
            stock_movements::product_id.eq(new.product.as_uuid()),
            stock_movements::quantity.eq(new.quantity.get()),
            stock_movements::reason.eq(new.reason.as_str()),
            stock_movements::note.eq(new.note.as_str()),
        );
        let insert =
            diesel::insert_into(stock_movements::table).values(row).returning(StockMovementRow::as_returning());
        let row: Option<StockMovementRow> = match self.load_one(insert).await {
            Err(error) if error.is_of("stock_movements_product_fkey") => {
                return Err(StockMovementError::ProductUnknown(new.product));
            }
            inserted => {
                inserted.on_constraint("products_stock_check", || StockMovementError::OutOfStock(new.product))?
            }
        };
        Ok(row.ok_or_else(|| StoreError::internal("an insert returned nothing"))?.try_into()?)
    }
}
