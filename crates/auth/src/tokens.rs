//! Access tokens: signed JWTs (RFC 9068) that are verified without asking anybody.
//!
//! Verification follows RFC 8725: the key is chosen by `kid`, the algorithm by the key, and a header that says anything
//! beside `alg`, `kid` and `typ` is refused, which takes care of `crit`, `jku`, `jwk`, `x5u`, `x5c` and whatever comes next.
//! Time is our `Clock`'s, not the library's.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Header, crypto};
use serde::{Deserialize, Serialize};
use tenantry_tenancy::{
    Actor, CredentialId, PermissionSet, Role, RoleGrant, RoleName, SessionId, TenantId, UserId, Version,
};
use uuid::Uuid;

use crate::principal::{Access, CredentialKind};
use crate::{Rejection, SigningKeys};

/// The longest token that is looked at. Ours have about 900 bytes.
const MAX_BYTES: usize = 8 * 1024;

/// How far ahead the clock of the instance that signed may be. There is none for `exp`: a token that expired is expired.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);

/// `client_id` (RFC 9068, section 2.2) of tokens issued to people who log in at the service itself.
const CLIENT: &str = "tenantry";

/// `token_type` of an access token.
const TOKEN_TYPE: &str = "access";

/// `typ` of an access token (RFC 9068, section 2.1), and the long form of the same.
const TYP: [&str; 2] = ["at+jwt", "application/at+jwt"];

/// Who issues tokens, for whom, and how long they live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// `iss` of every token.
    pub issuer: String,
    /// `aud` of every token.
    pub audience: String,
    /// How long an access token lives.
    pub access_lifetime: Duration,
    /// The longest that any access token may live, also one minted by hand for development: a longer one is refused,
    /// because its revocation would be forgotten before it expires. Never less than `access_lifetime`.
    pub max_access_lifetime: Duration,
    /// How long a refresh token lives unless used.
    pub refresh_lifetime: Duration,
    /// How long a session lasts however often it is used.
    pub session_lifetime: Duration,
    /// How long a browser's session lasts unless used.
    pub idle_lifetime: Duration,
}

impl Default for TokenSettings {
    fn default() -> Self {
        let (minute, day) = (Duration::from_secs(60), Duration::from_secs(24 * 60 * 60));
        Self {
            issuer: "multitenant-api".to_owned(),
            audience: "multitenant-api".to_owned(),
            access_lifetime: 15 * minute,
            max_access_lifetime: 15 * minute,
            refresh_lifetime: 7 * day,
            session_lifetime: 30 * day,
            idle_lifetime: day / 2,
        }
    }
}

impl TokenSettings {
    /// How long a revoked session must be remembered: until the last access token of it has expired, even if the clock of
    /// the instance that signed it was ahead.
    pub fn revocation_memory(&self) -> Duration {
        self.longest_access() + Duration::from_secs(60)
    }

    fn longest_access(&self) -> Duration {
        self.max_access_lifetime.max(self.access_lifetime)
    }
}

/// Whom an access token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who acts: a person, a machine client, a service or an operator.
    pub actor: Actor,
    /// The tenant.
    pub tenant: TenantId,
    /// What can be revoked to void the token: the session, the client, the grant.
    pub credential: CredentialId,
    /// The credential's version. A token is void once it is higher.
    pub version: Version,
    /// What the holder is in the tenant.
    pub roles: Vec<RoleName>,
    /// What the token allows: its scopes.
    pub permissions: PermissionSet,
    /// What can be revoked beside the credential, if that is not the one token alone: the session of a machine client.
    pub grant: Option<CredentialId>,
}

impl Holder {
    /// A person who logged in, with all that their role allows.
    pub fn member(user: UserId, tenant: TenantId, session: SessionId, grant: impl Into<RoleGrant>) -> Self {
        let RoleGrant { role, permissions } = grant.into();
        Self {
            actor: Actor::User(user),
            tenant,
            credential: session.into(),
            version: Version::FIRST,
            roles: vec![role],
            permissions,
            grant: None,
        }
    }

    /// The same of another version.
    #[must_use]
    pub fn at_version(self, version: Version) -> Self {
        Self { version, ..self }
    }
}

/// Why a token could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// It would live longer than any may.
    #[error("an access token may not live longer than {} seconds", .0.as_secs())]
    Lifetime(Duration),
    /// The key failed.
    #[error("the access token could not be signed")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// Signs and verifies access tokens.
#[derive(Debug)]
pub(crate) struct AccessTokens {
    keys: RwLock<Arc<SigningKeys>>,
    settings: TokenSettings,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// The id or name of who acts; of a machine client its `client_id` (RFC 9068, section 2.2).
    sub: String,
    client_id: String,
    iat: i64,
    exp: i64,
    jti: String,
    token_type: String,
    /// Who acts, with the kind it is of. Ours, like all that follows.
    actor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    tenant: TenantId,
    sid: CredentialId,
    ver: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grant: Option<CredentialId>,
    roles: Vec<String>,
    scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownHeader {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
}

impl AccessTokens {
    pub(crate) fn new(keys: SigningKeys, settings: TokenSettings) -> Self {
        Self { keys: RwLock::new(Arc::new(keys)), settings }
    }

    pub(crate) const fn settings(&self) -> &TokenSettings {
        &self.settings
    }

    pub(crate) fn keys(&self) -> Arc<SigningKeys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Uses other keys from now on; true if all of the former are among them.
    pub(crate) fn set_keys(&self, keys: SigningKeys) -> bool {
        let mut current = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let former = std::mem::replace(&mut *current, Arc::new(keys));
        current.has_all_of(&former)
    }

