//! What a tenant is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::api_keys::MaxAgeDays;
use crate::text::is_label;
use crate::{TenantId, words};

words!(
    /// What a tenant pays for.
    Plan {
        /// Nothing.
        Free = "free",
        /// Small companies.
        Standard = "standard",
        /// Large ones, with a schema of their own.
        Enterprise = "enterprise",
    }
);

impl Plan {
    /// Where a tenant of this plan is placed unless an operator says otherwise.
    pub const fn placement(self) -> Placement {
        match self {
            Self::Free | Self::Standard => Placement::Pooled,
            Self::Enterprise => Placement::Schema,
        }
    }
}

words!(
    /// Where a tenant's rows lie.
    Placement {
        /// In the shared schema, beside those of others, held apart by row-level security.
        Pooled = "pooled",
        /// In a schema of their own, with row-level security all the same.
        Schema = "schema",
    }
);

words!(
    /// How far a tenant's life has come. Only an active one is served.
    TenantStatus {
        /// Being made: not reachable yet.
        Provisioning = "provisioning",
        /// Served.
        Active = "active",
        /// Stopped by an operator; its data stays.
        Suspended = "suspended",
        /// On its way out.
        Deleting = "deleting",
    }
);

/// The schema of a tenant's tables. Always one of ours, so that its name can stand in a statement without escaping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaName {
    /// The shared one.
    Pooled,
    /// The tenant's own.
    Own(TenantId),
}

impl SchemaName {
    /// Where the rows of `tenant` lie under `placement`.
    pub const fn of(tenant: TenantId, placement: Placement) -> Self {
        match placement {
            Placement::Pooled => Self::Pooled,
            Placement::Schema => Self::Own(tenant),
        }
    }
}

impl std::fmt::Display for SchemaName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pooled => f.write_str("pooled"),
            Self::Own(tenant) => write!(f, "t_{}", tenant.as_uuid().as_simple()),
        }
    }
}

/// A tenant's name for people: lower-case letters, digits and inner hyphens, fit for a host name (RFC 1123).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(String);

/// Why a text is not a slug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 2 to 63 lower-case letters, digits and inner hyphens, starting with a letter")]
pub struct InvalidSlug;

impl Slug {
    /// The greatest number of characters of a host label (RFC 1035, section 2.3.4).
    pub const MAX: usize = 63;

    /// Checks a slug.
    pub fn parse(raw: &str) -> Result<Self, InvalidSlug> {
        if is_label(raw, Self::MAX) { Ok(Self(raw.to_owned())) } else { Err(InvalidSlug) }
    }

    /// The slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Slug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Slug {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

crate::json_schema!(Slug, crate::schema::pattern("^[a-z][a-z0-9-]{0,61}[a-z0-9]$", Slug::MAX));

impl<'de> Deserialize<'de> for Slug {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        Self::parse(&raw).map_err(serde::de::Error::custom)
    }
}

/// What a tenant can set for itself. Stored as JSON; an unknown or ill-typed setting is refused, never kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TenantSettings {
    /// The name shown to people, if not the slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<DisplayName>,
    /// After how many days an API key is no good any more, whatever else it was made for; keys are warned of before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_max_age_days: Option<MaxAgeDays>,
    /// Whether every change must name the version it was made from, in `If-Match`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_if_match: bool,
    /// Whether people get in with a second factor only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_mfa: bool,
}

crate::text!(
    /// What a tenant calls itself.
    DisplayName,
    Line,
    120
);

/// One customer of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its identity.
    pub id: TenantId,
    /// Its name for people.
    pub slug: Slug,
    /// What it pays for.
    pub plan: Plan,
    /// Where its rows lie.
    pub placement: Placement,
    /// How far its life has come.
    pub status: TenantStatus,
    /// What it set for itself.
    pub settings: TenantSettings,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

impl Tenant {
    /// The schema of its tables.
    pub const fn schema(&self) -> SchemaName {
        SchemaName::of(self.id, self.placement)
    }

    /// Whether requests are served.
    pub fn is_active(&self) -> bool {
        self.status == TenantStatus::Active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_fit_for_a_host_name() {
        for good in ["acme", "a1", "big-corp-2"] {
            assert_eq!(Slug::parse(good).map(|it| it.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "a", "Acme", "1acme", "acme-", "-acme", "ac_me", "ac.me", "äcme", &"a".repeat(64)] {
            assert_eq!(Slug::parse(bad), Err(InvalidSlug), "{bad}");
        }
    }

    #[test]
    fn a_schema_name_needs_no_escaping() {
        let own = SchemaName::of(TenantId::random(), Placement::Schema).to_string();

        assert_eq!(own.len(), 34);
        assert!(own.starts_with("t_") && own.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        assert_eq!(SchemaName::of(TenantId::random(), Placement::Pooled).to_string(), "pooled");
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert!(serde_json::from_str::<TenantSettings>(r#"{"display_name":"Acme"}"#).is_ok());
        assert!(serde_json::from_str::<TenantSettings>(r#"{"theme":"dark"}"#).is_err());
        assert!(serde_json::from_str::<TenantSettings>(r#"{"display_name":7}"#).is_err());
    }
}
