//! Files: the bytes behind documents, wherever they are stored.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use tenantry_tenancy::{SchemaName, StoreError, TenantId, TenantScope};
use tenantry_work::blobs::Blob;

use crate::TenantStore;

/// How many blobs one transaction collects.
const AT_ONCE: usize = 100;

/// Where a file lies. Made of a scope and ids alone: whoever may not act in a tenant cannot name its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileKey {
    tenant: TenantId,
    schema: SchemaName,
    blob: Blob,
}

impl FileKey {
    /// Where a blob of the scope's tenant lies.
    pub const fn of(scope: &TenantScope, blob: Blob) -> Self {
        Self { tenant: scope.tenant(), schema: scope.schema(), blob }
    }

    /// Whose it is.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Whether the tenant has a place of its own, as it has for its rows.
    pub fn is_apart(&self) -> bool {
        self.schema != SchemaName::Pooled
    }

    /// The path within the place.
    pub fn path(&self) -> String {
        format!("{}/documents/{}/{}", self.tenant, self.blob.document, self.blob.id)
    }
}

/// The place where files lie failed.
#[derive(Debug, thiserror::Error)]
#[error("the files cannot be reached")]
pub struct FileError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The bytes of a file as they come.
pub type FileStream = BoxStream<'static, Result<Bytes, FileError>>;

/// Stores files.
#[async_trait]
pub trait FileStore: Send + Sync {
    /// Begins to write a file, which is there when it is finished and not before.
    fn create(&self, key: &FileKey) -> Result<Box<dyn FileWriter>, FileError>;

    /// Reads a part of a file.
    async fn read(&self, key: &FileKey, range: Range<u64>) -> Result<FileStream, FileError>;

    /// Deletes a file and what an interrupted upload has left of it. Nothing to delete is fine.
    async fn delete(&self, key: &FileKey) -> Result<(), FileError>;
}

/// A file being written.
#[async_trait]
pub trait FileWriter: Send {
    /// Adds bytes. Holds a few megabytes of them at the most.
    async fn write(&mut self, bytes: Bytes) -> Result<(), FileError>;

    /// Stores what was written for good.
    async fn finish(self: Box<Self>) -> Result<(), FileError>;

    /// Throws away what was written.
    async fn abort(self: Box<Self>);
}

/// Why content could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The files failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Deletes the content that no document has any more, and uploads that began before `since` and never ended. Tells how
/// many. Any number of instances may do so at once, and whatever interrupts it, the next run goes on.
pub async fn collect(
    store: &TenantStore,
    files: &dyn FileStore,
    scope: &TenantScope,
    since: DateTime<Utc>,
) -> Result<usize, CollectError> {
    store.write(scope, async |tx| tx.work().blobs().doom(since).await).await?;
    let mut collected = 0;
    loop {
        let doomed = store.read(scope, async |tx| tx.work().blobs().doomed(AT_ONCE).await).await?;
        for blob in &doomed {
            files.delete(&FileKey::of(scope, *blob)).await?;
            // Only now: a row that is gone first would leave bytes of which nobody knows.
            store.write(scope, async |tx| tx.work().blobs().forget(blob.id).await).await?;
            collected += 1;
        }
        if doomed.len() < AT_ONCE {
            return Ok(collected);
        }
    }
}
