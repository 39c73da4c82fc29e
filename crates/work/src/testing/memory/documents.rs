//! Documents and blobs as maps.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::testing::{admits, check_free, finds, page};
use tenantry_tenancy::{SortedPage, StoreError};

use super::MemoryWork;
use crate::blobs::{Blob, BlobId, BlobRepo};
use crate::documents::{Document, DocumentError, DocumentId, DocumentQuery, DocumentRepo, NewDocument};
use crate::projects::ProjectId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlobState {
    Expected,
    Kept,
    Doomed,
}

#[derive(Clone, Debug)]
pub(super) struct BlobRow {
    blob: Blob,
    state: BlobState,
    created_at: DateTime<Utc>,
}

impl MemoryWork {
    fn check_project_of_document(&self, id: ProjectId) -> Result<(), DocumentError> {
        if self.projects.contains_key(&id) { Ok(()) } else { Err(DocumentError::ProjectUnknown) }
    }

    fn turn(&mut self, id: BlobId, from: BlobState, to: BlobState) -> bool {
        self.blobs.get_mut(&id).filter(|row| row.state == from).map(|row| row.state = to).is_some()
    }
}

#[async_trait]
impl DocumentRepo for MemoryWork {
    async fn find(&mut self, id: DocumentId) -> Result<Option<Document>, StoreError> {
        Ok(self.documents.get(&id).cloned())
    }

    async fn find_for_update(&mut self, id: DocumentId) -> Result<Option<Document>, StoreError> {
        Ok(self.documents.get(&id).cloned())
    }

    async fn list(&mut self, query: &DocumentQuery) -> Result<SortedPage<Document>, StoreError> {
        let matching = self.documents.values().filter(|document| {
            admits(query.project, document.project)
                && query.updated_since.is_none_or(|since| document.updated_at >= since.time())
                && finds(query.search.as_ref(), &[document.title.as_str()])
        });
        let order = query.page.order;
        Ok(page(matching, &query.page, order.is_descending(), |document| order.position(document)))
    }

    async fn insert(&mut self, new: &NewDocument) -> Result<Document, DocumentError> {
        check_free(&self.documents, new.id)?;
        self.check_project_of_document(new.project)?;
        let now = self.clock.now();
        let NewDocument { id, project, title } = new.clone();
        let document = Document { id, project, title, content: None, version: 1, created_at: now, updated_at: now };
        self.documents.insert(id, document.clone());
        Ok(document)
    }

    async fn update(&mut self, document: &Document) -> Result<Document, DocumentError> {
        let stored = self.documents.get(&document.id).ok_or(DocumentError::NotFound(document.id))?;
        let document = Document {
            version: stored.version + 1,
            created_at: stored.created_at,
            updated_at: self.clock.now(),
            ..document.clone()
        };
        self.check_project_of_document(document.project)?;
        self.documents.insert(document.id, document.clone());
        Ok(document)
    }

    async fn delete(&mut self, id: DocumentId) -> Result<bool, StoreError> {
        Ok(self.documents.remove(&id).is_some())
    }
}

#[async_trait]
impl BlobRepo for MemoryWork {
    async fn expect(&mut self, blob: &Blob) -> Result<(), StoreError> {
        check_free(&self.blobs, blob.id)?;
        let row = BlobRow { blob: *blob, state: BlobState::Expected, created_at: self.clock.now() };
        self.blobs.insert(blob.id, row);
        Ok(())
    }

    async fn keep(&mut self, id: BlobId) -> Result<bool, StoreError> {
        Ok(self.turn(id, BlobState::Expected, BlobState::Kept))
    }

    async fn give_up(&mut self, id: BlobId) -> Result<bool, StoreError> {
        Ok(self.turn(id, BlobState::Expected, BlobState::Doomed))
    }

    async fn release(&mut self, id: BlobId) -> Result<bool, StoreError> {
        Ok(self.turn(id, BlobState::Kept, BlobState::Doomed))
    }

    async fn doom(&mut self, since: DateTime<Utc>) -> Result<(), StoreError> {
        let contents = || self.documents.values().filter_map(|document| document.content.as_ref());
        let is_pointed_at = |id: BlobId| contents().any(|content| content.blob == id);
        for row in self.blobs.values_mut() {
            let is_waste = match row.state {
                BlobState::Expected => row.created_at < since,
                BlobState::Kept => !is_pointed_at(row.blob.id),
                BlobState::Doomed => true,
            };
            if is_waste {
                row.state = BlobState::Doomed;
            }
        }
        Ok(())
    }

    async fn doomed(&mut self, limit: usize) -> Result<Vec<Blob>, StoreError> {
        let doomed = self.blobs.values().filter(|row| row.state == BlobState::Doomed);
        Ok(doomed.map(|row| row.blob).take(limit).collect())
    }

    async fn forget(&mut self, id: BlobId) -> Result<(), StoreError> {
        self.blobs.retain(|known, row| *known != id || row.state != BlobState::Doomed);
        Ok(())
    }
}
