//! What machine clients called, counted by the hour.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Array, BigInt, Integer, Text, Timestamptz, Uuid as SqlUuid};
use tenantry_auth::{ClientUsageStore, CountedCalls};
use tenantry_tenancy::StoreError;
use uuid::Uuid;

use super::PgDirectory;

/// How long counts are kept.
const REMEMBERED: TimeDelta = TimeDelta::days(90);

#[async_trait]
impl ClientUsageStore for PgDirectory {
    async fn add(&self, counted: &[CountedCalls], now: DateTime<Utc>) -> Result<(), StoreError> {
        let uuids = |of: fn(&CountedCalls) -> Uuid| -> Vec<Uuid> { counted.iter().map(of).collect() };
        let times = |of: fn(&CountedCalls) -> DateTime<Utc>| -> Vec<DateTime<Utc>> { counted.iter().map(of).collect() };
        let texts =
            |of: fn(&CountedCalls) -> &str| -> Vec<String> { counted.iter().map(|it| of(it).to_owned()).collect() };
        let statuses: Vec<i32> = counted.iter().map(|it| i32::from(it.call.status)).collect();
        let calls: Vec<i64> = counted.iter().map(|it| i64::from(it.calls)).collect();
        let add = diesel::sql_query("SELECT registry.note_api_client_uses($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
            .bind::<Array<SqlUuid>, _>(uuids(|it| it.id.as_uuid()))
            .bind::<Array<SqlUuid>, _>(uuids(|it| it.call.tenant.as_uuid()))
            .bind::<Array<SqlUuid>, _>(uuids(|it| it.call.client.as_uuid()))
            .bind::<Array<Timestamptz>, _>(times(|it| it.hour))
            .bind::<Array<Text>, _>(texts(|it| &it.call.method))
            .bind::<Array<Text>, _>(texts(|it| &it.call.route))
            .bind::<Array<Integer>, _>(statuses)
            .bind::<Array<BigInt>, _>(calls)
            .bind::<Array<Timestamptz>, _>(times(|it| it.last_at))
            .bind::<Timestamptz, _>(now - REMEMBERED);
        self.pool.execute(add).await?;
        Ok(())
    }
}
