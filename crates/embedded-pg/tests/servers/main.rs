//! Starts real servers with the machine's binaries, as root or as an ordinary user, and takes them apart.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail that way")]

mod crashes;
mod running;
mod support;
