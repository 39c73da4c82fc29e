//! API keys in memory.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tenantry_tenancy::StoreError;

use super::HELD;
use crate::api_keys::{ApiKeyStore, ApiKeyUse, StoredApiKey};

/// Keys by how their text begins.
#[derive(Debug, Default)]
pub struct MemoryApiKeys {
    keys: Mutex<HashMap<String, StoredApiKey>>,
    uses: Mutex<Vec<ApiKeyUse>>,
    asked: AtomicUsize,
}

impl MemoryApiKeys {
    /// Adds or replaces a key. What depends on its version must be announced.
    pub fn put(&self, prefix: &str, key: StoredApiKey) {
        self.keys.lock().expect(HELD).insert(prefix.to_owned(), key);
    }

    /// Removes a key. What it gave must be announced to be void.
    pub fn remove(&self, prefix: &str) {
        self.keys.lock().expect(HELD).remove(prefix);
    }

    /// How many times a key was looked up.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// The uses that were noted, in their order.
    pub fn uses(&self) -> Vec<ApiKeyUse> {
        self.uses.lock().expect(HELD).clone()
    }
}

#[async_trait]
impl ApiKeyStore for MemoryApiKeys {
    async fn find(&self, prefix: &str) -> Result<Option<StoredApiKey>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.keys.lock().expect(HELD).get(prefix).cloned())
    }

    async fn note_uses(&self, uses: &[ApiKeyUse]) -> Result<(), StoreError> {
        self.uses.lock().expect(HELD).extend_from_slice(uses);
        Ok(())
    }

    /// There is no audit in memory.
    async fn warn_of_expiring(&self, _: DateTime<Utc>, _: TimeDelta) -> Result<u64, StoreError> {
        Ok(0)
    }
}
