//! Days and moments that every calendar, spreadsheet and database can spell.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A day of the years 1 to 9999: what lies beyond has no spelling of ten characters, and no calendar
/// or spreadsheet reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(NaiveDate);

/// Why something is no [`Day`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a day such as 2028-02-29, of the years 1 to 9999")]
pub struct InvalidDay;

impl Day {
    /// The last one: 9999-12-31.
    pub const MAX: Self = Self(NaiveDate::from_ymd_opt(9999, 12, 31).expect("there is such a day"));

    /// Accepts a day of the years 1 to 9999.
    pub fn new(day: NaiveDate) -> Result<Self, InvalidDay> {
        if (1..=9999).contains(&day.year()) { Ok(Self(day)) } else { Err(InvalidDay) }
    }

    /// Reads `YYYY-MM-DD` (RFC 3339, full-date) and no other spelling.
    pub fn parse(raw: &str) -> Result<Self, InvalidDay> {
        let day = raw.parse().map_err(|_| InvalidDay).and_then(Self::new)?;
        // The library also reads signs, white space and single digits.
        if day.to_string() == raw { Ok(day) } else { Err(InvalidDay) }
    }

    /// The day.
    pub const fn day(self) -> NaiveDate {
        self.0
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        Self::parse(&raw).map_err(serde::de::Error::custom)
    }
}

crate::json_schema!(Day, crate::schema::format("date"));

/// A moment of the years 1 to 9999: one beyond is nothing Postgres could be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(DateTime<Utc>);

/// Why something is no [`Moment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a time such as 2028-02-29T12:00:00Z, of the years 1 to 9999")]
pub struct InvalidMoment;

impl Moment {
    /// Reads RFC 3339, section 5.6.
    pub fn parse(raw: &str) -> Result<Self, InvalidMoment> {
        let moment = DateTime::parse_from_rfc3339(raw).map_err(|_| InvalidMoment)?.to_utc();
        if (1..=9999).contains(&moment.year()) { Ok(Self(moment)) } else { Err(InvalidMoment) }
    }

    /// The moment.
    pub const fn time(self) -> DateTime<Utc> {
        self.0
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        Self::parse(&raw).map_err(serde::de::Error::custom)
    }
}

crate::json_schema!(Moment, crate::schema::format("date-time"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_of_the_years_1_to_9999_in_one_spelling() {
        for day in ["0001-01-01", "2028-02-29", "9999-12-31"] {
            assert_eq!(Day::parse(day).unwrap().to_string(), day);
        }
        for raw in [
            "",
            "0000-12-31",
            "-0001-01-01",
            "-262143-01-01",
            "+2028-01-01",
            "10000-01-01",
            "2028-2-29",
            "2027-02-29",
            "2028-13-01",
            "2028-00-01",
            "20280229",
            "2028/02/29",
            " 2028-02-29",
            "2028-02-29 ",
            "2028-02-29T00:00:00Z",
            "2028-02-2\u{661}",
            "2028-02-2\0",
        ] {
            assert_eq!(Day::parse(raw), Err(InvalidDay), "{raw:?}");
        }
        assert_eq!(Day::new(NaiveDate::MIN), Err(InvalidDay));
        assert_eq!(Day::new(NaiveDate::MAX), Err(InvalidDay));
    }

    #[test]
    fn a_moment_is_of_four_digit_years() {
        assert_eq!(Moment::parse("2028-02-29T12:00:00+02:00").unwrap().to_string(), "2028-02-29T10:00:00Z");
        for bad in [
            "",
            "2028-02-29",
            "2028-02-30T00:00:00Z",
            "0000-12-31T23:59:59Z",
            "10000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(Moment::parse(bad), Err(InvalidMoment), "{bad}");
        }
    }
}
