//! What is done about API keys and machine clients beside the requests: their use is kept, and who has a key that ends is
//! warned.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use tenantry_auth::ApiKeyStore;
use tenantry_tenancy::StoreError;

use crate::services::Services;

/// How long a use waits to be kept.
const KEEP: Duration = Duration::from_secs(5);
/// How often keys that end soon are looked for.
const LOOK: Duration = Duration::from_secs(60 * 60);
/// How long before its end a key is warned of.
const AHEAD: TimeDelta = TimeDelta::days(14);

/// Goes on for ever.
pub(crate) async fn tend(services: Arc<Services>) {
    let (mut keep, mut look) = (tokio::time::interval(KEEP), tokio::time::interval(LOOK));
    loop {
        tokio::select! {
            _ = keep.tick() => keep_uses(&services).await,
            _ = look.tick() => warn(&services).await,
        }
    }
}

/// Keeps what has not been kept yet.
pub(crate) async fn keep_uses(services: &Services) {
    if let Err(error) = services.auth.keep_api_key_uses().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the last uses of API keys are not kept");
    }
    if let Err(error) = services.usage.keep(Utc::now()).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "what machine clients called is not kept yet");
    }
}

async fn warn(services: &Services) {
    match warn_of_expiring(services).await {
        Ok(0) => {}
        Ok(keys) => tracing::info!(keys, "tenants were warned of API keys that end soon"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "tenants cannot be warned of API keys that end");
        }
    }
}

/// The store warns of a bounded number at a time.
async fn warn_of_expiring(services: &Services) -> Result<u64, StoreError> {
    let mut all = 0;
    loop {
        match services.directory.warn_of_expiring(Utc::now(), AHEAD).await? {
            0 => return Ok(all),
            some => all += some,
        }
    }
}