    /// A token for `holder` that expires `lifetime` from `now`.
    pub(crate) fn issue(&self, holder: &Holder, now: DateTime<Utc>, lifetime: Duration) -> Result<String, IssueError> {
        let longest = self.settings.longest_access();
        if lifetime > longest {
            return Err(IssueError::Lifetime(longest));
        }
        let actor = holder.actor.to_string();
        let subject = actor.split_once(':').map_or(actor.as_str(), |(_, subject)| subject).to_owned();
        let claims = Claims {
            iss: self.settings.issuer.clone(),
            aud: self.settings.audience.clone(),
            client_id: match holder.actor {
                Actor::ApiClient(_) => subject.clone(),
                _ => CLIENT.to_owned(),
            },
            sub: subject,
            iat: now.timestamp(),
            exp: now.timestamp().saturating_add_unsigned(lifetime.as_secs()),
            jti: Uuid::new_v4().to_string(),
            token_type: TOKEN_TYPE.to_owned(),
            user_id: match holder.actor {
                Actor::User(user) => Some(user),
                _ => None,
            },
            actor,
            tenant: holder.tenant,
            sid: holder.credential,
            ver: holder.version.0,
            grant: holder.grant,
            roles: holder.roles.iter().map(ToString::to_string).collect(),
            scopes: holder.permissions.to_scopes(),
        };
        let keys = self.keys();
        let key = keys.signer(now);
        let header = Header { typ: Some(TYP[0].to_owned()), kid: Some(key.id.clone()), ..Header::new(key.algorithm) };
        Ok(jsonwebtoken::encode(&header, &claims, &key.private)?)
    }

    /// What the token says, if it is genuine and `now` is in its time.
    pub(crate) fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Access, Rejection> {
        if token.len() > MAX_BYTES {
            return Err(Rejection::TooLong);
        }
        // Nothing of the claims is read before the signature has been verified.
        let claims = self.signed_claims(token)?;
        self.check(&claims, now)?;
        claims.access()
    }

    fn signed_claims(&self, token: &str) -> Result<Claims, Rejection> {
        let (message, signature) = token.rsplit_once('.').ok_or(Rejection::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(Rejection::Malformed)?;
        let header: KnownHeader = serde_json::from_slice(&decode(header)?).map_err(|_| Rejection::Header)?;
        let keys = self.keys();
        let key = header.kid.and_then(|kid| keys.find(&kid)).ok_or(Rejection::UnknownKey)?;
        if header.alg != key.algorithm_name() {
            return Err(Rejection::Algorithm);
        }
        if !header.typ.is_some_and(|typ| TYP.iter().any(|it| it.eq_ignore_ascii_case(&typ))) {
            return Err(Rejection::Type);
        }
        match crypto::verify(signature, message.as_bytes(), &key.public, key.algorithm) {
            Ok(true) => serde_json::from_slice(&decode(claims)?).map_err(|_| Rejection::Malformed),
            Ok(false) | Err(_) => Err(Rejection::Signature),
        }
    }

    fn check(&self, claims: &Claims, now: DateTime<Utc>) -> Result<(), Rejection> {
        let longest = i64::try_from(self.settings.longest_access().as_secs()).unwrap_or(i64::MAX);
        let rules = [
            (claims.token_type == TOKEN_TYPE, Rejection::Type),
            (claims.iss == self.settings.issuer, Rejection::Issuer),
            (claims.aud == self.settings.audience, Rejection::Audience),
            (claims.iat <= (now + LEEWAY).timestamp(), Rejection::FromTheFuture),
            (now.timestamp() < claims.exp, Rejection::Expired),
            (claims.exp.saturating_sub(claims.iat) <= longest, Rejection::Lifetime),
            (claims.actor.split_once(':').is_some_and(|(_, subject)| subject == claims.sub), Rejection::Malformed),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, broken)| Err(broken))
    }
}

impl Claims {
    fn access(self) -> Result<Access, Rejection> {
        let actor: Actor = self.actor.parse().map_err(|_| Rejection::Malformed)?;
        let (kind, user) = match actor {
            Actor::User(user) => (CredentialKind::AccessToken, Some(user)),
            Actor::ApiClient(_) => (CredentialKind::ClientToken, None),
            Actor::Service(_) => (CredentialKind::ServiceToken, None),
            Actor::Operator(_) => (CredentialKind::ActingOperator, None),
            // A key is its own credential, and the service needs none.
            Actor::ApiKey(_) | Actor::System => return Err(Rejection::Malformed),
        };
        if self.user_id != user {
            return Err(Rejection::Malformed);
        }
        let roles: Vec<RoleName> = self.roles.iter().filter_map(|role| RoleName::parse(role).ok()).collect();
        // What a role of the tenant allows is in the scopes, which its issuer narrowed to it.
        let of_role = |role: &RoleName| role.built_in().map_or(PermissionSet::ALL, Role::permissions);
        let of_roles = roles.iter().map(of_role).fold(PermissionSet::NONE, PermissionSet::union);
        let of_scopes = PermissionSet::known_of(self.scopes.iter().map(String::as_str));
        // A token that is part of nothing is revoked by itself.
        let grant = self.grant.or_else(|| self.jti.parse().ok());
        Ok(Access {
            kind,
            grant,
            actor,
            user,
            tenant: self.tenant,
            credential: self.sid,
            version: Version(self.ver),
            roles,
            permissions: of_roles.intersection(of_scopes),
            expires_at: Some(DateTime::from_timestamp(self.exp, 0).ok_or(Rejection::Malformed)?),
            terms: None,
        })
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejection::Malformed)
}

#[cfg(test)]
mod tests;
