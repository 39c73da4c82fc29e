//! Identifiers: newtypes over UUIDs, so that one kind cannot be passed for another.

use uuid::Uuid;

/// Why a text is not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID such as 018f0c5e-7f6a-7cc0-8000-3f1d5c9b2a10")]
pub struct InvalidId;

/// Reads the one spelling we write: 36 characters with hyphens (RFC 9562, section 4).
pub fn parse_uuid(raw: &str) -> Result<Uuid, InvalidId> {
    if raw.len() != 36 {
        return Err(InvalidId);
    }
    Uuid::try_parse(raw).map_err(|_| InvalidId)
}

/// Declares an identifier: `id!(/** One project. */ ProjectId);`.
#[macro_export]
macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($crate::uuid::Uuid);

        impl $name {
            /// A new one. UUIDv7 (RFC 9562): later ones sort behind earlier ones.
            pub fn generate() -> Self {
                Self($crate::uuid::Uuid::now_v7())
            }

            /// The UUID inside.
            pub const fn as_uuid(self) -> $crate::uuid::Uuid {
                self.0
            }

            /// Wraps a UUID that is known to name one of these.
            pub const fn from_uuid(uuid: $crate::uuid::Uuid) -> Self {
                Self(uuid)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::InvalidId;

            fn from_str(raw: &str) -> Result<Self, Self::Err> {
                $crate::id::parse_uuid(raw).map(Self)
            }
        }

        $crate::json_schema!($name, $crate::schema::format("uuid"));

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::serde::Serialize::serialize(&self.0, serializer)
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let raw = <std::borrow::Cow<'de, str> as $crate::serde::Deserialize>::deserialize(deserializer)?;
                raw.parse().map_err($crate::serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// One tenant. Random (UUIDv4), so that it tells nothing about when or after whom it was made.
    TenantId
);
id!(
    /// One person, whatever tenants they belong to.
    UserId
);
id!(
    /// One person who runs the service.
    OperatorId
);
id!(
    /// One login and all the refresh tokens that came of it.
    SessionId
);
id!(
    /// What can be made void at once on every instance: a session, a key, a client, a grant. Its id is that thing's id.
    CredentialId
);
id!(
    /// One API key.
    ApiKeyId
);
id!(
    /// One machine client.
    ApiClientId
);
id!(
    /// One role that a tenant defined.
    RoleId
);
id!(
    /// One event of a tenant's audit.
    AuditEventId
);
id!(
    /// What an event of the audit happened to: a row of whatever table.
    AuditedId
);
id!(
    /// The right of an operator to act in a tenant for a while.
    ActingGrantId
);
id!(
    /// One request, in every log line, audit row and problem document it caused.
    RequestId
);

impl From<SessionId> for CredentialId {
    fn from(id: SessionId) -> Self {
        Self(id.0)
    }
}

impl From<ApiKeyId> for CredentialId {
    fn from(id: ApiKeyId) -> Self {
        Self(id.0)
    }
}

impl From<ApiClientId> for CredentialId {
    fn from(id: ApiClientId) -> Self {
        Self(id.0)
    }
}

impl From<ActingGrantId> for CredentialId {
    fn from(id: ActingGrantId) -> Self {
        Self(id.0)
    }
}

impl TenantId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_spelling_is_an_id() {
        let id = UserId::generate();

        assert_eq!(id.to_string().parse(), Ok(id));
        for raw in ["", "1", &id.as_uuid().simple().to_string(), &format!("{{{id}}}"), &format!("urn:uuid:{id}")] {
            assert_eq!(raw.parse::<UserId>(), Err(InvalidId), "{raw}");
        }
    }

    #[test]
    fn later_ids_sort_behind_earlier_ones() {
        let ids: Vec<UserId> = (0..1000).map(|_| UserId::generate()).collect();

        assert!(ids.is_sorted());
    }
}
