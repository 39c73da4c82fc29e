//! Products in memory, and what every repository of them does.

use async_trait::async_trait;
use tenantry_tenancy::testing::{admits, check_free, finds, page};
use tenantry_tenancy::{Limit, Search, SortedPage, SortedQuery, StoreError};

use super::MemoryInventory;
use crate::InventoryTx;
use crate::products::{
    NewProduct, Product, ProductChange, ProductError, ProductId, ProductOrder, ProductQuery, ProductRepo,
};

#[async_trait]
impl ProductRepo for MemoryInventory {
    async fn find(&mut self, id: ProductId) -> Result<Option<Product>, StoreError> {
        Ok(self.products.get(&id).cloned())
    }

    async fn find_for_update(&mut self, id: ProductId) -> Result<Option<Product>, StoreError> {
        Ok(self.products.get(&id).cloned())
    }

    async fn list(&mut self, query: &ProductQuery) -> Result<SortedPage<Product>, StoreError> {
        let matching = self.products.values().filter(|product| {
            query.updated_since.is_none_or(|since| product.updated_at >= since.time())
                && finds(
                    query.search.as_ref(),
                    &[product.name.as_str(), product.sku.as_str(), product.description.as_str()],
                )
                && admits(query.status, product.status)
        });
        let order = query.page.order;
        Ok(page(matching, &query.page, order.is_descending(), |product| order.position(product)))
    }

    async fn insert(&mut self, new: &[NewProduct]) -> Result<Vec<Product>, ProductError> {
        let now = self.clock.now();
        for new in new {
            check_free(&self.products, new.id)?;
            if self.products.values().any(|it| it.sku == new.sku) {
                return Err(ProductError::SkuTaken);
            }
            let NewProduct { id, name, sku, description, status } = new.clone();
            let product =
                Product { id, name, sku, description, status, stock: 0, version: 1, created_at: now, updated_at: now };
            self.products.insert(id, product);
        }
        Ok(new.iter().filter_map(|new| self.products.get(&new.id).cloned()).collect())
    }

    async fn update(&mut self, id: ProductId, change: &ProductChange) -> Result<Option<Product>, ProductError> {
        if change.sku.as_ref().is_some_and(|sku| self.products.values().any(|it| it.sku == *sku && it.id != id)) {
            return Err(ProductError::SkuTaken);
        }
        let now = self.clock.now();
        let Some(stored) = self.products.get_mut(&id) else { return Ok(None) };
        let ProductChange { name, sku, description, status } = change.clone();
        *stored = Product {
            name: name.unwrap_or_else(|| stored.name.clone()),
            sku: sku.unwrap_or_else(|| stored.sku.clone()),
            description: description.unwrap_or_else(|| stored.description.clone()),
            status: status.unwrap_or(stored.status),
            version: stored.version + 1,
            updated_at: now,
            ..stored.clone()
        };
        Ok(Some(stored.clone()))
    }

    async fn delete(&mut self, id: ProductId) -> Result<bool, ProductError> {
        if self.stock_movements.values().any(|it| it.product == id) {
            return Err(ProductError::HasMovements(id));
        }
        Ok(self.products.remove(&id).is_some())
    }
}

pub(super) async fn what_is_stored_comes_back(tx: &mut dyn InventoryTx) {
    let new: Vec<_> = ["c", "'); drop table products; --", "мир 🦀"].map(super::new_product).into();

    let made = tx.products().insert(&new).await.expect("they are stored");

    assert_eq!(made.iter().map(|it| it.id).collect::<Vec<_>>(), new.iter().map(|it| it.id).collect::<Vec<_>>());
    for (made, new) in made.iter().zip(&new) {
        assert_eq!((&made.name, made.version, made.created_at), (&new.name, 1, made.updated_at));
        assert_eq!(tx.products().find(new.id).await.expect("it is looked up").as_ref(), Some(made));
        assert_eq!(tx.products().find_for_update(new.id).await.expect("it is looked up").as_ref(), Some(made));
    }
    assert_eq!(tx.products().insert(&[]).await.expect("nothing is stored"), []);
}

