//! Customers.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{
    Email, Expected, Moment, Position, Search, SortKey, SortedPage, SortedQuery, Stale, StoreError, id, text, words,
};

use crate::CrmTx;

id!(
    /// One customer.
    CustomerId
);
text!(
    /// Its name.
    CustomerName,
    Line,
    255
);

text!(
    /// A telephone number, as people write it.
    CustomerPhone,
    Line,
    50
);

text!(
    /// Its address.
    CustomerAddress,
    Paragraphs,
    10_000
);

text!(
    /// Its notes.
    CustomerNotes,
    Paragraphs,
    10_000
);

words!(
    /// Its status.
    CustomerStatus {
        /// active.
        Active = "active",
        /// archived.
        Archived = "archived",
    }
);
words!(
    /// In which order a list of customers comes.
    #[derive(Default)]
    CustomerOrder {
        /// The newest first.
        #[default]
        Newest = "-created_at",
        /// The oldest first.
        Oldest = "created_at",
        /// By name.
        Name = "name",
        /// By name, from the end of the alphabet.
        NameDescending = "-name",
        /// The one longest unchanged first.
        Updated = "updated_at",
        /// The last changed first.
        LastUpdated = "-updated_at",
    }
);

/// One customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Its identity.
    pub id: CustomerId,
    /// Its name.
    pub name: CustomerName,
    /// Where mail reaches it.
    pub email: Option<Email>,
    /// Where it can be called.
    pub phone: Option<CustomerPhone>,
    /// Its address.
    pub address: CustomerAddress,
    /// Its notes.
    pub notes: CustomerNotes,
    /// Its status.
    pub status: CustomerStatus,
    /// How often it was changed, plus one.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// One customer to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCustomer {
    /// Its identity.
    pub id: CustomerId,
    /// Its name.
    pub name: CustomerName,
    /// Where mail reaches it.
    pub email: Option<Email>,
    /// Where it can be called.
    pub phone: Option<CustomerPhone>,
    /// Its address.
    pub address: CustomerAddress,
    /// Its notes.
    pub notes: CustomerNotes,
    /// Its status.
    pub status: CustomerStatus,
}

/// What to change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerChange {
    /// Its name.
    pub name: Option<CustomerName>,
    /// Where mail reaches it.
    pub email: Option<Option<Email>>,
    /// Where it can be called.
    pub phone: Option<Option<CustomerPhone>>,
    /// Its address.
    pub address: Option<CustomerAddress>,
    /// Its notes.
    pub notes: Option<CustomerNotes>,
    /// Its status.
    pub status: Option<CustomerStatus>,
}

/// Which customers a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerQuery {
    /// Only those with this status.
    pub status: Option<CustomerStatus>,
    /// Only those changed at this moment or later.
    pub updated_since: Option<Moment>,
    /// Only those with these words in their texts.
    pub search: Option<Search>,
    /// Which page.
    pub page: SortedQuery<CustomerOrder>,
}

impl CustomerOrder {
    /// Where one stands in this order.
    pub fn position(self, customer: &Customer) -> Position {
        let key = match self {
            Self::Newest | Self::Oldest => SortKey::Id,
            Self::Name | Self::NameDescending => SortKey::Text(customer.name.as_str().to_owned()),
            Self::Updated | Self::LastUpdated => SortKey::Time(customer.updated_at),
        };
        Position { key, id: customer.id.as_uuid() }
    }

    /// Whether it goes from the end to the beginning.
    pub fn is_descending(self) -> bool {
        matches!(self, Self::Newest | Self::NameDescending | Self::LastUpdated)
    }
}

/// Why an operation on customers was refused.
#[derive(Debug, thiserror::Error)]
pub enum CustomerError {
    /// There is none with this id.
    #[error("customer {0} does not exist")]
    NotFound(CustomerId),
    /// It cannot be deleted: something of another module is for it.
    #[error("customer {0} is in use")]
    InUse(CustomerId),
    /// The change was made from another version.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The customers of the tenant whose transaction is open.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait CustomerRepo: Send {
    /// One of them.
    async fn find(&mut self, id: CustomerId) -> Result<Option<Customer>, StoreError>;

    /// Those of them with these ids, each once and in no order.
    async fn find_many(&mut self, ids: &[CustomerId]) -> Result<Vec<Customer>, StoreError>;

