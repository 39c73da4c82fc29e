//! `/api/v1/documents`.

mod content;
mod files;
mod uploads;
mod urls;

use actix_web::http::Method;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_app::{FileError, FileStore};
use tenantry_tenancy::permissions::needs::{ReadDocuments, WriteDocuments};
use tenantry_tenancy::{Limit, Moment, Search, SortedQuery};
use tenantry_work::documents::{
    self, ContentType, Document, DocumentChange, DocumentError, DocumentId, DocumentOrder, DocumentQuery,
    DocumentTitle, NewDocument, Sha256,
};
use tenantry_work::projects::ProjectId;
use utoipa::{IntoParams, ToSchema};

use crate::conditions::{IfMatch, Versioned};
use crate::cursor::Cursors;
use crate::extract::{Body, Can, PathId, Query, present};
use crate::list::{List, Paging, spelled};
use crate::listing::{Format, Listing};
use crate::once::Store;
use crate::problem::ApiError;
use crate::reply::{CreatedResource, NoContent, Resource};
use crate::routes::Routes;

use content::Contents;
pub use uploads::Uploads;

const PATH: &str = "/api/v1/documents";
const ONE: &str = "/api/v1/documents/{id}";
const CONTENT: &str = "/api/v1/documents/{id}/content";
const UPLOAD_URL: &str = "/api/v1/documents/{id}/upload-url";
const DOWNLOAD_URL: &str = "/api/v1/documents/{id}/download-url";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List documents", list);
    routes.tenant(Method::POST, PATH, "Create a document, without content yet", create);
    routes.tenant(Method::GET, ONE, "Show a document", show);
    routes.tenant(Method::PUT, ONE, "Replace what is said of a document", replace);
    routes.tenant(Method::PATCH, ONE, "Change some fields of a document", change);
    routes.tenant(Method::DELETE, ONE, "Delete a document with its content", delete);
    routes.tenant(Method::GET, CONTENT, "Download the content of a document", content::download);
    routes.tenant(Method::PUT, CONTENT, "Upload the content of a document", content::upload);
    routes.tenant(Method::POST, UPLOAD_URL, "Let whoever holds a URL upload the content once", urls::make_upload_url);
    routes.tenant(Method::POST, DOWNLOAD_URL, "Let whoever holds a URL download the content", urls::make_download_url);
    routes.public(Method::GET, urls::FILE, "Download the content that the URL is for", files::get);
    routes.public(Method::PUT, urls::FILE, "Upload the content that the URL is for", files::put);
}

/// A document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentView {
    id: DocumentId,
    project: ProjectId,
    title: DocumentTitle,
    /// What its content is; `null` before the first upload, like the two that follow.
    content_type: Option<ContentType>,
    /// How many bytes its content has.
    size: Option<u64>,
    /// The digest of its content.
    sha256: Option<Sha256>,
    /// Counts the changes made to it.
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Document> for DocumentView {
    fn from(document: Document) -> Self {
        let Document { id, project, title, content, version, created_at, updated_at } = document;
        let (content_type, size, sha256) = match content {
            Some(content) => (Some(content.content_type), Some(content.size), Some(content.sha256)),
            None => (None, None, None),
        };
        Self { id, project, title, content_type, size, sha256, version, created_at, updated_at }
    }
}

impl Versioned for DocumentView {
    fn version(&self) -> i64 {
        self.version
    }
}

/// All that can be chosen about a document.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DocumentBody {
    project: ProjectId,
    /// Also the name of the file it is downloaded as.
    title: DocumentTitle,
}

/// Some of what can be chosen about a document (JSON Merge Patch, RFC 7396).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DocumentPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    project: Option<ProjectId>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    title: Option<DocumentTitle>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct DocumentFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<DocumentOrder>,
    /// Only those of this project.
    #[param(inline)]
    project: Option<ProjectId>,
    /// Only those changed at this moment or later.
    #[param(inline)]
    updated_since: Option<Moment>,
    /// Only those with words in the title that begin like these.
    #[param(inline)]
    q: Option<Search>,
}

