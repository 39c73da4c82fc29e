//! Why a store could not do what it was asked.

use std::error::Error;

type Source = Box<dyn Error + Send + Sync>;

/// A failure of the store itself. What a row's absence or a taken name means is the resource's own error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or is too busy; the same request may succeed later.
    #[error("the store is unavailable")]
    Unavailable(#[source] Source),
    /// Another transaction got in the way; the same request may succeed at once.
    #[error("the change conflicts with a concurrent one")]
    Conflict(#[source] Source),
    /// A defect: ours, the schema's or the database's.
    #[error("the store failed")]
    Internal(#[source] Source),
}

impl StoreError {
    /// The store cannot be reached or is too busy.
    pub fn unavailable(source: impl Into<Source>) -> Self {
        Self::Unavailable(source.into())
    }

    /// A defect.
    pub fn internal(source: impl Into<Source>) -> Self {
        Self::Internal(source.into())
    }
}
