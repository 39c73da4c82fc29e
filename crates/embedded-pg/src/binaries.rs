//! Finds the server's programs: `postgres` and `initdb`, side by side and able to run.
//!
//! `scripts/ensure-postgres` looks into the same places; keep the two alike.

use std::{
    env, fs, iter,
    path::{Path, PathBuf},
};

use crate::{
    account::{Account, variable},
    error::Error,
};

const SUPPORTED: std::ops::RangeInclusive<u32> = 15..=18;

/// Places with one directory per version: parent, what comes before the version, and what comes after it.
const FAMILIES: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/usr", "pgsql-", "bin"),
    ("/usr/lib", "postgresql", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ("/opt/local/lib", "postgresql", "bin"),
];

const FIXED: &[&str] = &["/usr/local/pgsql/bin", "/opt/homebrew/bin", "/usr/local/bin"];

/// Server programs that the account can run.
pub(crate) struct Installation {
    pub(crate) bin: PathBuf,
    /// Like `15.18`.
    pub(crate) version: String,
    pub(crate) major: u32,
}

/// A cluster that exists already; only its own major version can run it.
pub(crate) struct MadeBy<'a> {
    pub(crate) major: u32,
    pub(crate) data: &'a Path,
}

/// Takes the first installation that fits, and runs no more of them than that needs.
pub(crate) fn choose(application: &str, account: &Account, cluster: Option<MadeBy<'_>>) -> Result<Installation, Error> {
    let required = variable("EMBEDDED_PG_BIN").map(PathBuf::from);
    let directories: Box<dyn Iterator<Item = PathBuf>> = match &required {
        Some(directory) => Box::new(iter::once(directory.clone())),
        None => Box::new(search_path(application, account)),
    };
    let mut programs = Vec::new();
    let mut unfit = Vec::new();
    for directory in directories {
        let Some((program, bin)) = side_by_side(&directory).filter(|(program, _)| !programs.contains(program)) else {
            continue;
        };
        programs.push(program);
        let Some(installation) = run(bin, account) else { continue };
        if cluster.as_ref().map_or(SUPPORTED.contains(&installation.major), |by| by.major == installation.major) {
            return Ok(installation);
        }
        unfit.push(installation.version);
    }
    let found = if unfit.is_empty() { "none".to_owned() } else { unfit.join(", ") };
    Err(match (cluster, required) {
        (_, Some(directory)) if unfit.is_empty() => Error::UnusableBin(directory),
        (Some(by), _) => Error::VersionMismatch { data: by.data.to_owned(), major: by.major, found },
        (None, _) => Error::NoBinaries { found, command: remedy() },
    })
}

/// All directories worth a look, best first. Lazy: asking `pg_config` costs a process.
fn search_path(application: &str, account: &Account) -> impl Iterator<Item = PathBuf> {
    let cached = caches(application).into_iter().flat_map(|cache| versions(&cache, "pg-", "native/bin"));
    let whole_system = env::var_os("EMBEDDED_PG_SEARCH").is_none_or(|only| only != "cache");
    let on_path = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let system = on_path
        .into_iter()
        .filter(|directory| directory.is_absolute())
        .chain(iter::once_with(|| pg_config(account)).flatten())
        .chain(FAMILIES.iter().flat_map(|(parent, prefix, suffix)| versions(Path::new(parent), prefix, suffix)))
        .chain(FIXED.iter().map(PathBuf::from));
    cached.chain(system.filter(move |_| whole_system))
}

/// What `scripts/ensure-postgres` fills. Root's own cache would be unreachable for the server's account.
fn caches(application: &str) -> Vec<PathBuf> {
    let mut caches = Vec::new();
    if !rustix::process::geteuid().is_root() {
        let own = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| format!("{home}/.cache")));
        caches.extend(own.map(|own| Path::new(&own).join(application)));
    }
    caches.push(Path::new("/var/cache").join(application));
    caches
}

/// `pg_config` comes with the client library, so it does not mean that there is a server.
fn pg_config(account: &Account) -> Option<PathBuf> {
    let output = account.command("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// The directories `parent/prefix<version>/suffix`, newest first.
fn versions(parent: &Path, prefix: &str, suffix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(Vec<u32>, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = numbers(entry.file_name().to_str()?.strip_prefix(prefix)?);
            (!version.is_empty()).then(|| (version, entry.path().join(suffix)))
        })
        .collect();
    found.sort_by(|left, right| right.0.cmp(&left.0));
    found.into_iter().map(|(_, directory)| directory).collect()
}

fn numbers(version: &str) -> Vec<u32> {
    version.split(|letter: char| !letter.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// The real `postgres` file, and the directory that has it and `initdb`; both may be reached through links.
fn side_by_side(directory: &Path) -> Option<(PathBuf, PathBuf)> {
    let program = directory.join("postgres").canonicalize().ok()?;
    let real = program.parent()?.to_owned();
    let bin = [real, directory.to_owned()].into_iter().find(|bin| bin.join("initdb").is_file())?;
    Some((program, bin))
}

/// Runs it: one which lacks a library, is for another machine, or is out of the account's reach is no use.
fn run(bin: PathBuf, account: &Account) -> Option<Installation> {
    let output = account.command(bin.join("postgres")).arg("--version").output().ok()?;
    let version = version(&String::from_utf8(output.stdout).ok()?)?;
    let major = numbers(&version).first().copied()?;
    Some(Installation { bin, version, major })
}

/// From `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version(output: &str) -> Option<String> {
    let version = output.split(')').nth(1)?.split_whitespace().next()?;
    Some(version.to_owned())
}

fn remedy() -> &'static str {
    let here = |path: &str| Path::new(path).exists();
    if here("scripts/ensure-postgres") {
        "scripts/ensure-postgres"
    } else if here("/usr/bin/apt-get") {
        "sudo apt-get install -y postgresql"
    } else if here("/usr/bin/dnf") {
        "sudo dnf install -y postgresql-server"
    } else if here("/sbin/apk") {
        "sudo apk add postgresql"
    } else {
        "brew install postgresql@17"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_whatever_the_packager_added() {
        let debian = version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n");
        let preview = version("postgres (PostgreSQL) 18beta1\n");

        assert_eq!(debian.as_deref(), Some("15.18"));
        assert_eq!(preview.map(|version| numbers(&version)), Some(vec![18, 1]));
    }

    #[test]
    fn versions_are_ordered_by_number_newest_first() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["pg-9.6.0", "pg-17.10.0-beta.17", "pg-17.9.0", "download", "pg-"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }

        let found = versions(parent.path(), "pg-", "bin");

        let expected = ["pg-17.10.0-beta.17/bin", "pg-17.9.0/bin", "pg-9.6.0/bin"];
        assert_eq!(found, expected.map(|path| parent.path().join(path)));
    }
}
