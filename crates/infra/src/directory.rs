//! The questions that come before a tenant is known, asked as the role `tenantry_directory`.

mod accounts;
mod api_clients;
mod api_keys;
mod browser_sessions;
mod factors;
mod joining;
mod lockout;
mod passkeys;
mod security_events;
mod sessions;
mod usage;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::pg::data_types::PgInterval;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Interval, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use tenantry_auth::{
    Begun, CredentialStore, LiveSession, Login, Membership, NewSession, Nonce, PasswordHash, Rotation, RotationOutcome,
    TokenDigest,
};
use tenantry_tenancy::domains::DomainName;
use tenantry_tenancy::{
    Change, CredentialId, Directory, Email, Mark, OperatorId, RoleGrant, RoleName, SessionId, Slug, StoreError, Tenant,
    TenantId, UserId, Version,
};
use uuid::Uuid;

use crate::connection::Pool;
use crate::registry::TenantRow;
use crate::rows::trusted;

/// Answers through narrow functions of `registry`; the role can read no table.
pub struct PgDirectory {
    pool: Pool,
}

impl PgDirectory {
    /// Uses connections of the role `tenantry_directory`.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }
}

#[derive(QueryableByName)]
struct ChangeRow {
    #[diesel(sql_type = BigInt)]
    mark: i64,
    #[diesel(sql_type = Nullable<Text>)]
    kind: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    subject: Option<Uuid>,
    #[diesel(sql_type = Nullable<BigInt>)]
    version: Option<i64>,
}

#[async_trait]
impl Directory for PgDirectory {
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.tenant($1)").bind::<SqlUuid, _>(id.as_uuid());
        self.pool.load::<_, TenantRow, _>(question).await?.pop().map(Tenant::try_from).transpose()
    }

    async fn tenant_of_host(&self, host: &DomainName) -> Result<Option<TenantId>, StoreError> {
        let question = diesel::select(registry::tenant_of_host(host.as_str()));
        let id = self.pool.load::<_, Option<Uuid>, _>(question).await?.pop().flatten();
        Ok(id.map(TenantId::from_uuid))
    }

    async fn changes(&self, since: Option<Mark>) -> Result<(Mark, Vec<Change>), StoreError> {
        let since = since.map(|mark| trusted(i64::try_from(mark.0))).transpose()?;
        let question = diesel::sql_query("SELECT * FROM registry.changes_after($1)").bind::<Nullable<BigInt>, _>(since);
        let rows: Vec<ChangeRow> = self.pool.load(question).await?;
        let mark = rows.as_slice().first().ok_or_else(|| StoreError::internal("the feed of changes has no mark"))?.mark;
        let changes = rows.into_iter().filter_map(|row| match (row.kind?.as_str(), row.subject?, row.version?) {
            ("domain", ..) => Some(Ok(Change::Domains)),
            ("tenant", id, _) => Some(Ok(Change::Tenant(TenantId::from_uuid(id)))),
            ("credential", id, version) => Some(Ok(Change::Credential(CredentialId::from_uuid(id), Version(version)))),
            (kind, ..) => Some(Err(StoreError::internal(format!("unknown kind of change {kind}")))),
        });
        Ok((Mark(trusted(u64::try_from(mark))?), changes.collect::<Result<_, _>>()?))
    }
}

#[derive(QueryableByName)]
struct LoginRow {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    password_hash: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    tenant_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    slug: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    role: Option<String>,
    #[diesel(sql_type = Nullable<Bool>)]
    tenant_active: Option<bool>,
}

impl LoginRow {
    /// The membership of this row; a person without any has one row of nulls.
    fn membership(&self) -> Option<Result<Membership, StoreError>> {
        Some(membership(self.tenant_id?, self.slug.as_deref()?, self.role.as_deref()?, self.tenant_active?))
    }
}

fn membership(tenant: Uuid, slug: &str, role: &str, tenant_active: bool) -> Result<Membership, StoreError> {
    Ok(Membership {
        tenant: TenantId::from_uuid(tenant),
        slug: trusted(Slug::parse(slug))?,
        role: trusted(RoleName::parse(role))?,
        tenant_active,
    })
}

#[derive(QueryableByName)]
struct RotationRow {
    #[diesel(sql_type = Text)]
    outcome: String,
    #[diesel(sql_type = Nullable<Bytea>)]
    nonce: Option<Vec<u8>>,
    #[diesel(sql_type = SqlUuid)]
    session_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    role: Option<String>,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    permissions: Option<Vec<String>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    version: Option<i64>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    expires_at: Option<DateTime<Utc>>,
}

