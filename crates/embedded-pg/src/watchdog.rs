//! Stops the server when we die, however that happens.
//!
//! A shell waits on a pipe from us, which the kernel closes. `PR_SET_PDEATHSIG` would not do: it fires when the
//! spawning thread ends, is cleared by a change of the uid, needs unsafe code, and exists on Linux only.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use crate::{
    error::{Context, Error},
    home::Home,
};

/// Reads the pid to guard, the last one counts, until we are gone. Signals it only if it still works in our home.
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
base=$1 sockets=$2 temporary=$3 pid=
while read -r line; do pid=$line; done
arguments() { tr '\0' ' ' <"/proc/$1/cmdline" || ps -o args= -p "$1"; }
if [ -n "$pid" ]; then
    case $(arguments "$pid") in
        *"$base"/*) if [ -n "$temporary" ]; then kill -s QUIT "$pid"; else kill -s INT "$pid"; fi ;;
    esac
fi
[ -n "$temporary" ] || exit 0
tries=300
while [ -e "$base" ] && [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    [ -e "$base/data/postmaster.pid" ] && [ "$tries" -gt 0 ] || rm -rf "$base" "$sockets"
    [ ! -e "$base" ] || sleep 0.1 || sleep 1
done
"#;

/// Goes away quietly when dropped, provided that the guarded process ended before.
pub(crate) struct Watchdog {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Watchdog {
    pub(crate) fn start(home: &Home) -> Result<Self, Error> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "embedded-pg-watchdog"]).arg(home.base()).arg(home.sockets());
        command.arg(if home.is_temporary() { "temporary" } else { "" });
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
        // A signal to our group, as from Ctrl-C or a killing shell, must not reach it.
        let mut shell = command.process_group(0).spawn().context("run", Path::new("/bin/sh"))?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// From now on, this is the process to stop.
    pub(crate) fn guard(&mut self, pid: u32) -> Result<(), Error> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        writeln!(pipe, "{pid}").context("talk to the watchdog", Path::new("/bin/sh"))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.shell.wait();
    }
}
