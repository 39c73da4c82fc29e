//! What is known of the content of documents.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tenantry_tenancy::json_schema;

use crate::blobs::BlobId;

/// A media type (RFC 9110, section 8.3.1), with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType(String);

/// Why something is no [`ContentType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a media type such as application/pdf, of at most 127 characters")]
pub struct InvalidContentType;

impl ContentType {
    /// Reads a media type.
    pub fn parse(raw: &str) -> Result<Self, InvalidContentType> {
        let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_token_byte);
        let essence = raw.split_once(';').map_or(raw, |(essence, _)| essence).trim_end();
        let (kind, subtype) = essence.split_once('/').ok_or(InvalidContentType)?;
        let is_visible = raw.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if raw.len() <= 127 && is_token(kind) && is_token(subtype) && is_visible {
            Ok(Self(raw.to_owned()))
        } else {
            Err(InvalidContentType)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bytes of which nobody said what they are.
impl Default for ContentType {
    fn default() -> Self {
        Self("application/octet-stream".to_owned())
    }
}

impl Serialize for ContentType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ContentType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

json_schema!(ContentType, tenantry_tenancy::schema::pattern("^[^/]+/.+$", 127));

/// A byte of a token (RFC 9110, section 5.6.2).
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// A digest of content, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sha256(String);

impl Sha256 {
    /// The digest with these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Reads what [`as_str`](Self::as_str) writes.
    pub fn parse(raw: String) -> Result<Self, InvalidSha256> {
        let is_hex = raw.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if raw.len() == 64 && is_hex { Ok(Self(raw)) } else { Err(InvalidSha256) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it spells.
    pub fn to_bytes(&self) -> Vec<u8> {
        let digits =
            self.0.bytes().map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
        let digits: Vec<u8> = digits.flatten().collect();
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
    }
}

/// Why something is no [`Sha256`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 lower-case hexadecimal digits")]
pub struct InvalidSha256;

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

json_schema!(Sha256, tenantry_tenancy::schema::pattern("^[0-9a-f]{64}$", 64));

/// What is known of stored bytes. They never change: other content is another blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Where they lie.
    pub blob: BlobId,
    /// What they are.
    pub content_type: ContentType,
    /// How many.
    pub size: u64,
    /// Their digest.
    pub sha256: Sha256,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_is_a_media_type() {
        for good in ["text/plain", "application/vnd.ms-excel", "text/html; charset=\"utf-8\"", "image/svg+xml"] {
            assert_eq!(ContentType::parse(good).unwrap().as_str(), good);
        }
        let long = format!("text/{}", "a".repeat(123));
        for bad in ["", "text", "/plain", "text/", "te xt/plain", "text/plain\r\nset-cookie: a", "text/pläin", &long] {
            assert_eq!(ContentType::parse(bad), Err(InvalidContentType), "{bad}");
        }
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Sha256::new([0xa1; 32]);

        assert_eq!(digest.as_str(), "a1".repeat(32));
        assert_eq!(
            Sha256::new(std::array::from_fn(|at| at as u8 * 7)).to_bytes(),
            (0..32).map(|at| at * 7).collect::<Vec<u8>>()
        );
        assert_eq!(Sha256::parse(digest.as_str().to_owned()), Ok(digest));
        assert_eq!(Sha256::parse("A1".repeat(32)), Err(InvalidSha256));
    }
}
