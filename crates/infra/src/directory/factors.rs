//! Second factors, through the functions of `migrations/registry/0016_second_factors` and `0024_proven_factors`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Bytea, Uuid as SqlUuid};
use tenantry_auth::{FactorStore, StoredFactor, TokenDigest};
use tenantry_tenancy::{RequestId, SessionId, StoreError, UserId};

use super::PgDirectory;
use crate::rows::trusted;

#[derive(QueryableByName)]
struct FactorRow {
    #[diesel(sql_type = Bytea)]
    secret: Vec<u8>,
    #[diesel(sql_type = Bool)]
    is_confirmed: bool,
}

mod registry {
    use diesel::sql_types::{Array, BigInt, Bool, Bytea, Nullable, Timestamptz, Uuid};

    #[diesel::declare_sql_function]
    extern "SQL" {
        #[sql_name = "registry.begin_totp"]
        fn begin_totp(person: Uuid, sealed: Bytea, proven: Bool) -> Bool;

        #[sql_name = "registry.confirm_totp"]
        fn confirm_totp(person: Uuid, step: BigInt, kept: Nullable<Uuid>, moment: Timestamptz) -> Bool;

        #[sql_name = "registry.accept_totp"]
        fn accept_totp(person: Uuid, step: BigInt, moment: Timestamptz, confirms: Bool) -> Bool;

        #[sql_name = "registry.accept_recovery_code"]
        fn accept_recovery_code(person: Uuid, digest: Bytea) -> Bool;

        #[sql_name = "registry.recovery_codes_left"]
        fn recovery_codes_left(person: Uuid) -> BigInt;

        #[sql_name = "registry.set_recovery_codes"]
        fn set_recovery_codes(person: Uuid, digests: Array<Bytea>, request: Uuid) -> Bool;

        #[sql_name = "registry.remove_totp"]
        fn remove_totp(person: Uuid, request: Uuid) -> Bool;
    }
}

#[async_trait]
impl FactorStore for PgDirectory {
    async fn factor(&self, user: UserId) -> Result<Option<StoredFactor>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.totp_factor($1)").bind::<SqlUuid, _>(user.as_uuid());
        let Some(row) = self.pool.load::<_, FactorRow, _>(question).await?.pop() else { return Ok(None) };
        Ok(Some(StoredFactor { sealed: row.secret, is_confirmed: row.is_confirmed }))
    }

    async fn begin(&self, user: UserId, sealed: &[u8], proven: bool) -> Result<bool, StoreError> {
        let question = diesel::select(registry::begin_totp(user.as_uuid(), sealed, proven));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }

    async fn confirm(
        &self,
        user: UserId,
        step: i64,
        kept: Option<SessionId>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let kept = kept.map(SessionId::as_uuid);
        let question = diesel::select(registry::confirm_totp(user.as_uuid(), step, kept, now));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }

    async fn accept(&self, user: UserId, step: i64, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let question = diesel::select(registry::accept_totp(user.as_uuid(), step, now, false));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }

    async fn accept_recovery(&self, user: UserId, digest: &TokenDigest) -> Result<bool, StoreError> {
        let question = diesel::select(registry::accept_recovery_code(user.as_uuid(), digest.as_bytes().as_slice()));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }

    async fn recovery_left(&self, user: UserId) -> Result<u64, StoreError> {
        let question = diesel::select(registry::recovery_codes_left(user.as_uuid()));
        let left = self.pool.load::<_, i64, _>(question).await?.pop().unwrap_or_default();
        trusted(u64::try_from(left))
    }

    async fn set_recovery(&self, user: UserId, digests: &[TokenDigest], request: RequestId) -> Result<(), StoreError> {
        let digests: Vec<Vec<u8>> = digests.iter().map(|digest| digest.as_bytes().to_vec()).collect();
        let question = diesel::select(registry::set_recovery_codes(user.as_uuid(), digests, request.as_uuid()));
        self.pool.load::<_, bool, _>(question).await?;
        Ok(())
    }

    async fn remove(&self, user: UserId, request: RequestId) -> Result<bool, StoreError> {
        let question = diesel::select(registry::remove_totp(user.as_uuid(), request.as_uuid()));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }
}
