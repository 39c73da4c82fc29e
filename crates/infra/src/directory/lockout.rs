//! Attempts to log in, counted by the functions of `migrations/registry/0015_lockout`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_auth::TokenDigest;
use tenantry_auth::lockout::{Again, Attempt, AttemptStore, DEVICE_LIFETIME};
use tenantry_tenancy::{StoreError, UserId};

use super::PgDirectory;

mod registry {
    use diesel::sql_types::{Bytea, Nullable, Text, Timestamptz, Uuid};

    #[diesel::declare_sql_function]
    extern "SQL" {
        #[sql_name = "registry.admit_login"]
        fn admit_login(address: Text, network: Text, device: Nullable<Bytea>, moment: Timestamptz) -> Bool;

        #[sql_name = "registry.welcome_login"]
        fn welcome_login(
            address: Text,
            network: Text,
            device: Nullable<Bytea>,
            fresh: Bytea,
            person: Uuid,
            moment: Timestamptz,
            device_ends: Timestamptz,
        ) -> Bool;

        #[sql_name = "registry.admit_again"]
        fn admit_again(subject: Text, moment: Timestamptz) -> Bool;

        #[sql_name = "registry.welcome_again"]
        fn welcome_again(subject: Text) -> Bool;
    }
}

#[async_trait]
impl AttemptStore for PgDirectory {
    async fn admit(&self, attempt: &Attempt) -> Result<bool, StoreError> {
        let device = attempt.device.as_ref().map(|device| device.as_bytes().as_slice());
        let question =
            diesel::select(registry::admit_login(attempt.address.as_str(), attempt.network(), device, attempt.now));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }

    async fn welcome(&self, attempt: &Attempt, person: UserId, fresh: &TokenDigest) -> Result<bool, StoreError> {
        let device = attempt.device.as_ref().map(|device| device.as_bytes().as_slice());
        let question = diesel::select(registry::welcome_login(
            attempt.address.as_str(),
            attempt.network(),
            device,
            fresh.as_bytes().as_slice(),
            person.as_uuid(),
            attempt.now,
            attempt.now + DEVICE_LIFETIME,
        ));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }

    async fn admit_again(&self, again: &Again, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let question = diesel::select(registry::admit_again(again.to_string(), now));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }

    async fn welcome_again(&self, again: &Again) -> Result<(), StoreError> {
        self.pool.load::<_, bool, _>(diesel::select(registry::welcome_again(again.to_string()))).await?;
        Ok(())
    }
}
