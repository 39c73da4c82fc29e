//! Files on the local disk or in S3.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use quick_cache::sync::Cache;
use tenantry_app::{FileError, FileKey, FileStore, FileStream, FileWriter};
use tenantry_tenancy::TenantId;
use tokio::io::AsyncWriteExt;

/// How many bytes are gathered and sent at once: the least that S3 takes as a part.
const PART_BYTES: usize = 5 * 1024 * 1024;
/// How many buckets of tenants are kept at hand.
const KEPT_BUCKETS: usize = 1000;

/// How S3 is reached.
#[derive(Clone)]
pub struct S3Settings {
    /// The bucket of all tenants, each below a prefix of its own.
    pub bucket: String,
    /// What the bucket of a tenant with a schema of its own begins with; empty if there are none.
    pub own_bucket_prefix: String,
    /// Where the service is; Amazon's if empty.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// Who asks.
    pub access_key_id: String,
    /// Proves it.
    pub secret_access_key: String,
}

impl std::fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Settings").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

/// The files cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the files cannot be set up")]
pub struct FilesError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Files in one of the two places.
pub struct Files(Place);

enum Place {
    Disk { store: Arc<dyn ObjectStore>, folder: PathBuf },
    S3 { store: Arc<dyn ObjectStore>, settings: S3Settings, buckets: Cache<TenantId, Arc<dyn ObjectStore>> },
}

impl Files {
    /// Files below a folder, which is made if it is not there.
    pub fn on_disk(folder: &std::path::Path) -> Result<Self, FilesError> {
        std::fs::create_dir_all(folder).map_err(|error| FilesError(error.into()))?;
        let folder = folder.canonicalize().map_err(|error| FilesError(error.into()))?;
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(|error| FilesError(error.into()))?;
        Ok(Self(Place::Disk { store: Arc::new(store.with_fsync(true)), folder }))
    }

    /// Files in S3. No connection is opened yet.
    pub fn in_s3(settings: S3Settings) -> Result<Self, FilesError> {
        // One provider for the process; another that is there already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = Arc::new(bucket(&settings, &settings.bucket).map_err(|error| FilesError(error.into()))?);
        Ok(Self(Place::S3 { store, settings, buckets: Cache::new(KEPT_BUCKETS) }))
    }

    fn store_of(&self, key: &FileKey) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
        match &self.0 {
            Place::S3 { settings, buckets, .. } if key.is_apart() && !settings.own_bucket_prefix.is_empty() => buckets
                .get_or_insert_with(&key.tenant(), || {
                    let name = format!("{}{}", settings.own_bucket_prefix, key.tenant());
                    Ok(Arc::new(bucket(settings, &name)?) as Arc<dyn ObjectStore>)
                }),
            Place::S3 { store, .. } | Place::Disk { store, .. } => Ok(store.clone()),
        }
    }
}

fn bucket(settings: &S3Settings, name: &str) -> Result<AmazonS3, object_store::Error> {
    let builder = AmazonS3Builder::new()
        .with_bucket_name(name)
        .with_region(&settings.region)
        .with_access_key_id(&settings.access_key_id)
        .with_secret_access_key(&settings.secret_access_key);
    let builder = if settings.endpoint.is_empty() {
        builder
    } else {
        let is_plain = settings.endpoint.starts_with("http://");
        builder.with_endpoint(&settings.endpoint).with_allow_http(is_plain).with_virtual_hosted_style_request(false)
    };
    builder.build()
}

fn failed(error: object_store::Error) -> FileError {
    FileError(error.into())
}

#[async_trait]
impl FileStore for Files {
    fn create(&self, key: &FileKey) -> Result<Box<dyn FileWriter>, FileError> {
        let store = self.store_of(key).map_err(failed)?;
        Ok(Box::new(Writer(
            BufWriter::with_capacity(store, Path::from(key.path()), PART_BYTES).with_max_concurrency(1),
        )))
    }

    async fn read(&self, key: &FileKey, range: Range<u64>) -> Result<FileStream, FileError> {
        let store = self.store_of(key).map_err(failed)?;
        if range.is_empty() {
            return Ok(futures_util::stream::empty().boxed());
        }
        let options = object_store::GetOptions { range: Some(range.into()), ..Default::default() };
        let found = store.get_opts(&Path::from(key.path()), options).await.map_err(failed)?;
        Ok(found.into_stream().map_err(failed).boxed())
    }

    async fn delete(&self, key: &FileKey) -> Result<(), FileError> {
        let store = self.store_of(key).map_err(failed)?;
        match store.delete(&Path::from(key.path())).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
        if let Place::Disk { folder, .. } = &self.0 {
            let file = folder.join(key.path());
            let removed = tokio::task::spawn_blocking(move || remove_leftovers(&file)).await;
            removed.map_err(|error| FileError(error.into()))?.map_err(|error| FileError(error.into()))?;
        }
        Ok(())
    }
}

/// Removes what a killed process had written of a file: `<file>#<number>` beside it.
fn remove_leftovers(file: &std::path::Path) -> std::io::Result<()> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let is_leftover = entry
            .file_name()
            .to_str()
            .and_then(|found| found.strip_prefix(name)?.strip_prefix('#'))
            .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        if is_leftover {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

struct Writer(BufWriter);

#[async_trait]
impl FileWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), FileError> {
        // Copied: what a chunk is a part of stays in memory as long as the chunk does, and chunks can be of one byte.
        self.0.write_all(&bytes).await.map_err(|error| FileError(error.into()))
    }

    async fn finish(mut self: Box<Self>) -> Result<(), FileError> {
        self.0.shutdown().await.map_err(|error| FileError(error.into()))
    }

    async fn abort(mut self: Box<Self>) {
        // Whatever stays is collected with the blob.
        let _ = self.0.abort().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tenantry_tenancy::{Actor, RequestId, SchemaName, TenantScope};
    use tenantry_work::blobs::{Blob, BlobId};
    use tenantry_work::documents::DocumentId;

    use super::*;

    #[tokio::test]
    async fn no_chunk_stays_in_memory_once_it_is_written() {
        struct Chunk(Arc<AtomicUsize>);

        impl AsRef<[u8]> for Chunk {
            fn as_ref(&self) -> &[u8] {
                b"x"
            }
        }

        impl Drop for Chunk {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }

        let folder = tempfile::tempdir().unwrap();
        let files = Files::on_disk(folder.path()).unwrap();
        let blob = Blob { id: BlobId::generate(), document: DocumentId::generate() };
        let scope = TenantScope::grant(TenantId::random(), SchemaName::Pooled, Actor::System, RequestId::generate());
        let key = FileKey::of(&scope, blob);
        let mut writer = files.create(&key).unwrap();
        let alive = Arc::new(AtomicUsize::new(0));

        for _ in 0..1000 {
            alive.fetch_add(1, Ordering::Relaxed);
            writer.write(Bytes::from_owner(Chunk(alive.clone()))).await.unwrap();
        }

        assert_eq!(alive.load(Ordering::Relaxed), 0);
        writer.finish().await.unwrap();
        let read: Vec<Bytes> = files.read(&key, 0..1000).await.unwrap().try_collect().await.unwrap();
        assert_eq!(read.concat(), [b'x'; 1000]);
    }

    #[test]
    fn only_what_is_left_of_the_file_itself_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "a#1", "a#12", "ab#1", "a#x", "b"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }

        remove_leftovers(&folder.path().join("a")).unwrap();
        remove_leftovers(&folder.path().join("none/a")).unwrap();

        let mut left: Vec<_> =
            folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["a", "a#x", "ab#1", "b"]);
    }
}
