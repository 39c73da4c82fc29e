//! Security events: what may be an attack, told to those who run the service and never to whoever caused it.

use std::net::IpAddr;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{Actor, RequestId, StoreError, TenantId, id, words};

id!(
    /// One security event.
    SecurityEventId
);
words!(
    /// What happened.
    SecurityEventKind {
        /// `X-Tenant-ID` named another tenant than the credential's.
        TenantAsserted = "tenant_asserted",
        /// The host is another tenant's than the credential's.
        HostMismatch = "host_mismatch",
        /// A refresh token was used again: somebody has a copy.
        RefreshReused = "refresh_reused",
        /// The counter of a passkey did not go up: somebody has a copy.
        PasskeyCopied = "passkey_copied",
    }
);

/// Something that may be an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityEvent {
    /// Its identity.
    pub id: SecurityEventId,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub kind: SecurityEventKind,
    /// In which tenant, if that is known.
    pub tenant: Option<TenantId>,
    /// By whom, if that is known.
    pub actor: Option<Actor>,
    /// From where, if that is known.
    pub address: Option<IpAddr>,
    /// In which request.
    pub request: RequestId,
}

/// Takes security events over. Never waits: when too many come at once, the rest is only counted.
pub trait SecurityLog: Send + Sync {
    /// Notes an event.
    fn note(&self, event: SecurityEvent);
}

/// Keeps security events.
#[async_trait]
pub trait SecurityEventStore: Send + Sync {
    /// Adds an event.
    async fn add(&self, event: &SecurityEvent) -> Result<(), StoreError>;
}

/// Which events a list shows, the newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecurityEventQuery {
    /// Only those of this kind.
    pub kind: Option<SecurityEventKind>,
    /// Only those in this tenant.
    pub tenant: Option<TenantId>,
    /// Only those older than this one.
    pub before: Option<SecurityEventId>,
    /// How many at the most.
    pub limit: usize,
}

/// Reads security events, for operators.
#[async_trait]
pub trait SecurityEvents: Send + Sync {
    /// Some events.
    async fn list(&self, query: &SecurityEventQuery) -> Result<Vec<SecurityEvent>, StoreError>;
}
