//! What invoices are numbered within.

use serde::{Deserialize, Deserializer, Serialize};
use tenantry_tenancy::json_schema;

/// A series of numbers, named by up to 20 capital letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Series(String);

/// Why a text is no [`Series`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 20 of A-Z, 0-9 and -")]
pub struct InvalidSeries;

impl Series {
    /// Reads and checks a series.
    pub fn parse(raw: impl Into<String>) -> Result<Self, InvalidSeries> {
        let raw = raw.into();
        let is_plain = raw.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == b'-');
        if is_plain && (1..=20).contains(&raw.len()) { Ok(Self(raw)) } else { Err(InvalidSeries) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is printed for a number of it: `INV-000042`.
    pub fn reference(&self, number: i64) -> String {
        format!("{}-{number:06}", self.0)
    }
}

impl Default for Series {
    fn default() -> Self {
        Self("INV".to_owned())
    }
}

impl<'de> Deserialize<'de> for Series {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

json_schema!(Series, tenantry_tenancy::schema::pattern("^[A-Z0-9-]{1,20}$", 20));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_short_and_plain() {
        for raw in ["INV", "2028-A", "-", "A2345678901234567890"] {
            assert_eq!(Series::parse(raw).unwrap().as_str(), raw);
        }
        for raw in ["", "inv", "A B", "Ä", "A23456789012345678901", "A/1"] {
            assert_eq!(Series::parse(raw), Err(InvalidSeries), "{raw}");
        }
        assert_eq!(Series::default().reference(1_234_567), "INV-1234567");
    }
}
