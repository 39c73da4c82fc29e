//! Blobs in Postgres.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use tenantry_tenancy::StoreError;
use tenantry_work::blobs::{Blob, BlobId, BlobRepo};
use tenantry_work::documents::DocumentId;
use uuid::Uuid;

use crate::rows::trusted;
use crate::schema::{blobs, documents};
use crate::tenant_tx::PgTenantTx;

const EXPECTED: &str = "expected";
const KEPT: &str = "kept";
const DOOMED: &str = "doomed";

impl PgTenantTx {
    /// Moves a blob on, if it is still in this state.
    async fn turn(&mut self, id: BlobId, from: &str, to: &str) -> Result<bool, StoreError> {
        let row = self.rows_of(blobs::table).filter(blobs::id.eq(id.as_uuid())).filter(blobs::state.eq(from));
        Ok(self.execute(diesel::update(row).set(blobs::state.eq(to))).await? > 0)
    }
}

#[async_trait]
impl BlobRepo for PgTenantTx {
    async fn expect(&mut self, blob: &Blob) -> Result<(), StoreError> {
        let insert = diesel::insert_into(blobs::table).values((
            blobs::id.eq(blob.id.as_uuid()),
            blobs::document_id.eq(blob.document.as_uuid()),
            blobs::state.eq(EXPECTED),
        ));
        self.execute(insert).await?;
        Ok(())
    }

    async fn keep(&mut self, id: BlobId) -> Result<bool, StoreError> {
        self.turn(id, EXPECTED, KEPT).await
    }

    async fn give_up(&mut self, id: BlobId) -> Result<bool, StoreError> {
        self.turn(id, EXPECTED, DOOMED).await
    }

    async fn release(&mut self, id: BlobId) -> Result<bool, StoreError> {
        self.turn(id, KEPT, DOOMED).await
    }

    async fn doom(&mut self, since: DateTime<Utc>) -> Result<(), StoreError> {
        let late = self.rows_of(blobs::table).filter(blobs::state.eq(EXPECTED)).filter(blobs::created_at.lt(since));
        self.execute(diesel::update(late).set(blobs::state.eq(DOOMED))).await?;
        // A blob becomes kept together with the document that points at it, and no document ever points at it again.
        let users = self.rows_of(documents::table).filter(documents::blob_id.eq(blobs::id.nullable()));
        let unused = self.rows_of(blobs::table).filter(blobs::state.eq(KEPT)).filter(not(exists(users)));
        self.execute(diesel::update(unused).set(blobs::state.eq(DOOMED))).await?;
        Ok(())
    }

    async fn doomed(&mut self, limit: usize) -> Result<Vec<Blob>, StoreError> {
        let doomed = self
            .rows_of(blobs::table)
            .filter(blobs::state.eq(DOOMED))
            .select((blobs::id, blobs::document_id))
            .order(blobs::id)
            .limit(trusted(i64::try_from(limit))?);
        let rows: Vec<(Uuid, Uuid)> = self.load(doomed).await?;
        let blob = |(id, document)| Blob { id: BlobId::from_uuid(id), document: DocumentId::from_uuid(document) };
        Ok(rows.into_iter().map(blob).collect())
    }

    async fn forget(&mut self, id: BlobId) -> Result<(), StoreError> {
        let doomed = self.rows_of(blobs::table).filter(blobs::id.eq(id.as_uuid())).filter(blobs::state.eq(DOOMED));
        self.execute(diesel::delete(doomed)).await?;
        Ok(())
    }
}
