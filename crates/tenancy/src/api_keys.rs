//! API keys: what a member gives to a program that acts for them, with no more than they may themselves.
//!
//! A key belongs to whoever was shown its text: to rotate somebody's key is to make one's own in its place.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer};

use crate::{
    ApiKeyId, Clock, Expected, Network, Networks, Page, PageQuery, Permission, PermissionSet, Stale, StoreError,
    UserId, json_schema, lists, text,
};

/// How long after now a key may end at the latest. One that never ends is another thing.
const FURTHEST: TimeDelta = TimeDelta::days(3650);

text!(
    /// What a key is called.
    ApiKeyName,
    Line,
    120
);

macro_rules! whole_number {
    ($(#[$meta:meta])* $name:ident, $min:literal to $max:literal, $unit:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
        pub struct $name(u32);

        impl $name {
            /// Accepts what is in its bounds.
            pub fn new(number: u64) -> Option<Self> {
                u32::try_from(number).ok().filter(|number| ($min..=$max).contains(number)).map(Self)
            }

            /// As a duration.
            pub fn as_delta(self) -> TimeDelta {
                TimeDelta::$unit(i64::from(self.0))
            }
        }

        json_schema!($name, crate::schema::whole_number($min, $max));

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let wrong = || serde::de::Error::custom(concat!("must be a whole number from ", $min, " to ", $max));
                u64::deserialize(deserializer).map(Self::new)?.ok_or_else(wrong)
            }
        }
    };
}

whole_number!(
    /// After how many days a key is no good any more.
    MaxAgeDays, 1 to 3650, days
);
whole_number!(
    /// For how many seconds a key that was rotated lives on beside its successor.
    Overlap, 0 to 604_800, seconds
);

impl Default for Overlap {
    /// A day.
    fn default() -> Self {
        Self(24 * 60 * 60)
    }
}

/// What a key is meant to do: at least one permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes(PermissionSet);

impl Scopes {
    /// Accepts any but the empty set.
    pub fn new(permissions: PermissionSet) -> Option<Self> {
        (!permissions.is_empty()).then_some(Self(permissions))
    }

    /// The permissions.
    pub const fn permissions(self) -> PermissionSet {
        self.0
    }
}

json_schema!(Scopes, crate::schema::list::<Permission>(Permission::ALL.len()));

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = lists::texts(deserializer, Permission::ALL.len())?;
        PermissionSet::from_scopes(words.iter().map(String::as_str)).map(Self).map_err(serde::de::Error::custom)
    }
}

/// What is kept of a key's text.
#[derive(Clone, PartialEq, Eq)]
pub struct Imprint {
    /// Everything before the secret: by this it is looked up, and known to people.
    pub prefix: String,
    /// The SHA-256 digest of the whole text.
    pub digest: [u8; 32],
}

impl std::fmt::Debug for Imprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Imprint").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its identity.
    pub id: ApiKeyId,
    /// Whose it is: it never allows more than their role does.
    pub holder: UserId,
    /// What it is called.
    pub name: ApiKeyName,
    /// How its text begins.
    pub prefix: String,
    /// What it is meant to do.
    pub scopes: PermissionSet,
    /// From where it may be used; everywhere if not said.
    pub networks: Option<Networks>,
    /// When it ends, if it does.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The key that was made in its place.
    pub replaced_by: Option<ApiKeyId>,
    /// Counts the changes made to it and to what its holder may do.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// All that can be chosen about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What it is called.
    pub name: ApiKeyName,
    /// What it is meant to do.
    pub scopes: PermissionSet,
    /// From where it may be used.
    pub networks: Option<Networks>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key about to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// Its identity.
    pub id: ApiKeyId,
    /// Whose it is.
    pub holder: UserId,
    /// What is kept of its text.
    pub imprint: Imprint,
    /// What was chosen.
    pub terms: Terms,
}

/// What is to change about a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeyChange {
    /// What it is called.
    pub name: Option<ApiKeyName>,
    /// What it is meant to do.
    pub scopes: Option<PermissionSet>,
    /// From where it may be used.
    pub networks: Option<Option<Networks>>,
    /// When it ends.
    pub expires_at: Option<Option<DateTime<Utc>>>,
}

/// Who makes or changes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maker {
    /// The person.
    pub user: UserId,
    /// What they may do, as they are here.
    pub permissions: PermissionSet,
    /// The key they are here by, if it is one: what is made by a key is bounded by it.
    pub key: Option<ApiKeyId>,
    /// How old the tenant lets a key become.
    pub max_age: Option<MaxAgeDays>,
}

