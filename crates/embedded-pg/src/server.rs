//! The server that this process owns.

use std::{
    path::Path,
    process::ExitStatus,
    thread,
    time::{Duration, Instant},
};

use crate::{
    binaries::{self, Installation, MadeBy},
    cluster,
    error::Error,
    home::Home,
    leftovers,
    options::Options,
    postmaster::Postmaster,
    url::connection_url,
    watchdog::Watchdog,
};

/// How long backends of a killed server may take to notice that it is gone.
const BACKEND_PATIENCE: Duration = Duration::from_secs(5);

/// A running private PostgreSQL; stops when dropped, and soon after if this process dies in any other way.
pub struct Server {
    // In the order in which they must go.
    postmaster: Postmaster,
    home: Home,
    _watchdog: Watchdog,
    version: String,
}

impl Server {
    /// Starts a server in the directory asked for, making a cluster there if there is none.
    ///
    /// Fails with [`Error::Owned`] when another process runs one there; see [`attach`](crate::attach).
    pub fn start(options: &Options) -> Result<Self, Error> {
        let started = Instant::now();
        let home = Home::open(options)?;
        let data = home.data();
        let major = cluster::major_version(&data)?;
        let made_by = major.map(|major| MadeBy { major, data: &data });
        let installation = binaries::choose(options.application, home.account(), made_by)?;

        let mut watchdog = Watchdog::start(&home)?;
        home.remove_unfinished_data();
        if major.is_none() {
            let (version, data) = (&installation.version, data.display());
            (options.progress)(&format!("making a PostgreSQL {version} database in {data}"));
            cluster::create(&home, &installation, options.mode, &mut watchdog)?;
        }
        leftovers::clear(&home, options.progress)?;
        let postmaster = launch(&home, &installation, options, &mut watchdog)?;

        let version = installation.version;
        let (account, base, took) = (home.account().name(), home.base().display(), started.elapsed().as_millis());
        (options.progress)(&format!("PostgreSQL {version} runs as {account} in {base} (started in {took} ms)"));
        Ok(Self { postmaster, home, _watchdog: watchdog, version })
    }

    /// A connection URL; `postgres` is the superuser, and also a database.
    pub fn url(&self, user: &str, database: &str) -> String {
        connection_url(self.socket_dir(), user, database)
    }

    /// The directory of the Unix socket.
    pub fn socket_dir(&self) -> &Path {
        self.home.sockets()
    }

    /// The directory of everything: `data`, `postgres.log`.
    pub fn directory(&self) -> &Path {
        self.home.base()
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.postmaster.pid()
    }

    /// The version of the server, like `17.10`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How the server ended, or none while it runs. It does not come back: log that and exit.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.postmaster.exit_status()
    }

    /// Stops the server, ending its sessions, and removes a temporary directory.
    pub fn stop(mut self) -> Result<(), Error> {
        self.postmaster.stop()
    }
}

/// PostgreSQL rightly refuses to start beside backends of a server that was killed, which are about to end.
fn launch(
    home: &Home,
    installation: &Installation,
    options: &Options,
    watchdog: &mut Watchdog,
) -> Result<Postmaster, Error> {
    let deadline = Instant::now() + BACKEND_PATIENCE;
    loop {
        match Postmaster::launch(home, installation, options, watchdog) {
            Err(Error::NotStarted { tail, .. }) if tail.contains("is still in use") && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(50));
            }
            result => return result,
        }
    }
}
