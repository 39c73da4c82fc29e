//! Attempts to log in, counted in memory, and the contract of whoever counts them.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tenantry_tenancy::{Email, StoreError, UserId};

use super::HELD;
use crate::credentials::TokenDigest;
use crate::lockout::{Again, Attempt, AttemptStore, DEVICE_LIFETIME};

/// Counts attempts in memory.
#[derive(Debug, Default)]
pub struct MemoryAttempts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    tallies: HashMap<(Email, String), Tally>,
    again: HashMap<Again, Tally>,
    /// Whose each device is, and how long it is known.
    devices: HashMap<TokenDigest, (Email, DateTime<Utc>)>,
}

#[derive(Clone, Copy, Debug)]
struct Tally {
    failures: i32,
    allowed_at: DateTime<Utc>,
    forget_at: DateTime<Utc>,
}

impl Tally {
    fn next(former: Option<&Self>, free: i32, now: DateTime<Utc>) -> Self {
        let failures = former.map_or(0, |tally| tally.failures) + 1;
        let (kept, wait) = match failures {
            _ if failures < free => (TimeDelta::hours(1), TimeDelta::zero()),
            ..100 => {
                (TimeDelta::days(1), TimeDelta::seconds(1 << (failures - free).min(10)).min(TimeDelta::minutes(15)))
            }
            _ => (TimeDelta::days(1), TimeDelta::days(1)),
        };
        Self { failures, allowed_at: now + wait, forget_at: now + kept }
    }
}

impl State {
    fn knows(&self, attempt: &Attempt) -> bool {
        let device = attempt.device.and_then(|digest| self.devices.get(&digest));
        device.is_some_and(|(of, expires_at)| *of == attempt.address && attempt.now < *expires_at)
    }

    /// The counts that matter, each with how many attempts are free.
    fn buckets(&self, attempt: &Attempt) -> Vec<(String, i32)> {
        match attempt.device {
            Some(device) if self.knows(attempt) => vec![(format!("{device:?}"), 5)],
            _ => vec![(attempt.network(), 5), (String::new(), 50)],
        }
    }

    fn tally(&self, attempt: &Attempt, bucket: &str) -> Option<&Tally> {
        self.tallies.get(&(attempt.address.clone(), bucket.to_owned())).filter(|tally| attempt.now < tally.forget_at)
    }

    fn count(&mut self, attempt: &Attempt, bucket: String, free: i32) {
        let tally = Tally::next(self.tally(attempt, &bucket), free, attempt.now);
        self.tallies.insert((attempt.address.clone(), bucket), tally);
    }
}

#[async_trait]
impl AttemptStore for MemoryAttempts {
    async fn admit(&self, attempt: &Attempt) -> Result<bool, StoreError> {
        let mut state = self.0.lock().expect(HELD);
        let buckets = state.buckets(attempt);
        let waits = |bucket: &str| state.tally(attempt, bucket).is_some_and(|tally| attempt.now < tally.allowed_at);
        if buckets.iter().any(|(bucket, _)| waits(bucket)) {
            return Ok(false);
        }
        for (bucket, free) in buckets {
            state.count(attempt, bucket, free);
        }
        Ok(true)
    }

    async fn welcome(&self, attempt: &Attempt, _: UserId, fresh: &TokenDigest) -> Result<bool, StoreError> {
        let mut state = self.0.lock().expect(HELD);
        for (bucket, _) in state.buckets(attempt) {
            state.tallies.remove(&(attempt.address.clone(), bucket));
        }
        let known = attempt.device.filter(|_| state.knows(attempt));
        let until = (attempt.address.clone(), attempt.now + DEVICE_LIFETIME);
        state.devices.insert(known.unwrap_or(*fresh), until);
        Ok(known.is_none())
    }

    async fn admit_again(&self, again: &Again, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let mut state = self.0.lock().expect(HELD);
        let former = state.again.get(again).filter(|tally| now < tally.forget_at);
        if former.is_some_and(|tally| now < tally.allowed_at) {
            return Ok(false);
        }
        let tally = Tally::next(former, 5, now);
        state.again.insert(again.clone(), tally);
        Ok(true)
    }

    async fn welcome_again(&self, again: &Again) -> Result<(), StoreError> {
        self.0.lock().expect(HELD).again.remove(again);
        Ok(())
    }
}

