//! Amounts, quantities and taxes: whole numbers throughout, and one rule of rounding.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tenantry_tenancy::json_schema;

/// The currencies in use, each with its number of decimals (ISO 4217, list one). Funds and metals are none.
const CURRENCIES: &[(u8, &str)] = &[
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC \
         CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD \
         KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO \
         NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL \
         THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
    ),
];

/// The greatest amount that anything adds up to, in minor units.
pub const GREATEST: i64 = 1_000_000_000_000_000;

/// A currency by its code of three letters (ISO 4217).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency([u8; 3]);

/// Why a text is no [`Currency`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the code of a currency such as EUR (ISO 4217)")]
pub struct InvalidCurrency;

impl Currency {
    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three letters")
    }

    /// How many decimals of it the minor unit is: 2 for EUR, whose minor unit is the cent.
    pub fn decimals(self) -> u8 {
        let found = CURRENCIES.iter().find(|(_, codes)| codes.split(' ').any(|code| code == self.as_str()));
        found.map_or(2, |(decimals, _)| *decimals)
    }

    /// An amount for people to read: `-1234.50 EUR`.
    pub fn show(self, amount: i64) -> String {
        let (decimals, sign) = (usize::from(self.decimals()), if amount < 0 { "-" } else { "" });
        let digits = format!("{:0>width$}", amount.unsigned_abs(), width = decimals + 1);
        let (whole, part) = digits.split_at(digits.len() - decimals);
        let point = if part.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{part} {}", self.as_str())
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(raw: &str) -> Result<Self, InvalidCurrency> {
        let is_known = raw.len() == 3 && CURRENCIES.iter().any(|(_, codes)| codes.split(' ').any(|code| code == raw));
        raw.as_bytes().try_into().ok().filter(|_| is_known).map(Self).ok_or(InvalidCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

json_schema!(Currency, tenantry_tenancy::schema::pattern("^[A-Z]{3}$", 3));

/// How much of something is sold: up to a million, with up to three decimals. Kept in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineQuantity(i64);

/// Why a text is no [`LineQuantity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a decimal such as \"2.5\": more than 0, at most 1000000, with up to 3 decimals")]
pub struct InvalidLineQuantity;

impl LineQuantity {
    /// The thousandths.
    pub const fn thousandths(self) -> i64 {
        self.0
    }
}

impl FromStr for LineQuantity {
    type Err = InvalidLineQuantity;

    fn from_str(raw: &str) -> Result<Self, InvalidLineQuantity> {
        let (whole, part) = raw.split_once('.').unwrap_or((raw, "0"));
        let is_plain =
            |digits: &str, most| (1..=most).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit());
        if !is_plain(whole, 7) || !is_plain(part, 3) {
            return Err(InvalidLineQuantity);
        }
        let number = |digits: &str| digits.parse::<i64>().map_err(|_| InvalidLineQuantity);
        let thousandths = number(whole)? * 1000 + number(&format!("{part:0<3}"))?;
        if (1..=1_000_000_000).contains(&thousandths) { Ok(Self(thousandths)) } else { Err(InvalidLineQuantity) }
    }
}

/// In the shortest spelling: `2.5`, `1`.
impl fmt::Display for LineQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1000, format!("{:03}", self.0 % 1000));
        match part.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            part => write!(f, "{whole}.{part}"),
        }
    }
}

json_schema!(LineQuantity, tenantry_tenancy::schema::pattern(r"^[0-9]{1,7}(\.[0-9]{1,3})?$", 11));

/// A type that JSON spells as a text.
macro_rules! spelled {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

spelled!(Currency);
spelled!(LineQuantity);

/// A type that JSON spells as a whole number within bounds.
macro_rules! bounded {
    ($(#[$meta:meta])* $name:ident, $min:literal, $max:literal, $message:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(i64);

        impl $name {
            /// Accepts what is within the bounds.
            pub fn new(number: i64) -> Option<Self> {
                ($min..=$max).contains(&number).then_some(Self(number))
            }

            /// The number.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_i64(self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(i64::deserialize(deserializer)?).ok_or_else(|| serde::de::Error::custom($message))
            }
        }

        json_schema!($name, tenantry_tenancy::schema::integer($min, $max));
    };
}

bounded!(
    /// The price of one, in minor units of the currency; below 0 for a discount.
    Price,
    -1_000_000_000_000,
    1_000_000_000_000,
    "must be a whole number of minor units from -1000000000000 to 1000000000000"
);
bounded!(
    /// A rate of tax in basis points: 1900 is 19 %.
    TaxRate,
    0,
    10_000,
    "must be a whole number of basis points from 0 to 10000"
);

/// `number / divisor`, to the nearest whole number and half away from zero, as merchants round.
pub(crate) const fn rounded(number: i128, divisor: i128) -> i128 {
    let half = if number < 0 { -(divisor / 2) } else { divisor / 2 };
    (number + half) / divisor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_rounded_away_from_zero() {
        let cases =
            [(149, 1), (150, 2), (151, 2), (-149, -1), (-150, -2), (-151, -2), (0, 0), (50, 1), (-50, -1), (49, 0)];
        for (number, expected) in cases {
            assert_eq!(rounded(number, 100), expected, "{number}");
        }
    }

    #[test]
    fn a_quantity_is_exact_in_thousandths() {
        for (raw, thousandths, shown) in [
            ("1", 1000, "1"),
            ("2.5", 2500, "2.5"),
            ("0.001", 1, "0.001"),
            ("1000000", 1_000_000_000, "1000000"),
            ("1.010", 1010, "1.01"),
            ("007", 7000, "7"),
        ] {
            let quantity: LineQuantity = raw.parse().unwrap();
            assert_eq!((quantity.thousandths(), quantity.to_string().as_str()), (thousandths, shown));
        }
        for raw in
            ["", "0", "0.000", "-1", "+1", "1.", ".5", "1.0001", "1e3", "1000000.001", "99999999", "1,5", " 1", "١"]
        {
            assert_eq!(raw.parse::<LineQuantity>(), Err(InvalidLineQuantity), "{raw}");
        }
    }

    #[test]
    fn an_amount_is_shown_with_the_decimals_of_its_currency() {
        for (code, amount, shown) in [
            ("EUR", 123_456, "1234.56 EUR"),
            ("EUR", -5, "-0.05 EUR"),
            ("JPY", 500, "500 JPY"),
            ("JPY", 0, "0 JPY"),
            ("KWD", 1, "0.001 KWD"),
            ("USD", i64::MIN, "-92233720368547758.08 USD"),
        ] {
            assert_eq!(code.parse::<Currency>().unwrap().show(amount), shown);
        }
        for code in ["", "eur", "EURO", "XXX", "EU", "E R", "€"] {
            assert_eq!(code.parse::<Currency>(), Err(InvalidCurrency), "{code}");
        }
    }

    #[test]
    fn prices_and_rates_have_bounds() {
        assert_eq!(Price::new(-1_000_000_000_000).map(Price::get), Some(-1_000_000_000_000));
        assert_eq!((Price::new(1_000_000_000_001), TaxRate::new(-1), TaxRate::new(10_001)), (None, None, None));
    }
}
