//! `/api/v1/documents/{id}/content`: uploads and downloads.

use std::ops::Range;

use actix_web::body::{BoxBody, SizedStream};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use futures_util::TryStreamExt;
use tenantry_app::{FileKey, FileStore, FileStream, TenantTx};
use tenantry_tenancy::TenantScope;
use tenantry_tenancy::permissions::needs::{ReadDocuments, WriteDocuments};
use tenantry_work::blobs::Blob;
use tenantry_work::documents::{self, Content, Document, DocumentId, DocumentTitle, Kept, Replaces, Sha256};

use super::DocumentView;
use super::uploads::{Place, Uploads};
use crate::conditions::IfMatch;
use crate::extract::{Can, PathId, Upload};
use crate::once::Store;
use crate::openapi::Operation;
use crate::percent::percent_encoded;
use crate::problem::ApiError;
use crate::reply::{Reply, Resource};

/// Takes a file as the document's content, in place of what it had.
pub(super) async fn upload(
    caller: Can<WriteDocuments>,
    store: Store,
    files: Data<dyn FileStore>,
    uploads: Data<Uploads>,
    PathId(id): PathId<DocumentId>,
    IfMatch(expected): IfMatch,
    upload: Upload,
) -> Result<Resource<DocumentView>, ApiError> {
    let place = Uploads::begin(&uploads, caller.tenant(), id)?;
    let contents = Contents { scope: &caller, store: &store, files: &**files };
    Ok(Resource(contents.receive(&place, &Replaces::Any(expected), upload).await?.into()))
}

/// Where the content of one tenant's documents lies.
#[derive(Clone, Copy)]
pub(super) struct Contents<'a> {
    pub(super) scope: &'a TenantScope,
    pub(super) store: &'a Store,
    pub(super) files: &'a dyn FileStore,
}

impl Contents<'_> {
    /// Takes a file as the content of a document, in place of what may be replaced. Nothing of one that is refused stays.
    pub(super) async fn receive(
        self,
        place: &Place,
        replaces: &Replaces,
        upload: Upload,
    ) -> Result<Document, ApiError> {
        let id = place.document();
        let expect = async |tx: &mut TenantTx| documents::expect_content(tx.work(), id, replaces).await;
        let blob = self.store.write(self.scope, expect).await?;
        let kept = self.keep(replaces, blob, upload).await;
        let waste = match &kept {
            Ok(kept) => kept.replaced,
            // Only sooner: a blob that stays expected is collected as well.
            Err(_) => {
                let give_up = async |tx: &mut TenantTx| documents::give_up(tx.work(), blob).await;
                self.store.write(self.scope, give_up).await.unwrap_or_default()
            }
        };
        self.clear(waste).await;
        kept.map(|kept| kept.document)
    }

    async fn keep(self, replaces: &Replaces, blob: Blob, upload: Upload) -> Result<Kept, ApiError> {
        let content_type = upload.content_type();
        let mut writer = self.files.create(&FileKey::of(self.scope, blob))?;
        let arrived = match upload.copy_to(&mut *writer).await {
            Ok(arrived) => arrived,
            Err(error) => {
                writer.abort().await;
                return Err(error);
            }
        };
        writer.finish().await?;
        let content = Content { blob: blob.id, content_type, size: arrived.size, sha256: Sha256::new(arrived.sha256) };
        let keep = async |tx: &mut TenantTx| {
            documents::keep_content(tx.work(), blob.document, replaces, content.clone()).await
        };
        self.store.write(self.scope, keep).await
    }

    /// Deletes doomed bytes at once. Whatever this leaves is collected later.
    pub(super) async fn clear(self, doomed: Option<Blob>) {
        let Some(blob) = doomed else { return };
        if let Err(error) = self.files.delete(&FileKey::of(self.scope, blob)).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "content could not be deleted at once");
            return;
        }
        let forget = async |tx: &mut TenantTx| tx.work().blobs().forget(blob.id).await;
        let forgotten: Result<(), ApiError> = self.store.write(self.scope, forget).await;
        if let Err(error) = forgotten {
            tracing::warn!(problem.code = error.code, "deleted content could not be forgotten at once");
        }
    }
}

