//! The directory of one server, and who owns what in it.
//!
//! ```text
//! <base>/        ours, 0700; as root 0711, so that the server's account can pass through but not change it
//!   owner.lock   locked while we live; the kernel frees it whatever kills us
//!   owner.pid    who that is, for messages
//!   postgres.log
//!   data/        the account's: the cluster
//!   s/           the account's, 0700: the socket, and so the only access control there is
//! ```
//!
//! Root must never work in a directory which the account can write: a link planted there would lead root astray.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, ErrorKind},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::geteuid;

use crate::{
    account::Account,
    error::{Context, Error},
    options::{Location, Options},
    wait_for,
};

/// An owner that is just going away, or an [`attach`](crate::attach) that looks in, gives the lock back within that.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// The room a temporary cluster and its largest test run may want in memory.
const MEMORY_NEEDED: u64 = 1 << 30;

/// `sun_path` has 104 bytes on macOS, 108 elsewhere.
const SOCKET_PATH_LIMIT: usize = 100;

/// A directory that is ours alone until this is dropped.
pub(crate) struct Home {
    base: PathBuf,
    sockets: PathBuf,
    account: Account,
    temporary: bool,
    _lock: File,
}

impl Home {
    /// Makes or takes over the directory; fails if another process owns it.
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        let (base, account) = match &options.location {
            Location::Kept(directory) => kept(directory, options)?,
            Location::Temporary => temporary(options.application)?,
        };
        let lock = lock(&base)?;
        let owner = base.join("owner.pid");
        fs::write(&owner, std::process::id().to_string()).context("write", &owner)?;
        let sockets = socket_directory(&base, &account, options.application)?;
        Ok(Self { base, sockets, account, temporary: options.location == Location::Temporary, _lock: lock })
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    pub(crate) fn data(&self) -> PathBuf {
        data(&self.base)
    }

    pub(crate) fn sockets(&self) -> &Path {
        &self.sockets
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.base.join("postgres.log")
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// An empty log; that of the last server is kept beside it, as it may say why that died.
    pub(crate) fn new_log(&self) -> Result<File, Error> {
        let log = self.log();
        match fs::rename(&log, log.with_extension("log.old")) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("rename", &log)?,
            _ => {}
        }
        OpenOptions::new().create_new(true).append(true).mode(0o600).open(&log).context("create", &log)
    }

    /// An empty directory of the account, with a name of its own.
    pub(crate) fn new_data(&self) -> Result<PathBuf, Error> {
        let fresh = self.base.join(format!("{NEW_DATA}{}", random_name()));
        account_directory(&fresh, &self.account)?;
        Ok(fresh)
    }

