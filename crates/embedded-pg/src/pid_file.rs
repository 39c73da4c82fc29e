//! `postmaster.pid`: what a server says about itself.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    process::Command,
};

/// The lines of `postmaster.pid` that matter to us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: u32,
    /// Empty until the server listens.
    pub(crate) socket_dir: PathBuf,
    /// Whether it accepts connections.
    pub(crate) ready: bool,
}

impl PidFile {
    pub(crate) fn path(data: &Path) -> PathBuf {
        data.join("postmaster.pid")
    }

    /// None if there is no such file, or it is only half written.
    pub(crate) fn read(data: &Path) -> io::Result<Option<Self>> {
        match fs::read_to_string(Self::path(data)) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the process is the server of that data: after a reboot, the pid may be that of anybody.
    pub(crate) fn is_alive(&self, data: &Path) -> bool {
        let Ok(arguments) = fs::read(format!("/proc/{}/cmdline", self.pid)) else {
            return ps_shows_server(self.pid, data);
        };
        let data = data.as_os_str().as_encoded_bytes();
        let mut arguments = arguments.split(|byte| *byte == 0);
        arguments.next().is_some_and(|program| program.ends_with(b"postgres"))
            && arguments.any(|argument| argument == data)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim);
        // A single-user server, as initdb runs it, writes its pid negated.
        let pid = lines.next()?.parse::<i32>().ok()?.unsigned_abs();
        let socket_dir = PathBuf::from(lines.nth(3).unwrap_or_default());
        let ready = lines.nth(2) == Some("ready");
        Some(Self { pid, socket_dir, ready })
    }
}

/// For systems without /proc.
fn ps_shows_server(pid: u32, data: &Path) -> bool {
    let Ok(output) = Command::new("ps").args(["-o", "args=", "-p", &pid.to_string()]).output() else { return false };
    let arguments = String::from_utf8_lossy(&output.stdout).into_owned();
    let program = arguments.split(" -D ").next().unwrap_or_default();
    program.ends_with("postgres") && arguments.contains(&format!(" -D {} ", data.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ready_when_line_eight_says_so() {
        let full = "4711\n/home/data\n1763690000\n5432\n/home/s\n\n  123456    7\nready   \n";
        let starting = full.replace("ready   ", "starting");

        let expected = PidFile { pid: 4711, socket_dir: PathBuf::from("/home/s"), ready: true };
        assert_eq!(PidFile::parse(full), Some(expected));
        assert!(PidFile::parse(&starting).is_some_and(|file| !file.ready));
        assert!(PidFile::parse("4711\n").is_some_and(|file| !file.ready));
        assert_eq!(PidFile::parse(""), None);
    }

    #[test]
    fn another_process_with_the_pid_is_not_the_server() {
        let ourselves = PidFile { pid: std::process::id(), socket_dir: PathBuf::new(), ready: true };

        assert!(!ourselves.is_alive(Path::new("/home/data")));
    }
}
