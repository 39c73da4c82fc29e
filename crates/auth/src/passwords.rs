//! Passwords: proven with argon2id, off the request threads, never more at once than there are workers.

use std::sync::Arc;

use argon2::password_hash::phc;
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use crate::opaque;

/// How passwords are hashed, and how much of that at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordSettings {
    /// Memory per hash, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// How many hashes are computed at the same time.
    pub workers: usize,
    /// How many more may wait; beyond that callers are turned away.
    pub queue: usize,
}

impl Default for PasswordSettings {
    /// What OWASP recommends for argon2id (19 MiB, two passes, one lane: about 25 ms), a worker per core, and a queue that
    /// is worked off in under half a second.
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1, workers, queue: 16 * workers }
    }
}

/// The settings are outside what argon2 accepts.
#[derive(Debug, thiserror::Error)]
#[error("the password settings are not usable")]
pub struct InvalidSettings(#[source] Option<argon2::Error>);

/// More passwords are waiting than could be proven in time. The same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are waiting to be proven")]
pub struct Busy;

/// Hashes passwords and proves them.
#[derive(Clone, Debug)]
pub struct Passwords {
    argon: Argon2<'static>,
    /// Stands in for the hash of whoever has none, so that their absence takes the same time.
    dummy: PasswordHash,
    places: Arc<Semaphore>,
    workers: Arc<Semaphore>,
}

impl Passwords {
    /// Prepares hashing; computes one hash (see [`Passwords::verify`]).
    pub fn new(settings: PasswordSettings) -> Result<Self, InvalidSettings> {
        let PasswordSettings { memory_kib, iterations, parallelism, workers, queue } = settings;
        let params = Params::new(memory_kib, iterations, parallelism, None).map_err(|it| InvalidSettings(Some(it)))?;
        let places = workers.saturating_add(queue);
        if workers == 0 || places > Semaphore::MAX_PERMITS {
            return Err(InvalidSettings(None));
        }
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = hash_with(&argon, &opaque::random::<32>()).map_err(|_| InvalidSettings(None))?;
        Ok(Self {
            argon,
            dummy,
            places: Arc::new(Semaphore::new(places)),
            workers: Arc::new(Semaphore::new(workers)),
        })
    }

    /// Hashes a password that somebody sets.
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, Busy> {
        self.rehash(&password.0).await
    }

    /// Hashes a password that was just proven. It may be older than today's rules for setting one.
    pub(crate) async fn rehash(&self, proven: &str) -> Result<PasswordHash, Busy> {
        let raw = proven.to_owned();
        self.run(move |argon| hash_with(argon, raw.as_bytes())).await
    }

    /// Whether `raw` is the password behind `stored`.
    ///
    /// Without a stored hash, and for a text longer than any password, the answer is no, but it takes the time of one
    /// verification with the current parameters: how long a login takes tells nothing about who exists.
    pub async fn verify(&self, stored: Option<&PasswordHash>, raw: &str) -> Result<bool, Busy> {
        let possible = stored.is_some() && raw.len() <= Password::MAX_BYTES;
        let hash = stored.unwrap_or(&self.dummy).parsed();
        let raw = if possible { raw.to_owned() } else { String::new() };
        let matches = self
            .run(move |argon| match argon.verify_password(raw.as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                // No memory, most likely: that says nothing about the password.
                Err(_) => Err(Busy),
            })
            .await?;
        Ok(matches && possible)
    }

    /// Whether the hash was made with other parameters than today's.
    pub fn needs_rehash(&self, hash: &PasswordHash) -> bool {
        let (theirs, ours) = (hash.params(), self.argon.params());
        (theirs.m_cost(), theirs.t_cost(), theirs.p_cost()) != (ours.m_cost(), ours.t_cost(), ours.p_cost())
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> Result<T, Busy> + Send + 'static,
    ) -> Result<T, Busy> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Busy)?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| Busy)?;
        let argon = self.argon.clone();
        let job = tokio::task::spawn_blocking(move || {
            // They go with the work: a caller who hangs up does not make room for another while the core is still busy.
            let _held = (place, worker);
            work(&argon)
        });
        job.await.map_err(|_| Busy)?
    }
}

