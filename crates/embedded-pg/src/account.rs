//! Who runs the server: PostgreSQL refuses root, so root lends it an unprivileged account.

use std::{
    env,
    ffi::OsStr,
    fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, lchown},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::geteuid;

use crate::error::Error;

/// The account that runs the server and owns its data: ourselves, unless we are root.
pub(crate) struct Account {
    name: String,
    lent: Option<Ids>,
}

#[derive(Clone, Copy)]
struct Ids {
    uid: u32,
    gid: u32,
}

impl Account {
    /// Chooses the account; for a cluster which exists already it is the owner of its data.
    pub(crate) fn for_cluster(data: &Path) -> Result<Self, Error> {
        if !geteuid().is_root() {
            return Ok(Self { name: "this user".to_owned(), lent: None });
        }
        if let Some(name) = variable("EMBEDDED_PG_USER") {
            return Self::named(&name).ok_or(Error::UnknownAccount(name));
        }
        if let Some(owner) = Self::owner_of(data) {
            return Ok(owner);
        }
        let sudo_user = variable("SUDO_USER");
        [Some("postgres"), sudo_user.as_deref(), Some("nobody")]
            .into_iter()
            .flatten()
            .find_map(Self::named)
            .ok_or(Error::NoAccount)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether we are root and lend an account, so that it must not own what we write.
    pub(crate) fn is_lent(&self) -> bool {
        self.lent.is_some()
    }

    pub(crate) fn has_uid(&self, uid: u32) -> bool {
        self.lent.map_or(geteuid().as_raw(), |ids| ids.uid) == uid
    }

    /// A command run by this account, without the settings meant for other PostgreSQL servers.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").env("TZ", "UTC").current_dir("/").stdin(Stdio::null());
        if let Some(Ids { uid, gid }) = self.lent {
            command.uid(uid).gid(gid).env("HOME", "/nonexistent");
        }
        command
    }

    /// Runs a few words of shell as this account; true if they succeed.
    pub(crate) fn shell(&self, script: &str, arguments: &[&OsStr]) -> io::Result<bool> {
        let mut command = self.command("/bin/sh");
        command.args(["-c", script, "sh"]).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.status()?.success())
    }

    /// Whether the account can enter the directory; tried rather than computed (modes, ACLs, mounts).
    pub(crate) fn can_enter(&self, directory: &Path) -> bool {
        self.lent.is_none() || self.shell(r#"cd "$1" && test -x ."#, &[directory.as_os_str()]).unwrap_or(false)
    }

    /// Hands a directory which we made over to the account.
    pub(crate) fn give(&self, path: &Path) -> io::Result<()> {
        self.lent.map_or(Ok(()), |Ids { uid, gid }| lchown(path, Some(uid), Some(gid)))
    }

    fn owner_of(data: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(data).ok().filter(|found| found.is_dir() && found.uid() != 0)?;
        let (uid, gid) = (found.uid(), found.gid());
        let name = ask("-un", &uid.to_string()).unwrap_or_else(|| format!("uid {uid}"));
        Some(Self { name, lent: Some(Ids { uid, gid }) })
    }

    fn named(name: &str) -> Option<Self> {
        let number = |what| ask(what, name)?.parse().ok();
        let uid = number("-u").filter(|uid| *uid != 0)?;
        Some(Self { name: name.to_owned(), lent: Some(Ids { uid, gid: number("-g")? }) })
    }
}

/// Asks the system rather than /etc/passwd, which is not the whole truth (macOS, LDAP).
fn ask(what: &str, account: &str) -> Option<String> {
    let output = Command::new("id").args([what, account]).stderr(Stdio::null()).output().ok()?;
    let answer = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !answer.is_empty()).then_some(answer)
}

/// An environment variable which says something.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
