//! Passes: a caller's right to one thing, handed on for minutes to whoever holds the pass.
//!
//! A pass is sealed rather than kept. It names the credential it was asked for with and hangs on it as an access token does:
//! what voids the credential voids the pass, on every instance within a second, and so does the end of its tenant's being
//! active. It allows one permission and is no credential: nothing but [`Authenticator::admit_pass`] reads one.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tenantry_tenancy::{CredentialId, Permission, PermissionSet, TenantId, UserId, Version};

use crate::principal::Access;
use crate::{AuthError, Authenticator, CredentialKind, Forbidden, Principal, Rejection};

/// The longest text that is looked at.
const MAX_BYTES: usize = 8 * 1024;

/// A pass as text, for its holder only. Letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq)]
pub struct PassText(String);

impl PassText {
    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PassText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PassText(..)")
    }
}

/// A pass that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPass {
    /// Its text.
    pub text: PassText,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Pass<T> {
    kind: CredentialKind,
    actor: String,
    user: Option<UserId>,
    tenant: TenantId,
    credential: CredentialId,
    version: i64,
    grant: Option<CredentialId>,
    expires_at: DateTime<Utc>,
    thing: T,
}

impl Authenticator {
    /// A pass to one thing for `lifetime`, but never for longer than the credential it is asked for with is good, nor than it
    /// is remembered that a credential is void.
    pub fn issue_pass(
        &self,
        holder: &Principal,
        permission: Permission,
        thing: &impl Serialize,
        lifetime: Duration,
    ) -> Result<NewPass, Forbidden> {
        if !holder.permissions().contains(permission) {
            return Err(Forbidden(permission));
        }
        let lifetime = lifetime.min(self.settings().max_access_lifetime);
        let asked = self.clock.now() + lifetime;
        let expires_at = end(holder).map_or(asked, |end| end.min(asked));
        let Access { kind, actor, user, tenant, credential, version, grant, .. } = &holder.access;
        let pass = Pass {
            kind: *kind,
            actor: actor.to_string(),
            user: *user,
            tenant: *tenant,
            credential: *credential,
            version: version.0,
            grant: *grant,
            expires_at,
            thing,
        };
        let pass = serde_json::to_vec(&pass).expect("ids, texts and numbers are JSON");
        let sealed = self.passes.seal(purpose(permission).as_bytes(), &pass);
        Ok(NewPass { text: PassText(URL_SAFE_NO_PAD.encode(sealed)), expires_at })
    }

    /// Who handed a pass on, with that one permission, and the thing it is for.
    pub async fn admit_pass<T: DeserializeOwned>(
        &self,
        permission: Permission,
        text: &str,
    ) -> Result<(Principal, T), AuthError> {
        let Pass { kind, actor, user, tenant, credential, version, grant, expires_at, thing } =
            self.opened_pass(permission, text).ok_or(Rejection::Malformed)?;
        if expires_at <= self.clock.now() {
            return Err(Rejection::Expired.into());
        }
        let access = Access {
            kind,
            actor: actor.parse().map_err(|_| Rejection::Malformed)?,
            user,
            tenant,
            credential,
            version: Version(version),
            grant,
            roles: Vec::new(),
            permissions: PermissionSet::NONE.with(permission),
            expires_at: Some(expires_at),
            terms: None,
        };
        if self.is_void(&access).await? {
            return Err(Rejection::Void.into());
        }
        let tenant = self.watch.tenant(tenant).await?.ok_or(Rejection::TenantUnknown)?;
        if !tenant.is_active() {
            return Err(Rejection::TenantInactive.into());
        }
        Ok((Principal { access, tenant }, thing))
    }

    fn opened_pass<T: DeserializeOwned>(&self, permission: Permission, text: &str) -> Option<Pass<T>> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice(&self.passes.open(purpose(permission).as_bytes(), &sealed)?).ok()
    }
}

/// What binds the seal, so that no pass opens as one for something else.
fn purpose(permission: Permission) -> String {
    format!("pass: {permission}")
}

/// When the credential is no good any more whatever happens. A login goes on beyond the token at hand.
fn end(holder: &Principal) -> Option<DateTime<Utc>> {
    match &holder.access.terms {
        Some(terms) => terms.end(&holder.tenant),
        None if holder.access.kind.has_session() => None,
        None => holder.access.expires_at,
    }
}

#[cfg(test)]
mod tests;
