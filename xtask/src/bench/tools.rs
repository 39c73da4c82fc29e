//! The programs that the bench runs.

use std::env;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// Where PATH has a program.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// A command in the workspace's folder, without the settings meant for other PostgreSQL servers.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs it to its end and tells what it printed.
pub(crate) async fn output(mut command: Command) -> Result<String> {
    let program = command.get_program().to_owned();
    command.stdout(Stdio::piped());
    let mut running = Running::start(command)?;
    let mut stdout = running.0.stdout.take().context("a program without standard output")?;
    let read = move || {
        let mut printed = String::new();
        stdout.read_to_string(&mut printed).map(|_| printed)
    };
    let printed = tokio::task::spawn_blocking(read).await??;
    let status = running.0.wait()?;
    ensure!(status.success(), "{} failed ({status})", program.display());
    Ok(printed)
}

/// A running program; ends when dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let program = command.get_program().to_owned();
        Ok(Self(command.spawn().with_context(|| format!("{} does not run", program.display()))?))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, or none while it runs.
    pub(crate) fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
