//! Finds the server which another process owns, to work beside it.

use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    error::{Context, Error},
    home,
    options::{Location, Options},
    pid_file::PidFile,
    url::connection_url,
    wait_for,
};

/// The owner may just be making the cluster.
const READY_PATIENCE: Duration = Duration::from_secs(30);

/// A server that another process owns, and stops when it likes.
#[derive(Clone, Debug)]
pub struct Attached {
    socket_dir: PathBuf,
}

impl Attached {
    /// A connection URL; `postgres` is the superuser, and also a database.
    pub fn url(&self, user: &str, database: &str) -> String {
        connection_url(&self.socket_dir, user, database)
    }

    /// The directory of the Unix socket.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }
}

/// The running server in the directory asked for, waiting for one that starts; none if nobody owns one.
pub fn attach(options: &Options) -> Result<Option<Attached>, Error> {
    let Location::Kept(directory) = &options.location else { return Ok(None) };
    for base in home::possible_bases(directory, options.application) {
        if let Some(attached) = attach_to(&base)? {
            return Ok(Some(attached));
        }
    }
    Ok(None)
}

fn attach_to(base: &Path) -> Result<Option<Attached>, Error> {
    let path = home::lock_file(base);
    let lock = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.context("open", &path)?,
    };
    let mut outcome = Ok(None);
    let known = wait_for(READY_PATIENCE, || match look(&lock, base) {
        Ok(State::Starting) => false,
        Ok(State::Ready(attached)) => {
            outcome = Ok(Some(attached));
            true
        }
        Ok(State::Free) => true,
        Err(error) => {
            outcome = Err(error);
            true
        }
    });
    if known { outcome } else { Err(Error::NotReady(base.to_owned())) }
}

enum State {
    /// Nobody owns it.
    Free,
    Starting,
    Ready(Attached),
}

fn look(lock: &File, base: &Path) -> Result<State, Error> {
    match lock.try_lock_shared() {
        // Given back at once, as a starter waits for it, though not for long.
        Ok(()) => return lock.unlock().context("unlock", base).map(|()| State::Free),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error).context("lock", base),
    }
    let data = home::data(base);
    match PidFile::read(&data) {
        // The file may be that of a killed server, whose successor has not got so far.
        Ok(Some(file)) if file.ready && file.is_alive(&data) => {
            Ok(State::Ready(Attached { socket_dir: file.socket_dir }))
        }
        Ok(_) => Ok(State::Starting),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let uid = fs::symlink_metadata(&data).context("inspect", &data)?.uid();
            Err(Error::Foreign { path: data, uid })
        }
        Err(error) => Err(error).context("read", &PidFile::path(&data)),
    }
}
