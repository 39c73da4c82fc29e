//! What each instance remembers so that it need not ask per request: tenants, and which credentials were revoked or changed.
//!
//! A feed of changes keeps it fresh. What is remembered counts only while the last successful poll of the feed *started*
//! less than [`MAX_AGE`] ago: so whatever was committed longer ago than that has been seen, on every instance. Otherwise
//! the directory is asked directly, and if it cannot answer nobody gets in.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use quick_cache::sync::Cache;
use tenantry_tenancy::domains::DomainName;
use tenantry_tenancy::{Change, CredentialId, Directory, Mark, StoreError, Tenant, TenantId, Version};
use tokio::time::{Instant, MissedTickBehavior};

/// How old what is remembered may be (requirement T4).
pub const MAX_AGE: Duration = Duration::from_secs(1);

/// How often the feed is polled unless told otherwise: often enough that a few slow answers are not felt.
pub const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How long the first answer may take: it tells what the next ones need not.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// How many hosts are remembered, at about a hundred bytes each.
const HOSTS: usize = 10_000;

/// Remembers tenants and void credentials, and knows how fresh that is.
pub struct Watch {
    directory: Arc<dyn Directory>,
    tenants: Cache<TenantId, Arc<Tenant>>,
    /// Whose hosts are, also those that are nobody's.
    hosts: Cache<DomainName, Option<TenantId>>,
    /// Counts the polls that made something in `tenants` obsolete. A tenant is inserted under this lock, and only if
    /// nothing was made obsolete since its loading began: what was loaded before a change must not outlive it.
    generation: Mutex<u64>,
    void: Void,
    /// Where the feed stands. Held during a poll: there is one at a time.
    feed: tokio::sync::Mutex<Feed>,
    origin: Instant,
    /// When the last successful poll started, in microseconds since `origin` plus one; 0 before the first.
    polled: AtomicU64,
}

#[derive(Default)]
struct Feed {
    mark: Option<Mark>,
    failed: Option<Instant>,
}

/// Proof that what is remembered was fresh a moment ago: looking things up takes no waiting.
#[derive(Clone, Copy)]
pub struct Fresh<'a>(&'a Watch);

impl Fresh<'_> {
    /// The tenant, if it is remembered. If it is not, that says nothing: [`Watch::tenant`] must be asked.
    pub fn tenant(self, id: TenantId) -> Option<Arc<Tenant>> {
        self.0.tenants.get(&id)
    }

    /// Whose the host is, if that is remembered: the inner `None` is nobody's.
    pub fn tenant_of_host(self, host: &DomainName) -> Option<Option<TenantId>> {
        self.0.hosts.get(host)
    }

    /// Whether what the credential gave at this version is void by now.
    pub fn is_void(self, credential: CredentialId, version: Version) -> bool {
        self.0.void.contains(credential, version)
    }
}

impl Watch {
    /// Remembers up to `tenants` tenants, and void credentials for `revocation_memory`
    /// (see [`crate::TokenSettings::revocation_memory`]). Nothing is known before the first poll.
    pub fn new(directory: Arc<dyn Directory>, tenants: usize, revocation_memory: Duration) -> Self {
        Self {
            directory,
            tenants: Cache::new(tenants),
            hosts: Cache::new(HOSTS),
            generation: Mutex::new(0),
            void: Void::new(revocation_memory),
            feed: tokio::sync::Mutex::default(),
            origin: Instant::now(),
            polled: AtomicU64::new(0),
        }
    }

