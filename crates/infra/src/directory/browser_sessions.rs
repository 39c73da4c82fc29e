//! The sessions of people, through the functions of `migrations/registry/0007_browser_sessions` and
//! `0024_proven_factors`.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Interval, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use tenantry_auth::{LiveBrowserSession, NewBrowserSession, OwnSession, PasswordHash, SessionStore, TokenDigest};
use tenantry_tenancy::{RoleGrant, SessionId, Slug, StoreError, TenantId, UserId, Version};
use uuid::Uuid;

use super::{GrantRow, PgDirectory, granted, interval};
use crate::rows::trusted;

#[derive(QueryableByName)]
struct LiveRow {
    #[diesel(sql_type = SqlUuid)]
    session_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    permissions: Option<Vec<String>>,
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Timestamptz)]
    ends_at: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct OwnRow {
    #[diesel(sql_type = SqlUuid)]
    session_id: Uuid,
    #[diesel(sql_type = Text)]
    tenant_slug: String,
    #[diesel(sql_type = Bool)]
    is_browser: bool,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    last_seen_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    ends_at: DateTime<Utc>,
}

mod registry {
    use diesel::sql_types::{Timestamptz, Uuid};

    #[diesel::declare_sql_function]
    extern "SQL" {
        #[sql_name = "registry.revoke_session"]
        fn revoke_session(person: Uuid, session: Uuid, moment: Timestamptz) -> BigInt;

        #[sql_name = "registry.revoke_other_sessions"]
        fn revoke_other_sessions(person: Uuid, kept: Uuid, moment: Timestamptz) -> BigInt;

        #[sql_name = "registry.proved_factor"]
        fn proved_factor(session: Uuid) -> Bool;
    }
}

#[async_trait]
impl SessionStore for PgDirectory {
    async fn open(&self, new: &NewBrowserSession) -> Result<Option<RoleGrant>, StoreError> {
        let question =
            diesel::sql_query("SELECT * FROM registry.open_proven_browser_session($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind::<SqlUuid, _>(new.session.as_uuid())
                .bind::<SqlUuid, _>(new.user.as_uuid())
                .bind::<SqlUuid, _>(new.tenant.as_uuid())
                .bind::<Bytea, _>(new.digest.as_bytes().as_slice())
                .bind::<Timestamptz, _>(new.now)
                .bind::<Timestamptz, _>(new.ends_at)
                .bind::<Nullable<Text>, _>(new.proof.password_hash.as_ref().map(PasswordHash::as_str))
                .bind::<Bool, _>(new.proof.second_factor);
        let grant = self.pool.load::<_, GrantRow, _>(question).await?.pop();
        grant.map(|grant| granted(&grant.role, grant.permissions.as_deref())).transpose()
    }

    async fn look_up(
        &self,
        digest: &TokenDigest,
        now: DateTime<Utc>,
        idle: Duration,
    ) -> Result<Option<LiveBrowserSession>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.browser_session($1, $2, $3)")
            .bind::<Bytea, _>(digest.as_bytes().as_slice())
            .bind::<Timestamptz, _>(now)
            .bind::<Interval, _>(interval(idle)?);
        let Some(row) = self.pool.load::<_, LiveRow, _>(question).await?.pop() else { return Ok(None) };
        Ok(Some(LiveBrowserSession {
            session: SessionId::from_uuid(row.session_id),
            user: UserId::from_uuid(row.user_id),
            tenant: TenantId::from_uuid(row.tenant_id),
            grant: granted(&row.role, row.permissions.as_deref())?,
            version: Version(row.version),
            ends_at: row.ends_at,
        }))
    }

    async fn list(&self, user: UserId, now: DateTime<Utc>) -> Result<Vec<OwnSession>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.sessions_of($1, $2)")
            .bind::<SqlUuid, _>(user.as_uuid())
            .bind::<Timestamptz, _>(now);
        let rows: Vec<OwnRow> = self.pool.load(question).await?;
        let own = rows.into_iter().map(|row| {
            Ok(OwnSession {
                id: SessionId::from_uuid(row.session_id),
                tenant: trusted(Slug::parse(&row.tenant_slug))?,
                is_browser: row.is_browser,
                created_at: row.created_at,
                last_seen_at: row.last_seen_at,
                ends_at: row.ends_at,
            })
        });
        own.collect()
    }

    async fn revoke(&self, user: UserId, session: SessionId, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let question = diesel::select(registry::revoke_session(user.as_uuid(), session.as_uuid(), now));
        Ok(self.pool.load::<_, i64, _>(question).await? == [1])
    }

    async fn revoke_others(&self, user: UserId, kept: SessionId, now: DateTime<Utc>) -> Result<(), StoreError> {
        let question = diesel::select(registry::revoke_other_sessions(user.as_uuid(), kept.as_uuid(), now));
        self.pool.load::<_, i64, _>(question).await?;
        Ok(())
    }

    async fn proved_factor(&self, session: SessionId) -> Result<bool, StoreError> {
        let question = diesel::select(registry::proved_factor(session.as_uuid()));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }
}
