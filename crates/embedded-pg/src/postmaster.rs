//! The server process: launched, watched until it is ready, and stopped.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::process::CommandExt,
    process::{Child, ExitStatus},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    binaries::Installation,
    error::{Context, Error},
    home::Home,
    options::Options,
    pid_file::PidFile,
    wait_for,
    watchdog::Watchdog,
};

/// Recovery from a crash may take a while.
const READY_PATIENCE: Duration = Duration::from_secs(120);

const LOG_LINES: usize = 15;

/// Fixed because our clients depend on them. The port is just the socket's suffix.
const FIXED_SETTINGS: &[(&str, &str)] = &[
    ("unix_socket_permissions", "0700"),
    ("port", "5432"),
    ("listen_addresses", ""),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
];

/// A running server; stops when dropped.
pub(crate) struct Postmaster {
    child: Child,
    /// Fast shutdown for data that stays, immediate for data that goes. Never SIGTERM, which waits for the clients.
    stop_signal: Signal,
}

impl Postmaster {
    /// Starts the server and waits until it accepts connections.
    pub(crate) fn launch(
        home: &Home,
        installation: &Installation,
        options: &Options,
        watchdog: &mut Watchdog,
    ) -> Result<Self, Error> {
        let log = home.new_log()?;
        let program = installation.bin.join("postgres");
        let mut command = home.account().command(&program);
        command.arg("-D").arg(home.data());
        for (name, value) in options.server_settings().chain(FIXED_SETTINGS.iter().copied()) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.arg("-c").arg(assignment("unix_socket_directories", home.sockets().as_os_str()));
        // Ctrl-C must reach us first, so that requests end before their database does.
        command.process_group(0).stdout(log.try_clone().context("share", &home.log())?).stderr(log);

        let stop_signal = if home.is_temporary() { Signal::QUIT } else { Signal::INT };
        let mut postmaster = Self { child: command.spawn().context("run", &program)?, stop_signal };
        watchdog.guard(postmaster.pid())?;
        postmaster.wait_until_ready(home)?;
        Ok(postmaster)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// None while it runs.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Stops it, rudely if need be. Doing so twice is harmless.
    pub(crate) fn stop(&mut self) -> Result<(), Error> {
        for (signal, patience) in [(self.stop_signal, 30), (Signal::QUIT, 5), (Signal::KILL, 5)] {
            if self.exit_status().is_some() {
                break;
            }
            // It may have ended just now; being our child, its pid is not free for others yet.
            let _ = kill_process(Pid::from_child(&self.child), signal);
            wait_for(Duration::from_secs(patience), || self.exit_status().is_some());
        }
        self.exit_status().map(|_| ()).ok_or(Error::WontStop(self.pid()))
    }

    fn wait_until_ready(&mut self, home: &Home) -> Result<(), Error> {
        let data = home.data();
        let mut ended = None;
        let over = wait_for(READY_PATIENCE, || {
            ended = self.exit_status();
            let file = PidFile::read(&data).ok().flatten();
            ended.is_some() || file.is_some_and(|file| file.ready && file.pid == self.pid())
        });
        match ended {
            Some(status) => Err(Error::NotStarted { status, log: home.log(), tail: last_lines(home) }),
            None if over => Ok(()),
            None => Err(Error::NotReady(home.base().to_owned())),
        }
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

fn assignment(name: &str, value: &OsStr) -> OsString {
    let mut text = OsString::from(name);
    text.push("=");
    text.push(value);
    text
}

fn last_lines(home: &Home) -> String {
    let text = fs::read(home.log()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(LOG_LINES)).copied().collect::<Vec<_>>().join("\n")
}