    /// One of them, which nobody else changes until the transaction ends.
    async fn find_for_update(&mut self, id: CustomerId) -> Result<Option<Customer>, StoreError>;

    /// One page of them.
    async fn list(&mut self, query: &CustomerQuery) -> Result<SortedPage<Customer>, StoreError>;

    /// Stores new ones, all in one statement, and tells them in the same order.
    async fn insert(&mut self, new: &[NewCustomer]) -> Result<Vec<Customer>, StoreError>;

    /// Changes the fields given, in one statement, and tells what it is now.
    async fn update(&mut self, id: CustomerId, change: &CustomerChange) -> Result<Option<Customer>, StoreError>;

    /// Deletes one; false when there is none, [`CustomerError::InUse`] when another module needs it.
    async fn delete(&mut self, id: CustomerId) -> Result<bool, CustomerError>;
}

/// Makes one.
pub async fn create(tx: &mut dyn CrmTx, new: NewCustomer) -> Result<Customer, CustomerError> {
    let mut made = create_many(tx, &[new]).await?;
    made.pop().ok_or_else(|| StoreError::internal("an insert returned nothing").into())
}

/// Makes several or, if one of them cannot be made, none.
pub async fn create_many(tx: &mut dyn CrmTx, new: &[NewCustomer]) -> Result<Vec<Customer>, CustomerError> {
    Ok(tx.customers().insert(new).await?)
}

/// Shows one.
pub async fn show(tx: &mut dyn CrmTx, id: CustomerId) -> Result<Customer, CustomerError> {
    tx.customers().find(id).await?.ok_or(CustomerError::NotFound(id))
}

/// Changes the fields given, if it has the version expected. An empty change changes nothing, not even the version.
pub async fn change(
    tx: &mut dyn CrmTx,
    id: CustomerId,
    expected: &Expected,
    change: &CustomerChange,
) -> Result<Customer, CustomerError> {
    admit(tx, id, expected).await?;
    if *change == CustomerChange::default() {
        return show(tx, id).await;
    }
    tx.customers().update(id, change).await?.ok_or(CustomerError::NotFound(id))
}

/// Deletes one, if it has the version expected.
pub async fn delete(tx: &mut dyn CrmTx, id: CustomerId, expected: &Expected) -> Result<(), CustomerError> {
    admit(tx, id, expected).await?;
    if tx.customers().delete(id).await? { Ok(()) } else { Err(CustomerError::NotFound(id)) }
}

/// Locks it if its version matters, so that it is still the same when the change comes.
async fn admit(tx: &mut dyn CrmTx, id: CustomerId, expected: &Expected) -> Result<(), CustomerError> {
    if expected.is_any() {
        return Ok(());
    }
    let customer = tx.customers().find_for_update(id).await?.ok_or(CustomerError::NotFound(id))?;
    Ok(expected.admit(customer.version)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tenantry_tenancy::clock::FixedClock;

    use super::*;
    use crate::testing::{MemoryCrm, new_customer};

    #[tokio::test]
    async fn a_change_made_from_another_version_changes_nothing() {
        let mut tx = MemoryCrm::new(Arc::new(FixedClock(DateTime::UNIX_EPOCH)));
        let customer = create(&mut tx, new_customer("Ada")).await.unwrap();
        let rename = CustomerChange { name: Some(new_customer("Bob").name), ..CustomerChange::default() };
        let first = Expected::one_of(vec![1]);

        let changed = change(&mut tx, customer.id, &first, &rename).await.unwrap();
        let stale =
            [change(&mut tx, customer.id, &first, &rename).await.map(drop), delete(&mut tx, customer.id, &first).await];

        assert_eq!((changed.name.as_str(), changed.version), ("Bob", 2));
        assert!(stale.iter().all(|it| matches!(it, Err(CustomerError::Stale(_)))), "{stale:?}");
        assert_eq!(change(&mut tx, customer.id, &Expected::ANY, &CustomerChange::default()).await.unwrap(), changed);
        delete(&mut tx, customer.id, &Expected::ANY).await.unwrap();
        let gone = show(&mut tx, customer.id).await;
        assert!(matches!(gone, Err(CustomerError::NotFound(id)) if id == customer.id), "{gone:?}");
    }
}
