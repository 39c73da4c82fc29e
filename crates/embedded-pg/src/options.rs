//! What kind of server the caller wants.

use std::{
    env,
    path::{Path, PathBuf},
};

/// How much the data is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Committed data survives a crash of the machine, save for the last moments (`synchronous_commit = off`).
    Development,
    /// As fast as possible: nothing is synced, so a crash of the machine destroys the cluster.
    Test,
}

/// Where the server keeps its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory that outlives the server.
    Kept(PathBuf),
    /// A fresh directory, in memory if there is room, removed with the server even if we are killed.
    Temporary,
}

/// How to run a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Durable or fast.
    pub mode: Mode,
    /// Where its files are.
    pub location: Location,
    /// Names the cache, temporary and fallback directories.
    pub application: &'static str,
    /// Further server settings (`log_statement`, `shared_buffers`); they win over those of the mode.
    pub settings: Vec<(String, String)>,
    /// Is told what takes long, or goes another way than expected. Silent by default.
    pub progress: fn(&str),
}

impl Options {
    /// A durable server in `.data/postgres` of the project, or in `EMBEDDED_PG_DIR`.
    pub fn development(project_root: impl AsRef<Path>) -> Self {
        let directory = match env::var_os("EMBEDDED_PG_DIR").filter(|directory| !directory.is_empty()) {
            Some(directory) => PathBuf::from(directory),
            None => project_root.as_ref().join(".data/postgres"),
        };
        Self { mode: Mode::Development, location: Location::Kept(directory), ..Self::test() }
    }

    /// A fast server in a fresh temporary directory.
    pub fn test() -> Self {
        Self {
            mode: Mode::Test,
            location: Location::Temporary,
            application: "tenantry",
            settings: Vec::new(),
            progress: |_| {},
        }
    }

    /// Adds a server setting.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// All settings that may be chosen, the winning ones last.
    pub(crate) fn server_settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_mode: &[(&str, &str)] = match self.mode {
            Mode::Development => &[],
            Mode::Test => TEST,
        };
        let chosen = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        COMMON.iter().chain(of_mode).copied().chain([("cluster_name", self.application)]).chain(chosen)
    }
}

const COMMON: &[(&str, &str)] = &[
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("jit", "off"),
    ("max_connections", "200"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("synchronous_commit", "off"),
];

/// The log of changes is bounded because the files may be in memory.
const TEST: &[(&str, &str)] = &[
    // Many instances of the service live side by side.
    ("max_connections", "500"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("checkpoint_timeout", "1h"),
    ("max_wal_size", "512MB"),
    ("shared_buffers", "256MB"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_settings_come_last_and_so_win() {
        let options = Options::test().with_setting("fsync", "on");

        let last = options.server_settings().filter(|(name, _)| *name == "fsync").last();

        assert_eq!(last, Some(("fsync", "on")));
    }
}