impl RotationRow {
    fn live(&self) -> Result<LiveSession, StoreError> {
        let (Some(role), Some(version), Some(expires_at)) = (self.role.as_deref(), self.version, self.expires_at)
        else {
            return Err(StoreError::internal("a live session has a role, a version and an end"));
        };
        Ok(LiveSession {
            session: SessionId::from_uuid(self.session_id),
            user: UserId::from_uuid(self.user_id),
            tenant: TenantId::from_uuid(self.tenant_id),
            version: Version(version),
            grant: granted(role, self.permissions.as_deref())?,
            expires_at,
        })
    }

    fn nonce(&self) -> Result<Nonce, StoreError> {
        let bytes = self.nonce.as_deref().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Nonce::from_bytes).ok_or_else(|| StoreError::internal("a used token has a nonce of 16 bytes"))
    }
}

/// A role as the directory tells it.
#[derive(QueryableByName)]
struct GrantRow {
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    permissions: Option<Vec<String>>,
}

/// A role and what it allows; `permissions` are those of a role that the tenant defined.
fn granted(role: &str, permissions: Option<&[String]>) -> Result<RoleGrant, StoreError> {
    trusted(RoleGrant::of(trusted(RoleName::parse(role))?, permissions))
}

fn interval(duration: Duration) -> Result<PgInterval, StoreError> {
    Ok(PgInterval::from_microseconds(trusted(i64::try_from(duration.as_micros()))?))
}

/// The questions whose answer is one value.
mod registry {
    use diesel::sql_types::{Bytea, Nullable, Text, Uuid};

    #[diesel::declare_sql_function]
    extern "SQL" {
        #[sql_name = "registry.set_password_hash"]
        fn set_password_hash(person: Uuid, expected: Nullable<Text>, renewed: Text) -> Bool;

        #[sql_name = "registry.tenant_of_host"]
        fn tenant_of_host(host: Text) -> Nullable<Uuid>;

        #[sql_name = "registry.operator"]
        fn operator(digest: Bytea) -> Nullable<Uuid>;
    }
}

#[async_trait]
impl CredentialStore for PgDirectory {
    async fn login(&self, email: &Email) -> Result<Option<Login>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.login($1)").bind::<Text, _>(email.as_str());
        let rows: Vec<LoginRow> = self.pool.load(question).await?;
        let [first, ..] = rows.as_slice() else { return Ok(None) };
        Ok(Some(Login {
            user: UserId::from_uuid(first.user_id),
            password_hash: first
                .password_hash
                .clone()
                .map(PasswordHash::parse)
                .transpose()
                .map_err(StoreError::internal)?,
            memberships: rows.iter().filter_map(LoginRow::membership).collect::<Result<_, _>>()?,
        }))
    }

    async fn set_password_hash(
        &self,
        user: UserId,
        from: Option<&PasswordHash>,
        to: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let question =
            diesel::select(registry::set_password_hash(user.as_uuid(), from.map(PasswordHash::as_str), to.as_str()));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }

    async fn begin_session(&self, new: &NewSession) -> Result<Option<Begun>, StoreError> {
        sessions::begin(&self.pool, new).await
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<RotationOutcome, StoreError> {
        let grace = interval(rotation.grace)?;
        let question = diesel::sql_query("SELECT * FROM registry.exchange($1, $2, $3, $4, $5, $6)")
            .bind::<Bytea, _>(rotation.old.as_bytes().as_slice())
            .bind::<Bytea, _>(rotation.new.as_bytes().as_slice())
            .bind::<Bytea, _>(rotation.nonce.as_bytes().as_slice())
            .bind::<Timestamptz, _>(rotation.now)
            .bind::<Interval, _>(grace)
            .bind::<Timestamptz, _>(rotation.expires_at);
        let Some(row) = self.pool.load::<_, RotationRow, _>(question).await?.pop() else {
            return Ok(RotationOutcome::Unknown);
        };
        match row.outcome.as_str() {
            "rotated" => Ok(RotationOutcome::Rotated(row.live()?)),
            "replayed" => Ok(RotationOutcome::Replayed { nonce: row.nonce()?, live: row.live()? }),
            "reused" => Ok(RotationOutcome::Reused { session: SessionId::from_uuid(row.session_id) }),
            outcome => Err(StoreError::internal(format!("unknown outcome {outcome}"))),
        }
    }

    async fn operator(&self, digest: &TokenDigest) -> Result<Option<OperatorId>, StoreError> {
        let question = diesel::select(registry::operator(digest.as_bytes().as_slice()));
        let id = self.pool.load::<_, Option<Uuid>, _>(question).await?.pop().flatten();
        Ok(id.map(OperatorId::from_uuid))
    }
}