/// The keys of the open transaction's tenant.
#[async_trait]
pub trait ApiKeyRepo: Send {
    /// One key.
    async fn find(&mut self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError>;

    /// One key, which nobody else changes until the transaction ends.
    async fn find_for_update(&mut self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError>;

    /// A page of keys.
    async fn list(&mut self, page: &PageQuery) -> Result<Page<ApiKey>, StoreError>;

    /// Keeps a new key.
    ///
    /// Fails with [`ApiKeyError::HolderGone`] when its holder is no member.
    async fn insert(&mut self, new: &NewApiKey) -> Result<(), ApiKeyError>;

    /// Changes a key, in something at least; false if there is none.
    async fn update(&mut self, id: ApiKeyId, change: &ApiKeyChange) -> Result<bool, StoreError>;

    /// Names the successor of a key that has none, and when the key itself ends; false if it has one.
    async fn replace(&mut self, id: ApiKeyId, by: ApiKeyId, ends_at: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Removes a key; false if there is none.
    async fn delete(&mut self, id: ApiKeyId) -> Result<bool, StoreError>;
}

/// Why an operation on keys was refused.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// No such key.
    #[error("API key {0} does not exist")]
    NotFound(ApiKeyId),
    /// Whoever asks may not do all this themselves.
    #[error("nobody can give away {}, which they may not do themselves", .0.to_scopes().join(", "))]
    Scopes(PermissionSet),
    /// The key to be shown anew does what whoever asks may not.
    #[error("the key is for {}, which is more than its receiver may do", .0.to_scopes().join(", "))]
    TooPowerful(PermissionSet),
    /// The key that asks may itself not be used from there.
    #[error("{0} is beyond the networks of the key that asks")]
    Network(Network),
    /// Past, or too far away.
    #[error("must lie in the future, and within ten years")]
    Expiry,
    /// Whose it would be does not belong to the tenant any more.
    #[error("the holder of the key is no member any more")]
    HolderGone,
    /// There is one in its place already.
    #[error("API key {0} was rotated before")]
    Rotated(ApiKeyId),
    /// The key is not as expected.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One key.
pub async fn show(keys: &mut dyn ApiKeyRepo, id: ApiKeyId) -> Result<ApiKey, ApiKeyError> {
    keys.find(id).await?.ok_or(ApiKeyError::NotFound(id))
}

/// Makes a key that does no more than its maker may.
pub async fn make(
    keys: &mut dyn ApiKeyRepo,
    clock: &dyn Clock,
    maker: &Maker,
    imprint: Imprint,
    terms: Terms,
) -> Result<ApiKey, ApiKeyError> {
    let (now, calling) = (clock.now(), maker.calling(keys).await?);
    maker.may_give(terms.scopes, calling.as_ref()).map_err(ApiKeyError::Scopes)?;
    let networks = within(calling.as_ref(), terms.networks)?;
    let expires_at = soonest([ahead(terms.expires_at, now)?, calling.and_then(|key| key.expires_at), maker.end(now)]);
    let terms = Terms { networks, expires_at, ..terms };
    insert(keys, NewApiKey { id: ApiKeyId::generate(), holder: maker.user, imprint, terms }).await
}

/// Changes a key, if it has the version expected. It gets no scope that whoever asks does not have, and no later end than
/// its age allows.
pub async fn change(
    keys: &mut dyn ApiKeyRepo,
    clock: &dyn Clock,
    maker: &Maker,
    id: ApiKeyId,
    expected: &Expected,
    change: ApiKeyChange,
) -> Result<ApiKey, ApiKeyError> {
    let key = keys.find_for_update(id).await?.ok_or(ApiKeyError::NotFound(id))?;
    expected.admit(key.version)?;
    if change == ApiKeyChange::default() {
        return Ok(key);
    }
    let calling = maker.calling(keys).await?;
    maker.may_give(change.scopes.unwrap_or_default(), calling.as_ref()).map_err(ApiKeyError::Scopes)?;
    let networks = change.networks.map(|networks| within(calling.as_ref(), networks)).transpose()?;
    let expires_at = match change.expires_at {
        Some(end) => {
            // One that was replaced does not come back.
            let replaced = key.replaced_by.and(key.expires_at);
            let end = ahead(end, clock.now())?;
            Some(soonest([end, replaced, calling.and_then(|key| key.expires_at), maker.end(key.created_at)]))
        }
        None => None,
    };
    if !keys.update(id, &ApiKeyChange { networks, expires_at, ..change }).await? {
        return Err(ApiKeyError::NotFound(id));
    }
    show(keys, id).await
}

/// Makes a key in place of another, with the same terms and the same length of life. Both are good for a while.
pub async fn rotate(
    keys: &mut dyn ApiKeyRepo,
    clock: &dyn Clock,
    maker: &Maker,
    id: ApiKeyId,
    imprint: Imprint,
    overlap: Overlap,
) -> Result<ApiKey, ApiKeyError> {
    let (now, old) = (clock.now(), show(keys, id).await?);
    let calling = maker.calling(keys).await?;
    maker.may_give(old.scopes, calling.as_ref()).map_err(ApiKeyError::TooPowerful)?;
    let networks = within(calling.as_ref(), old.networks)?;
    let as_long = old.expires_at.map(|end| now + (end - old.created_at));
    let expires_at = soonest([as_long, calling.and_then(|key| key.expires_at), maker.end(now)]);
    let terms = Terms { name: old.name, scopes: old.scopes, networks, expires_at };
    let new = NewApiKey { id: ApiKeyId::generate(), holder: maker.user, imprint, terms };
    let old_ends = now + overlap.as_delta();
    if !keys.replace(id, new.id, old.expires_at.map_or(old_ends, |end| end.min(old_ends))).await? {
        return Err(ApiKeyError::Rotated(id));
    }
    insert(keys, new).await
}

/// Ends a key at once, if it has the version expected.
pub async fn revoke(keys: &mut dyn ApiKeyRepo, id: ApiKeyId, expected: &Expected) -> Result<(), ApiKeyError> {
    if !expected.is_any() {
        let key = keys.find_for_update(id).await?.ok_or(ApiKeyError::NotFound(id))?;
        expected.admit(key.version)?;
    }
    if keys.delete(id).await? { Ok(()) } else { Err(ApiKeyError::NotFound(id)) }
}

impl Maker {
    /// Fails with what they do not have themselves. What the key they are here by is for may be less by now than it was
    /// when it let them in.
    fn may_give(&self, scopes: PermissionSet, calling: Option<&ApiKey>) -> Result<(), PermissionSet> {
        let own = calling.map_or(self.permissions, |key| self.permissions.intersection(key.scopes));
        let beyond = scopes.iter().filter(|scope| !own.contains(*scope));
        let beyond = beyond.fold(PermissionSet::NONE, PermissionSet::with);
        if beyond.is_empty() { Ok(()) } else { Err(beyond) }
    }

    /// The key that asks.
    async fn calling(&self, keys: &mut dyn ApiKeyRepo) -> Result<Option<ApiKey>, ApiKeyError> {
        match self.key {
            Some(id) => show(keys, id).await.map(Some),
            None => Ok(None),
        }
    }

    /// When a key made at that time ends at the latest.
    fn end(&self, made_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.max_age.map(|age| made_at + age.as_delta())
    }
}

async fn insert(keys: &mut dyn ApiKeyRepo, new: NewApiKey) -> Result<ApiKey, ApiKeyError> {
    keys.insert(&new).await?;
    show(keys, new.id).await
}

/// Networks that do not reach beyond those of the key that asks.
fn within(calling: Option<&ApiKey>, networks: Option<Networks>) -> Result<Option<Networks>, ApiKeyError> {
    let Some(outer) = calling.and_then(|key| key.networks.as_ref()) else { return Ok(networks) };
    match networks.as_ref().map(|inner| outer.beyond(inner)) {
        None => Ok(Some(outer.clone())),
        Some(None) => Ok(networks),
        Some(Some(beyond)) => Err(ApiKeyError::Network(beyond)),
    }
}

/// An end that somebody asks for.
fn ahead(end: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ApiKeyError> {
    let possible = end.is_none_or(|end| now < end && end <= now + FURTHEST);
    if possible { Ok(end) } else { Err(ApiKeyError::Expiry) }
}

fn soonest<const N: usize>(ends: [Option<DateTime<Utc>>; N]) -> Option<DateTime<Utc>> {
    ends.into_iter().flatten().min()
}

#[cfg(test)]
mod tests;
