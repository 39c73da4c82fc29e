//! Lets a test listen to every statement that is sent, and send some of them itself.

use std::sync::OnceLock;

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use tenantry_app::Access;
use tenantry_tenancy::TenantScope;

static LISTENER: OnceLock<fn(&str)> = OnceLock::new();

/// Tells `listener` every statement of every connection opened from now on. The first listener stays.
pub fn listen(listener: fn(&str)) {
    let _ = LISTENER.set(listener);
    // Fails only if somebody holds the lock while panicking; then nothing is heard and the test that listens fails.
    let _ = set_default_instrumentation(|| Some(Box::new(tell) as Box<dyn Instrumentation>));
}

/// The message that opens a transaction in `scope`.
pub fn opening(scope: &TenantScope, access: Access) -> String {
    crate::scope::opening(scope, access)
}

/// The statements of a migration, as they are sent.
pub fn of_migration(text: &str) -> Vec<&str> {
    crate::sql::statements(text)
}

fn tell(event: InstrumentationEvent<'_>) {
    if let (InstrumentationEvent::StartQuery { query, .. }, Some(listener)) = (event, LISTENER.get()) {
        listener(&query.to_string());
    }
}
