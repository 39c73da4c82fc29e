//! Documents: files of a project, with their content.
//!
//! What a document says of its content and the content itself are stored apart. [`blobs`](crate::blobs) says how they stay
//! together whatever is interrupted.

mod content;

use async_trait::async_trait;
use tenantry_tenancy::{
    Expected, Moment, Position, Search, SortKey, SortedPage, SortedQuery, Stale, StoreError, id, text, words,
};

use crate::WorkTx;
use crate::blobs::{Blob, BlobId};
use crate::projects::ProjectId;

pub use content::{Content, ContentType, InvalidContentType, InvalidSha256, Sha256};

id!(
    /// One document.
    DocumentId
);
text!(
    /// What a document is called; the name of the file it is downloaded as.
    DocumentTitle,
    Line,
    255
);

/// What an upload may take the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replaces {
    /// Whatever the document has, if the document has the version expected.
    Any(Expected),
    /// This content alone, or none. No blob is ever a document's twice, so one upload at the most succeeds.
    Content(Option<BlobId>),
}

words!(
    /// In which order a list of documents comes.
    #[derive(Default)]
    DocumentOrder {
        /// The newest first.
        #[default]
        Newest = "-created_at",
        /// The oldest first.
        Oldest = "created_at",
        /// By title.
        Title = "title",
        /// By title, from the end of the alphabet.
        TitleDescending = "-title",
        /// The one longest unchanged first.
        Updated = "updated_at",
        /// The last changed first.
        LastUpdated = "-updated_at",
    }
);

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its identity.
    pub id: DocumentId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// What it is called.
    pub title: DocumentTitle,
    /// What it has; nothing before the first upload.
    pub content: Option<Content>,
    /// How often it was changed, plus one.
    pub version: i64,
    /// When it was made.
    pub created_at: chrono::DateTime<chrono::Utc>,
    /// When it was last changed.
    pub updated_at: chrono::DateTime<chrono::Utc>,
}

/// A document to be made, without content yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDocument {
    /// Its identity.
    pub id: DocumentId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// What it is called.
    pub title: DocumentTitle,
}

/// What to change about a document; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentChange {
    /// The project it belongs to.
    pub project: Option<ProjectId>,
    /// What it is called.
    pub title: Option<DocumentTitle>,
}

/// Which documents a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentQuery {
    /// Only those of this project.
    pub project: Option<ProjectId>,
    /// Only those changed at this moment or later.
    pub updated_since: Option<Moment>,
    /// Only those with these words in the title.
    pub search: Option<Search>,
    /// Which page.
    pub page: SortedQuery<DocumentOrder>,
}

impl DocumentOrder {
    /// Where a document stands in this order.
    pub fn position(self, document: &Document) -> Position {
        let key = match self {
            Self::Newest | Self::Oldest => SortKey::Id,
            Self::Title | Self::TitleDescending => SortKey::Text(document.title.as_str().to_owned()),
            Self::Updated | Self::LastUpdated => SortKey::Time(document.updated_at),
        };
        Position { key, id: document.id.as_uuid() }
    }

    /// Whether it goes from the end to the beginning.
    pub fn is_descending(self) -> bool {
        matches!(self, Self::Newest | Self::TitleDescending | Self::LastUpdated)
    }
}