pub(super) async fn a_change_touches_what_it_names_and_counts_up(tx: &mut dyn InventoryTx) {
    let made = tx.products().insert(&["a", "b"].map(super::new_product)).await.expect("they are stored");
    let change = ProductChange { name: Some(super::new_product("z").name), ..ProductChange::default() };

    let changed = tx.products().update(made[0].id, &change).await.expect("it is changed").expect("it is there");

    let expected =
        Product { name: super::new_product("z").name, version: 2, updated_at: changed.updated_at, ..made[0].clone() };
    assert_eq!(changed, expected);
    assert_eq!(tx.products().find(made[1].id).await.expect("it is looked up").as_ref(), Some(&made[1]));
    let missing = tx.products().update(ProductId::generate(), &change).await.expect("nothing is changed");
    assert_eq!(missing, None);
}

pub(super) async fn what_is_deleted_is_gone(tx: &mut dyn InventoryTx) {
    let made = tx.products().insert(&["a", "b"].map(super::new_product)).await.expect("they are stored");

    assert!(tx.products().delete(made[0].id).await.expect("it is deleted"));

    assert!(!tx.products().delete(made[0].id).await.expect("nothing is deleted"));
    assert_eq!(tx.products().find(made[0].id).await.expect("it is looked up"), None);
    assert_eq!(tx.products().find(made[1].id).await.expect("it is looked up").as_ref(), Some(&made[1]));
}

pub(super) async fn a_list_is_sorted_and_searched_page_by_page(tx: &mut dyn InventoryTx) {
    // A word of this list alone: the tenant may have others.
    let word = ProductId::generate().to_string().replace('-', "");
    let new: Vec<_> = ["b", "a", "c", "b", "a"].iter().map(|it| super::new_product(&format!("{it} {word}"))).collect();
    let made = tx.products().insert(&new).await.expect("they are stored");

    for order in ProductOrder::ALL {
        let mut expected: Vec<_> = made.iter().map(|it| (order.position(it), it.id)).collect();
        expected.sort_by(|(a, _), (b, _)| (&a.key, a.id).cmp(&(&b.key, b.id)));
        if order.is_descending() {
            expected.reverse();
        }

        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = SortedQuery { after, limit: Limit::new(2).expect("a small page"), order: *order };
            let query = ProductQuery { search: Search::parse(&word[..20]).ok(), page, ..ProductQuery::default() };
            let page = tx.products().list(&query).await.expect("they are listed");
            seen.extend(page.items.iter().map(|it| it.id));
            let Some(next) = page.next else { break };
            after = Some(next);
        }

        assert_eq!(seen, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), "{order}");
    }
}

// What is refused comes last in each of these: Postgres takes nothing more in a transaction that failed.

pub(super) async fn a_number_is_given_once(tx: &mut dyn InventoryTx) {
    let made = tx.products().insert(&[super::new_product("a")]).await.expect("it is stored");

    let refused = tx.products().insert(&[NewProduct { sku: made[0].sku.clone(), ..super::new_product("b") }]).await;

    assert!(matches!(refused, Err(ProductError::SkuTaken)), "{refused:?}");
}

pub(super) async fn a_number_is_not_taken_over(tx: &mut dyn InventoryTx) {
    let made = tx.products().insert(&["a", "b"].map(super::new_product)).await.expect("they are stored");
    let own = ProductChange { sku: Some(made[0].sku.clone()), ..ProductChange::default() };
    tx.products().update(made[0].id, &own).await.expect("it keeps its own");

    let refused = tx.products().update(made[1].id, &own).await;

    assert!(matches!(refused, Err(ProductError::SkuTaken)), "{refused:?}");
}

pub(super) async fn what_has_movements_stays(tx: &mut dyn InventoryTx) {
    let made = tx.products().insert(&[super::new_product("a")]).await.expect("it is stored");
    tx.stock_movements().insert(&super::new_stock_movement(made[0].id, 1)).await.expect("it moves");

    let refused = tx.products().delete(made[0].id).await;

    assert!(matches!(refused, Err(ProductError::HasMovements(id)) if id == made[0].id), "{refused:?}");
}
