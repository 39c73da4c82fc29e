//! Stock movements: what came into stock and went out of it. A product's stock is their sum and never less than nothing.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{Page, PageQuery, StoreError, id, json_schema, text, words};

use crate::InventoryTx;
use crate::products::ProductId;

id!(
    /// One movement.
    StockMovementId
);
text!(
    /// What else is to be said of a movement.
    StockMovementNote,
    Paragraphs,
    10_000
);
words!(
    /// Why stock moved.
    StockMovementReason {
        /// Bought.
        Purchase = "purchase",
        /// Sold.
        Sale = "sale",
        /// Come back.
        Return = "return",
        /// Broken or lost.
        Loss = "loss",
        /// Counted anew, or put right.
        Correction = "correction",
    }
);

/// How much moved, in the product's own unit: what comes in is positive, what goes out negative, and nothing is no movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity(i64);

/// Why a number is no [`Quantity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from -1000000000000 to 1000000000000 and not 0")]
pub struct InvalidQuantity;

impl Quantity {
    /// Accepts up to 10¹² either way.
    pub fn new(number: i64) -> Result<Self, InvalidQuantity> {
        if number != 0 && number.unsigned_abs() <= 1_000_000_000_000 { Ok(Self(number)) } else { Err(InvalidQuantity) }
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl serde::Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        Self::new(number).map_err(serde::de::Error::custom)
    }
}

json_schema!(Quantity, tenantry_tenancy::schema::integer(-1_000_000_000_000, 1_000_000_000_000));

/// A movement. It never changes: another one puts it right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockMovement {
    /// Its identity.
    pub id: StockMovementId,
    /// What moved.
    pub product: ProductId,
    /// How much.
    pub quantity: Quantity,
    /// Why.
    pub reason: StockMovementReason,
    /// What else is to be said of it.
    pub note: StockMovementNote,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

/// A movement to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStockMovement {
    /// Its identity.
    pub id: StockMovementId,
    /// What moves.
    pub product: ProductId,
    /// How much.
    pub quantity: Quantity,
    /// Why.
    pub reason: StockMovementReason,
    /// What else is to be said of it.
    pub note: StockMovementNote,
}

/// Which movements a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockMovementQuery {
    /// Only those of this product.
    pub product: Option<ProductId>,
    /// Which page.
    pub page: PageQuery,
}

/// Why an operation on movements was refused.
#[derive(Debug, thiserror::Error)]
pub enum StockMovementError {
    /// There is none with this id.
    #[error("stock movement {0} does not exist")]
    NotFound(StockMovementId),
    /// The tenant has no such product.
    #[error("product {0} does not exist")]
    ProductUnknown(ProductId),
    /// Less would be left than nothing, or more than anybody has.
    #[error("there is not so much of product {0} in stock")]
    OutOfStock(ProductId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The movements of the tenant whose transaction is open.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait StockMovementRepo: Send {
    /// One movement.
    async fn find(&mut self, id: StockMovementId) -> Result<Option<StockMovement>, StoreError>;

    /// One page of movements.
    async fn list(&mut self, query: &StockMovementQuery) -> Result<Page<StockMovement>, StoreError>;

    /// Records a movement and moves the product's stock with it, in one statement.
    ///
    /// Fails with [`StockMovementError::ProductUnknown`] when the tenant has no such product, and with
    /// [`StockMovementError::OutOfStock`] when less than nothing would be left.
    async fn insert(&mut self, new: &NewStockMovement) -> Result<StockMovement, StockMovementError>;
}

/// Shows one movement.
pub async fn show(tx: &mut dyn InventoryTx, id: StockMovementId) -> Result<StockMovement, StockMovementError> {
    tx.stock_movements().find(id).await?.ok_or(StockMovementError::NotFound(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_something_within_bounds() {
        for number in [1, -1, 1_000_000_000_000, -1_000_000_000_000] {
            assert_eq!(Quantity::new(number).map(Quantity::get), Ok(number));
        }
        for number in [0, 1_000_000_000_001, i64::MIN, i64::MAX] {
            assert_eq!(Quantity::new(number), Err(InvalidQuantity));
        }
    }
}
