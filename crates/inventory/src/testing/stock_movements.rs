//! Stock movements in memory, and what every repository of them does.

use async_trait::async_trait;
use tenantry_tenancy::testing::{admits, check_free};
use tenantry_tenancy::{Limit, Order, Page, PageQuery, StoreError};

use super::{MemoryInventory, new_product, new_stock_movement};
use crate::InventoryTx;
use crate::products::ProductId;
use crate::stock_movements::{
    NewStockMovement, StockMovement, StockMovementError, StockMovementId, StockMovementQuery, StockMovementRepo,
};

#[async_trait]
impl StockMovementRepo for MemoryInventory {
    async fn find(&mut self, id: StockMovementId) -> Result<Option<StockMovement>, StoreError> {
        Ok(self.stock_movements.get(&id).cloned())
    }

    async fn list(&mut self, query: &StockMovementQuery) -> Result<Page<StockMovement>, StoreError> {
        let PageQuery { after, limit, order } = query.page;
        let mut found: Vec<_> =
            self.stock_movements.values().filter(|it| admits(query.product, it.product)).cloned().collect();
        if order == Order::Newest {
            found.reverse();
        }
        let is_behind = |id: StockMovementId| match (after, order) {
            (None, _) => true,
            (Some(after), Order::Newest) => id.as_uuid() < after,
            (Some(after), Order::Oldest) => id.as_uuid() > after,
        };
        let items = found.into_iter().filter(|it| is_behind(it.id)).take(limit.get() + 1).collect();
        Ok(Page::cut(items, limit, |it| it.id.as_uuid()))
    }

    async fn insert(&mut self, new: &NewStockMovement) -> Result<StockMovement, StockMovementError> {
        check_free(&self.stock_movements, new.id)?;
        let now = self.clock.now();
        let stored = self.products.get_mut(&new.product).ok_or(StockMovementError::ProductUnknown(new.product))?;
        let stock = stored.stock + new.quantity.get();
        if stock < 0 {
            return Err(StockMovementError::OutOfStock(new.product));
        }
        (stored.stock, stored.version, stored.updated_at) = (stock, stored.version + 1, now);
        let NewStockMovement { id, product, quantity, reason, note } = new.clone();
        let movement = StockMovement { id, product, quantity, reason, note, created_at: now };
        self.stock_movements.insert(id, movement.clone());
        Ok(movement)
    }
}

async fn product(tx: &mut dyn InventoryTx, name: &str) -> ProductId {
    tx.products().insert(&[new_product(name)]).await.expect("a product is stored")[0].id
}

async fn stock(tx: &mut dyn InventoryTx, product: ProductId) -> i64 {
    tx.products().find(product).await.expect("a product is looked up").expect("it is there").stock
}

pub(super) async fn the_stock_is_the_sum_of_the_movements(tx: &mut dyn InventoryTx) {
    let (product, other) = (product(tx, "a").await, product(tx, "b").await);

    let mut made = Vec::new();
    for quantity in [10, -3, 5, -12] {
        let new = new_stock_movement(product, quantity);
        made.push(tx.stock_movements().insert(&new).await.expect("a movement is recorded"));
    }

    assert_eq!((stock(tx, product).await, stock(tx, other).await), (0, 0));
    let page = PageQuery { after: None, limit: Limit::new(3).expect("a small page"), order: Order::Oldest };
    let query = StockMovementQuery { product: Some(product), page };
    let first = tx.stock_movements().list(&query).await.expect("movements are listed");
    let query = StockMovementQuery { page: PageQuery { after: first.next, ..page }, ..query };
    let second = tx.stock_movements().list(&query).await.expect("movements are listed");
    assert_eq!([first.items, second.items].concat(), made);
    assert_eq!(tx.stock_movements().find(made[1].id).await.expect("one is looked up").as_ref(), Some(&made[1]));
}

pub(super) async fn no_more_goes_out_than_there_is(tx: &mut dyn InventoryTx) {
    let product = product(tx, "a").await;
    tx.stock_movements().insert(&new_stock_movement(product, 2)).await.expect("a movement is recorded");

    // Last, since Postgres takes nothing more in a transaction that failed.
    let refused = tx.stock_movements().insert(&new_stock_movement(product, -3)).await;

    assert!(matches!(refused, Err(StockMovementError::OutOfStock(id)) if id == product), "{refused:?}");
}

pub(super) async fn what_does_not_exist_does_not_move(tx: &mut dyn InventoryTx) {
    let unknown = ProductId::generate();

    let refused = tx.stock_movements().insert(&new_stock_movement(unknown, 1)).await;

    assert!(matches!(refused, Err(StockMovementError::ProductUnknown(id)) if id == unknown), "{refused:?}");
}
