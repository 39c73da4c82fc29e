//! Kept answers in Postgres.

use async_trait::async_trait;
use diesel::dsl::{IntervalDsl, now};
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use tenantry_app::{AnswerRepo, Claim, Fingerprint, KeyDigest};
use tenantry_tenancy::StoreError;

use crate::schema::idempotency_keys;
use crate::tenant_tx::PgTenantTx;

#[async_trait]
impl AnswerRepo for PgTenantTx {
    async fn claim(&mut self, key: &KeyDigest, fingerprint: &Fingerprint) -> Result<Claim, StoreError> {
        let yesterday = now.into_sql::<Timestamptz>() - 24.hours();
        let forgotten = self.rows_of(idempotency_keys::table).filter(idempotency_keys::created_at.lt(yesterday));
        self.execute(diesel::delete(forgotten)).await?;
        let row =
            (idempotency_keys::digest.eq(key.as_slice()), idempotency_keys::fingerprint.eq(fingerprint.as_slice()));
        let insert = diesel::insert_into(idempotency_keys::table).values(row).on_conflict_do_nothing();
        // Another transaction's row makes this wait for its end, or for as long as the opening message allows.
        match self.execute(insert).await.map_err(StoreError::from) {
            Ok(0) => {}
            Ok(_) => return Ok(Claim::First),
            Err(StoreError::Conflict(_)) => return Ok(Claim::InFlight),
            Err(error) => return Err(error),
        }
        let kept = self
            .rows_of(idempotency_keys::table)
            .filter(idempotency_keys::digest.eq(key.as_slice()))
            .select((idempotency_keys::fingerprint, idempotency_keys::answer));
        let kept: Option<(Vec<u8>, Option<Vec<u8>>)> = self.load_one(kept).await?;
        match kept {
            Some((fingerprint, Some(answer))) => {
                let fingerprint =
                    fingerprint.try_into().map_err(|_| StoreError::internal("a fingerprint has 32 bytes"))?;
                Ok(Claim::Answered(fingerprint, answer))
            }
            // Forgotten in between, or committed without an answer, which nobody does.
            _ => Ok(Claim::InFlight),
        }
    }

    async fn keep(&mut self, key: &KeyDigest, answer: &[u8]) -> Result<(), StoreError> {
        let claimed = self.rows_of(idempotency_keys::table).filter(idempotency_keys::digest.eq(key.as_slice()));
        self.execute(diesel::update(claimed).set(idempotency_keys::answer.eq(Some(answer)))).await?;
        Ok(())
    }
}
