//! The edge of the API: what happens around every request, whatever its route.
//!
//! Gives the request its id, takes both spellings of a path, and renders every error as a problem
//! document. Errors are logged here and nowhere below.

use std::cell::Cell;
use std::error::Error;
use std::time::Instant;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{StatusCode, Uri, uri};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use tenantry_auth::{Call, ClientUsage};
use tenantry_tenancy::{Actor, Clock, RequestId, TenantId};

use crate::Limits;
use crate::problem::ApiError;

/// The header that names a request (de facto standard).
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that names the caller's own tenant.
pub(crate) const TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");
const PROBLEM_JSON: &str = "application/problem+json";

/// Marks an answer that is an error in the words of another standard, and stays as it is.
pub(crate) struct OwnWords;

/// What is known of a request while it runs.
pub(crate) struct RequestContext {
    pub(crate) id: RequestId,
    /// Set once the caller is known, for the log and for the answer, which names the caller's own tenant.
    pub(crate) caller: Cell<Option<(TenantId, Actor)>>,
    /// Set with the caller: whether the answer names the tenant. A browser is not told its id.
    pub(crate) names_tenant: Cell<bool>,
    /// Set with the caller: whether their tenant wants `If-Match` on every change.
    pub(crate) demands_if_match: Cell<bool>,
}

/// Says who is calling, once that is known, for the log and for what is counted.
pub(crate) fn calls(req: &HttpRequest, tenant: TenantId, actor: Actor) {
    if let Some(context) = req.extensions().get::<RequestContext>() {
        context.caller.set(Some((tenant, actor)));
    }
}

/// The middleware that must be around [`configure`](crate::configure)d applications: `App::new().wrap(from_fn(edge))`.
pub async fn edge<B: MessageBody + 'static>(
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let begun = Instant::now();
    let id = request_id(req.headers());
    req.extensions_mut().insert(RequestContext {
        id,
        caller: Cell::new(None),
        names_tenant: Cell::new(false),
        demands_if_match: Cell::new(false),
    });
    drop_trailing_slash(&mut req);
    let limits = req.app_data::<Data<Limits>>().map_or_else(Limits::default, |limits| ***limits);

    let served = next.call(req).await?.map_into_left_body();
    let named = served
        .request()
        .extensions()
        .get::<RequestContext>()
        .filter(|it| it.names_tenant.get())
        .and_then(|it| it.caller.get());
    let mut response = render(served, id, limits);
    let name = HeaderValue::from_str(&id.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, name);
    if let Some(tenant) = named.and_then(|(tenant, _)| HeaderValue::from_str(&tenant.to_string()).ok()) {
        headers.insert(TENANT_ID, tenant);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    count(&response);
    log(&response, id, begun);
    Ok(response)
}

/// The id the caller gave, if it is one of ours to read, otherwise a new one.
fn request_id(headers: &HeaderMap) -> RequestId {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
    given.unwrap_or_else(RequestId::generate)
}

/// `/projects/` is `/projects`.
fn drop_trailing_slash(req: &mut ServiceRequest) {
    let path = req.path();
    if path.len() < 2 || !path.ends_with('/') {
        return;
    }
    let path = path.trim_end_matches('/');
    let path = if path.is_empty() { "/" } else { path };
    let path_and_query = match req.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = req.uri().clone().into_parts();
    let Ok(path_and_query) = uri::PathAndQuery::from_maybe_shared(path_and_query) else { return };
    parts.path_and_query = Some(path_and_query);
    if let Ok(uri) = Uri::from_parts(parts) {
        req.match_info_mut().get_mut().update(&uri);
        req.head_mut().uri = uri;
    }
}

/// Gives an error its document. Errors that are not ours (actix's own) get one by their status.
fn render<B: MessageBody>(
    response: ServiceResponse<EitherBody<B>>,
    id: RequestId,
    limits: Limits,
) -> ServiceResponse<EitherBody<B>> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let rendered = match response.response().error().map(|error| error.as_error::<ApiError>()) {
        Some(Some(error)) => {
            if error.status.is_server_error() {
                let source = error.source.as_deref().map(|source| chain(source)).unwrap_or_default();
                tracing::error!(request.id = %id, http.status = error.status.as_u16(), error = %source, "request failed");
            } else if let Some(source) = &error.source {
                tracing::debug!(request.id = %id, http.status = error.status.as_u16(), error = %chain(&**source), "request refused");
            }
            document(error, id, limits)
        }
        Some(None) | None if is_said(response.response()) => return response,
        Some(None) | None => document(&foreign(status), id, limits),
    };
    let (request, _) = response.into_parts();
    ServiceResponse::new(request, rendered).map_into_right_body()
}

fn document(error: &ApiError, id: RequestId, limits: Limits) -> HttpResponse<BoxBody> {
    let status = match error.status {
        StatusCode::UNAUTHORIZED => StatusCode::from_u16(limits.rejection_status).unwrap_or(error.status),
        status => status,
    };
    let mut response = HttpResponse::build(status);
    for (name, value) in &error.headers {
        response.insert_header((name.clone(), value.clone()));
    }
    match serde_json::to_string(&error.problem(id, status)) {
        Ok(body) => response.content_type(PROBLEM_JSON).body(body),
        Err(_) => response.finish(),
    }
}

/// Whether the answer says what is wrong.
fn is_said<B>(response: &HttpResponse<B>) -> bool {
    response.extensions().get::<OwnWords>().is_some() || is_problem(response)
}

fn is_problem<B>(response: &HttpResponse<B>) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes() == PROBLEM_JSON.as_bytes())
}

/// An error that actix raised by itself.
fn foreign(status: StatusCode) -> ApiError {
    let code = match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::REQUEST_TIMEOUT => "timeout",
        status if status.is_server_error() => "internal",
        _ => "validation",
    };
    ApiError::new(status, code, status.canonical_reason().unwrap_or("error").to_lowercase())
}

/// An error and what caused it, in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Counts what machine clients call.
fn count<B>(response: &ServiceResponse<B>) {
    let request: &HttpRequest = response.request();
    let caller = request.extensions().get::<RequestContext>().and_then(|context| context.caller.get());
    let Some((tenant, Actor::ApiClient(client))) = caller else { return };
    if let Some(usage) = request.app_data::<Data<ClientUsage>>()
        && let Some(clock) = request.app_data::<Data<dyn Clock>>()
        && let Some(route) = request.match_pattern()
    {
        let (method, status) = (request.method().to_string(), response.status().as_u16());
        usage.note(Call { tenant, client, method, route, status }, clock.now());
    }
}

fn log<B>(response: &ServiceResponse<B>, id: RequestId, begun: Instant) {
    if !tracing::enabled!(target: "tenantry::access", tracing::Level::INFO) {
        return;
    }
    let request: &HttpRequest = response.request();
    let caller = request.extensions().get::<RequestContext>().and_then(|context| context.caller.get());
    let tenant = caller.map(|(tenant, _)| tracing::field::display(tenant));
    let actor = caller.map(|(_, actor)| tracing::field::display(actor));
    tracing::event!(
        target: "tenantry::access",
        tracing::Level::INFO,
        request.id = %id,
        tenant.id = tenant,
        actor = actor,
        http.method = %request.method(),
        // The pattern, not the path: ids do not belong into every line, and a path may hold anything.
        http.route = request.match_pattern().as_deref().unwrap_or("unknown"),
        http.status = response.status().as_u16(),
        duration_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        "request"
    );
}
