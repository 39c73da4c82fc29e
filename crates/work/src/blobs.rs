//! Blobs: where the bytes of documents lie, and how none is ever forgotten.
//!
//! A blob is written down as *expected* before its first byte is stored. Once all are, one transaction makes it *kept* and
//! points its document at it. Whatever nobody waits for or points at is *doomed*: first its bytes are deleted, then its
//! row. A process may be killed between any two of these steps: there is neither a document without its bytes nor a byte
//! without a row.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{StoreError, id};

use crate::documents::DocumentId;

id!(
    /// One blob.
    BlobId
);

/// Bytes that may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its identity.
    pub id: BlobId,
    /// The document it was uploaded for.
    pub document: DocumentId,
}

/// The blobs of the tenant whose transaction is open.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait BlobRepo: Send {
    /// Writes an expected blob down.
    async fn expect(&mut self, blob: &Blob) -> Result<(), StoreError>;

    /// Keeps an expected blob; false when it is not expected any more.
    async fn keep(&mut self, id: BlobId) -> Result<bool, StoreError>;

    /// Dooms an expected blob; false when it is not expected any more.
    async fn give_up(&mut self, id: BlobId) -> Result<bool, StoreError>;

    /// Dooms a kept blob, at which nothing may point any more; false when it is not kept.
    async fn release(&mut self, id: BlobId) -> Result<bool, StoreError>;

    /// Dooms what was expected before `since` and never came, and what was kept and has no document any more.
    async fn doom(&mut self, since: DateTime<Utc>) -> Result<(), StoreError>;

    /// Up to `limit` doomed blobs.
    async fn doomed(&mut self, limit: usize) -> Result<Vec<Blob>, StoreError>;

    /// Forgets a doomed blob, whose bytes must be gone.
    async fn forget(&mut self, id: BlobId) -> Result<(), StoreError>;
}
