//! Other services of ours, which act in a tenant by a token that an operator gave them.

use std::fmt;
use std::str::FromStr;

use crate::text::is_label;

/// The name of a service: up to 40 lower-case letters, digits and inner hyphens. Small enough to be copied.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServiceName {
    bytes: [u8; Self::MAX],
    length: u8,
}

/// Why a text is not the name of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 2 to 40 lower-case letters, digits and inner hyphens, starting with a letter")]
pub struct InvalidServiceName;

impl ServiceName {
    /// The greatest number of characters.
    pub const MAX: usize = 40;

    /// The name.
    pub fn as_str(&self) -> &str {
        let name = self.bytes.get(..usize::from(self.length)).and_then(|name| std::str::from_utf8(name).ok());
        name.expect("a name is made of ASCII letters only")
    }
}

impl FromStr for ServiceName {
    type Err = InvalidServiceName;

    fn from_str(raw: &str) -> Result<Self, InvalidServiceName> {
        let mut bytes = [0; Self::MAX];
        let room = bytes.get_mut(..raw.len()).filter(|_| is_label(raw, Self::MAX)).ok_or(InvalidServiceName)?;
        room.copy_from_slice(raw.as_bytes());
        let length = u8::try_from(raw.len()).map_err(|_| InvalidServiceName)?;
        Ok(Self { bytes, length })
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceName({self})")
    }
}

crate::json_schema!(ServiceName, crate::schema::pattern("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", ServiceName::MAX));

impl serde::Serialize for ServiceName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for ServiceName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        raw.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_as_it_is_written() {
        for good in ["ab", "billing-sync", &"a".repeat(40)] {
            assert_eq!(good.parse::<ServiceName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "a", "Billing", "-ab", "ab-", "a b", "a'b", "a_b", "äb", &"a".repeat(41)] {
            assert_eq!(bad.parse::<ServiceName>(), Err(InvalidServiceName), "{bad}");
        }
    }
}