/// Why an operation on documents was refused.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// There is none with this id.
    #[error("document {0} does not exist")]
    NotFound(DocumentId),
    /// Nothing was uploaded yet.
    #[error("document {0} has no content")]
    Empty(DocumentId),
    /// The tenant has no such project.
    #[error("the project does not exist")]
    ProjectUnknown,
    /// The change was made from another version.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// It has other content by now than the one to be replaced.
    #[error("document {0} was given other content")]
    Replaced(DocumentId),
    /// The upload took so long that it was given up.
    #[error("the upload into {0} was given up")]
    GivenUp(BlobId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The documents of the tenant whose transaction is open.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait DocumentRepo: Send {
    /// One document.
    async fn find(&mut self, id: DocumentId) -> Result<Option<Document>, StoreError>;

    /// One document, which nobody else changes until the transaction ends.
    async fn find_for_update(&mut self, id: DocumentId) -> Result<Option<Document>, StoreError>;

    /// One page of documents.
    async fn list(&mut self, query: &DocumentQuery) -> Result<SortedPage<Document>, StoreError>;

    /// Stores a new document. Fails with [`DocumentError::ProjectUnknown`] when the tenant has no such project.
    async fn insert(&mut self, new: &NewDocument) -> Result<Document, DocumentError>;

    /// Stores the document's fields, counts up its version and tells it as it is now.
    ///
    /// Fails with [`DocumentError::ProjectUnknown`] when the tenant has no such project, and with
    /// [`DocumentError::NotFound`] when it has no such document.
    async fn update(&mut self, document: &Document) -> Result<Document, DocumentError>;

    /// Deletes a document; false when there is none. Its blob stays, without a document.
    async fn delete(&mut self, id: DocumentId) -> Result<bool, StoreError>;
}

/// Shows one document.
pub async fn show(tx: &mut dyn WorkTx, id: DocumentId) -> Result<Document, DocumentError> {
    tx.documents().find(id).await?.ok_or(DocumentError::NotFound(id))
}

/// Shows one document with the content it must have.
pub async fn content(tx: &mut dyn WorkTx, id: DocumentId) -> Result<(Document, Content), DocumentError> {
    let document = show(tx, id).await?;
    let content = document.content.clone().ok_or(DocumentError::Empty(id))?;
    Ok((document, content))
}

/// Changes the fields given, if the document has the version expected. What leaves everything as it is counts as no change.
pub async fn change(
    tx: &mut dyn WorkTx,
    id: DocumentId,
    expected: &Expected,
    change: DocumentChange,
) -> Result<Document, DocumentError> {
    let document = admitted(tx, id, expected).await?;
    let changed = Document {
        project: change.project.unwrap_or(document.project),
        title: change.title.unwrap_or_else(|| document.title.clone()),
        ..document.clone()
    };
    if changed == document { Ok(document) } else { tx.documents().update(&changed).await }
}

/// Deletes a document, if it has the version expected. Tells what is doomed by that.
pub async fn delete(tx: &mut dyn WorkTx, id: DocumentId, expected: &Expected) -> Result<Option<Blob>, DocumentError> {
    let document = admitted(tx, id, expected).await?;
    if !tx.documents().delete(id).await? {
        return Err(DocumentError::NotFound(id));
    }
    released(tx, &document).await
}

/// Announces an upload that may replace what the document has. Must be committed before the first byte is written.
pub async fn expect_content(tx: &mut dyn WorkTx, id: DocumentId, replaces: &Replaces) -> Result<Blob, DocumentError> {
    replaced(tx, id, replaces).await?;
    let blob = Blob { id: BlobId::generate(), document: id };
    tx.blobs().expect(&blob).await?;
    Ok(blob)
}

/// A document with the content it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// As it is now.
    pub document: Document,
    /// What it had before, which is doomed.
    pub replaced: Option<Blob>,
}

/// Gives the document the content that was uploaded, in place of what it had.
pub async fn keep_content(
    tx: &mut dyn WorkTx,
    id: DocumentId,
    replaces: &Replaces,
    content: Content,
) -> Result<Kept, DocumentError> {
    let before = replaced(tx, id, replaces).await?;
    if !tx.blobs().keep(content.blob).await? {
        return Err(DocumentError::GivenUp(content.blob));
    }
    let document = tx.documents().update(&Document { content: Some(content), ..before.clone() }).await?;
    Ok(Kept { document, replaced: released(tx, &before).await? })
}

/// Gives an announced upload up. Tells whether that doomed it: nothing else may be deleted, least of all what was kept by a
/// transaction of which nobody knows whether it was committed.
pub async fn give_up(tx: &mut dyn WorkTx, blob: Blob) -> Result<Option<Blob>, StoreError> {
    Ok(tx.blobs().give_up(blob.id).await?.then_some(blob))
}

/// What the document had, doomed, now that nothing points at it any more.
async fn released(tx: &mut dyn WorkTx, document: &Document) -> Result<Option<Blob>, DocumentError> {
    let Some(content) = &document.content else { return Ok(None) };
    let blob = Blob { id: content.blob, document: document.id };
    Ok(tx.blobs().release(blob.id).await?.then_some(blob))
}

/// The document, locked, if it has the version expected.
async fn admitted(tx: &mut dyn WorkTx, id: DocumentId, expected: &Expected) -> Result<Document, DocumentError> {
    let document = tx.documents().find_for_update(id).await?.ok_or(DocumentError::NotFound(id))?;
    expected.admit(document.version)?;
    Ok(document)
}

/// The document, locked, if the upload may replace what it has.
async fn replaced(tx: &mut dyn WorkTx, id: DocumentId, replaces: &Replaces) -> Result<Document, DocumentError> {
    match replaces {
        Replaces::Any(expected) => admitted(tx, id, expected).await,
        Replaces::Content(blob) => {
            let document = admitted(tx, id, &Expected::ANY).await?;
            let has = document.content.as_ref().map(|content| content.blob);
            if has == *blob { Ok(document) } else { Err(DocumentError::Replaced(id)) }
        }
    }
}

#[cfg(test)]
mod tests;
