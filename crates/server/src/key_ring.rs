//! A folder of signing keys that can be rotated while servers run.
//!
//! Each file is named after the second from which on its key signs (Unix time), as `1800000000.pem`. A new key is published
//! ten minutes before it signs, twice as long as the JWKS may be cached, and a former one is kept until the last token that
//! it signed has expired. Every instance looks at the folder every few seconds; where instances share no disk, the folder is
//! what is distributed to them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use tenantry_auth::{Authenticator, SigningKeys};

use crate::keys::{FOLDER, write_private};
use crate::settings::Settings;

/// How long a key is published before it signs.
const LEAD: TimeDelta = TimeDelta::minutes(10);
/// How far apart the clocks of instances may be, and how long one may take to notice.
const SLACK: TimeDelta = TimeDelta::minutes(2);
/// How often a server looks at the folder.
const LOOK: Duration = Duration::from_secs(2);

/// A folder of keys.
#[derive(Clone, Debug)]
pub struct KeyRing {
    folder: PathBuf,
    /// How long a token lives at the most.
    longest: TimeDelta,
}

/// What a rotation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// From when on the new key signs.
    pub signs_from: DateTime<Utc>,
    /// How many keys were dropped.
    pub dropped: usize,
}

impl KeyRing {
    /// The folder that is configured, or development's own; `None` where single files or a secret are. An empty one gets its first key in
    /// development.
    pub fn of(settings: &Settings) -> Result<Option<Self>> {
        let auth = &settings.auth;
        if !auth.hs256_secret_file.is_empty() {
            return Ok(None);
        }
        let folder = match (auth.signing_key_folder.is_empty(), auth.signing_key_files.is_empty()) {
            (false, _) => PathBuf::from(&auth.signing_key_folder),
            (true, true) => Path::new(FOLDER).join("signing"),
            (true, false) => return Ok(None),
        };
        let longest = TimeDelta::from_std(settings.tokens().max_access_lifetime)?;
        let ring = Self { folder, longest };
        if settings.is_development() && ring.times().unwrap_or_default().is_empty() {
            ring.rotate(Utc::now(), false)?;
        }
        Ok(Some(ring))
    }

    /// The keys in the folder.
    pub fn keys(&self) -> Result<SigningKeys> {
        let read = |time: DateTime<Utc>| Ok((time, fs::read_to_string(self.file(time))?));
        let keys = self
            .times()?
            .into_iter()
            .map(read)
            .collect::<Result<Vec<_>>>()
            .with_context(|| self.named("cannot be read"))?;
        let keys = keys.iter().map(|(time, pem)| (*time, pem.as_str()));
        SigningKeys::scheduled(keys).with_context(|| self.named("has no usable key"))
    }

    /// Makes a new key, and drops those that no token was signed by any more. With `at_once` the new key signs now and every
    /// other is dropped: every access token is void, sessions go on with the next refresh.
    pub fn rotate(&self, now: DateTime<Utc>, at_once: bool) -> Result<Rotated> {
        fs::create_dir_all(&self.folder).with_context(|| self.named("cannot be made"))?;
        let former = self.times()?;
        let signs_from = if at_once || former.is_empty() { now } else { now + LEAD };
        if !at_once && former.last().is_some_and(|last| *last > now) {
            bail!("a new key is waiting to sign already");
        }
        write_private(&self.file(signs_from), &SigningKeys::generate_pem())?;
        let over = |index: usize| {
            let successor = former.get(index + 1);
            at_once || successor.is_some_and(|successor| *successor + self.longest + SLACK < now)
        };
        let mut dropped = 0;
        let is_new = |time: DateTime<Utc>| time.timestamp() == signs_from.timestamp();
        for (_, time) in former.iter().enumerate().filter(|(index, time)| over(*index) && !is_new(**time)) {
            fs::remove_file(self.file(*time)).with_context(|| self.named("cannot be changed"))?;
            dropped += 1;
        }
        Ok(Rotated { signs_from, dropped })
    }

    /// Gives a server the keys whenever they have changed. A folder that cannot be used changes nothing.
    pub async fn follow(self, auth: Arc<Authenticator>) {
        // What the server began with may be outdated already.
        let mut known = Vec::new();
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            let Ok(times) = self.times() else { continue };
            if times == known {
                continue;
            }
            match self.keys() {
                Ok(keys) => {
                    tracing::info!(keys = times.len(), "signing keys were read");
                    auth.set_keys(keys);
                    known = times;
                }
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "the signing keys cannot be read");
                }
            }
        }
    }

    /// When each key begins to sign, the earliest first.
    fn times(&self) -> Result<Vec<DateTime<Utc>>> {
        let entries = fs::read_dir(&self.folder).with_context(|| self.named("cannot be read"))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let times = names.filter_map(|name| DateTime::from_timestamp(name.strip_suffix(".pem")?.parse().ok()?, 0));
        let mut times: Vec<_> = times.collect();
        times.sort_unstable();
        Ok(times)
    }

    fn file(&self, time: DateTime<Utc>) -> PathBuf {
        self.folder.join(format!("{}.pem", time.timestamp()))
    }

    fn named(&self, what: &str) -> String {
        format!("auth.signing_key_folder ({}) {what}", self.folder.display())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn ring() -> (tempfile::TempDir, KeyRing) {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing { folder: folder.path().join("signing"), longest: TimeDelta::hours(1) };
        (folder, ring)
    }

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + 60 * minutes, 0).unwrap()
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_dropped_when_its_tokens_have_expired() {
        let (_folder, ring) = ring();

        assert_eq!(ring.rotate(at(0), false).unwrap(), Rotated { signs_from: at(0), dropped: 0 });
        assert_eq!(ring.rotate(at(100), false).unwrap(), Rotated { signs_from: at(110), dropped: 0 });
        assert!(ring.rotate(at(105), false).unwrap_err().to_string().contains("waiting"));
        assert_eq!(ring.times().unwrap(), [at(0), at(110)]);
        // The first signed until minute 110: its last token lives until minute 170.
        assert_eq!(ring.rotate(at(172), false).unwrap().dropped, 0);
        assert_eq!(ring.rotate(at(200), false).unwrap().dropped, 1);
        assert_eq!(ring.times().unwrap(), [at(110), at(182), at(210)]);
        assert!(ring.keys().is_ok());
    }

    #[test]
    fn in_an_emergency_the_new_key_is_the_only_one() {
        let (_folder, ring) = ring();
        ring.rotate(at(0), false).unwrap();
        ring.rotate(at(100), false).unwrap();

        // Before the one that was waiting.
        let rotated = ring.rotate(at(105), true).unwrap();

        assert_eq!(rotated, Rotated { signs_from: at(105), dropped: 2 });
        assert_eq!(ring.times().unwrap(), [at(105)]);
    }

    #[test]
    fn only_the_owner_reads_a_key() {
        let (_folder, ring) = ring();
        ring.rotate(at(0), false).unwrap();

        let mode = fs::metadata(ring.file(at(0))).unwrap().permissions().mode();

        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_key_is_named() {
        let (_folder, ring) = ring();
        assert!(format!("{:#}", ring.keys().unwrap_err()).contains("auth.signing_key_folder"));
        fs::create_dir_all(&ring.folder).unwrap();
        fs::write(ring.file(at(0)), "garbage").unwrap();

        assert!(format!("{:#}", ring.keys().unwrap_err()).contains("auth.signing_key_folder"));
    }
}
