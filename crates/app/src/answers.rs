//! Answers that are kept, so that a request which comes twice has one effect.

use async_trait::async_trait;
use tenantry_tenancy::StoreError;

/// SHA-256 of a caller and the key they gave.
pub type KeyDigest = [u8; 32];
/// SHA-256 of what a request asked for.
pub type Fingerprint = [u8; 32];

/// Who comes with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The first: the key is theirs until their transaction ends.
    First,
    /// A later one: somebody was answered this to a request with this fingerprint.
    Answered(Fingerprint, Vec<u8>),
    /// One who comes while the first is still under way.
    InFlight,
}

/// The answers kept for the tenant whose transaction is open.
#[async_trait]
pub trait AnswerRepo: Send {
    /// Claims a key. Waits about a second for another transaction that has claimed it. Keys older than a day are forgotten.
    async fn claim(&mut self, key: &KeyDigest, fingerprint: &Fingerprint) -> Result<Claim, StoreError>;

    /// Keeps the answer to the request that has claimed the key in this transaction.
    async fn keep(&mut self, key: &KeyDigest, answer: &[u8]) -> Result<(), StoreError>;
}
