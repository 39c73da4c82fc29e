//! People's accounts, through the functions of `migrations/registry/0011_accounts`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text, Uuid as SqlUuid};
use tenantry_auth::lockout::DEVICE_LIFETIME;
use tenantry_auth::{
    Account, AccountStore, Membership, PasswordChange, PasswordHash, PasswordReset, ResetRequest, TokenDigest,
};
use tenantry_tenancy::{CredentialId, Email, PersonName, StoreError, UserId};
use uuid::Uuid;

use super::{PgDirectory, interval, membership};
use crate::rows::trusted;

#[derive(QueryableByName)]
struct AccountRow {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
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

impl AccountRow {
    fn membership(&self) -> Option<Result<Membership, StoreError>> {
        Some(membership(self.tenant_id?, self.slug.as_deref()?, self.role.as_deref()?, self.tenant_active?))
    }
}

mod registry {
    use diesel::sql_types::{Bytea, Interval, Text, Timestamptz, Uuid};

    #[diesel::declare_sql_function]
    extern "SQL" {
        #[sql_name = "registry.rename_person"]
        fn rename_person(person: Uuid, renamed: Text) -> Bool;

        #[sql_name = "registry.revoke_family"]
        fn revoke_family(token_digest: Bytea, moment: Timestamptz) -> Bool;

        #[sql_name = "registry.change_password"]
        fn change_password(
            person: Uuid,
            expected: Text,
            renewed: Text,
            kept: Uuid,
            moment: Timestamptz,
            request: Uuid,
        ) -> Bool;

        #[sql_name = "registry.request_reset"]
        fn request_reset(
            address: Text,
            token_digest: Bytea,
            moment: Timestamptz,
            pause: Interval,
            token_ends: Timestamptz,
        ) -> Bool;

        #[sql_name = "registry.reset_of"]
        fn reset_of(token_digest: Bytea, moment: Timestamptz) -> Nullable<Uuid>;

        #[sql_name = "registry.reset_password"]
        fn reset_password(
            token_digest: Bytea,
            renewed: Text,
            device: Bytea,
            moment: Timestamptz,
            device_ends: Timestamptz,
            request: Uuid,
        ) -> Bool;

        #[sql_name = "registry.void_grant"]
        fn void_grant(voided: Uuid, moment: Timestamptz) -> Bool;
    }
}

#[async_trait]
impl AccountStore for PgDirectory {
    async fn find(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.account($1)").bind::<SqlUuid, _>(user.as_uuid());
        let rows: Vec<AccountRow> = self.pool.load(question).await?;
        let [first, ..] = rows.as_slice() else { return Ok(None) };
        Ok(Some(Account {
            user: UserId::from_uuid(first.user_id),
            email: trusted(Email::parse(&first.email))?,
            name: first.name.as_deref().map(PersonName::parse).transpose().map_err(StoreError::internal)?,
            password_hash: first
                .password_hash
                .clone()
                .map(PasswordHash::parse)
                .transpose()
                .map_err(StoreError::internal)?,
            memberships: rows.iter().filter_map(AccountRow::membership).collect::<Result<_, _>>()?,
        }))
    }

    async fn rename(&self, user: UserId, name: &PersonName) -> Result<(), StoreError> {
        let question = diesel::select(registry::rename_person(user.as_uuid(), name.as_str()));
        self.pool.load::<_, bool, _>(question).await?;
        Ok(())
    }

    async fn revoke_family(&self, digest: &TokenDigest, now: DateTime<Utc>) -> Result<(), StoreError> {
        let question = diesel::select(registry::revoke_family(digest.as_bytes().as_slice(), now));
        self.pool.load::<_, bool, _>(question).await?;
        Ok(())
    }

    async fn void(&self, grant: CredentialId, now: DateTime<Utc>) -> Result<(), StoreError> {
        let question = diesel::select(registry::void_grant(grant.as_uuid(), now));
        self.pool.load::<_, bool, _>(question).await?;
        Ok(())
    }

    async fn change_password(&self, change: &PasswordChange<'_>) -> Result<bool, StoreError> {
        let PasswordChange { user, from, to, kept, now, request } = *change;
        let question = diesel::select(registry::change_password(
            user.as_uuid(),
            from.as_str(),
            to.as_str(),
            kept.as_uuid(),
            now,
            request.as_uuid(),
        ));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }

    async fn request_reset(&self, request: &ResetRequest<'_>) -> Result<bool, StoreError> {
        let ResetRequest { email, digest, now, pause, expires_at } = *request;
        let question = diesel::select(registry::request_reset(
            email.as_str(),
            digest.as_bytes().as_slice(),
            now,
            interval(pause)?,
            expires_at,
        ));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }

    async fn reset_of(&self, digest: &TokenDigest, now: DateTime<Utc>) -> Result<Option<UserId>, StoreError> {
        let question = diesel::select(registry::reset_of(digest.as_bytes().as_slice(), now));
        let id = self.pool.load::<_, Option<Uuid>, _>(question).await?.pop().flatten();
        Ok(id.map(UserId::from_uuid))
    }

    async fn reset_password(&self, reset: &PasswordReset<'_>) -> Result<bool, StoreError> {
        let PasswordReset { digest, to, device, now, request } = *reset;
        let question = diesel::select(registry::reset_password(
            digest.as_bytes().as_slice(),
            to.as_str(),
            device.as_bytes().as_slice(),
            now,
            now + DEVICE_LIFETIME,
            request.as_uuid(),
        ));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }
}
