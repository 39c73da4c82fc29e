//! Customers in memory, and what every repository of them does.

use async_trait::async_trait;
use tenantry_tenancy::testing::{admits, check_free, finds, page};
use tenantry_tenancy::{Email, Limit, Search, SortedPage, SortedQuery, StoreError};

use super::MemoryCrm;
use crate::CrmTx;
use crate::customers::{
    Customer, CustomerChange, CustomerError, CustomerId, CustomerOrder, CustomerPhone, CustomerQuery, CustomerRepo,
    NewCustomer,
};

#[async_trait]
impl CustomerRepo for MemoryCrm {
    async fn find(&mut self, id: CustomerId) -> Result<Option<Customer>, StoreError> {
        Ok(self.customers.get(&id).cloned())
    }

    async fn find_many(&mut self, ids: &[CustomerId]) -> Result<Vec<Customer>, StoreError> {
        Ok(self.customers.values().filter(|customer| ids.contains(&customer.id)).cloned().collect())
    }

    async fn find_for_update(&mut self, id: CustomerId) -> Result<Option<Customer>, StoreError> {
        Ok(self.customers.get(&id).cloned())
    }

    async fn list(&mut self, query: &CustomerQuery) -> Result<SortedPage<Customer>, StoreError> {
        let matching = self.customers.values().filter(|customer| {
            query.updated_since.is_none_or(|since| customer.updated_at >= since.time())
                && finds(
                    query.search.as_ref(),
                    &[
                        customer.name.as_str(),
                        customer.email.as_ref().map_or("", Email::as_str),
                        customer.phone.as_ref().map_or("", CustomerPhone::as_str),
                        customer.address.as_str(),
                        customer.notes.as_str(),
                    ],
                )
                && admits(query.status, customer.status)
        });
        let order = query.page.order;
        Ok(page(matching, &query.page, order.is_descending(), |customer| order.position(customer)))
    }

    async fn insert(&mut self, new: &[NewCustomer]) -> Result<Vec<Customer>, StoreError> {
        let now = self.clock.now();
        for new in new {
            check_free(&self.customers, new.id)?;
            let NewCustomer { id, name, email, phone, address, notes, status } = new.clone();
            let customer = Customer {
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
            self.customers.insert(id, customer);
        }
        Ok(new.iter().filter_map(|new| self.customers.get(&new.id).cloned()).collect())
    }

    async fn update(&mut self, id: CustomerId, change: &CustomerChange) -> Result<Option<Customer>, StoreError> {
        let now = self.clock.now();
        let Some(stored) = self.customers.get_mut(&id) else { return Ok(None) };
        let CustomerChange { name, email, phone, address, notes, status } = change.clone();
        *stored = Customer {
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

    async fn delete(&mut self, id: CustomerId) -> Result<bool, CustomerError> {
        if self.in_use.contains(&id) {
            return Err(CustomerError::InUse(id));
        }
        Ok(self.customers.remove(&id).is_some())
    }
}

pub(super) async fn what_is_stored_comes_back(tx: &mut dyn CrmTx) {
    let new: Vec<_> = ["c", "'); drop table customers; --", "мир 🦀"].map(super::new_customer).into();

    let made = tx.customers().insert(&new).await.expect("they are stored");

    assert_eq!(made.iter().map(|it| it.id).collect::<Vec<_>>(), new.iter().map(|it| it.id).collect::<Vec<_>>());
    for (made, new) in made.iter().zip(&new) {
        assert_eq!((&made.name, made.version, made.created_at), (&new.name, 1, made.updated_at));
        assert_eq!(tx.customers().find(new.id).await.expect("it is looked up").as_ref(), Some(made));
        assert_eq!(tx.customers().find_for_update(new.id).await.expect("it is looked up").as_ref(), Some(made));
    }
    assert_eq!(tx.customers().insert(&[]).await.expect("nothing is stored"), []);
}

pub(super) async fn a_change_touches_what_it_names_and_counts_up(tx: &mut dyn CrmTx) {
    let made = tx.customers().insert(&["a", "b"].map(super::new_customer)).await.expect("they are stored");
    let change = CustomerChange { name: Some(super::new_customer("z").name), ..CustomerChange::default() };

    let changed = tx.customers().update(made[0].id, &change).await.expect("it is changed").expect("it is there");

    let expected =
        Customer { name: super::new_customer("z").name, version: 2, updated_at: changed.updated_at, ..made[0].clone() };
    assert_eq!(changed, expected);
    assert_eq!(tx.customers().find(made[1].id).await.expect("it is looked up").as_ref(), Some(&made[1]));
    let missing = tx.customers().update(CustomerId::generate(), &change).await.expect("nothing is changed");
    assert_eq!(missing, None);
}

pub(super) async fn what_is_deleted_is_gone(tx: &mut dyn CrmTx) {
    let made = tx.customers().insert(&["a", "b"].map(super::new_customer)).await.expect("they are stored");

    assert!(tx.customers().delete(made[0].id).await.expect("it is deleted"));

    assert!(!tx.customers().delete(made[0].id).await.expect("nothing is deleted"));
    assert_eq!(tx.customers().find(made[0].id).await.expect("it is looked up"), None);
    assert_eq!(tx.customers().find(made[1].id).await.expect("it is looked up").as_ref(), Some(&made[1]));
}

pub(super) async fn a_list_is_sorted_and_searched_page_by_page(tx: &mut dyn CrmTx) {
    // A word of this list alone: the tenant may have others.
    let word = CustomerId::generate().to_string().replace('-', "");
    let new: Vec<_> = ["b", "a", "c", "b", "a"].iter().map(|it| super::new_customer(&format!("{it} {word}"))).collect();
    let made = tx.customers().insert(&new).await.expect("they are stored");

    for order in CustomerOrder::ALL {
        let mut expected: Vec<_> = made.iter().map(|it| (order.position(it), it.id)).collect();
        expected.sort_by(|(a, _), (b, _)| (&a.key, a.id).cmp(&(&b.key, b.id)));
        if order.is_descending() {
            expected.reverse();
        }

        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = SortedQuery { after, limit: Limit::new(2).expect("a small page"), order: *order };
            let query = CustomerQuery { search: Search::parse(&word[..20]).ok(), page, ..CustomerQuery::default() };
            let page = tx.customers().list(&query).await.expect("they are listed");
            seen.extend(page.items.iter().map(|it| it.id));
            let Some(next) = page.next else { break };
            after = Some(next);
        }

        assert_eq!(seen, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), "{order}");
    }
}

pub(super) async fn many_are_found_at_once(tx: &mut dyn CrmTx) {
    let made = tx.customers().insert(&["a", "b", "c"].map(super::new_customer)).await.expect("they are stored");

    let ids = [made[2].id, made[0].id, CustomerId::generate(), made[0].id];
    let mut found = tx.customers().find_many(&ids).await.expect("they are looked up");

    found.sort_by_key(|customer| customer.id);
    assert_eq!(found, [made[0].clone(), made[2].clone()]);
    assert_eq!(tx.customers().find_many(&[]).await.expect("nothing is looked up"), []);
}

/// Checks that a customer stays while something of another module is for it. To be run by whoever has put one to use.
pub async fn what_is_in_use_stays(tx: &mut dyn CrmTx, in_use: CustomerId) {
    let refused = tx.customers().delete(in_use).await;

    assert!(matches!(refused, Err(CustomerError::InUse(id)) if id == in_use), "{refused:?}");
}
