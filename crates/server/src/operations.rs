//! What an operator does from the command line.

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use tenantry_auth::{ClientSecret, OperatorToken, Password, Passwords};
use tenantry_tenancy::api_clients::{ApiClientName, NewApiClient, SecretDigest};
use tenantry_tenancy::provisioning::{NewTenant, TenantRegistry, provision};
use tenantry_tenancy::{ApiClientId, Email, OperatorId, PermissionSet, Slug, Tenant};

use crate::keys::secret;
use crate::services::Services;
use crate::settings::Settings;

/// Creates a tenant or goes on creating it. An owner who has no password gets one, told once.
pub async fn create_tenant(
    settings: &Settings,
    services: &Services,
    new: &NewTenant,
) -> Result<(Tenant, Option<String>)> {
    let tenant = provision(&*services.registry, services.storage.as_deref(), new).await?;
    let owner = services.registry.add_owner(tenant.id, &new.owner).await?;
    let password = secret(18);
    let hash = Passwords::new(settings.passwords())?.hash(&Password::parse(&password)?).await?;
    let is_first = services.registry.set_first_password(owner, &hash).await?;
    Ok((tenant, is_first.then_some(password)))
}

/// Creates an operator, or gives one a new token in place of the old. The token is told once.
pub async fn create_operator(
    services: &Services,
    email: &Email,
    expires_at: DateTime<Utc>,
) -> Result<(OperatorId, OperatorToken)> {
    let token = OperatorToken::generate();
    let id = services.registry.ensure_operator(email, &token.digest(), expires_at).await?;
    Ok((id, token))
}

/// Creates a machine client of a tenant. The secret is told once.
pub async fn create_api_client(
    services: &Services,
    tenant: &Slug,
    name: ApiClientName,
    scopes: PermissionSet,
) -> Result<(ApiClientId, ClientSecret)> {
    ensure!(!scopes.is_empty(), "a client needs at least one scope");
    let found = services.registry.find_by_slug(tenant).await?;
    let found = found.with_context(|| format!("there is no tenant {tenant}"))?;
    let (new, secret) = (NewApiClient { id: ApiClientId::generate(), name, scopes }, ClientSecret::generate());
    services.registry.add_api_client(found.id, &new, &SecretDigest(*secret.digest().as_bytes())).await?;
    Ok((new.id, secret))
}
