use async_trait::async_trait;
use tenantry_tenancy::{SessionId, TenantStatus};
use tokio::sync::Notify;

use super::*;
use crate::testing::{MemoryDirectory, tenant};

const MEMORY: Duration = Duration::from_secs(960);
const TICK: Duration = Duration::from_millis(1);

/// A watch that has polled once, and its directory with one active tenant.
async fn watch() -> (Watch, Arc<MemoryDirectory>, TenantId) {
    let directory = Arc::new(MemoryDirectory::default());
    let acme = tenant("acme");
    directory.put(acme.clone());
    let watch = Watch::new(directory.clone(), 100, MEMORY);
    watch.poll_once().await.unwrap();
    (watch, directory, acme.id)
}

async fn status(watch: &Watch, id: TenantId) -> TenantStatus {
    watch.tenant(id).await.unwrap().unwrap().status
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_asked_for_once_and_then_remembered() {
    let (watch, directory, id) = watch().await;

    let first = watch.tenant(id).await.unwrap().unwrap();
    let second = watch.tenant(id).await.unwrap().unwrap();

    assert!(Arc::ptr_eq(&first, &second));
    assert!(watch.fresh().and_then(|fresh| fresh.tenant(id)).is_some_and(|now| Arc::ptr_eq(&first, &now)));
    assert_eq!(directory.tenants_asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn that_a_tenant_does_not_exist_is_not_remembered() {
    let (watch, directory, _) = watch().await;
    let late = tenant("late");

    assert!(watch.tenant(late.id).await.unwrap().is_none());
    directory.put(late.clone());

    assert!(watch.tenant(late.id).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_suspension_takes_effect_after_a_poll() {
    let (watch, directory, id) = watch().await;
    assert_eq!(status(&watch, id).await, TenantStatus::Active);

    directory.set_status(id, TenantStatus::Suspended);
    let before = status(&watch, id).await;
    watch.poll_once().await.unwrap();
    let after = status(&watch, id).await;

    assert_eq!((before, after), (TenantStatus::Active, TenantStatus::Suspended));
}

#[tokio::test(start_paused = true)]
async fn a_suspension_takes_effect_within_a_second_even_if_the_feed_is_broken() {
    let (watch, directory, id) = watch().await;
    assert_eq!(status(&watch, id).await, TenantStatus::Active);

    directory.set_status(id, TenantStatus::Suspended);
    tokio::time::advance(MAX_AGE).await;

    assert!(watch.fresh().is_none());
    assert_eq!(status(&watch, id).await, TenantStatus::Suspended);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_tenant_stays_remembered_across_polls() {
    let (watch, directory, id) = watch().await;
    let before = watch.tenant(id).await.unwrap().unwrap();

    for _ in 0..10 {
        tokio::time::advance(POLL_INTERVAL).await;
        directory.put(tenant("other"));
        watch.poll_once().await.unwrap();
    }

    assert!(Arc::ptr_eq(&before, &watch.tenant(id).await.unwrap().unwrap()));
    assert_eq!(directory.tenants_asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_session_is_known_after_a_poll_and_not_another() {
    let (watch, directory, _) = watch().await;
    let (revoked, other) = (SessionId::generate(), SessionId::generate());

    directory.announce_void(revoked, Version::REVOKED);
    watch.poll_once().await.unwrap();

    assert!(watch.is_void(revoked.into(), Version::FIRST).await.unwrap());
    assert!(!watch.is_void(other.into(), Version::FIRST).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_remembered_until_its_tokens_have_expired() {
    let (watch, directory, _) = watch().await;
    let session = SessionId::generate();
    directory.announce_void(session, Version::REVOKED);
    // The same change may come twice; that neither shortens nor doubles anything.
    directory.announce_void(session, Version::REVOKED);
    watch.poll_once().await.unwrap();

    for _ in 0..MEMORY.as_secs() - 1 {
        tokio::time::advance(Duration::from_secs(1)).await;
        watch.poll_once().await.unwrap();
    }
    assert!(watch.is_void(session.into(), Version::FIRST).await.unwrap());
    tokio::time::advance(Duration::from_secs(1)).await;
    watch.poll_once().await.unwrap();

    assert!(!watch.is_void(session.into(), Version::FIRST).await.unwrap());
    assert_eq!(watch.void.count.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fresh_before_the_first_poll_and_a_stale_feed_is_polled_at_once() {
    let directory = Arc::new(MemoryDirectory::default());
    let session = SessionId::generate();
    directory.announce_void(session, Version::REVOKED);
    let watch = Watch::new(directory, 100, MEMORY);

    assert!(watch.fresh().is_none() && watch.freshness().is_none());
    assert!(watch.is_void(session.into(), Version::FIRST).await.unwrap());
    assert_eq!(watch.freshness(), Some(Duration::ZERO));
    tokio::time::advance(MAX_AGE - TICK).await;
    assert!(watch.fresh().is_some());
    tokio::time::advance(TICK).await;
    assert!(watch.fresh().is_none());
}

#[tokio::test(start_paused = true)]
async fn with_a_stale_feed_and_no_directory_nobody_gets_in() {
    let (watch, directory, id) = watch().await;
    status(&watch, id).await;

    directory.set_down(true);
    assert!(watch.poll_once().await.is_err());
    assert!(watch.tenant(id).await.is_ok() && !watch.is_void(CredentialId::generate(), Version::FIRST).await.unwrap());
    tokio::time::advance(MAX_AGE).await;

    assert!(matches!(watch.tenant(id).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(watch.is_void(CredentialId::generate(), Version::FIRST).await, Err(StoreError::Unavailable(_))));
    directory.set_down(false);
    assert!(!watch.is_void(CredentialId::generate(), Version::FIRST).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn after_a_long_gap_everything_is_learnt_anew() {
    let (watch, directory, id) = watch().await;
    let before = watch.tenant(id).await.unwrap().unwrap();

    tokio::time::advance(MEMORY).await;
    watch.poll_once().await.unwrap();

    assert!(!Arc::ptr_eq(&before, &watch.tenant(id).await.unwrap().unwrap()));
    assert_eq!(directory.tenants_asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_running_watch_stays_fresh_and_comes_back_after_an_outage() {
    let (watch, directory, id) = watch().await;
    let watch = Arc::new(watch);
    let running = tokio::spawn({
        let watch = watch.clone();
        async move { watch.run(POLL_INTERVAL).await }
    });

    tokio::time::sleep(10 * MAX_AGE).await;
    assert!(watch.fresh().is_some());
    directory.set_down(true);
    tokio::time::sleep(MAX_AGE).await;
    assert!(watch.fresh().is_none());
    directory.set_status(id, TenantStatus::Suspended);
    directory.set_down(false);
    tokio::time::sleep(2 * POLL_INTERVAL).await;

    assert!(watch.fresh().is_some());
    assert_eq!(status(&watch, id).await, TenantStatus::Suspended);
    running.abort();
}

/// A directory that answers when it is told to: with what was true when it was asked.
struct Slow {
    inner: Arc<MemoryDirectory>,
    asked: Notify,
    answer: Notify,
    polls: AtomicUsize,
}

impl Slow {
    fn new(inner: Arc<MemoryDirectory>) -> Arc<Self> {
        Arc::new(Self { inner, asked: Notify::new(), answer: Notify::new(), polls: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Directory for Slow {
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let answer = self.inner.tenant(id).await;
        self.asked.notify_one();
        self.answer.notified().await;
        answer
    }

    async fn tenant_of_host(&self, _: &DomainName) -> Result<Option<TenantId>, StoreError> {
        Ok(None)
    }

    async fn changes(&self, since: Option<Mark>) -> Result<(Mark, Vec<Change>), StoreError> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.inner.changes(since).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_loaded_before_a_change_does_not_outlive_it() {
    for polled_before in [false, true] {
        let directory = Arc::new(MemoryDirectory::default());
        let acme = tenant("acme");
        directory.put(acme.clone());
        let slow = Slow::new(directory.clone());
        let watch = Arc::new(Watch::new(slow.clone(), 100, MEMORY));
        if polled_before {
            watch.poll_once().await.unwrap();
        }

        let loading = tokio::spawn({
            let watch = watch.clone();
            async move { status(&watch, acme.id).await }
        });
        slow.asked.notified().await;
        directory.set_status(acme.id, TenantStatus::Suspended);
        watch.poll_once().await.unwrap();
        slow.answer.notify_one();
        let before = loading.await.unwrap();
        slow.answer.notify_one();
        let after = status(&watch, acme.id).await;

        assert_eq!((before, after), (TenantStatus::Active, TenantStatus::Suspended), "polled: {polled_before}");
    }
}

/// A directory whose feed hangs.
struct Hanging(AtomicUsize);

#[async_trait]
impl Directory for Hanging {
    async fn tenant(&self, _: TenantId) -> Result<Option<Tenant>, StoreError> {
        Ok(None)
    }

    async fn tenant_of_host(&self, _: &DomainName) -> Result<Option<TenantId>, StoreError> {
        Ok(None)
    }

    async fn changes(&self, _: Option<Mark>) -> Result<(Mark, Vec<Change>), StoreError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_hangs_fails_all_who_wait_for_it_at_once() {
    let directory = Arc::new(Hanging(AtomicUsize::new(0)));
    let watch = Arc::new(Watch::new(directory.clone(), 100, MEMORY));
    let began = Instant::now();
    let ask = |watch: Arc<Watch>| async move { watch.is_void(CredentialId::generate(), Version::FIRST).await.is_err() };

    let first = tokio::spawn(ask(watch.clone()));
    tokio::time::sleep(TICK).await;
    let mut others: Vec<_> = Vec::new();
    for _ in 0..20 {
        others.push(tokio::spawn(ask(watch.clone())));
    }

    assert!(first.await.unwrap());
    for other in others {
        assert!(other.await.unwrap());
    }
    assert_eq!(directory.0.load(Ordering::Relaxed), 2);
    assert!(began.elapsed() <= 2 * MAX_AGE + 2 * TICK, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_a_credential_gave_before_it_changed_is_void_and_what_it_gives_now_is_not() {
    let (watch, directory, _) = watch().await;
    let session = SessionId::generate();

    directory.announce_void(session, Version(3));
    directory.announce_void(session, Version(2));
    watch.poll_once().await.unwrap();

    for (version, void) in [(Version::FIRST, true), (Version(2), true), (Version(3), false), (Version(4), false)] {
        assert_eq!(watch.is_void(session.into(), version).await.unwrap(), void, "{version:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_change_is_remembered_as_long_as_the_first() {
    let (watch, directory, _) = watch().await;
    let session = SessionId::generate();
    directory.announce_void(session, Version(2));
    watch.poll_once().await.unwrap();
    tokio::time::advance(MEMORY / 2).await;
    directory.announce_void(session, Version(3));
    watch.poll_once().await.unwrap();

    tokio::time::advance(MEMORY / 2 + TICK).await;
    watch.poll_once().await.unwrap();

    assert!(watch.is_void(session.into(), Version(2)).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn whose_a_host_is_is_asked_once_until_hosts_change() {
    let (watch, directory, id) = watch().await;
    let host = DomainName::parse("app.acme.example").unwrap();

    assert_eq!(watch.tenant_of_host(&host).await.unwrap(), None);
    assert_eq!(watch.fresh().unwrap().tenant_of_host(&host), Some(None));
    directory.set_host(host.clone(), Some(id));
    watch.poll_once().await.unwrap();
    for _ in 0..3 {
        assert_eq!(watch.tenant_of_host(&host).await.unwrap(), Some(id));
    }

    assert_eq!(directory.hosts_asked(), 2);
}
