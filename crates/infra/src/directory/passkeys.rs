//! Passkeys and their ceremonies, through the functions of `migrations/registry/0021_passkeys` and
//! `0024_proven_factors`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Bytea, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use tenantry_auth::passkeys::MOST_PASSKEYS;
use tenantry_auth::{
    Addition, Ceremony, CeremonyKind, NewPasskey, OwnPasskey, PasskeyId, PasskeyName, PasskeyStore, PublicKey,
    StoredPasskey, TokenDigest,
};
use tenantry_tenancy::{RequestId, StoreError, TenantId, UserId};
use uuid::Uuid;

use super::PgDirectory;
use crate::rows::trusted;

#[derive(QueryableByName)]
struct CeremonyRow {
    #[diesel(sql_type = Bytea)]
    challenge: Vec<u8>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    user_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    tenant_id: Option<Uuid>,
    #[diesel(sql_type = Bool)]
    second_factor: bool,
    #[diesel(sql_type = Timestamptz)]
    expires_at: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct OwnRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Bytea)]
    credential: Vec<u8>,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_used_at: Option<DateTime<Utc>>,
}

impl TryFrom<OwnRow> for OwnPasskey {
    type Error = StoreError;

    fn try_from(row: OwnRow) -> Result<Self, StoreError> {
        let OwnRow { id, credential, name, created_at, last_used_at } = row;
        let (id, name) = (PasskeyId::from_uuid(id), trusted(PasskeyName::parse(name))?);
        Ok(Self { id, credential, name, created_at, last_used_at })
    }
}

#[derive(QueryableByName)]
struct StoredRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Bytea)]
    public_key: Vec<u8>,
}

impl TryFrom<StoredRow> for StoredPasskey {
    type Error = StoreError;

    fn try_from(row: StoredRow) -> Result<Self, StoreError> {
        let key = PublicKey::from_bytes(&row.public_key);
        let key = key.ok_or_else(|| StoreError::internal("the key of a passkey cannot be read"))?;
        Ok(Self { id: PasskeyId::from_uuid(row.id), user: UserId::from_uuid(row.user_id), key })
    }
}

#[expect(clippy::too_many_arguments, reason = "a ceremony has as many columns")]
mod registry {
    use diesel::sql_types::{BigInt, Bool, Bytea, Nullable, Text, Timestamptz, Uuid};

    #[diesel::declare_sql_function]
    extern "SQL" {
        #[sql_name = "registry.begin_passkey_ceremony"]
        fn begin_passkey_ceremony(
            digest: Bytea,
            kind: Text,
            challenge: Bytea,
            person: Nullable<Uuid>,
            tenant: Nullable<Uuid>,
            proven: Bool,
            moment: Timestamptz,
            ends: Timestamptz,
        ) -> Bool;

        #[sql_name = "registry.use_passkey"]
        fn use_passkey(passkey: Uuid, signed: BigInt, moment: Timestamptz) -> Bool;

        #[sql_name = "registry.remove_passkey"]
        fn remove_passkey(person: Uuid, passkey: Uuid, request: Uuid) -> Bool;
    }
}

#[derive(QueryableByName)]
struct AdditionRow {
    #[diesel(sql_type = Text)]
    outcome: String,
}

#[async_trait]
impl PasskeyStore for PgDirectory {
    async fn begin_ceremony(&self, ceremony: &Ceremony, now: DateTime<Utc>) -> Result<(), StoreError> {
        let question = diesel::select(registry::begin_passkey_ceremony(
            ceremony.digest.as_bytes().as_slice(),
            ceremony.kind.as_str(),
            ceremony.challenge.as_bytes().as_slice(),
            ceremony.user.map(UserId::as_uuid),
            ceremony.tenant.map(TenantId::as_uuid),
            ceremony.second_factor,
            now,
            ceremony.expires_at,
        ));
        self.pool.load::<_, bool, _>(question).await?;
        Ok(())
    }

    async fn take_ceremony(
        &self,
        token: &TokenDigest,
        kind: CeremonyKind,
        now: DateTime<Utc>,
    ) -> Result<Option<Ceremony>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.take_ceremony($1, $2, $3)")
            .bind::<Bytea, _>(token.as_bytes().as_slice())
            .bind::<Text, _>(kind.as_str())
            .bind::<Timestamptz, _>(now);
        let Some(row) = self.pool.load::<_, CeremonyRow, _>(question).await?.pop() else { return Ok(None) };
        Ok(Some(Ceremony {
            digest: *token,
            kind,
            challenge: TokenDigest::from_bytes(trusted(<[u8; 32]>::try_from(row.challenge.as_slice()))?),
            user: row.user_id.map(UserId::from_uuid),
            tenant: row.tenant_id.map(TenantId::from_uuid),
            second_factor: row.second_factor,
            expires_at: row.expires_at,
        }))
    }

    async fn add_passkey(&self, new: &NewPasskey) -> Result<Addition, StoreError> {
        let question =
            diesel::sql_query("SELECT registry.add_passkey($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS outcome")
                .bind::<SqlUuid, _>(new.id.as_uuid())
                .bind::<SqlUuid, _>(new.user.as_uuid())
                .bind::<Bytea, _>(new.credential.as_slice())
                .bind::<Bytea, _>(new.key.to_bytes())
                .bind::<BigInt, _>(i64::from(new.counter))
                .bind::<Text, _>(new.name.as_str())
                .bind::<BigInt, _>(trusted(i64::try_from(MOST_PASSKEYS))?)
                .bind::<SqlUuid, _>(new.session.as_uuid())
                .bind::<Bool, _>(new.proven)
                .bind::<Timestamptz, _>(new.now)
                .bind::<SqlUuid, _>(new.request.as_uuid());
        let row = self.pool.load::<_, AdditionRow, _>(question).await?.pop();
        match row.as_ref().map(|row| row.outcome.as_str()) {
            Some("added") => Ok(Addition::Added),
            Some("unproven") => Ok(Addition::Unproven),
            Some("too_many") => Ok(Addition::TooMany),
            Some("taken") => Ok(Addition::Taken),
            outcome => Err(StoreError::internal(format!("unknown outcome {outcome:?}"))),
        }
    }

    async fn passkeys_of(&self, user: UserId) -> Result<Vec<OwnPasskey>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.passkeys_of($1)").bind::<SqlUuid, _>(user.as_uuid());
        self.pool.load::<_, OwnRow, _>(question).await?.into_iter().map(OwnPasskey::try_from).collect()
    }

    async fn passkey(&self, credential: &[u8]) -> Result<Option<StoredPasskey>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.passkey($1)").bind::<Bytea, _>(credential);
        self.pool.load::<_, StoredRow, _>(question).await?.pop().map(StoredPasskey::try_from).transpose()
    }

    async fn use_passkey(&self, id: PasskeyId, counter: u32, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let question = diesel::select(registry::use_passkey(id.as_uuid(), i64::from(counter), now));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }

    async fn remove_passkey(&self, user: UserId, id: PasskeyId, request: RequestId) -> Result<bool, StoreError> {
        let question = diesel::select(registry::remove_passkey(user.as_uuid(), id.as_uuid(), request.as_uuid()));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }
}
