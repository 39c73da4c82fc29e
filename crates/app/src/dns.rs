//! The DNS, as far as a domain must be proven.

use async_trait::async_trait;

/// The DNS could not be asked; whether there is a record is not known.
#[derive(Debug, thiserror::Error)]
#[error("the DNS does not answer")]
pub struct DnsError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Asks the DNS.
#[async_trait]
pub trait TxtResolver: Send + Sync {
    /// The texts of the TXT records of a name; none if it has none.
    async fn txt(&self, name: &str) -> Result<Vec<String>, DnsError>;
}
