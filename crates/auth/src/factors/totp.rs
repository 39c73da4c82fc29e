//! Codes that change every thirty seconds (RFC 6238 over RFC 4226), with SHA-1 and six digits as every authenticator expects.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use crate::opaque;

/// How long a code is shown.
const STEP_SECONDS: i64 = 30;
/// How many steps the clocks may be apart.
const SKEW: i64 = 1;
/// The alphabet of base32 (RFC 4648, section 6).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What service and authenticator share: 160 random bits (RFC 4226, section 4, R6).
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; 20]);

impl TotpSecret {
    /// A new one.
    pub fn generate() -> Self {
        Self(opaque::random())
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) const fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The secret as people type it into an authenticator, in base32.
    pub fn reveal(&self) -> String {
        let (mut text, mut bits, mut held) = (String::with_capacity(32), 0_u32, 0_u32);
        for byte in self.0 {
            (bits, held) = (bits << 8 | u32::from(byte), held + 8);
            while held >= 5 {
                held -= 5;
                let place = usize::try_from(bits >> held & 31).unwrap_or_default();
                text.extend(BASE32.get(place).copied().map(char::from));
            }
            bits &= (1 << held) - 1;
        }
        text
    }

    /// The step whose code this is, if it is of now or of a step beside it.
    pub(crate) fn step_of(&self, code: &str, now: DateTime<Utc>) -> Option<i64> {
        let code = code.trim();
        let current = now.timestamp().div_euclid(STEP_SECONDS);
        let matches = |step: &i64| bool::from(self.code(*step).as_bytes().ct_eq(code.as_bytes()));
        (current - SKEW..=current + SKEW).rev().find(matches)
    }

    fn code(&self, step: i64) -> String {
        format!("{:06}", self.number(step) % 1_000_000)
    }

    /// The truncated HMAC (RFC 4226, section 5.3).
    fn number(&self, step: i64) -> u32 {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let offset = usize::from(hash.last().copied().unwrap_or_default() & 15);
        let four = hash.get(offset..offset + 4).and_then(|four| four.try_into().ok()).unwrap_or_default();
        u32::from_be_bytes(four) & 0x7fff_ffff
    }

    /// The code of this moment, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn code_at(&self, now: DateTime<Utc>) -> String {
        self.code(now.timestamp().div_euclid(STEP_SECONDS))
    }

    /// Reads what [`TotpSecret::reveal`] wrote, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn parse(text: &str) -> Option<Self> {
        let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
        for letter in text.bytes() {
            let value = BASE32.iter().position(|it| *it == letter)?;
            (bits, held) = (bits << 5 | u32::try_from(value).ok()?, held + 5);
            if held >= 8 {
                held -= 8;
                bytes.push(u8::try_from(bits >> held & 255).ok()?);
                bits &= (1 << held) - 1;
            }
        }
        Self::from_bytes(&bytes)
    }
}

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// RFC 6238, appendix B, with SHA-1: eight digits there, of which ours are the last six.
    #[test]
    fn the_vectors_of_rfc_6238() {
        let secret = TotpSecret(*b"12345678901234567890");

        for (seconds, eight) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            let step = seconds / STEP_SECONDS;
            assert_eq!(secret.number(step) % 100_000_000, eight, "{seconds}");
            assert_eq!(secret.step_of(&format!("{:06}", eight % 1_000_000), at(seconds)), Some(step));
        }
    }

    #[test]
    fn a_code_is_good_for_its_step_and_those_beside_it() {
        let secret = TotpSecret::generate();
        let code = secret.code_at(at(3000));

        for (seconds, good) in [(2940, false), (2970, true), (3000, true), (3029, true), (3059, true), (3060, false)] {
            assert_eq!(secret.step_of(&code, at(seconds)).is_some(), good, "{seconds}");
        }
        for bad in ["", "12345", "1234567", "abcdef", "１２３４５６"] {
            assert_eq!(secret.step_of(bad, at(3000)), None, "{bad}");
        }
    }

    #[test]
    fn the_secret_is_spelled_in_base32_and_never_shown() {
        let secret = TotpSecret(*b"12345678901234567890");

        assert_eq!(secret.reveal(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(TotpSecret::parse(&secret.reveal()), Some(secret.clone()));
        assert_eq!(format!("{secret:?}"), "TotpSecret(..)");
    }
}
