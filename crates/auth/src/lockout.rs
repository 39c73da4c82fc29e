//! Who guesses passwords is made to wait, and nobody else is: attempts are counted for each account by the network they come
//! from, those of all unknown devices together, and those of each known device by itself.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tenantry_tenancy::{Email, Network, StoreError, UserId};

use crate::opaque::opaque_token;
use crate::{Arrival, Authenticator, TokenDigest};

/// How long a device is known after a login.
pub const DEVICE_LIFETIME: TimeDelta = TimeDelta::days(90);

opaque_token!(
    /// What a device shows that somebody has logged in from before. It proves no person: it only spares them the waiting that
    /// others have caused.
    DeviceToken,
    "tnd_"
);

/// An attempt to log in, as it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// As whom; there need be no such person.
    pub address: Email,
    /// The network it comes from, if its address is known.
    pub network: Option<Network>,
    /// The device it says to come from.
    pub device: Option<TokenDigest>,
    /// When.
    pub now: DateTime<Utc>,
}

impl Attempt {
    /// An attempt to get in as whoever has this address.
    pub(crate) fn new(address: Email, arrival: Arrival<'_>, now: DateTime<Utc>) -> Self {
        let network = arrival.origin.address.map(Network::around);
        let device = arrival.device.and_then(DeviceToken::parse);
        Self { address, network, device: device.as_ref().map(DeviceToken::digest), now }
    }

    /// The network as text; all that is not known is one.
    pub fn network(&self) -> String {
        self.network.map_or_else(|| "unknown".to_owned(), |network| network.to_string())
    }
}

/// Counts attempts, for all instances together.
#[async_trait]
pub trait AttemptStore: Send + Sync {
    /// Whether the password of this attempt may be put to the test. If so it counts as failed until it is welcomed, so that
    /// many at once are no way around the count. One that is not admitted does not count.
    ///
    /// Of a known device of the person only its own count matters, otherwise that of the network and that of all unknown
    /// devices. After 5 (after 50 for all unknown devices) each takes 1, 2, 4 … seconds of waiting, 15 minutes at most; after
    /// 100 it is a day. A count is forgotten an hour after its last attempt, or a day after if it has led to waiting.
    ///
    /// Takes as long for an address that nobody has.
    async fn admit(&self, attempt: &Attempt) -> Result<bool, StoreError>;

    /// The attempt has succeeded: what was counted on its way is forgotten. A known device is known for longer, until
    /// [`DEVICE_LIFETIME`] from now; otherwise `fresh` becomes known, and the answer is true.
    async fn welcome(&self, attempt: &Attempt, person: UserId, fresh: &TokenDigest) -> Result<bool, StoreError>;

    /// Whether somebody may prove this once more, counted as a network's attempts are: 5 are free.
    async fn admit_again(&self, again: &Again, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// They have proved it: what was counted is forgotten.
    async fn welcome_again(&self, again: &Again) -> Result<(), StoreError>;
}

/// What somebody who was let in, or invited, proves once more. Counted apart from logins: who has stolen a session and
/// guesses makes nobody wait who logs in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Again {
    /// Their password.
    Password(UserId),
    /// A code of their authenticator, or a recovery code.
    Code(UserId),
    /// The password of the account of whoever was invited.
    Invited(Email),
}

impl std::fmt::Display for Again {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Password(user) => write!(f, "password:{user}"),
            Self::Code(user) => write!(f, "code:{user}"),
            Self::Invited(address) => write!(f, "invited:{address}"),
        }
    }
}

impl Authenticator {
    /// Takes note that an attempt has succeeded; tells what the device is known by from now on.
    pub(crate) async fn welcome(
        &self,
        attempt: &Attempt,
        person: UserId,
        arrival: Arrival<'_>,
    ) -> Result<DeviceToken, StoreError> {
        let fresh = DeviceToken::generate();
        let is_new = self.attempts.welcome(attempt, person, &fresh.digest()).await?;
        Ok(arrival.device.and_then(DeviceToken::parse).filter(|_| !is_new).unwrap_or(fresh))
    }

    /// Whether somebody proves this once more. Who must wait is told that they do not, as at a login.
    pub(crate) async fn proves_again<E: From<StoreError>>(
        &self,
        again: Again,
        proof: impl Future<Output = Result<bool, E>> + Send,
    ) -> Result<bool, E> {
        let proven = self.attempts.admit_again(&again, self.clock.now()).await? && proof.await?;
        if proven {
            self.attempts.welcome_again(&again).await?;
        }
        Ok(proven)
    }
}

#[cfg(test)]
mod tests;
