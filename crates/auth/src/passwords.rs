//! Passwords: proven with argon2id, off the request threads, never more at once than there are workers.

use std::sync::Arc;

use argon2::password_hash::phc;
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unicode_normalization::UnicodeNormalization;
use zxcvbn::{Score, zxcvbn};

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

/// More are waiting to prove who they are than could do so in time. The same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many are waiting to prove who they are")]
pub struct Busy;

/// A place among those whose passwords are about to be proven.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "it is free again when this is dropped")] OwnedSemaphorePermit);

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
        Ok(Self { argon, dummy, places: Arc::new(Semaphore::new(places)), workers: Arc::new(Semaphore::new(workers)) })
    }

    /// Hashes a password that somebody sets.
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, Busy> {
        self.rehash(&password.0).await
    }

    /// Hashes a password that was just proven. It may be older than today's rules for setting one.
    pub(crate) async fn rehash(&self, proven: &str) -> Result<PasswordHash, Busy> {
        let raw = normalised(proven);
        self.run(move |argon| hash_with(argon, raw.as_bytes())).await
    }

    /// Hashes a password that somebody chooses, unless it is easily guessed by whoever knows these words of them.
    pub async fn hash_choice(&self, raw: &str, words: Vec<String>) -> Result<PasswordHash, ChoiceError> {
        let raw = raw.to_owned();
        let chosen = self.run(move |argon| match Password::choose(&raw, &words) {
            Ok(password) => hash_with(argon, password.0.as_bytes()).map(Ok),
            Err(why) => Ok(Err(why)),
        });
        Ok(chosen.await??)
    }

    /// Whether `raw` is the password behind `stored`.
    ///
    /// Without a stored hash, and for a text longer than any password, the answer is no, but it takes the time of one
    /// verification with the current parameters: how long a login takes tells nothing about who exists.
    pub async fn verify(&self, stored: Option<&PasswordHash>, raw: &str) -> Result<bool, Busy> {
        self.verify_at(self.place()?, stored, raw).await
    }

    /// The same at a place that was taken before.
    pub(crate) async fn verify_at(&self, place: Place, stored: Option<&PasswordHash>, raw: &str) -> Result<bool, Busy> {
        let possible = stored.is_some() && raw.len() <= Password::MAX_BYTES;
        let hash = stored.unwrap_or(&self.dummy).parsed();
        let raw = if possible { normalised(raw) } else { String::new() };
        let matches = self
            .run_at(place, move |argon| match argon.verify_password(raw.as_bytes(), &hash) {
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

    /// Turns everybody away from now on.
    #[cfg(test)]
    pub(crate) fn close(&self) {
        self.places.close();
    }

    /// One of the places in the queue, if any is free.
    pub(crate) fn place(&self) -> Result<Place, Busy> {
        Ok(Place(Arc::clone(&self.places).try_acquire_owned().map_err(|_| Busy)?))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> Result<T, Busy> + Send + 'static,
    ) -> Result<T, Busy> {
        self.run_at(self.place()?, work).await
    }

    async fn run_at<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce(&Argon2<'static>) -> Result<T, Busy> + Send + 'static,
    ) -> Result<T, Busy> {
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

/// The name of the service: the first thing that anybody would try.
const SERVICE: &str = "tenantry";
/// What zxcvbn does not know to be known to everybody.
const KNOWN: &[&str] = &[SERVICE, "correct horse battery staple", "correcthorsebatterystaple"];

fn normalised(raw: &str) -> String {
    if raw.is_ascii() { raw.to_owned() } else { raw.nfkc().collect() }
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
    /// Among the first that anybody would try.
    #[error("must not be easy to guess: no common password, no pattern, not your name, address or organisation")]
    Guessable,
}

/// Why a password that somebody chose was not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// It is not acceptable.
    #[error("the password is not acceptable")]
    Unacceptable(#[from] InvalidPassword),
    /// Too much is waiting already.
    #[error(transparent)]
    Busy(#[from] Busy),
}

impl Password {
    /// The smallest number of characters where the password is the only factor (NIST SP 800-63B-4, section 3.1.1.2).
    pub const MIN_CHARACTERS: usize = 15;
    /// The greatest number of bytes: 64 characters of any script, which the same section demands to be accepted.
    pub const MAX_BYTES: usize = 256;
    /// Shorter words that are known of a person stand in many passwords by chance.
    const MIN_WORD: usize = 3;

    /// Checks a password's length: which characters it is made of is its owner's business. It is compared in the
    /// normalisation form NFKC, so that it is the same from every keyboard.
    pub fn parse(raw: &str) -> Result<Self, InvalidPassword> {
        if raw.len() > Self::MAX_BYTES {
            return Err(InvalidPassword::TooLong);
        }
        if raw.contains('\0') {
            return Err(InvalidPassword::Nul);
        }
        let text = normalised(raw);
        if text.chars().count() < Self::MIN_CHARACTERS {
            return Err(InvalidPassword::TooShort);
        }
        Ok(Self(text))
    }

    /// Checks a password that somebody chooses: it must be hard to guess, also for whoever knows these words of them.
    ///
    /// Common passwords, words, names, dates, keyboard walks, repetitions and sequences are what zxcvbn counts; the words
    /// are worth nothing, so what is left without them must be hard enough.
    pub fn choose(raw: &str, words: &[String]) -> Result<Self, InvalidPassword> {
        let password = Self::parse(raw)?;
        let mut rest = password.0.to_lowercase();
        for word in words.iter().map(|word| word.to_lowercase()).chain([SERVICE.to_owned()]) {
            if word.chars().count() >= Self::MIN_WORD {
                rest = rest.replace(&word, "");
            }
        }
        let is_strong = |text: &str| zxcvbn(text, KNOWN).score() >= Score::Three;
        if is_strong(&password.0) && is_strong(&rest) { Ok(password) } else { Err(InvalidPassword::Guessable) }
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
mod tests;
