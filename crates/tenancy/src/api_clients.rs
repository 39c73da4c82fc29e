//! Machine clients: programs of a tenant that log in by themselves. A client is the tenant's own and outlives its maker.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::{ApiClientId, Clock, Expected, Page, PageQuery, PermissionSet, Stale, StoreError, id, text};

id!(
    /// One secret of a client.
    ApiClientSecretId
);
id!(
    /// Calls of a client within one hour.
    ClientUseId
);
text!(
    /// What a client is called.
    ApiClientName,
    Line,
    120
);

/// A machine client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiClient {
    /// Its identity, and its `client_id`.
    pub id: ApiClientId,
    /// What it is called.
    pub name: ApiClientName,
    /// What it may do.
    pub scopes: PermissionSet,
    /// Whether it may log in.
    pub enabled: bool,
    /// How often it was changed, plus one.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A client to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiClient {
    /// Its identity.
    pub id: ApiClientId,
    /// What it is called.
    pub name: ApiClientName,
    /// What it may do.
    pub scopes: PermissionSet,
}

/// What to change about a client; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiClientChange {
    /// What it is called.
    pub name: Option<ApiClientName>,
    /// What it may do.
    pub scopes: Option<PermissionSet>,
    /// Whether it may log in.
    pub enabled: Option<bool>,
}

/// The SHA-256 of a client's secret: all that a store sees of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretDigest(
    /// The 32 bytes.
    pub [u8; 32],
);

impl std::fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

/// How often a client called something within an hour, and with what result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientUse {
    /// Its identity.
    pub id: ClientUseId,
    /// When the hour began.
    pub hour: DateTime<Utc>,
    /// The HTTP method.
    pub method: String,
    /// The pattern of the path.
    pub route: String,
    /// The HTTP status of the answers.
    pub status: u16,
    /// How many calls.
    pub calls: u64,
    /// When the last one was.
    pub last_at: DateTime<Utc>,
}

/// Why an operation on clients was refused.
#[derive(Debug, thiserror::Error)]
pub enum ApiClientError {
    /// There is none.
    #[error("api client {0} does not exist")]
    NotFound(ApiClientId),
    /// Nobody gives what they do not have.
    #[error("must be among your own permissions")]
    Exceeds,
    /// It was changed since.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The machine clients of the tenant whose transaction is open.
#[async_trait]
pub trait ApiClientRepo: Send {
    /// One client.
    async fn find(&mut self, id: ApiClientId) -> Result<Option<ApiClient>, StoreError>;

    /// The same, locked until the transaction ends.
    async fn find_for_update(&mut self, id: ApiClientId) -> Result<Option<ApiClient>, StoreError>;

    /// A page of them.
    async fn list(&mut self, page: &PageQuery) -> Result<Page<ApiClient>, StoreError>;

    /// A page of what one of them called.
    async fn usage(&mut self, id: ApiClientId, page: &PageQuery) -> Result<Page<ClientUse>, StoreError>;

    /// Adds one, without a secret.
    async fn insert(&mut self, new: &NewApiClient) -> Result<ApiClient, StoreError>;

    /// Changes the fields given. What is taken away is void everywhere within a second.
    async fn update(&mut self, id: ApiClientId, change: &ApiClientChange) -> Result<Option<ApiClient>, StoreError>;

    /// Removes one, and voids all it had.
    async fn delete(&mut self, id: ApiClientId) -> Result<bool, StoreError>;

    /// Gives it a secret beside those it has.
    async fn add_secret(&mut self, id: ApiClientId, digest: &SecretDigest) -> Result<(), StoreError>;

    /// The current secret is good until then; those before it are withdrawn.
    async fn retire_secret(&mut self, id: ApiClientId, until: DateTime<Utc>) -> Result<(), StoreError>;

    /// Withdraws every secret, and with them all that was had for them.
    async fn withdraw_secrets(&mut self, id: ApiClientId) -> Result<(), StoreError>;
}

/// Makes a client that may do no more than its maker.
pub async fn create(
    clients: &mut dyn ApiClientRepo,
    maker: PermissionSet,
    new: &NewApiClient,
    secret: &SecretDigest,
) -> Result<ApiClient, ApiClientError> {
    within(maker, new.scopes)?;
    let client = clients.insert(new).await?;
    clients.add_secret(client.id, secret).await?;
    Ok(client)
}

/// Shows what a client called.
pub async fn usage(
    clients: &mut dyn ApiClientRepo,
    id: ApiClientId,
    page: &PageQuery,
) -> Result<Page<ClientUse>, ApiClientError> {
    show(clients, id).await?;
    Ok(clients.usage(id, page).await?)
}

/// Shows one client.
pub async fn show(clients: &mut dyn ApiClientRepo, id: ApiClientId) -> Result<ApiClient, ApiClientError> {
    clients.find(id).await?.ok_or(ApiClientError::NotFound(id))
}

/// Changes the fields given, if the client has the version expected. An empty change changes nothing, not even the version.
pub async fn change(
    clients: &mut dyn ApiClientRepo,
    changer: PermissionSet,
    id: ApiClientId,
    expected: &Expected,
    change: &ApiClientChange,
) -> Result<ApiClient, ApiClientError> {
    let client = admit(clients, id, expected).await?;
    // Who may manage clients may also take away from them what they do not have themselves.
    within(changer.union(client.scopes), change.scopes.unwrap_or_default())?;
    if *change == ApiClientChange::default() {
        return Ok(client);
    }
    clients.update(id, change).await?.ok_or(ApiClientError::NotFound(id))
}

/// Gives the client a new secret. The current one is good for `overlap` longer; without an overlap it is withdrawn at once,
/// and every token that was had for it is void. Whoever rotates learns the secret: it must not do more than they may.
pub async fn rotate_secret(
    clients: &mut dyn ApiClientRepo,
    clock: &dyn Clock,
    rotator: PermissionSet,
    id: ApiClientId,
    overlap: TimeDelta,
    secret: &SecretDigest,
) -> Result<ApiClient, ApiClientError> {
    let client = admit(clients, id, &Expected::ANY).await?;
    within(rotator, client.scopes)?;
    if overlap > TimeDelta::zero() {
        clients.retire_secret(id, clock.now() + overlap).await?;
    } else {
        clients.withdraw_secrets(id).await?;
    }
    clients.add_secret(id, secret).await?;
    show(clients, id).await
}

/// Deletes a client, if it has the version expected.
pub async fn delete(
    clients: &mut dyn ApiClientRepo,
    id: ApiClientId,
    expected: &Expected,
) -> Result<(), ApiClientError> {
    admit(clients, id, expected).await?;
    if clients.delete(id).await? { Ok(()) } else { Err(ApiClientError::NotFound(id)) }
}

/// Locks the client, so that it is still the same when the change comes.
async fn admit(
    clients: &mut dyn ApiClientRepo,
    id: ApiClientId,
    expected: &Expected,
) -> Result<ApiClient, ApiClientError> {
    let client = clients.find_for_update(id).await?.ok_or(ApiClientError::NotFound(id))?;
    expected.admit(client.version)?;
    Ok(client)
}

fn within(own: PermissionSet, given: PermissionSet) -> Result<(), ApiClientError> {
    if own.covers(given) { Ok(()) } else { Err(ApiClientError::Exceeds) }
}

#[cfg(test)]
mod tests;
