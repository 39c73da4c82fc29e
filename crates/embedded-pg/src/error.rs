//! Why there is no server, in words that tell a developer what to do next.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

/// Why a private PostgreSQL could not be started, found or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither the cache nor the system has a supported server.
    #[error(
        "no DATABASE_URL is set, and no PostgreSQL 15 to 18 was found to run a private database with \
         (found: {found}); type: {command}"
    )]
    NoBinaries {
        /// Unsupported versions which were found.
        found: String,
        /// What to type.
        command: &'static str,
    },
    /// The directory named by the developer is of no use.
    #[error("EMBEDDED_PG_BIN={0} has no `postgres` and `initdb` which the server's account can run")]
    UnusableBin(PathBuf),
    /// The cluster needs binaries which are not here.
    #[error(
        "the data directory {data} was made by PostgreSQL {major}, but this machine has only: {found}; either install \
         PostgreSQL {major}, or throw the local data away: rm -rf '{data}'"
    )]
    VersionMismatch {
        /// The cluster.
        data: PathBuf,
        /// The major version that made it.
        major: u32,
        /// The versions which were found.
        found: String,
    },
    /// PostgreSQL refuses to run as root, and there is nobody else.
    #[error("root cannot run PostgreSQL, and there is no account postgres or nobody; set EMBEDDED_PG_USER to one")]
    NoAccount,
    /// The account named by the developer is of no use.
    #[error("EMBEDDED_PG_USER={0} is not an account, or is root, which cannot run PostgreSQL")]
    UnknownAccount(String),
    /// The server's account cannot enter any directory we could make.
    #[error("the account {account} can enter none of: {directories}")]
    Unreachable {
        /// The account.
        account: String,
        /// What was tried.
        directories: String,
    },
    /// Another process holds the lock.
    #[error("another process owns the private PostgreSQL in {directory} (pid {pid}); stop it, or set DATABASE_URL")]
    Owned {
        /// The home of the server.
        directory: PathBuf,
        /// The owner, as it wrote it down.
        pid: String,
    },
    /// Adopting it could leak data, or let another user lead us astray.
    #[error("{path} belongs to another user (uid {uid}) or is no directory; run as that user, or remove it")]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// A mount without Unix permissions, which PostgreSQL refuses.
    #[error("{0} is on a file system without Unix permissions; set EMBEDDED_PG_DIR to a directory on a native one")]
    NoPermissions(PathBuf),
    /// We never delete what we did not make.
    #[error("{0} exists but is no PostgreSQL data directory; move it away")]
    NotACluster(PathBuf),
    /// The cluster could not be made.
    #[error("initdb failed ({status}):\n{output}")]
    Initdb {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        output: String,
    },
    /// The server ended before it accepted connections.
    #[error("PostgreSQL did not start ({status}); the end of {log}:\n{tail}")]
    NotStarted {
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The server runs, but takes too long to accept connections.
    #[error("the private PostgreSQL in {0} is not ready yet; see postgres.log there")]
    NotReady(PathBuf),
    /// The server ignores every signal.
    #[error("PostgreSQL (pid {0}) does not stop")]
    WontStop(u32),
    /// The system refused an operation.
    #[error("{action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Adds what was tried, and on which file, to an I/O error.
pub(crate) trait Context<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io { action, path: path.to_owned(), source })
    }
}
