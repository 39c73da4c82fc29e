//! Makes the cluster: the data directory with its system tables.

use std::{fs, io::ErrorKind, os::unix::process::CommandExt, path::Path, process::Stdio};

use crate::{
    binaries::Installation,
    error::{Context, Error},
    home::Home,
    options::Mode,
    watchdog::Watchdog,
};

const ARGUMENTS: &[&str] = &[
    "--username=postgres",
    "--auth-local=trust",
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--wal-segsize=4",
    "--no-instructions",
];

/// The major version that made the cluster, if there is one.
pub(crate) fn major_version(data: &Path) -> Result<Option<u32>, Error> {
    let path = data.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| Error::NotACluster(data.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound && data.exists() => Err(Error::NotACluster(data.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("read", &path),
    }
}

/// Makes it elsewhere and renames it, so that a half-made cluster is never taken for one.
pub(crate) fn create(
    home: &Home,
    installation: &Installation,
    mode: Mode,
    watchdog: &mut Watchdog,
) -> Result<(), Error> {
    let fresh = home.new_data()?;
    let program = installation.bin.join("initdb");
    let mut command = home.account().command(&program);
    command.args(ARGUMENTS).args(sync_arguments(mode, installation.major)).arg("-D").arg(&fresh);
    command.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped());

    let child = command.spawn().context("run", &program)?;
    watchdog.guard(child.id())?;
    let output = child.wait_with_output().context("wait for", &program)?;

    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Initdb { status: output.status, output: text });
    }
    fs::rename(&fresh, home.data()).context("rename", &fresh)
}

/// Checksums became the default in version 18, which also brought the option to do without.
fn sync_arguments(mode: Mode, major: u32) -> &'static [&'static str] {
    match mode {
        Mode::Development => &["--data-checksums"],
        Mode::Test if major >= 18 => &["--no-sync", "--no-data-checksums"],
        Mode::Test => &["--no-sync"],
    }
}
