//! What machine clients call: counted by the hour in memory and kept now and then, so that no request waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use tenantry_tenancy::api_clients::ClientUseId;
use tenantry_tenancy::{ApiClientId, StoreError, TenantId};

/// How many different calls wait to be kept: what comes beyond is not counted.
const WAITING: usize = 10_000;

/// What was called: by whom, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// Where.
    pub tenant: TenantId,
    /// By which client.
    pub client: ApiClientId,
    /// By which HTTP method.
    pub method: String,
    /// The route's pattern, never the path.
    pub route: String,
    /// With which HTTP status it was answered.
    pub status: u16,
}

/// How often something was called within an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedCalls {
    /// What these calls are kept under, if they are the first of their kind in the hour.
    pub id: ClientUseId,
    /// What was called.
    pub call: Call,
    /// When the hour began.
    pub hour: DateTime<Utc>,
    /// How often.
    pub calls: u32,
    /// When last.
    pub last_at: DateTime<Utc>,
}

/// Keeps what clients called.
#[async_trait]
pub trait ClientUsageStore: Send + Sync {
    /// Adds to what is kept. Clients that are gone are passed over.
    async fn add(&self, counted: &[CountedCalls], now: DateTime<Utc>) -> Result<(), StoreError>;
}

/// Counts what clients call until it is kept.
pub struct ClientUsage {
    store: Arc<dyn ClientUsageStore>,
    waiting: Mutex<HashMap<(Call, DateTime<Utc>), CountedCalls>>,
}

impl ClientUsage {
    /// Nothing is counted yet.
    pub fn new(store: Arc<dyn ClientUsageStore>) -> Self {
        Self { store, waiting: Mutex::default() }
    }

    /// Counts a call.
    pub fn note(&self, call: Call, now: DateTime<Utc>) {
        let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
        self.add(CountedCalls { id: ClientUseId::generate(), call, hour, calls: 1, last_at: now });
    }

    /// Keeps what was counted since it was called last. What cannot be kept now waits for the next time.
    pub async fn keep(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return Ok(());
        }
        let counted: Vec<CountedCalls> = waiting.into_values().collect();
        let kept = self.store.add(&counted, now).await;
        if kept.is_err() {
            counted.into_iter().for_each(|calls| self.add(calls));
        }
        kept
    }

    fn add(&self, counted: CountedCalls) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (counted.call.clone(), counted.hour);
        if let Some(calls) = waiting.get_mut(&key) {
            calls.calls = calls.calls.saturating_add(counted.calls);
            calls.last_at = calls.last_at.max(counted.last_at);
        } else if waiting.len() < WAITING {
            waiting.insert(key, counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Remembers what it was given, unless it is down.
    #[derive(Default)]
    struct Kept {
        down: AtomicBool,
        counted: Mutex<Vec<CountedCalls>>,
    }

    #[async_trait]
    impl ClientUsageStore for Kept {
        async fn add(&self, counted: &[CountedCalls], _: DateTime<Utc>) -> Result<(), StoreError> {
            if self.down.load(Ordering::SeqCst) {
                return Err(StoreError::internal("it is down"));
            }
            self.counted.lock().unwrap().extend_from_slice(counted);
            Ok(())
        }
    }

    fn call(status: u16) -> Call {
        let (tenant, client) = (TenantId::from_uuid(uuid::Uuid::nil()), ApiClientId::from_uuid(uuid::Uuid::nil()));
        Call { tenant, client, method: "GET".to_owned(), route: "/api/v1/projects".to_owned(), status }
    }

    #[tokio::test]
    async fn calls_are_counted_by_the_hour_and_kept_once_even_after_a_failure() {
        let kept = Arc::new(Kept::default());
        let usage = ClientUsage::new(kept.clone());
        let now = DateTime::UNIX_EPOCH + TimeDelta::minutes(59);
        let next = now + TimeDelta::minutes(1);
        for (status, at) in [(200, now), (200, now), (404, now), (200, next)] {
            usage.note(call(status), at);
        }

        kept.down.store(true, Ordering::SeqCst);
        assert!(usage.keep(next).await.is_err());
        kept.down.store(false, Ordering::SeqCst);
        usage.note(call(200), next);
        usage.keep(next).await.unwrap();
        usage.keep(next).await.unwrap();

        let mut counted: Vec<_> =
            kept.counted.lock().unwrap().iter().map(|it| (it.hour, it.call.status, it.calls)).collect();
        counted.sort_unstable();
        assert_eq!(counted, [(DateTime::UNIX_EPOCH, 200, 2), (DateTime::UNIX_EPOCH, 404, 1), (next, 200, 2)]);
    }

    #[tokio::test]
    async fn what_waits_is_bounded() {
        let usage = ClientUsage::new(Arc::new(Kept::default()));
        for number in 0..=WAITING {
            usage.note(Call { route: number.to_string(), ..call(200) }, DateTime::UNIX_EPOCH);
        }
        assert_eq!(usage.waiting.lock().unwrap().len(), WAITING);
    }
}