    /// Removes what killed starters left. The `initdb` of one may still write, so failure only postpones this.
    pub(crate) fn remove_unfinished_data(&self) {
        for entry in fs::read_dir(&self.base).into_iter().flatten().flatten() {
            if entry.file_name().as_bytes().starts_with(NEW_DATA.as_bytes()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.temporary {
            let _ = fs::remove_dir_all(&self.base);
        }
        if !self.sockets.starts_with(&self.base) {
            let _ = fs::remove_dir_all(&self.sockets);
        }
    }
}

const NEW_DATA: &str = "data.new.";

/// The cluster of the home at `base`.
pub(crate) fn data(base: &Path) -> PathBuf {
    base.join("data")
}

/// The lock file of the home at `base`.
pub(crate) fn lock_file(base: &Path) -> PathBuf {
    base.join("owner.lock")
}

/// The process which owns the home at `base`, as it wrote it down.
pub(crate) fn owner(base: &Path) -> String {
    let pid = fs::read_to_string(base.join("owner.pid")).unwrap_or_default();
    if pid.is_empty() { "unknown".to_owned() } else { pid }
}

/// Where the home asked for may be: there, or where root falls back to. None if it was never made.
pub(crate) fn possible_bases(directory: &Path, application: &str) -> Vec<PathBuf> {
    let Ok(directory) = canonical(directory) else { return Vec::new() };
    let fallback = fallback_parent(application).join(hash(&directory));
    [Some(directory), geteuid().is_root().then_some(fallback)].into_iter().flatten().collect()
}

fn kept(directory: &Path, options: &Options) -> Result<(PathBuf, Account), Error> {
    let absolute = std::path::absolute(directory).context("find", directory)?;
    if let Some(parent) = absolute.parent() {
        fs::create_dir_all(parent).context("create", parent)?;
    }
    let base = canonical(&absolute).context("find", &absolute)?;
    let account = Account::for_cluster(&data(&base))?;
    own_directory(&base, &account)?;
    if account.can_enter(&base) {
        return Ok((base, account));
    }

    // It stays if it is not empty: then somebody changed the modes of its parents.
    let _ = fs::remove_dir(&base);
    let parent = fallback_parent(options.application);
    let fallback = parent.join(hash(&base));
    let (account_name, wanted) = (account.name(), base.display());
    (options.progress)(&format!("the account {account_name} cannot enter {wanted}; using {}", fallback.display()));
    let account = Account::for_cluster(&data(&fallback))?;
    own_directory(&parent, &account)?;
    own_directory(&fallback, &account)?;
    if account.can_enter(&fallback) {
        return Ok((fallback, account));
    }
    Err(unreachable(&account, &[base, fallback]))
}

fn temporary(application: &str) -> Result<(PathBuf, Account), Error> {
    let account = Account::for_cluster(Path::new(""))?;
    let memory = PathBuf::from("/dev/shm");
    let parents = [has_room(&memory).then_some(memory), Some(env::temp_dir()), Some(PathBuf::from("/tmp"))];
    let parents: Vec<PathBuf> = parents.into_iter().flatten().collect();
    for parent in parents.iter().filter_map(|parent| parent.canonicalize().ok()) {
        let base = parent.join(format!("{application}-test-{}", random_name()));
        if own_directory(&base, &account).is_ok() && account.can_enter(&base) {
            return Ok((base, account));
        }
        let _ = fs::remove_dir(&base);
    }
    Err(unreachable(&account, &parents))
}

fn unreachable(account: &Account, directories: &[PathBuf]) -> Error {
    let directories = directories.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Error::Unreachable { account: account.name().to_owned(), directories }
}

fn lock(base: &Path) -> Result<File, Error> {
    let path = lock_file(base);
    let file = OpenOptions::new().create(true).append(true).open(&path).context("open", &path)?;
    let mut last = Ok(());
    wait_for(LOCK_PATIENCE, || {
        last = file.try_lock();
        !matches!(last, Err(TryLockError::WouldBlock))
    });
    match last {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Owned { directory: base.to_owned(), pid: owner(base) }),
        Err(TryLockError::Error(error)) => Err(error).context("lock", &path),
    }
}

/// In the home, unless its path is too long for a socket, or has letters which some client may not decode.
fn socket_directory(base: &Path, account: &Account, application: &str) -> Result<PathBuf, Error> {
    let inside = base.join("s");
    let path = inside.as_os_str().as_bytes();
    let is_plain = path.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/-._+@".contains(byte));
    let directory = if is_plain && path.len() + "/.s.PGSQL.5432.lock".len() <= SOCKET_PATH_LIMIT {
        inside
    } else if account.is_lent() {
        // Not in /tmp, where the account could exchange its directory for a link under root's hands.
        let parent = fallback_parent(application);
        own_directory(&parent, account)?;
        parent.join(format!("s-{}", hash(base)))
    } else {
        PathBuf::from(format!("/tmp/{application}-{}-{}", geteuid().as_raw(), hash(base)))
    };
    account_directory(&directory, account)?;
    Ok(directory)
}

/// A directory which only we change.
fn own_directory(path: &Path, account: &Account) -> Result<(), Error> {
    make_directory(path, |uid| uid == geteuid().as_raw())?;
    set_mode(path, if account.is_lent() { 0o711 } else { 0o700 })
}

/// A directory of the account, in one that only we change.
fn account_directory(path: &Path, account: &Account) -> Result<(), Error> {
    make_directory(path, |uid| uid == geteuid().as_raw() || account.has_uid(uid))?;
    set_mode(path, 0o700)?;
    account.give(path).context("change the owner of", path)
}

/// Makes the directory or adopts it; never one of somebody else, or a link to it.
fn make_directory(path: &Path, may_belong_to: impl FnOnce(u32) -> bool) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(path).context("inspect", path)?;
            if found.is_dir() && may_belong_to(found.uid()) {
                return Ok(());
            }
            Err(Error::Foreign { path: path.to_owned(), uid: found.uid() })
        }
        made => made.context("create", path),
    }
}

/// Some mounts accept any mode and ignore it.
fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, Permissions::from_mode(mode)).context("change the mode of", path)?;
    let actual = fs::metadata(path).context("inspect", path)?.permissions().mode();
    if actual & 0o777 == mode { Ok(()) } else { Err(Error::NoPermissions(path.to_owned())) }
}

/// The same path for the same directory, whether it exists or was removed in favour of the fallback.
fn canonical(directory: &Path) -> io::Result<PathBuf> {
    if directory.exists() {
        return directory.canonicalize();
    }
    let absolute = std::path::absolute(directory)?;
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.canonicalize()?.join(name)),
        _ => Ok(absolute),
    }
}

fn fallback_parent(application: &str) -> PathBuf {
    PathBuf::from(format!("/var/lib/{application}-embedded"))
}

fn has_room(directory: &Path) -> bool {
    rustix::fs::statvfs(directory).is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) >= MEMORY_NEEDED)
}

fn random_name() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// FNV-1a: a name which stays the same over all versions of the compiler, not a secret.
fn hash(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}