/// Gives the document's content, or the part of it that is asked for.
pub(super) async fn download(
    caller: Can<ReadDocuments>,
    store: Store,
    files: Data<dyn FileStore>,
    PathId(id): PathId<DocumentId>,
    req: HttpRequest,
) -> Result<Download, ApiError> {
    let find = async || store.read(&caller, async |tx| documents::content(tx.work(), id).await).await;
    let (document, content) = find().await?;
    let blob = content.blob;
    let given = give(&caller, &**files, document, content, req.headers()).await;
    if given.is_err() {
        // What is replaced is deleted at once, perhaps just before it was read.
        let (document, content) = find().await?;
        if content.blob != blob {
            return give(&caller, &**files, document, content, req.headers()).await;
        }
    }
    given
}

/// Gives content, or the part of it that the headers ask for.
pub(super) async fn give(
    scope: &TenantScope,
    files: &dyn FileStore,
    document: Document,
    content: Content,
    headers: &HeaderMap,
) -> Result<Download, ApiError> {
    let tag = format!("\"{}\"", content.sha256.as_str());
    let part = if is_known(headers, &tag) { Part::None } else { part(headers, &tag, content.size)? };
    let bytes = match &part {
        Part::None => None,
        Part::Whole => Some(0..content.size),
        Part::Some(range) => Some(range.clone()),
    };
    let blob = Blob { id: content.blob, document: document.id };
    let stream = match bytes {
        Some(range) => Some((range.end - range.start, files.read(&FileKey::of(scope, blob), range).await?)),
        None => None,
    };
    Ok(Download { title: document.title, content, tag, part, stream })
}

/// How much of the content is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Nothing: the caller has it.
    None,
    /// Everything.
    Whole,
    /// These bytes.
    Some(Range<u64>),
}

/// Content on its way out.
pub(super) struct Download {
    title: DocumentTitle,
    content: Content,
    tag: String,
    part: Part,
    stream: Option<(u64, FileStream)>,
}

impl Responder for Download {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = match self.stream {
            None => HttpResponse::new(StatusCode::NOT_MODIFIED),
            Some((length, stream)) => {
                // An error cuts the answer short, which its length gives away.
                let body =
                    SizedStream::new(length, stream.map_err(|error| Box::new(error) as Box<dyn std::error::Error>));
                HttpResponse::with_body(StatusCode::OK, BoxBody::new(body))
            }
        };
        if let Part::Some(range) = &self.part {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let value = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), self.content.size);
            set(response.headers_mut(), CONTENT_RANGE, &value);
        }
        let headers = response.headers_mut();
        set(headers, ETAG, &self.tag);
        set(headers, ACCEPT_RANGES, "bytes");
        // Kept by the caller alone, and asked for again each time: who may see it can change.
        set(headers, CACHE_CONTROL, "private, no-cache");
        if self.part != Part::None {
            set(headers, CONTENT_TYPE, self.content.content_type.as_str());
            set(headers, CONTENT_DISPOSITION, &disposition(&self.title));
            // Somebody's upload is nothing to run on our origin.
            set(headers, CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
        }
        response
    }
}

