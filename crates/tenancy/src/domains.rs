//! Domains that a tenant says are its own, and proves to be by a TXT record (as RFC 8555, section 8.4, does).

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{Clock, Expected, Page, PageQuery, Stale, StoreError, id};

id!(
    /// One domain of one tenant.
    DomainId
);

/// The name of a host on the internet: lower-case labels of letters, digits and inner hyphens (RFC 1123, section 2.1), at least
/// two, of which the last is no number. What is not ASCII is written in punycode (RFC 5891).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(String);

/// Why a text is not the name of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a domain such as app.example.com, in punycode where it is not ASCII")]
pub struct InvalidDomainName;

impl DomainName {
    /// The greatest number of characters (RFC 1035, section 2.3.4).
    pub const MAX: usize = 253;

    /// Checks a name; upper case and a dot at the end are forgiven.
    pub fn parse(raw: &str) -> Result<Self, InvalidDomainName> {
        let name = raw.strip_suffix('.').unwrap_or(raw).to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let shaped = name.len() <= Self::MAX && name.contains('.') && name.split('.').all(is_label);
        let is_address = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        if shaped && !is_address { Ok(Self(name)) } else { Err(InvalidDomainName) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `other` or below it.
    pub fn is_within(&self, other: &str) -> bool {
        self.0 == other || self.0.strip_suffix(other).is_some_and(|rest| rest.ends_with('.'))
    }
}

impl std::fmt::Display for DomainName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

crate::json_schema!(DomainName, crate::schema::format("hostname"));

impl serde::Serialize for DomainName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for DomainName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        Self::parse(&raw).map_err(serde::de::Error::custom)
    }
}

/// A domain of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its identity.
    pub id: DomainId,
    /// Its name.
    pub name: DomainName,
    /// What the TXT record must say after [`Domain::PREFIX`].
    pub challenge: String,
    /// When it was proven, if it was.
    pub verified_at: Option<DateTime<Utc>>,
    /// How often it was changed, plus one.
    pub version: i64,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Domain {
    /// What the text of the TXT record begins with.
    pub const PREFIX: &str = "tenantry-verification=";

    /// Where the TXT record must be.
    pub fn record_name(&self) -> String {
        format!("_tenantry-challenge.{}", self.name)
    }

    /// What the TXT record must say.
    pub fn record_text(&self) -> String {
        format!("{}{}", Self::PREFIX, self.challenge)
    }
}

/// A domain to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDomain {
    /// Its identity.
    pub id: DomainId,
    /// Its name.
    pub name: DomainName,
    /// What the TXT record must say.
    pub challenge: String,
}

/// Why an operation on domains was refused.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// There is none with this id.
    #[error("domain {0} does not exist")]
    NotFound(DomainId),
    /// The tenant has it already.
    #[error("{0} has been added already")]
    Taken(DomainName),
    /// It is not the tenant's to have: the service's own.
    #[error("{0} is the service's own")]
    Reserved(DomainName),
    /// The record is not there, says something else, or another tenant has proven the domain: which of these is not told.
    #[error("the TXT record {0} does not say what it must")]
    NotProven(String),
    /// The tenant has as many as it may have.
    #[error("a tenant may have at most {} domains", MOST)]
    TooMany,
    /// The change was made from another version.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many domains a tenant may have.
pub const MOST: usize = 50;

/// The domains of the tenant whose transaction is open.
#[async_trait]
pub trait DomainRepo: Send {
    /// One domain.
    async fn find(&mut self, id: DomainId) -> Result<Option<Domain>, StoreError>;

    /// One domain, which no other transaction can change until this one ends.
    async fn find_for_update(&mut self, id: DomainId) -> Result<Option<Domain>, StoreError>;

    /// One page of domains.
    async fn list(&mut self, page: &PageQuery) -> Result<Page<Domain>, StoreError>;

    /// How many there are. Until the transaction ends no other can add one.
    async fn count_for_insert(&mut self) -> Result<usize, StoreError>;

    /// Stores a new domain. Fails with [`DomainError::Taken`] when the tenant has one of that name.
    async fn insert(&mut self, new: &NewDomain) -> Result<Domain, DomainError>;

    /// Remembers that a domain was proven. Fails with [`DomainError::NotProven`] when another tenant has proven it before.
    async fn set_verified(&mut self, domain: &Domain, now: DateTime<Utc>) -> Result<Domain, DomainError>;

    /// Deletes a domain; false when there is none.
    async fn delete(&mut self, id: DomainId) -> Result<bool, StoreError>;
}

/// Adds a domain, which is not proven yet. `reserved` is the service's own.
pub async fn add(domains: &mut dyn DomainRepo, new: &NewDomain, reserved: Option<&str>) -> Result<Domain, DomainError> {
    if reserved.is_some_and(|reserved| new.name.is_within(reserved)) {
        return Err(DomainError::Reserved(new.name.clone()));
    }
    if domains.count_for_insert().await? >= MOST {
        return Err(DomainError::TooMany);
    }
    domains.insert(new).await
}

/// Shows one domain.
pub async fn show(domains: &mut dyn DomainRepo, id: DomainId) -> Result<Domain, DomainError> {
    domains.find(id).await?.ok_or(DomainError::NotFound(id))
}

/// Takes note of what the domain's TXT records say. Proving a domain twice changes nothing.
pub async fn verify(
    domains: &mut dyn DomainRepo,
    clock: &dyn Clock,
    id: DomainId,
    records: &[String],
) -> Result<Domain, DomainError> {
    let domain = show(domains, id).await?;
    if !records.contains(&domain.record_text()) {
        return Err(DomainError::NotProven(domain.record_name()));
    }
    if domain.verified_at.is_some() {
        return Ok(domain);
    }
    domains.set_verified(&domain, clock.now()).await
}

/// Removes a domain.
pub async fn remove(domains: &mut dyn DomainRepo, id: DomainId, expected: &Expected) -> Result<(), DomainError> {
    let domain = domains.find_for_update(id).await?.ok_or(DomainError::NotFound(id))?;
    expected.admit(domain.version)?;
    if domains.delete(id).await? { Ok(()) } else { Err(DomainError::NotFound(id)) }
}

#[cfg(test)]
mod tests;
