//! A private PostgreSQL 15 to 18 for development and tests, run from the server binaries the machine has.
//!
//! [`Server::start`] makes a cluster in a directory of its own and owns the server until it is dropped; [`attach`]
//! finds the server which another process owns. There is no TCP listener: clients use a Unix socket in a directory
//! that only this user can enter, as superuser `postgres` and without a password. Roles and databases are the caller's.
//!
//! Nothing here reads `DATABASE_URL`, installs software, or may be part of a production build.
//!
//! Environment:
//! - `EMBEDDED_PG_BIN`: the directory of `postgres` and `initdb`; nothing else is searched then.
//! - `EMBEDDED_PG_DIR`: the development directory, instead of `.data/postgres` in the project.
//! - `EMBEDDED_PG_USER`: when started by root, the account which runs the server.
//! - `EMBEDDED_PG_SEARCH=cache`: looks only into the project's cache, so that a test of the download can ignore the
//!   system's PostgreSQL.
//!
//! May depend on std, rustix and thiserror only. Start reading in `server.rs`; `home.rs` explains who owns which file.

mod account;
mod attach;
mod binaries;
mod cluster;
mod error;
mod home;
mod leftovers;
mod options;
mod pid_file;
mod postmaster;
mod server;
mod url;
mod watchdog;

use std::{
    thread,
    time::{Duration, Instant},
};

pub use self::{
    attach::{Attached, attach},
    error::Error,
    options::{Location, Mode, Options},
    server::Server,
};

/// Polls until `done` says so; false when the time is over.
fn wait_for(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !done() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}
