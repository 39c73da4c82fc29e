//! Lets a test listen to every statement that is sent.

use std::sync::OnceLock;

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};

static LISTENER: OnceLock<fn(&str)> = OnceLock::new();

/// Tells `listener` every statement of every connection opened from now on. The first listener stays.
pub fn listen(listener: fn(&str)) {
    let _ = LISTENER.set(listener);
    // Fails only if somebody holds the lock while panicking; then nothing is heard and the test that listens fails.
    let _ = set_default_instrumentation(|| Some(Box::new(tell) as Box<dyn Instrumentation>));
}

fn tell(event: InstrumentationEvent<'_>) {
    if let (InstrumentationEvent::StartQuery { query, .. }, Some(listener)) = (event, LISTENER.get()) {
        listener(&query.to_string());
    }
}