async fn list(
    caller: Can<ReadDocuments>,
    store: Store,
    cursors: Data<Cursors>,
    format: Format,
    Query(filter): Query<DocumentFilter>,
) -> Result<Listing<ReadDocuments, DocumentOrder, Document, DocumentView>, ApiError> {
    let DocumentFilter { limit, cursor, sort, project, updated_since, q: search } = filter;
    let filters = [spelled(project), spelled(updated_since), spelled(search.as_ref())].join("&");
    let paging = Paging { limit, cursor: cursor.as_deref(), sort };
    let list = List::open(&cursors, caller.tenant(), format!("documents?{filters}"), &paging)?;
    let query = DocumentQuery { project, updated_since, search, page: SortedQuery::default() };
    let fetch = move |caller: Can<ReadDocuments>, page| {
        let (store, query) = (store.clone(), DocumentQuery { page, ..query.clone() });
        async move { Ok(store.read(&caller, async |tx| tx.work().documents().list(&query).await).await?) }
    };
    Listing::of("documents", caller, format, list, fetch).await
}

async fn create(
    caller: Can<WriteDocuments>,
    store: Store,
    Body(body): Body<DocumentBody>,
) -> Result<CreatedResource<DocumentView>, ApiError> {
    let new = NewDocument { id: DocumentId::generate(), project: body.project, title: body.title };
    let document = store.write(&caller, async |tx| tx.work().documents().insert(&new).await).await?;
    Ok(CreatedResource { location: format!("{PATH}/{}", document.id), view: document.into() })
}

async fn show(
    caller: Can<ReadDocuments>,
    store: Store,
    PathId(id): PathId<DocumentId>,
) -> Result<Resource<DocumentView>, ApiError> {
    let document = store.read(&caller, async |tx| documents::show(tx.work(), id).await).await?;
    Ok(Resource(document.into()))
}

async fn replace(
    caller: Can<WriteDocuments>,
    store: Store,
    PathId(id): PathId<DocumentId>,
    IfMatch(expected): IfMatch,
    Body(body): Body<DocumentBody>,
) -> Result<Resource<DocumentView>, ApiError> {
    let change = DocumentChange { project: Some(body.project), title: Some(body.title) };
    let document = store.write(&caller, async |tx| documents::change(tx.work(), id, &expected, change).await).await?;
    Ok(Resource(document.into()))
}

async fn change(
    caller: Can<WriteDocuments>,
    store: Store,
    PathId(id): PathId<DocumentId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<DocumentPatch>,
) -> Result<Resource<DocumentView>, ApiError> {
    let change = DocumentChange { project: patch.project, title: patch.title };
    let document = store.write(&caller, async |tx| documents::change(tx.work(), id, &expected, change).await).await?;
    Ok(Resource(document.into()))
}

async fn delete(
    caller: Can<WriteDocuments>,
    store: Store,
    files: Data<dyn FileStore>,
    PathId(id): PathId<DocumentId>,
    IfMatch(expected): IfMatch,
) -> Result<NoContent, ApiError> {
    let waste = store.write(&caller, async |tx| documents::delete(tx.work(), id, &expected).await).await?;
    Contents { scope: &caller, store: &store, files: &**files }.clear(waste).await;
    Ok(NoContent)
}

impl From<DocumentError> for ApiError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::NotFound(_) => Self::not_found("document"),
            DocumentError::Empty(_) => Self::not_found("content"),
            DocumentError::ProjectUnknown => Self::invalid("project", "unknown", "there is no such project"),
            DocumentError::Stale(stale) => stale.into(),
            DocumentError::Replaced(_) => {
                Self::conflict("body", "comes too late: the document was given other content")
            }
            DocumentError::GivenUp(_) => Self::conflict("body", "took so long that the upload was given up"),
            DocumentError::Store(error) => error.into(),
        }
    }
}

impl From<FileError> for ApiError {
    fn from(error: FileError) -> Self {
        Self::unavailable(error, std::time::Duration::from_secs(1))
    }
}
