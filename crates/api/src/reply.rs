//! What handlers give back.

use std::borrow::Cow;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LINK, LOCATION};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::conditions::{Versioned, etag, is_known};
use crate::list::PageView;
use crate::openapi::Operation;
use crate::problem::ApiError;

/// A success, and what the document says of it.
pub(crate) trait Reply: Responder<Body = BoxBody> + 'static {
    /// Adds what it is to the operation's description.
    fn describe(operation: &mut Operation);
}

/// 200 with a view.
pub(crate) struct Show<T>(pub(crate) T);

impl<T: Serialize> Responder for Show<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        json(StatusCode::OK, &self.0)
    }
}

impl<T: Serialize + ToSchema + 'static> Reply for Show<T> {
    fn describe(operation: &mut Operation) {
        operation.reply::<T>(StatusCode::OK, &[]);
    }
}

/// 200 with a view of something that has a version: its `ETag`, or 304 for a caller who has that version already.
pub(crate) struct Resource<T>(pub(crate) T);

impl<T: Serialize + Versioned> Responder for Resource<T> {
    type Body = BoxBody;

    fn respond_to(self, req: &HttpRequest) -> HttpResponse {
        let version = self.0.version();
        let response = if is_known(req, version) {
            HttpResponse::new(StatusCode::NOT_MODIFIED)
        } else {
            json(StatusCode::OK, &self.0)
        };
        tagged(response, version)
    }
}

impl<T: Serialize + Versioned + ToSchema + 'static> Reply for Resource<T> {
    fn describe(operation: &mut Operation) {
        operation.reply::<T>(StatusCode::OK, &["ETag"]);
    }
}

/// 201 with a view of something that has a version, and where it can be found from now on.
pub(crate) struct CreatedResource<T> {
    pub(crate) location: String,
    pub(crate) view: T,
}

impl<T: Serialize + Versioned> Responder for CreatedResource<T> {
    type Body = BoxBody;

    fn respond_to(self, req: &HttpRequest) -> HttpResponse {
        let Self { location, view } = self;
        let version = view.version();
        tagged(Created { location, view }.respond_to(req), version)
    }
}

impl<T: Serialize + Versioned + ToSchema + 'static> Reply for CreatedResource<T> {
    fn describe(operation: &mut Operation) {
        operation.reply::<T>(StatusCode::CREATED, &["Location", "ETag"]);
    }
}

fn tagged(mut response: HttpResponse, version: i64) -> HttpResponse {
    let (name, value) = etag(version);
    response.headers_mut().insert(name, value);
    response
}

/// 201 with a view and where it can be found from now on.
pub(crate) struct Created<T> {
    pub(crate) location: String,
    pub(crate) view: T,
}

impl<T: Serialize> Responder for Created<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = json(StatusCode::CREATED, &self.view);
        if let Ok(location) = HeaderValue::try_from(self.location) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }
}

impl<T: Serialize + ToSchema + 'static> Reply for Created<T> {
    fn describe(operation: &mut Operation) {
        operation.reply::<T>(StatusCode::CREATED, &["Location"]);
    }
}

/// 201 with views of several things, in the order they were asked for.
#[derive(Debug, Serialize)]
pub(crate) struct CreatedMany<T> {
    pub(crate) data: Vec<T>,
}

impl<T: Serialize> Responder for CreatedMany<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        json(StatusCode::CREATED, &self)
    }
}

impl<T: Serialize + ToSchema + 'static> Reply for CreatedMany<T> {
    fn describe(operation: &mut Operation) {
        operation.reply::<Self>(StatusCode::CREATED, &[]);
    }
}

impl<T: ToSchema> PartialSchema for CreatedMany<T> {
    fn schema() -> RefOr<Schema> {
        let data = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
        ObjectBuilder::new().property("data", data).required("data").into()
    }
}

/// Named after its items: `ProjectViewMany`.
impl<T: ToSchema> ToSchema for CreatedMany<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Many", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// 202: it was heard, and whether anything comes of it is not said.
pub(crate) struct Accepted;

impl Responder for Accepted {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::new(StatusCode::ACCEPTED)
    }
}

impl Reply for Accepted {
    fn describe(operation: &mut Operation) {
        operation.empty_reply(StatusCode::ACCEPTED);
    }
}

/// 204: it is gone.
pub(crate) struct NoContent;

impl Responder for NoContent {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::new(StatusCode::NO_CONTENT)
    }
}

impl Reply for NoContent {
    fn describe(operation: &mut Operation) {
        operation.empty_reply(StatusCode::NO_CONTENT);
    }
}

impl<T: Serialize> Responder for PageView<T> {
    type Body = BoxBody;

    fn respond_to(self, req: &HttpRequest) -> HttpResponse {
        let mut response = json(StatusCode::OK, &self);
        if let Some(link) = self.link(req).and_then(|link| HeaderValue::try_from(link).ok()) {
            response.headers_mut().insert(LINK, link);
        }
        response
    }
}

impl<T: Serialize + ToSchema + 'static> Reply for PageView<T> {
    fn describe(operation: &mut Operation) {
        operation.reply::<Self>(StatusCode::OK, &["Link"]);
    }
}

/// 200 with a view that everybody may keep for five minutes.
pub(crate) struct Kept<T>(pub(crate) T);

impl<T: Serialize> Responder for Kept<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = json(StatusCode::OK, &self.0);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        response
    }
}

impl<T: Serialize + ToSchema + 'static> Reply for Kept<T> {
    fn describe(operation: &mut Operation) {
        operation.reply::<T>(StatusCode::OK, &[]);
    }
}

/// A file of ours, compressed or not.
pub(crate) struct Asset {
    pub(crate) content_type: &'static str,
    pub(crate) bytes: &'static [u8],
    pub(crate) gzipped: bool,
    pub(crate) headers: &'static [(&'static str, &'static str)],
}

impl Responder for Asset {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.content_type(self.content_type);
        if self.gzipped {
            response.insert_header(("content-encoding", "gzip"));
        }
        for header in self.headers {
            response.insert_header(*header);
        }
        response.body(self.bytes)
    }
}

impl Reply for Asset {
    fn describe(operation: &mut Operation) {
        operation.file_reply();
    }
}

pub(crate) fn json(status: StatusCode, view: &impl Serialize) -> HttpResponse {
    // Most views are a few hundred bytes.
    let mut body = Vec::with_capacity(512);
    if let Err(error) = serde_json::to_writer(&mut body, view) {
        return HttpResponse::from_error(ApiError::internal(error));
    }
    let mut response = HttpResponse::with_body(status, BoxBody::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
