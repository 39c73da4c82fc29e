//! What happened in a tenant, as its auditors read it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{Actor, AuditEventId, AuditedId, Limit, Moment, Page, RequestId, StoreError};

/// A word that names a table or what was done: lower-case letters and underscores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditWord(String);

/// Why a text is not such a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 40 lower-case letters and inner underscores")]
pub struct InvalidAuditWord;

impl AuditWord {
    /// The greatest number of characters.
    pub const MAX: usize = 40;

    /// Checks a word.
    pub fn parse(raw: &str) -> Result<Self, InvalidAuditWord> {
        let shaped = raw.len() <= Self::MAX
            && raw.starts_with(|c: char| c.is_ascii_lowercase())
            && raw.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if shaped { Ok(Self(raw.to_owned())) } else { Err(InvalidAuditWord) }
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

crate::json_schema!(AuditWord, crate::schema::pattern("^[a-z][a-z_]{0,39}$", AuditWord::MAX));

impl<'de> serde::Deserialize<'de> for AuditWord {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        Self::parse(&raw).map_err(serde::de::Error::custom)
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent {
    /// Its identity.
    pub id: AuditEventId,
    /// When the transaction began that it is of.
    pub at: DateTime<Utc>,
    /// To what kind of thing it happened.
    pub resource: String,
    /// To which one.
    pub row: AuditedId,
    /// What happened.
    pub action: String,
    /// Who did it.
    pub actor: String,
    /// By which request.
    pub request: RequestId,
    /// The thing as it was, if it was.
    pub before: Option<Value>,
    /// The thing as it was from then on, if it was.
    pub after: Option<Value>,
}

/// Which events a list shows, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only what they did.
    pub actor: Option<Actor>,
    /// Only what happened to this kind of thing.
    pub resource: Option<AuditWord>,
    /// Only what happened so.
    pub action: Option<AuditWord>,
    /// Only what happened to this one.
    pub row: Option<AuditedId>,
    /// Only what happened at this moment or later.
    pub from: Option<Moment>,
    /// Only what happened before this moment.
    pub to: Option<Moment>,
    /// The last event of the page before.
    pub after: Option<AuditEventId>,
    /// How many at the most.
    pub limit: Limit,
}

/// The audit of the tenant whose transaction is open.
#[async_trait]
pub trait AuditRepo: Send {
    /// One page of events, the newest first.
    async fn list(&mut self, query: &AuditQuery) -> Result<Page<AuditEvent>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_of_lower_case_letters() {
        for good in ["a", "tasks", "operator_acting", &"a".repeat(40)] {
            assert_eq!(AuditWord::parse(good).map(|word| word.as_str().to_owned()), Ok(good.to_owned()));
        }
        for bad in ["", "_a", "Tasks", "a b", "a1", "a'", &"a".repeat(41)] {
            assert_eq!(AuditWord::parse(bad), Err(InvalidAuditWord), "{bad}");
        }
    }
}