/// What every [`AttemptStore`] does. The person has not logged in before.
///
/// # Panics
/// If it does not.
pub async fn contract(store: &dyn AttemptStore, address: &Email, person: UserId) {
    let mut guesser = Guesser { store, address: address.clone(), now: Utc::now() };
    let fresh = TokenDigest::of("a device of the contract");
    assert!(guesser.welcome(person, "192.0.2.0/24", None, &fresh).await, "the device was new");

    guesser.after_five_each_waits_twice_as_long().await;
    guesser.others_do_not_wait(person, fresh).await;
    guesser.many_networks_make_unknown_devices_wait_and_no_known_one(person, fresh).await;
    guesser.forgets_in_time().await;
    guesser.proving_again_is_counted_by_itself(person).await;

    let nobody = Email::parse(&format!("nobody-{address}")).expect("a longer address is one");
    let mut guesser = Guesser { store, address: nobody, now: guesser.now };
    guesser.after_five_each_waits_twice_as_long().await;
    assert!(!guesser.guess("198.51.100.0/24", Some(fresh)).await, "the device is somebody else's");
}

struct Guesser<'a> {
    store: &'a dyn AttemptStore,
    address: Email,
    now: DateTime<Utc>,
}

impl Guesser<'_> {
    fn attempt(&self, network: &str, device: Option<TokenDigest>) -> Attempt {
        let network = Some(network.parse().expect("the caller gives a network"));
        Attempt { address: self.address.clone(), network, device, now: self.now }
    }

    async fn guess(&self, network: &str, device: Option<TokenDigest>) -> bool {
        self.store.admit(&self.attempt(network, device)).await.expect("it can be reached")
    }

    async fn welcome(&self, person: UserId, network: &str, device: Option<TokenDigest>, fresh: &TokenDigest) -> bool {
        let attempt = self.attempt(network, device);
        self.store.welcome(&attempt, person, fresh).await.expect("it can be reached")
    }

    async fn after_five_each_waits_twice_as_long(&mut self) {
        for _ in 0..5 {
            assert!(self.guess("198.51.100.0/24", None).await, "five are free");
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            self.now += TimeDelta::seconds(wait) - TimeDelta::milliseconds(1);
            assert!(!self.guess("198.51.100.0/24", None).await, "too soon for {wait} s");
            self.now += TimeDelta::milliseconds(1);
            assert!(self.guess("198.51.100.0/24", None).await, "after {wait} s");
        }
        assert!(!self.guess("198.51.100.0/24", None).await);
    }

    async fn others_do_not_wait(&mut self, person: UserId, device: TokenDigest) {
        assert!(self.guess("203.0.113.0/24", None).await, "another network is free");
        assert!(self.guess("198.51.100.0/24", Some(device)).await, "a known device is free");
        assert!(!self.welcome(person, "198.51.100.0/24", Some(device), &TokenDigest::of("x")).await, "it is known");
        assert!(!self.guess("198.51.100.0/24", None).await, "its success does not help the guesser");
    }

    async fn many_networks_make_unknown_devices_wait_and_no_known_one(&mut self, person: UserId, device: TokenDigest) {
        let mut admitted = 0;
        for network in 0..60 {
            admitted += i32::from(self.guess(&format!("10.0.{network}.0/24"), None).await);
        }
        assert!((1..50).contains(&admitted), "{admitted}");
        assert!(!self.guess("10.1.0.0/24", None).await, "all unknown devices wait");
        assert!(self.guess("10.1.0.0/24", Some(device)).await);
        self.welcome(person, "10.1.0.0/24", Some(device), &TokenDigest::of("x")).await;
        for network in 0..100 {
            self.now += TimeDelta::minutes(15);
            self.guess(&format!("10.2.{network}.0/24"), None).await;
        }
        self.now += TimeDelta::minutes(15);
        assert!(!self.guess("10.3.0.0/24", None).await, "after a hundred in a row it is a day");
        assert!(self.guess("10.3.0.0/24", Some(device)).await, "but not for a known device");
        self.welcome(person, "10.3.0.0/24", Some(device), &TokenDigest::of("x")).await;
    }

    async fn proving_again_is_counted_by_itself(&mut self, person: UserId) {
        let password = Again::Password(person);
        let again = async |again: &Again, now| self.store.admit_again(again, now).await.expect("it can be reached");
        for _ in 0..5 {
            assert!(again(&password, self.now).await, "five are free");
        }
        assert!(!again(&password, self.now).await, "the sixth waits");
        assert!(again(&Again::Code(person), self.now).await, "another proof does not");
        assert!(again(&password, self.now + TimeDelta::seconds(1)).await);
        self.store.welcome_again(&password).await.expect("it can be reached");
        assert!(again(&password, self.now).await, "what was counted is forgotten");
    }

    async fn forgets_in_time(&mut self) {
        self.now += TimeDelta::days(1);
        assert!(self.guess("198.51.100.0/24", None).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_counts_in_memory_keep_the_contract() {
        let address = Email::parse("ada@acme.example").expect("an address");
        contract(&MemoryAttempts::default(), &address, UserId::generate()).await;
    }
}
