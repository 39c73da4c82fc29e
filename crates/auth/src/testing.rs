//! For tests, ours and those of people who embed the crate: both ports in memory, a clock that can be set, an
//! authenticator over them ([`World`]), and the contract that every credential store keeps.

mod accounts;
pub mod api_keys;
mod browser_sessions;
mod clients;
pub mod contract;
mod factors;
mod joining;
pub mod lockout;
pub mod memory;
mod passkeys;
pub mod soft_passkey;
pub mod world;

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tenantry_tenancy::{Clock, Plan, Slug, Tenant, TenantId, TenantStatus};

pub use api_keys::MemoryApiKeys;
pub use lockout::MemoryAttempts;
pub use memory::{MemoryCredentials, MemoryDirectory};
pub use soft_passkey::SoftPasskey;
pub use world::World;

use crate::{PasswordSettings, Passwords};

const HELD: &str = "nobody panics while holding the lock";

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct SettableClock(Mutex<DateTime<Utc>>);

impl SettableClock {
    /// Starts at `now`.
    pub const fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().expect(HELD) += by;
    }
}

impl Clock for SettableClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().expect(HELD)
    }
}

/// Passwords that are hashed in no time, and are worth as much.
pub fn weak_passwords() -> Passwords {
    let settings = PasswordSettings { memory_kib: 8, iterations: 1, parallelism: 1, workers: 2, queue: 64 };
    Passwords::new(settings).expect("argon2 accepts these settings")
}

/// An active tenant in the shared schema.
///
/// # Panics
/// If `slug` is none.
pub fn tenant(slug: &str) -> Tenant {
    let plan = Plan::Standard;
    Tenant {
        id: TenantId::random(),
        slug: Slug::parse(slug).expect("the caller gives a slug"),
        plan,
        placement: plan.placement(),
        status: TenantStatus::Active,
        settings: Default::default(),
        created_at: DateTime::UNIX_EPOCH,
    }
}
