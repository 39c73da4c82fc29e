//! The tenant whose transaction is open, as its own administrators see and set it.

use async_trait::async_trait;

use crate::tenants::TenantSettings;
use crate::{Expected, Stale, StoreError, Tenant};

/// The tenant, and how often it was changed, plus one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnTenant {
    /// What it is.
    pub tenant: Tenant,
    /// Its version.
    pub version: i64,
}

/// Why an operation on the tenant was refused.
#[derive(Debug, thiserror::Error)]
pub enum OwnTenantError {
    /// The change was made from another version.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The tenant whose transaction is open.
#[async_trait]
pub trait OwnTenantRepo: Send {
    /// The tenant.
    async fn show(&mut self) -> Result<OwnTenant, StoreError>;

    /// The tenant, which nobody else changes until the transaction ends.
    async fn show_for_update(&mut self) -> Result<OwnTenant, StoreError>;

    /// Replaces its settings.
    async fn set_settings(&mut self, settings: &TenantSettings) -> Result<OwnTenant, StoreError>;
}

/// Changes the settings as `merge` says. A change that leaves everything as it is counts as none.
pub async fn change_settings(
    own: &mut dyn OwnTenantRepo,
    expected: &Expected,
    merge: impl FnOnce(&TenantSettings) -> TenantSettings + Send,
) -> Result<OwnTenant, OwnTenantError> {
    let found = own.show_for_update().await?;
    expected.admit(found.version)?;
    let settings = merge(&found.tenant.settings);
    if settings == found.tenant.settings {
        return Ok(found);
    }
    Ok(own.set_settings(&settings).await?)
}
