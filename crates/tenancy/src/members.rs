//! People and the tenants they belong to.

use async_trait::async_trait;

use crate::text::InvalidText;
use crate::{PermissionSet, StoreError, UserId, words};

words!(
    /// What a member is in its tenant.
    Role {
        /// Answers for the tenant; does all. There is always one.
        Owner = "owner",
        /// Does all, save for making and unmaking owners.
        Admin = "admin",
        /// Does the tenant's business.
        Member = "member",
        /// Reads.
        Viewer = "viewer",
    }
);

impl Role {
    /// What it is, for people.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Owner => "Answers for the tenant; does all. There is always one.",
            Self::Admin => "Does all, save for making and unmaking owners.",
            Self::Member => "Does the tenant's business.",
            Self::Viewer => "Reads.",
        }
    }

    /// What the role allows.
    pub const fn permissions(self) -> PermissionSet {
        match self {
            Self::Owner | Self::Admin => PermissionSet::ALL,
            Self::Member => PermissionSet::BUSINESS,
            Self::Viewer => PermissionSet::READ,
        }
    }
}

/// An e-mail address: the name a person logs in with, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

/// Why a text is not an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmail {
    /// No `@` with something on both sides.
    #[error("must be an e-mail address such as ada@example.com")]
    Shape,
    /// Not a clean line.
    #[error(transparent)]
    Text(#[from] InvalidText),
}

impl Email {
    /// The greatest number of characters (RFC 5321, section 4.5.3.1.3).
    pub const MAX: usize = 254;

    /// Accepts `local@domain`; whether mail arrives there only a mail can tell.
    pub fn parse(raw: &str) -> Result<Self, InvalidEmail> {
        let text = crate::text::check(raw.to_lowercase(), crate::text::Shape::Line, Self::MAX)?;
        match text.split_once('@') {
            Some((local, domain))
                if !local.is_empty()
                    && !domain.is_empty()
                    && !domain.contains('@')
                    && !text.contains(char::is_whitespace) =>
            {
                Ok(Self(text))
            }
            _ => Err(InvalidEmail::Shape),
        }
    }

    /// An address from the store, which took it when it was read, perhaps as any text.
    pub fn stored(raw: String) -> Self {
        Self(raw)
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

crate::json_schema!(Email, crate::schema::format("email"));

impl serde::Serialize for Email {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Email {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        Self::parse(&raw).map_err(serde::de::Error::custom)
    }
}

/// The members of the tenant whose transaction is open, for those who only need to know them.
#[async_trait]
pub trait MemberRepo: Send {
    /// Whether the person is a member.
    async fn is_member(&mut self, user: UserId) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_lower_case_and_has_two_sides() {
        assert_eq!(Email::parse("Ada@Example.com").map(|it| it.to_string()), Ok("ada@example.com".to_owned()));
        for raw in ["", "ada", "@example.com", "ada@", "a@b@c", "a b@c", "a@b\0"] {
            assert!(Email::parse(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn a_viewer_only_reads() {
        assert_eq!(Role::Viewer.permissions(), PermissionSet::READ);
        assert_eq!(Role::Owner.permissions(), PermissionSet::ALL);
    }
}