    /// Polls for ever, every `interval`; the server spawns it. Says so once when the feed fails and once when it is back.
    pub async fn run(&self, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            ticks.tick().await;
            let polled = self.poll_once().await;
            match &polled {
                Ok(()) if failing => tracing::info!("the feed of changes is back"),
                Err(error) if !failing => {
                    tracing::warn!(error = error as &dyn std::error::Error, "the feed of changes cannot be read");
                }
                _ => {}
            }
            failing = polled.is_err();
        }
    }

    /// Takes note of what has changed since the last poll.
    pub async fn poll_once(&self) -> Result<(), StoreError> {
        let mut feed = self.feed.lock().await;
        let budget = if feed.mark.is_some() { MAX_AGE } else { FIRST_ANSWER };
        self.poll(&mut feed, budget).await
    }

    /// How long ago the last successful poll started; `None` before the first. For readiness.
    pub fn freshness(&self) -> Option<Duration> {
        let since_origin = self.polled.load(Ordering::Acquire).checked_sub(1)?;
        Some(self.origin.elapsed().saturating_sub(Duration::from_micros(since_origin)))
    }

    /// What is remembered, if it is fresh. Never waits.
    pub fn fresh(&self) -> Option<Fresh<'_>> {
        self.freshness().filter(|age| *age < MAX_AGE).map(|_| Fresh(self))
    }

    /// The tenant, in whatever state: remembered if that is fresh, else asked of the directory.
    pub async fn tenant(&self, id: TenantId) -> Result<Option<Arc<Tenant>>, StoreError> {
        if let Some(known) = self.fresh().and_then(|fresh| fresh.tenant(id)) {
            return Ok(Some(known));
        }
        let generation = *lock(&self.generation);
        // That a tenant does not exist is not remembered: it takes a token we signed to ask, and no room.
        let Some(tenant) = self.directory.tenant(id).await?.map(Arc::new) else { return Ok(None) };
        let current = lock(&self.generation);
        if *current == generation {
            self.tenants.insert(id, Arc::clone(&tenant));
        }
        Ok(Some(tenant))
    }

    /// The tenant that has proven the host to be its own: remembered if that is fresh, else asked of the directory.
    pub async fn tenant_of_host(&self, host: &DomainName) -> Result<Option<TenantId>, StoreError> {
        if let Some(known) = self.fresh().and_then(|fresh| fresh.tenant_of_host(host)) {
            return Ok(known);
        }
        let generation = *lock(&self.generation);
        let tenant = self.directory.tenant_of_host(host).await?;
        let current = lock(&self.generation);
        if *current == generation {
            self.hosts.insert(host.clone(), tenant);
        }
        Ok(tenant)
    }

    /// Whether what the credential gave at this version is void by now. Polls first if what is remembered is stale; if that
    /// fails, so does this.
    pub async fn is_void(&self, credential: CredentialId, version: Version) -> Result<bool, StoreError> {
        if let Some(fresh) = self.fresh() {
            return Ok(fresh.is_void(credential, version));
        }
        let asked = Instant::now();
        // Nobody waits for a first answer, which may take long.
        let mut feed = tokio::time::timeout(MAX_AGE, self.feed.lock()).await.map_err(StoreError::unavailable)?;
        if self.fresh().is_none() {
            // All who waited for the same poll share its failure; else each would wait for the next one's.
            if feed.failed.is_some_and(|started| started > asked) {
                return Err(StoreError::unavailable("the feed of changes is stale"));
            }
            self.poll(&mut feed, MAX_AGE).await?;
        }
        Ok(self.void.contains(credential, version))
    }

    async fn poll(&self, feed: &mut Feed, budget: Duration) -> Result<(), StoreError> {
        let started = Instant::now();
        // After a gap as long as revocations are remembered, the feed's past may be gone as well: begin anew.
        if self.freshness().is_some_and(|age| age >= self.void.memory) {
            feed.mark = None;
        }
        // An answer that takes longer than `MAX_AGE` is stale when it comes; only the first may, since the next begins from it.
        let answer = tokio::time::timeout(budget, self.directory.changes(feed.mark)).await;
        match answer.unwrap_or_else(|elapsed| Err(StoreError::unavailable(elapsed))) {
            Ok((mark, changes)) => {
                self.apply(&changes, feed.mark.is_none());
                feed.mark = Some(mark);
                let since_origin = started.duration_since(self.origin).as_micros();
                self.polled.store(u64::try_from(since_origin).unwrap_or(u64::MAX - 1) + 1, Ordering::Release);
                Ok(())
            }
            Err(error) => {
                feed.failed = Some(started);
                Err(error)
            }
        }
    }

    fn apply(&self, changes: &[Change], from_scratch: bool) {
        self.void.add(changes.iter().filter_map(|change| match change {
            Change::Credential(credential, version) => Some((*credential, *version)),
            Change::Tenant(_) | Change::Domains => None,
        }));
        let changed = |change: &Change| match change {
            Change::Tenant(tenant) => Some(*tenant),
            Change::Credential(..) | Change::Domains => None,
        };
        let domains = changes.contains(&Change::Domains);
        if !from_scratch && !domains && !changes.iter().any(|change| changed(change).is_some()) {
            return;
        }
        let mut generation = lock(&self.generation);
        *generation += 1;
        if from_scratch {
            self.tenants.clear();
        }
        if from_scratch || domains {
            self.hosts.clear();
        }
        for tenant in changes.iter().filter_map(changed) {
            self.tenants.remove(&tenant);
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("freshness", &self.freshness()).finish_non_exhaustive()
    }
}

/// The credentials that were revoked or changed lately, with the version below which what they gave is void. Never evicted
/// for want of room: forgetting one early would revive its tokens.
struct Void {
    memory: Duration,
    credentials: RwLock<Credentials>,
    /// How many there are; mostly none, and then there is no lock to take.
    count: AtomicUsize,
}

#[derive(Default)]
struct Credentials {
    known: HashMap<CredentialId, (Version, Instant)>,
    /// The same in the order they were learnt.
    learnt: VecDeque<(Instant, CredentialId)>,
}

impl Void {
    fn new(memory: Duration) -> Self {
        Self { memory, credentials: RwLock::default(), count: AtomicUsize::new(0) }
    }

    fn contains(&self, credential: CredentialId, version: Version) -> bool {
        let below = |(lowest, _): &(Version, Instant)| version < *lowest;
        self.count.load(Ordering::Acquire) != 0
            && self.credentials.read().unwrap_or_else(PoisonError::into_inner).known.get(&credential).is_some_and(below)
    }

    /// Adds credentials, and forgets those of which everything issued before has expired.
    fn add(&self, changed: impl Iterator<Item = (CredentialId, Version)>) {
        let mut guard = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        let Credentials { known, learnt } = &mut *guard;
        let now = Instant::now();
        while let Some((when, credential)) = learnt.pop_front_if(|(when, _)| now.duration_since(*when) >= self.memory) {
            // One that changed again since is remembered for as long from then on.
            if known.get(&credential).is_some_and(|(_, last)| *last == when) {
                known.remove(&credential);
            }
        }
        for (credential, version) in changed {
            let lowest = known.entry(credential).or_insert((version, now));
            // The feed may tell a change twice: what is known already is not learnt anew.
            if lowest.0 < version {
                *lowest = (version, now);
            }
            if lowest.1 == now {
                learnt.push_back((now, credential));
            }
        }
        self.count.store(known.len(), Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
