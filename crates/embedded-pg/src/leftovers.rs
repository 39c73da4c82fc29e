//! What a killed owner, server or machine left behind. Called with the lock held, so none of it has an owner.

use std::{ffi::OsStr, fs, time::Duration};

use crate::{
    error::{Context, Error},
    home::Home,
    pid_file::PidFile,
    wait_for,
};

const SOCKET_FILES: [&str; 2] = [".s.PGSQL.5432", ".s.PGSQL.5432.lock"];

/// Stops an orphaned server and makes way for a new one.
pub(crate) fn clear(home: &Home, progress: fn(&str)) -> Result<(), Error> {
    let data = home.data();
    if let Some(file) = PidFile::read(&data).context("read", &PidFile::path(&data))? {
        if file.is_alive(&data) {
            progress(&format!("stopping the PostgreSQL (pid {}) of a killed process", file.pid));
            stop(&file, home)?;
        }
        if PidFile::path(&data).exists() {
            disown(home)?;
        }
    }
    for name in SOCKET_FILES {
        // A pid in the lock that belongs to somebody else by now would keep the server from starting.
        let _ = fs::remove_file(home.sockets().join(name));
    }
    Ok(())
}

/// Signals as the account: the pid is from a file of the account, which must not choose what root kills.
fn stop(orphan: &PidFile, home: &Home) -> Result<(), Error> {
    let data = home.data();
    let pid = orphan.pid.to_string();
    for (signal, patience) in [("INT", 30), ("QUIT", 5)] {
        home.account()
            .shell(r#"kill -s "$1" "$2""#, &[OsStr::new(signal), OsStr::new(&pid)])
            .context("signal the server of", &data)?;
        if wait_for(Duration::from_secs(patience), || !orphan.is_alive(&data)) {
            return Ok(());
        }
    }
    Err(Error::WontStop(orphan.pid))
}

/// Puts our pid into a stale `postmaster.pid`, as a server ignores the pid of its parent.
///
/// Removing the file would also lose PostgreSQL's own check that no backend of the last server still runs.
fn disown(home: &Home) -> Result<(), Error> {
    let path = PidFile::path(&home.data());
    let script = r#"{ echo "$2"; tail -n +2 "$1"; } >"$1.new" && mv "$1.new" "$1""#;
    let us = std::process::id().to_string();
    let done = home.account().shell(script, &[path.as_os_str(), OsStr::new(&us)]).context("rewrite", &path)?;
    if done { Ok(()) } else { Err(std::io::Error::other("the shell command failed")).context("rewrite", &path) }
}
