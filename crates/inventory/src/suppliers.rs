//! Suppliers.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{
    Email, Expected, Moment, Position, Search, SortKey, SortedPage, SortedQuery, Stale, StoreError, id, text, words,
};

use crate::InventoryTx;

id!(
    /// One supplier.
    SupplierId
);
text!(
    /// Its name.
    SupplierName,
    Line,
    255
);

text!(
    /// A telephone number, as people write it.
    SupplierPhone,
    Line,
    50
);

text!(
    /// Its address.
    SupplierAddress,
    Paragraphs,
    10_000
);

text!(
    /// Its notes.
    SupplierNotes,
    Paragraphs,
    10_000
);

words!(
    /// Its status.
    SupplierStatus {
        /// active.
        Active = "active",
        /// archived.
        Archived = "archived",
    }
);
words!(
    /// In which order a list of suppliers comes.
    #[derive(Default)]
    SupplierOrder {
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

/// One supplier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supplier {
    /// Its identity.
    pub id: SupplierId,
    /// Its name.
    pub name: SupplierName,
    /// Where mail reaches it.
    pub email: Option<Email>,
    /// Where it can be called.
    pub phone: Option<SupplierPhone>,
    /// Its address.
    pub address: SupplierAddress,
    /// Its notes.
    pub notes: SupplierNotes,
    /// Its status.
    pub status: SupplierStatus,
    /// How often it was changed, plus one.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// One supplier to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSupplier {
    /// Its identity.
    pub id: SupplierId,
    /// Its name.
    pub name: SupplierName,
    /// Where mail reaches it.
    pub email: Option<Email>,
    /// Where it can be called.
    pub phone: Option<SupplierPhone>,
    /// Its address.
    pub address: SupplierAddress,
    /// Its notes.
    pub notes: SupplierNotes,
    /// Its status.
    pub status: SupplierStatus,
}

/// What to change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SupplierChange {
    /// Its name.
    pub name: Option<SupplierName>,
    /// Where mail reaches it.
    pub email: Option<Option<Email>>,
    /// Where it can be called.
    pub phone: Option<Option<SupplierPhone>>,
    /// Its address.
    pub address: Option<SupplierAddress>,
    /// Its notes.
    pub notes: Option<SupplierNotes>,
    /// Its status.
    pub status: Option<SupplierStatus>,
}

/// Which suppliers a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SupplierQuery {
    /// Only those with this status.
    pub status: Option<SupplierStatus>,
    /// Only those changed at this moment or later.
    pub updated_since: Option<Moment>,
    /// Only those with these words in their texts.
    pub search: Option<Search>,
    /// Which page.
    pub page: SortedQuery<SupplierOrder>,
}

impl SupplierOrder {
    /// Where one stands in this order.
    pub fn position(self, supplier: &Supplier) -> Position {
        let key = match self {
            Self::Newest | Self::Oldest => SortKey::Id,
            Self::Name | Self::NameDescending => SortKey::Text(supplier.name.as_str().to_owned()),
            Self::Updated | Self::LastUpdated => SortKey::Time(supplier.updated_at),
        };
        Position { key, id: supplier.id.as_uuid() }
    }

    /// Whether it goes from the end to the beginning.
    pub fn is_descending(self) -> bool {
        matches!(self, Self::Newest | Self::NameDescending | Self::LastUpdated)
    }
}

/// Why an operation on suppliers was refused.
#[derive(Debug, thiserror::Error)]
pub enum SupplierError {
    /// There is none with this id.
    #[error("supplier {0} does not exist")]
    NotFound(SupplierId),
    /// The change was made from another version.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The suppliers of the tenant whose transaction is open.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait SupplierRepo: Send {
    /// One of them.
    async fn find(&mut self, id: SupplierId) -> Result<Option<Supplier>, StoreError>;

    /// One of them, which nobody else changes until the transaction ends.
    async fn find_for_update(&mut self, id: SupplierId) -> Result<Option<Supplier>, StoreError>;