impl Reply for Download {
    fn describe(operation: &mut Operation) {
        operation.header("Range", "One range of bytes (RFC 9110, section 14).");
        operation.header("If-Range", "The `ETag` that the range is of.");
        operation.header("If-None-Match", "The `ETag` that the caller has.");
        operation.file_reply();
        operation.fails(StatusCode::RANGE_NOT_SATISFIABLE);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let is_it = |known: &str| known.trim() == "*" || known.trim().trim_start_matches("W/") == tag;
    headers.get_all(IF_NONE_MATCH).any(|value| value.to_str().is_ok_and(|known| known.split(',').any(is_it)))
}

/// What `Range` asks for. One that is malformed, has several ranges or is of other content counts as none (RFC 9110,
/// sections 14.2 and 13.1.5).
fn part(headers: &HeaderMap, tag: &str, size: u64) -> Result<Part, ApiError> {
    let is_of_this = headers.get(IF_RANGE).is_none_or(|value| value.as_bytes() == tag.as_bytes());
    let asked = text(headers, &RANGE).filter(|_| is_of_this).and_then(asked);
    let unsatisfiable = || {
        let detail = format!("the content has {size} bytes");
        let error = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", detail);
        let whole = HeaderValue::try_from(format!("bytes */{size}")).map_err(ApiError::internal)?;
        Ok::<_, ApiError>(error.with_header(CONTENT_RANGE, whole))
    };
    let range = match asked {
        None => return Ok(Part::Whole),
        Some(Asked::From(first, last)) => first..last.map_or(size, |last| last.saturating_add(1).min(size)),
        Some(Asked::Last(count)) => size.saturating_sub(count)..size,
    };
    if range.is_empty() { Err(unsatisfiable()?) } else { Ok(Part::Some(range)) }
}

enum Asked {
    From(u64, Option<u64>),
    Last(u64),
}

fn asked(range: &str) -> Option<Asked> {
    let number = |text: &str| if text.starts_with('+') { None } else { text.parse::<u64>().ok() };
    let (first, last) = range.strip_prefix("bytes=")?.trim().split_once('-')?;
    match (first, last) {
        ("", last) => Some(Asked::Last(number(last)?)),
        (first, "") => Some(Asked::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::From(first, Some(last)))
        }
    }
}

/// To be saved under the title (RFC 6266): in ASCII for old clients, and as it is (RFC 8187).
fn disposition(title: &DocumentTitle) -> String {
    // What separates folders is no part of a file's name.
    let name: String = title.as_str().chars().map(|c| if matches!(c, '/' | '\\') { '_' } else { c }).collect();
    let plain = |c: char| if c.is_ascii_graphic() && c != '"' && c != '%' || c == ' ' { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{}", percent_encoded(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &'static str, size: u64) -> Result<Part, Option<StatusCode>> {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_static(range));
        part(&headers, "\"tag\"", size).map_err(|error| Some(error.status))
    }

    #[test]
    fn ranges_are_read_as_the_rfc_writes_them() {
        assert_eq!(of("bytes=0-0", 10).unwrap(), Part::Some(0..1));
        assert_eq!(of("bytes=2-", 10).unwrap(), Part::Some(2..10));
        assert_eq!(of("bytes=-3", 10).unwrap(), Part::Some(7..10));
        assert_eq!(of("bytes=-30", 10).unwrap(), Part::Some(0..10));
        assert_eq!(of("bytes=5-18446744073709551615", 10).unwrap(), Part::Some(5..10));
        for whole in ["bytes=3-2", "bytes=a-b", "bytes=0-1,3-4", "items=0-1", "bytes=", "bytes=-", "bytes=+1-2"] {
            assert_eq!(of(whole, 10).unwrap(), Part::Whole, "{whole}");
        }
        for (beyond, size) in [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)] {
            assert_eq!(of(beyond, size).unwrap_err(), Some(StatusCode::RANGE_NOT_SATISFIABLE), "{beyond}");
        }
    }

    #[test]
    fn a_title_cannot_leave_its_header_or_its_folder() {
        let title = DocumentTitle::parse("../\"é\\; filename=x %41.pdf").unwrap();

        assert_eq!(
            disposition(&title),
            "attachment; filename=\"..____; filename=x _41.pdf\"; \
             filename*=UTF-8''.._%22%C3%A9_%3B%20filename%3Dx%20%2541.pdf"
        );
    }
}