fn hash_with(argon: &Argon2<'static>, raw: &[u8]) -> Result<PasswordHash, Busy> {
    let salt = opaque::random::<16>();
    let hash: phc::PasswordHash = argon.hash_password_with_salt(raw, &salt).map_err(|_| Busy)?;
    Ok(PasswordHash(hash.to_string()))
}

/// A password that somebody sets. It is never shown, not even to a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// Why a text cannot become a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// Easily guessed.
    #[error("must have at least {} characters", Password::MIN_CHARACTERS)]
    TooShort,
    /// Costly to process.
    #[error("must have at most {} bytes", Password::MAX_BYTES)]
    TooLong,
    /// Cut off by much of what it passes through.
    #[error("must not contain a NUL character")]
    Nul,
}

impl Password {
    /// The smallest number of characters where the password is the only factor (NIST SP 800-63B-4, section 3.1.1.2).
    pub const MIN_CHARACTERS: usize = 15;
    /// The greatest number of bytes: 64 characters of any script, which the same section demands to be accepted.
    pub const MAX_BYTES: usize = 256;

    /// Checks a password. Length is the only rule: which characters it is made of is its owner's business, and it is
    /// used exactly as it was typed.
    pub fn parse(raw: &str) -> Result<Self, InvalidPassword> {
        if raw.len() > Self::MAX_BYTES {
            return Err(InvalidPassword::TooLong);
        }
        if raw.contains('\0') {
            return Err(InvalidPassword::Nul);
        }
        if raw.chars().count() < Self::MIN_CHARACTERS {
            return Err(InvalidPassword::TooShort);
        }
        Ok(Self(raw.to_owned()))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A stored password: an argon2id hash in the PHC string format, with its parameters and salt.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// A text is not the hash of a password, or not one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an argon2id hash in the PHC string format")]
pub struct InvalidPasswordHash;

impl PasswordHash {
    /// Reads a hash that came from a store.
    pub fn parse(phc: impl Into<String>) -> Result<Self, InvalidPasswordHash> {
        let phc = phc.into();
        let hash = phc::PasswordHash::new(&phc).map_err(|_| InvalidPasswordHash)?;
        let ours = hash.algorithm == ARGON2ID_IDENT
            && hash.version == Some(Version::V0x13.into())
            && hash.salt.is_some()
            && hash.hash.is_some()
            && Params::try_from(&hash).is_ok();
        if ours { Ok(Self(phc)) } else { Err(InvalidPasswordHash) }
    }

    /// The PHC string, for a store.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parsed(&self) -> phc::PasswordHash {
        phc::PasswordHash::new(&self.0).expect("a PasswordHash is only made of what could be parsed")
    }

    fn params(&self) -> Params {
        Params::try_from(&self.parsed()).expect("a PasswordHash is only made of what has parameters")
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::testing::weak_passwords;

    const RAW: &str = "correct horse battery staple";

    fn password() -> Password {
        Password::parse(RAW).unwrap()
    }

    #[tokio::test]
    async fn only_the_password_itself_matches_its_hash() {
        let passwords = weak_passwords();
        let hash = passwords.hash(&password()).await.unwrap();

        assert_eq!(passwords.verify(Some(&hash), RAW).await, Ok(true));
        for wrong in ["", "correct horse battery stapl", "Correct horse battery staple", &RAW.repeat(10)] {
            assert_eq!(passwords.verify(Some(&hash), wrong).await, Ok(false), "{wrong}");
        }
    }

    #[tokio::test]
    async fn without_a_stored_hash_nothing_matches() {
        let passwords = weak_passwords();

        for raw in ["", RAW] {
            assert_eq!(passwords.verify(None, raw).await, Ok(false));
        }
    }

    #[tokio::test]
    async fn the_default_parameters_are_those_of_owasp_and_the_dummy_has_them_too() {
        let passwords = Passwords::new(PasswordSettings::default()).unwrap();

        let hash = passwords.hash(&password()).await.unwrap();

        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        assert!(!passwords.needs_rehash(&passwords.dummy));
        assert_eq!(passwords.verify(Some(&hash), RAW).await, Ok(true));
    }

    #[tokio::test]
    async fn a_text_longer_than_any_password_never_matches() {
        let passwords = weak_passwords();
        let long = "x".repeat(Password::MAX_BYTES + 1);
        let of_long = passwords.rehash(&long).await.unwrap();
        let of_empty = passwords.rehash("").await.unwrap();

        assert_eq!(passwords.verify(Some(&of_long), &long).await, Ok(false));
        assert_eq!(passwords.verify(Some(&of_empty), &long).await, Ok(false));
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let passwords = weak_passwords();

        assert!(passwords.hash(&password()).await.unwrap() != passwords.hash(&password()).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_with_other_parameters_still_matches_and_wants_renewal() {
        let (old, new) = (weak_passwords(), Passwords::new(weak(2)).unwrap());
        let hash = old.hash(&password()).await.unwrap();

        assert_eq!(new.verify(Some(&hash), RAW).await, Ok(true));
        assert!(new.needs_rehash(&hash) && !old.needs_rehash(&hash));
    }

    #[tokio::test]
    async fn beyond_the_queue_callers_are_turned_away_and_let_in_again_later() {
        let passwords = Passwords::new(PasswordSettings { workers: 1, queue: 1, ..weak(1) }).unwrap();
        let (release, gate) = mpsc::channel::<()>();
        let slow = passwords.clone();
        let working = tokio::spawn(async move { slow.run(move |_| gate.recv().map_err(|_| Busy)).await });
        let queued = tokio::spawn({
            let passwords = passwords.clone();
            async move { passwords.verify(None, RAW).await }
        });
        while passwords.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }

        let turned_away = passwords.verify(None, RAW).await;
        release.send(()).unwrap();

        assert_eq!(turned_away, Err(Busy));
        assert_eq!(working.await.unwrap(), Ok(()));
        assert_eq!(queued.await.unwrap(), Ok(false));
        assert_eq!(passwords.verify(None, RAW).await, Ok(false));
    }

    #[test]
    fn a_password_is_long_enough_and_not_too_long() {
        for good in ["fifteen letters", &"ä".repeat(15), &"𝄞".repeat(64), "  leading and trailing  "] {
            assert!(Password::parse(good).is_ok(), "{good}");
        }
        assert_eq!(Password::parse("fourteen chars"), Err(InvalidPassword::TooShort));
        assert_eq!(Password::parse(&"ä".repeat(14)), Err(InvalidPassword::TooShort));
        assert_eq!(Password::parse(&"x".repeat(257)), Err(InvalidPassword::TooLong));
        assert_eq!(Password::parse("with a NUL \0 inside"), Err(InvalidPassword::Nul));
    }

    #[test]
    fn only_a_complete_argon2id_hash_is_read() {
        let good = "$argon2id$v=19$m=32,t=1,p=1$c29tZXNhbHQ$K/ROkaGDPdVoQsEA1SMzQN4mHUuCPoVyZY1zKTpUbf4";

        assert_eq!(PasswordHash::parse(good).map(|it| it.as_str().to_owned()), Ok(good.to_owned()));
        for bad in [
            "",
            RAW,
            &good.replace("argon2id", "argon2i"),
            &good.replace("argon2id", "scrypt"),
            &good.replace("v=19", "v=16"),
            &good.replace("m=32", "m=1"),
            "$argon2id$v=19$m=32,t=1,p=1$c29tZXNhbHQ",
            "$2b$12$abcdefghijklmnopqrstuv",
        ] {
            assert_eq!(PasswordHash::parse(bad), Err(InvalidPasswordHash), "{bad}");
        }
    }

    #[test]
    fn neither_password_nor_hash_is_shown() {
        let shown = format!("{:?} {:?}", password(), weak_passwords());

        assert!(!shown.contains("horse") && !shown.contains("argon2id$"), "{shown}");
    }

    #[test]
    fn settings_that_argon2_cannot_use_are_refused() {
        assert!(Passwords::new(PasswordSettings { memory_kib: 1, ..weak(1) }).is_err());
        assert!(Passwords::new(PasswordSettings { workers: 0, ..weak(1) }).is_err());
    }

    fn weak(iterations: u32) -> PasswordSettings {
        PasswordSettings { memory_kib: 8, iterations, parallelism: 1, workers: 2, queue: 64 }
    }
}