    /// One page of them.
    async fn list(&mut self, query: &SupplierQuery) -> Result<SortedPage<Supplier>, StoreError>;

    /// Stores new ones, all in one statement, and tells them in the same order.
    async fn insert(&mut self, new: &[NewSupplier]) -> Result<Vec<Supplier>, StoreError>;

    /// Changes the fields given, in one statement, and tells what it is now.
    async fn update(&mut self, id: SupplierId, change: &SupplierChange) -> Result<Option<Supplier>, StoreError>;

    /// Deletes one; false when there is none.
    async fn delete(&mut self, id: SupplierId) -> Result<bool, StoreError>;
}

/// Makes one.
pub async fn create(tx: &mut dyn InventoryTx, new: NewSupplier) -> Result<Supplier, SupplierError> {
    let mut made = create_many(tx, &[new]).await?;
    made.pop().ok_or_else(|| StoreError::internal("an insert returned nothing").into())
}

/// Makes several or, if one of them cannot be made, none.
pub async fn create_many(tx: &mut dyn InventoryTx, new: &[NewSupplier]) -> Result<Vec<Supplier>, SupplierError> {
    Ok(tx.suppliers().insert(new).await?)
}

/// Shows one.
pub async fn show(tx: &mut dyn InventoryTx, id: SupplierId) -> Result<Supplier, SupplierError> {
    tx.suppliers().find(id).await?.ok_or(SupplierError::NotFound(id))
}

/// Changes the fields given, if it has the version expected. An empty change changes nothing, not even the version.
pub async fn change(
    tx: &mut dyn InventoryTx,
    id: SupplierId,
    expected: &Expected,
    change: &SupplierChange,
) -> Result<Supplier, SupplierError> {
    admit(tx, id, expected).await?;
    if *change == SupplierChange::default() {
        return show(tx, id).await;
    }
    tx.suppliers().update(id, change).await?.ok_or(SupplierError::NotFound(id))
}

/// Deletes one, if it has the version expected.
pub async fn delete(tx: &mut dyn InventoryTx, id: SupplierId, expected: &Expected) -> Result<(), SupplierError> {
    admit(tx, id, expected).await?;
    if tx.suppliers().delete(id).await? { Ok(()) } else { Err(SupplierError::NotFound(id)) }
}

/// Locks it if its version matters, so that it is still the same when the change comes.
async fn admit(tx: &mut dyn InventoryTx, id: SupplierId, expected: &Expected) -> Result<(), SupplierError> {
    if expected.is_any() {
        return Ok(());
    }
    let supplier = tx.suppliers().find_for_update(id).await?.ok_or(SupplierError::NotFound(id))?;
    Ok(expected.admit(supplier.version)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tenantry_tenancy::clock::FixedClock;

    use super::*;
    use crate::testing::{MemoryInventory, new_supplier};

    #[tokio::test]
    async fn a_change_made_from_another_version_changes_nothing() {
        let mut tx = MemoryInventory::new(Arc::new(FixedClock(DateTime::UNIX_EPOCH)));
        let supplier = create(&mut tx, new_supplier("Ada")).await.unwrap();
        let rename = SupplierChange { name: Some(new_supplier("Bob").name), ..SupplierChange::default() };
        let first = Expected::one_of(vec![1]);

        let changed = change(&mut tx, supplier.id, &first, &rename).await.unwrap();
        let stale =
            [change(&mut tx, supplier.id, &first, &rename).await.map(drop), delete(&mut tx, supplier.id, &first).await];

        assert_eq!((changed.name.as_str(), changed.version), ("Bob", 2));
        assert!(stale.iter().all(|it| matches!(it, Err(SupplierError::Stale(_)))), "{stale:?}");
        assert_eq!(change(&mut tx, supplier.id, &Expected::ANY, &SupplierChange::default()).await.unwrap(), changed);
        delete(&mut tx, supplier.id, &Expected::ANY).await.unwrap();
        let gone = show(&mut tx, supplier.id).await;
        assert!(matches!(gone, Err(SupplierError::NotFound(id)) if id == supplier.id), "{gone:?}");
    }
}
