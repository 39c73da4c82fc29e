//! `/files/{token}`: uploads and downloads by whoever holds the address, without a credential.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use tenantry_app::FileStore;
use tenantry_tenancy::permissions::needs::{ReadDocuments, WriteDocuments};
use tenantry_work::documents::{self, Document, Replaces};

use super::content::{self, Contents, Download};
use super::uploads::Uploads;
use super::urls::{DownloadPass, UploadPass};
use crate::extract::{Pass, Upload, hidden, no_such_file};
use crate::once::Store;
use crate::openapi::Operation;
use crate::problem::ApiError;
use crate::reply::Reply;

/// Takes a file as the document's content, in place of what it had when the address was made.
pub(super) async fn put(
    Pass { scope, thing, .. }: Pass<WriteDocuments, UploadPass>,
    store: Store,
    files: Data<dyn FileStore>,
    uploads: Data<Uploads>,
    upload: Upload,
) -> Result<Stored, ApiError> {
    let UploadPass { document, replaces, agreed } = thing;
    let (upload, replaces) = (upload.held_to(agreed)?, Replaces::Content(replaces));
    let place = Uploads::begin(&uploads, scope.tenant(), document)?;
    let contents = Contents { scope: &scope, store: &store, files: &**files };
    contents.receive(&place, &replaces, upload).await.map(Stored).map_err(hidden)
}

/// Gives the content that the document had when the address was made, or the part of it that is asked for.
pub(super) async fn get(
    Pass { scope, thing, .. }: Pass<ReadDocuments, DownloadPass>,
    store: Store,
    files: Data<dyn FileStore>,
    req: HttpRequest,
) -> Result<Download, ApiError> {
    let DownloadPass { document, blob } = thing;
    let found = store.read(&scope, async |tx| documents::content(tx.work(), document).await).await;
    let (document, content) = found.map_err(|error| hidden(error.into()))?;
    if content.blob != blob {
        return Err(no_such_file());
    }
    content::give(&scope, &**files, document, content, req.headers()).await
}

/// 204: it is stored. Says nothing of the document but what its sender knows.
pub(super) struct Stored(Document);

impl Responder for Stored {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::new(StatusCode::NO_CONTENT);
        let tag = self.0.content.map(|content| format!("\"{}\"", content.sha256.as_str()));
        if let Some(tag) = tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

impl Reply for Stored {
    fn describe(operation: &mut Operation) {
        operation.empty_reply(StatusCode::NO_CONTENT);
    }
}
