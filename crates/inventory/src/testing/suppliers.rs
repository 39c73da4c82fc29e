//! Suppliers in memory, and what every repository of them does.

use async_trait::async_trait;
use tenantry_tenancy::testing::{admits, check_free, finds, page};
use tenantry_tenancy::{Email, Limit, Search, SortedPage, SortedQuery, StoreError};

use super::MemoryInventory;
use crate::InventoryTx;
use crate::suppliers::{
    NewSupplier, Supplier, SupplierChange, SupplierId, SupplierOrder, SupplierPhone, SupplierQuery, SupplierRepo,
};

#[async_trait]
impl SupplierRepo for MemoryInventory {
    async fn find(&mut self, id: SupplierId) -> Result<Option<Supplier>, StoreError> {
        Ok(self.suppliers.get(&id).cloned())
    }

    async fn find_for_update(&mut self, id: SupplierId) -> Result<Option<Supplier>, StoreError> {
        Ok(self.suppliers.get(&id).cloned())
    }

    async fn list(&mut self, query: &SupplierQuery) -> Result<SortedPage<Supplier>, StoreError> {
        let matching = self.suppliers.values().filter(|supplier| {
            query.updated_since.is_none_or(|since| supplier.updated_at >= since.time())
                && finds(
                    query.search.as_ref(),
                    &[
                        supplier.name.as_str(),
                        supplier.email.as_ref().map_or("", Email::as_str),
                        supplier.phone.as_ref().map_or("", SupplierPhone::as_str),
                        supplier.address.as_str(),
                        supplier.notes.as_str(),
                    ],
                )
                && admits(query.status, supplier.status)
        });
        let order = query.page.order;
        Ok(page(matching, &query.page, order.is_descending(), |supplier| order.position(supplier)))
    }

    async fn insert(&mut self, new: &[NewSupplier]) -> Result<Vec<Supplier>, StoreError> {
        let now = self.clock.now();
        for new in new {
            check_free(&self.suppliers, new.id)?;
            let NewSupplier { id, name, email, phone, address, notes, status } = new.clone();
            let supplier = Supplier {
                id,
                name,
                email,
                phone,
                address,
                notes,
                status,
                version: 1,
                created_at: now,
                updated_at: now,
            };
            self.suppliers.insert(id, supplier);
        }
        Ok(new.iter().filter_map(|new| self.suppliers.get(&new.id).cloned()).collect())
    }

    async fn update(&mut self, id: SupplierId, change: &SupplierChange) -> Result<Option<Supplier>, StoreError> {
        let now = self.clock.now();
        let Some(stored) = self.suppliers.get_mut(&id) else { return Ok(None) };
        let SupplierChange { name, email, phone, address, notes, status } = change.clone();
        *stored = Supplier {
            name: name.unwrap_or_else(|| stored.name.clone()),
            email: email.unwrap_or_else(|| stored.email.clone()),
            phone: phone.unwrap_or_else(|| stored.phone.clone()),
            address: address.unwrap_or_else(|| stored.address.clone()),
            notes: notes.unwrap_or_else(|| stored.notes.clone()),
            status: status.unwrap_or(stored.status),
            version: stored.version + 1,
            updated_at: now,
            ..stored.clone()
        };
        Ok(Some(stored.clone()))
    }

    async fn delete(&mut self, id: SupplierId) -> Result<bool, StoreError> {
        Ok(self.suppliers.remove(&id).is_some())
    }
}

pub(super) async fn what_is_stored_comes_back(tx: &mut dyn InventoryTx) {
    let new: Vec<_> = ["c", "'); drop table suppliers; --", "мир 🦀"].map(super::new_supplier).into();

    let made = tx.suppliers().insert(&new).await.expect("they are stored");

    assert_eq!(made.iter().map(|it| it.id).collect::<Vec<_>>(), new.iter().map(|it| it.id).collect::<Vec<_>>());
    for (made, new) in made.iter().zip(&new) {
        assert_eq!((&made.name, made.version, made.created_at), (&new.name, 1, made.updated_at));
        assert_eq!(tx.suppliers().find(new.id).await.expect("it is looked up").as_ref(), Some(made));
        assert_eq!(tx.suppliers().find_for_update(new.id).await.expect("it is looked up").as_ref(), Some(made));
    }
    assert_eq!(tx.suppliers().insert(&[]).await.expect("nothing is stored"), []);
}

pub(super) async fn a_change_touches_what_it_names_and_counts_up(tx: &mut dyn InventoryTx) {
    let made = tx.suppliers().insert(&["a", "b"].map(super::new_supplier)).await.expect("they are stored");
    let change = SupplierChange { name: Some(super::new_supplier("z").name), ..SupplierChange::default() };

    let changed = tx.suppliers().update(made[0].id, &change).await.expect("it is changed").expect("it is there");

    let expected =
        Supplier { name: super::new_supplier("z").name, version: 2, updated_at: changed.updated_at, ..made[0].clone() };
    assert_eq!(changed, expected);
    assert_eq!(tx.suppliers().find(made[1].id).await.expect("it is looked up").as_ref(), Some(&made[1]));
    let missing = tx.suppliers().update(SupplierId::generate(), &change).await.expect("nothing is changed");
    assert_eq!(missing, None);
}

pub(super) async fn what_is_deleted_is_gone(tx: &mut dyn InventoryTx) {
    let made = tx.suppliers().insert(&["a", "b"].map(super::new_supplier)).await.expect("they are stored");

    assert!(tx.suppliers().delete(made[0].id).await.expect("it is deleted"));

    assert!(!tx.suppliers().delete(made[0].id).await.expect("nothing is deleted"));
    assert_eq!(tx.suppliers().find(made[0].id).await.expect("it is looked up"), None);
    assert_eq!(tx.suppliers().find(made[1].id).await.expect("it is looked up").as_ref(), Some(&made[1]));
}

pub(super) async fn a_list_is_sorted_and_searched_page_by_page(tx: &mut dyn InventoryTx) {
    // A word of this list alone: the tenant may have others.
    let word = SupplierId::generate().to_string().replace('-', "");
    let new: Vec<_> = ["b", "a", "c", "b", "a"].iter().map(|it| super::new_supplier(&format!("{it} {word}"))).collect();
    let made = tx.suppliers().insert(&new).await.expect("they are stored");

    for order in SupplierOrder::ALL {
        let mut expected: Vec<_> = made.iter().map(|it| (order.position(it), it.id)).collect();
        expected.sort_by(|(a, _), (b, _)| (&a.key, a.id).cmp(&(&b.key, b.id)));
        if order.is_descending() {
            expected.reverse();
        }

        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = SortedQuery { after, limit: Limit::new(2).expect("a small page"), order: *order };
            let query = SupplierQuery { search: Search::parse(&word[..20]).ok(), page, ..SupplierQuery::default() };
            let page = tx.suppliers().list(&query).await.expect("they are listed");
            seen.extend(page.items.iter().map(|it| it.id));
            let Some(next) = page.next else { break };
            after = Some(next);
        }

        assert_eq!(seen, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), "{order}");
    }
}
