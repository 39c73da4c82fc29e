//! Documents: files of a project, with their content.
//!
//! What a document says of its content and the content itself are stored apart. [`blobs`](crate::blobs) says how they stay
//! together whatever is interrupted.

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tenantry_tenancy::{
    Expected, Moment, Position, Search, SortKey, SortedPage, SortedQuery, Stale, StoreError, id, json_schema, text,
    words,
};

use crate::WorkTx;
use crate::blobs::{Blob, BlobId};
use crate::projects::ProjectId;

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

/// A media type (RFC 9110, section 8.3.1), with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType(String);

/// Why something is no [`ContentType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a media type such as application/pdf, of at most 127 characters")]
pub struct InvalidContentType;

impl ContentType {
    /// Reads a media type.
    pub fn parse(raw: &str) -> Result<Self, InvalidContentType> {
        let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_token_byte);
        let essence = raw.split_once(';').map_or(raw, |(essence, _)| essence).trim_end();
        let (kind, subtype) = essence.split_once('/').ok_or(InvalidContentType)?;
        let is_visible = raw.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if raw.len() <= 127 && is_token(kind) && is_token(subtype) && is_visible {
            Ok(Self(raw.to_owned()))
        } else {
            Err(InvalidContentType)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bytes of which nobody said what they are.
impl Default for ContentType {
    fn default() -> Self {
        Self("application/octet-stream".to_owned())
    }
}

impl Serialize for ContentType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ContentType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

json_schema!(ContentType, tenantry_tenancy::schema::pattern("^[^/]+/.+$", 127));

/// A byte of a token (RFC 9110, section 5.6.2).
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// A digest of content, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sha256(String);

impl Sha256 {
    /// The digest with these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Reads what [`as_str`](Self::as_str) writes.
    pub fn parse(raw: String) -> Result<Self, InvalidSha256> {
        let is_hex = raw.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if raw.len() == 64 && is_hex { Ok(Self(raw)) } else { Err(InvalidSha256) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it spells.
    pub fn to_bytes(&self) -> Vec<u8> {
        let digits =
            self.0.bytes().map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
        let digits: Vec<u8> = digits.flatten().collect();
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
    }
}

/// Why something is no [`Sha256`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 lower-case hexadecimal digits")]
pub struct InvalidSha256;

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

json_schema!(Sha256, tenantry_tenancy::schema::pattern("^[0-9a-f]{64}$", 64));

/// What is known of stored bytes. They never change: other content is another blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Where they lie.
    pub blob: BlobId,
    /// What they are.
    pub content_type: ContentType,
    /// How many.
    pub size: u64,
    /// Their digest.
    pub sha256: Sha256,
}

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

/// Deletes a document, if it has the version expected. Its content is collected later.
pub async fn delete(tx: &mut dyn WorkTx, id: DocumentId, expected: &Expected) -> Result<(), DocumentError> {
    admitted(tx, id, expected).await?;
    if tx.documents().delete(id).await? { Ok(()) } else { Err(DocumentError::NotFound(id)) }
}

/// Announces an upload that may replace what the document has. Must be committed before the first byte is written.
pub async fn expect_content(tx: &mut dyn WorkTx, id: DocumentId, replaces: &Replaces) -> Result<Blob, DocumentError> {
    replaced(tx, id, replaces).await?;
    let blob = Blob { id: BlobId::generate(), document: id };
    tx.blobs().expect(&blob).await?;
    Ok(blob)
}

/// Gives the document the content that was uploaded, in place of what it had.
pub async fn keep_content(
    tx: &mut dyn WorkTx,
    id: DocumentId,
    replaces: &Replaces,
    content: Content,
) -> Result<Document, DocumentError> {
    let document = replaced(tx, id, replaces).await?;
    if !tx.blobs().keep(content.blob).await? {
        return Err(DocumentError::GivenUp(content.blob));
    }
    tx.documents().update(&Document { content: Some(content), ..document }).await
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
