//! Collects the content that no document has any more.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tenantry_app::{CollectError, FileStore, TenantStore, collect};
use tenantry_infra::PgRegistry;
use tenantry_tenancy::provisioning::TenantRegistry;
use tenantry_tenancy::{Actor, RequestId, StoreError, Tenant, TenantScope, TenantStatus};

/// How often every tenant is looked at.
const INTERVAL: Duration = Duration::from_secs(10 * 60);
/// How many tenants are listed at once.
const AT_ONCE: usize = 200;
/// When an upload counts as interrupted: twice the time that one may take.
const GIVEN_UP: TimeDelta = TimeDelta::hours(1);

/// What it takes to collect.
#[derive(Clone)]
pub struct Collector {
    pub(crate) store: TenantStore,
    pub(crate) files: Arc<dyn FileStore>,
    pub(crate) registry: Arc<PgRegistry>,
}

impl Collector {
    /// Collects for as long as it is polled.
    pub async fn run(&self) {
        let mut looks = tokio::time::interval_at(tokio::time::Instant::now() + INTERVAL, INTERVAL);
        loop {
            looks.tick().await;
            if let Err(error) = self.collect_all().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "collecting content failed");
            }
        }
    }

    /// Collects in every tenant; the failure of one stops no other.
    async fn collect_all(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let tenants = self.registry.list(after.as_ref(), AT_ONCE).await?;
            for tenant in tenants.iter().filter(|it| it.status != TenantStatus::Provisioning) {
                if let Err(error) = self.collect(tenant, Utc::now()).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(tenant.id = %tenant.id, error, "collecting a tenant's content failed");
                }
            }
            match tenants.last() {
                Some(last) if tenants.len() == AT_ONCE => after = Some(last.slug.clone()),
                _ => return Ok(()),
            }
        }
    }

    /// Collects in one tenant what is waste by `now`, and tells how much.
    pub async fn collect(&self, tenant: &Tenant, now: DateTime<Utc>) -> Result<usize, CollectError> {
        let scope = TenantScope::grant(tenant.id, tenant.schema(), Actor::System, RequestId::generate());
        collect(&self.store, &*self.files, &scope, now - GIVEN_UP).await
    }
}
