//! Operators who act in a tenant, or let another service of ours do so: for a stated reason, for a while, seen in the tenant's
//! audit.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::text::{InvalidText, Shape};
use crate::{ActingGrantId, OperatorId, PermissionSet, RequestId, ServiceName, StoreError, TenantId};

/// Why an operator acts, for the tenant to read: one line of 10 to 500 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

/// Why a text is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReason {
    /// Nobody learns anything from it.
    #[error("must have at least {} characters", Reason::MIN)]
    TooShort,
    /// Not a clean line.
    #[error(transparent)]
    Text(#[from] InvalidText),
}

impl Reason {
    /// The least number of characters.
    pub const MIN: usize = 10;
    /// The greatest number of characters.
    pub const MAX: usize = 500;

    /// Checks a reason.
    pub fn parse(raw: impl Into<String>) -> Result<Self, InvalidReason> {
        let text = crate::text::check(raw.into(), Shape::Line, Self::MAX)?;
        if text.chars().count() < Self::MIN { Err(InvalidReason::TooShort) } else { Ok(Self(text)) }
    }

    /// The reason.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

crate::json_schema!(Reason, crate::schema::line(Reason::MIN, Reason::MAX));

impl<'de> serde::Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        Self::parse(raw).map_err(serde::de::Error::custom)
    }
}

/// For how many minutes an operator acts: 1 to 60.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minutes(u8);

impl Minutes {
    /// The most.
    pub const MAX: u8 = 60;

    /// Accepts 1 to [`Minutes::MAX`].
    pub fn new(minutes: u64) -> Option<Self> {
        u8::try_from(minutes).ok().filter(|minutes| (1..=Self::MAX).contains(minutes)).map(Self)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

crate::json_schema!(Minutes, crate::schema::whole_number(1, usize::from(Minutes::MAX)));

impl<'de> serde::Deserialize<'de> for Minutes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || serde::de::Error::custom("must be a whole number from 1 to 60");
        u64::deserialize(deserializer).map(Self::new)?.ok_or_else(wrong)
    }
}

/// The right to act in a tenant, to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewActingGrant {
    /// Its identity, and that of the credential that comes of it.
    pub id: ActingGrantId,
    /// Who acts.
    pub operator: OperatorId,
    /// Where.
    pub tenant: TenantId,
    /// The service of ours that acts in the operator's stead, if one does.
    pub service: Option<ServiceName>,
    /// Why.
    pub reason: Reason,
    /// What they may do.
    pub permissions: PermissionSet,
    /// The request that asked for it.
    pub request: RequestId,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// The end of a right before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Of which.
    pub id: ActingGrantId,
    /// Who ends it.
    pub by: OperatorId,
    /// The request that does.
    pub request: RequestId,
    /// When.
    pub now: DateTime<Utc>,
}

/// Where it is written down who acts where. What is written there is in the tenant's audit at the same moment.
#[async_trait]
pub trait ActingRegistry: Send + Sync {
    /// Begins it.
    async fn begin(&self, new: &NewActingGrant) -> Result<(), StoreError>;

    /// Ends it before its time, on every instance; ending it twice changes nothing. False when there is none.
    async fn end(&self, ending: &Ending) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_acts_longer_than_an_hour() {
        assert_eq!(Minutes::new(60).map(Minutes::get), Some(60));
        for bad in [0, 61, u64::MAX] {
            assert_eq!(Minutes::new(bad), None);
        }
    }

    #[test]
    fn a_reason_says_something_in_one_line() {
        assert!(Reason::parse("ticket 4711: a lost project").is_ok());
        assert_eq!(Reason::parse("  because "), Err(InvalidReason::TooShort));
        assert!(Reason::parse("a".repeat(500)).is_ok());
        for bad in ["a".repeat(501), "line one\nline two".to_owned(), String::new()] {
            assert!(matches!(Reason::parse(bad), Err(InvalidReason::Text(_))));
        }
    }
}
