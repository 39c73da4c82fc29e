//! Products.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{
    Expected, Moment, Position, Search, SortKey, SortedPage, SortedQuery, Stale, StoreError, id, text, words,
};

use crate::InventoryTx;

id!(
    /// One product.
    ProductId
);
text!(
    /// Its name.
    ProductName,
    Line,
    255
);

text!(
    /// Its sku.
    ProductSku,
    Line,
    255
);

text!(
    /// Its description.
    ProductDescription,
    Paragraphs,
    10_000
);

words!(
    /// Its status.
    ProductStatus {
        /// active.
        Active = "active",
        /// archived.
        Archived = "archived",
    }
);
words!(
    /// In which order a list of products comes.
    #[derive(Default)]
    ProductOrder {
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

/// One product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its identity.
    pub id: ProductId,
    /// Its name.
    pub name: ProductName,
    /// Its sku.
    pub sku: ProductSku,
    /// Its description.
    pub description: ProductDescription,
    /// Its status.
    pub status: ProductStatus,
    /// How much of it there is: the sum of its movements.
    pub stock: i64,
    /// How often it was changed, plus one.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// One product to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProduct {
    /// Its identity.
    pub id: ProductId,
    /// Its name.
    pub name: ProductName,
    /// Its sku.
    pub sku: ProductSku,
    /// Its description.
    pub description: ProductDescription,
    /// Its status.
    pub status: ProductStatus,
}

/// What to change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductChange {
    /// Its name.
    pub name: Option<ProductName>,
    /// Its sku.
    pub sku: Option<ProductSku>,
    /// Its description.
    pub description: Option<ProductDescription>,
    /// Its status.
    pub status: Option<ProductStatus>,
}

/// Which products a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductQuery {
    /// Only those with this status.
    pub status: Option<ProductStatus>,
    /// Only those changed at this moment or later.
    pub updated_since: Option<Moment>,
    /// Only those with these words in their texts.
    pub search: Option<Search>,
    /// Which page.
    pub page: SortedQuery<ProductOrder>,
}

impl ProductOrder {
    /// Where one stands in this order.
    pub fn position(self, product: &Product) -> Position {
        let key = match self {
            Self::Newest | Self::Oldest => SortKey::Id,
            Self::Name | Self::NameDescending => SortKey::Text(product.name.as_str().to_owned()),
            Self::Updated | Self::LastUpdated => SortKey::Time(product.updated_at),
        };
        Position { key, id: product.id.as_uuid() }
    }

    /// Whether it goes from the end to the beginning.
    pub fn is_descending(self) -> bool {
        matches!(self, Self::Newest | Self::NameDescending | Self::LastUpdated)
    }
}

/// Why an operation on products was refused.
#[derive(Debug, thiserror::Error)]
pub enum ProductError {
    /// There is none with this id.
    #[error("product {0} does not exist")]
    NotFound(ProductId),
    /// The change was made from another version.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Another product has this number.
    #[error("another product has this number")]
    SkuTaken,
    /// Something in stock or moved earlier refers to it.
    #[error("product {0} has stock movements")]
    HasMovements(ProductId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The products of the tenant whose transaction is open.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait ProductRepo: Send {
    /// One of them.
    async fn find(&mut self, id: ProductId) -> Result<Option<Product>, StoreError>;

    /// One of them, which nobody else changes until the transaction ends.
    async fn find_for_update(&mut self, id: ProductId) -> Result<Option<Product>, StoreError>;

    /// One page of them.
    async fn list(&mut self, query: &ProductQuery) -> Result<SortedPage<Product>, StoreError>;

    /// Stores new ones, all in one statement, and tells them in the same order. A number that is taken is
    /// [`ProductError::SkuTaken`].
    async fn insert(&mut self, new: &[NewProduct]) -> Result<Vec<Product>, ProductError>;

    /// Changes the fields given, in one statement, and tells what it is now.
    async fn update(&mut self, id: ProductId, change: &ProductChange) -> Result<Option<Product>, ProductError>;

    /// Deletes one; false when there is none, [`ProductError::HasMovements`] when it has movements.
    async fn delete(&mut self, id: ProductId) -> Result<bool, ProductError>;
}

/// Makes one.
pub async fn create(tx: &mut dyn InventoryTx, new: NewProduct) -> Result<Product, ProductError> {
    let mut made = create_many(tx, &[new]).await?;
    made.pop().ok_or_else(|| StoreError::internal("an insert returned nothing").into())
}

/// Makes several or, if one of them cannot be made, none.
pub async fn create_many(tx: &mut dyn InventoryTx, new: &[NewProduct]) -> Result<Vec<Product>, ProductError> {
    tx.products().insert(new).await
}

/// Shows one.
pub async fn show(tx: &mut dyn InventoryTx, id: ProductId) -> Result<Product, ProductError> {
    tx.products().find(id).await?.ok_or(ProductError::NotFound(id))
}

/// Changes the fields given, if it has the version expected. An empty change changes nothing, not even the version.
pub async fn change(
    tx: &mut dyn InventoryTx,
    id: ProductId,
    expected: &Expected,
    change: &ProductChange,
) -> Result<Product, ProductError> {
    admit(tx, id, expected).await?;
    if *change == ProductChange::default() {
        return show(tx, id).await;
    }
    tx.products().update(id, change).await?.ok_or(ProductError::NotFound(id))
}

/// Deletes one, if it has the version expected.
pub async fn delete(tx: &mut dyn InventoryTx, id: ProductId, expected: &Expected) -> Result<(), ProductError> {
    admit(tx, id, expected).await?;
    if tx.products().delete(id).await? { Ok(()) } else { Err(ProductError::NotFound(id)) }
}

/// Locks it if its version matters, so that it is still the same when the change comes.
async fn admit(tx: &mut dyn InventoryTx, id: ProductId, expected: &Expected) -> Result<(), ProductError> {
    if expected.is_any() {
        return Ok(());
    }
    let product = tx.products().find_for_update(id).await?.ok_or(ProductError::NotFound(id))?;
    Ok(expected.admit(product.version)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tenantry_tenancy::clock::FixedClock;

    use super::*;
    use crate::testing::{MemoryInventory, new_product};

    #[tokio::test]
    async fn a_change_made_from_another_version_changes_nothing() {
        let mut tx = MemoryInventory::new(Arc::new(FixedClock(DateTime::UNIX_EPOCH)));
        let product = create(&mut tx, new_product("Ada")).await.unwrap();
        let rename = ProductChange { name: Some(new_product("Bob").name), ..ProductChange::default() };
        let first = Expected::one_of(vec![1]);

        let changed = change(&mut tx, product.id, &first, &rename).await.unwrap();
        let stale =
            [change(&mut tx, product.id, &first, &rename).await.map(drop), delete(&mut tx, product.id, &first).await];

        assert_eq!((changed.name.as_str(), changed.version), ("Bob", 2));
        assert!(stale.iter().all(|it| matches!(it, Err(ProductError::Stale(_)))), "{stale:?}");
        assert_eq!(change(&mut tx, product.id, &Expected::ANY, &ProductChange::default()).await.unwrap(), changed);
        delete(&mut tx, product.id, &Expected::ANY).await.unwrap();
        let gone = show(&mut tx, product.id).await;
        assert!(matches!(gone, Err(ProductError::NotFound(id)) if id == product.id), "{gone:?}");
    }
}
