//! Security events on their way to the database: bounded, so that an attacker can fill neither memory nor disk with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tenantry_auth::{SecurityEvent, SecurityEventStore, SecurityLog};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// How many events may wait to be written.
const WAITING: usize = 1000;
/// How long writing one takes at the least: no more than fifty a second are kept.
const PACE: Duration = Duration::from_millis(20);

/// Takes events over and counts those that were too many.
pub struct SecurityQueue {
    events: Sender<SecurityEvent>,
    dropped: Arc<AtomicU64>,
}

/// Writes the events of a [`SecurityQueue`].
pub struct SecurityWriter {
    events: Receiver<SecurityEvent>,
    dropped: Arc<AtomicU64>,
}

/// An empty queue and its writer.
pub fn security_queue() -> (SecurityQueue, SecurityWriter) {
    let (sender, events) = channel(WAITING);
    let dropped = Arc::new(AtomicU64::new(0));
    (SecurityQueue { events: sender, dropped: dropped.clone() }, SecurityWriter { events, dropped })
}

impl SecurityLog for SecurityQueue {
    fn note(&self, event: SecurityEvent) {
        let SecurityEvent { kind, tenant, actor, request, .. } = event;
        let tenant = tenant.map(tracing::field::display);
        let actor = actor.map(tracing::field::display);
        tracing::event!(
            target: "tenantry::security",
            tracing::Level::WARN,
            security.kind = %kind,
            tenant.id = tenant,
            actor = actor,
            request.id = %request,
            "security event"
        );
        if self.events.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl SecurityWriter {
    /// Writes for as long as there is a queue. An event that cannot be written is in the log already.
    pub async fn run(mut self, store: Arc<dyn SecurityEventStore>) {
        while let Some(event) = self.events.recv().await {
            if let Err(error) = store.add(&event).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a security event could not be kept");
            }
            match self.dropped.swap(0, Ordering::Relaxed) {
                0 => {}
                dropped => tracing::warn!(security.dropped = dropped, "too many security events at once"),
            }
            tokio::time::sleep(PACE).await;
        }
    }
}
