//! The table of routes: what is registered here is served, documented and attacked by the tests.
//!
//! A handler of a tenant's resource is registered with [`Routes::tenant`], which takes none but those whose signature
//! begins with `Can<P>`; one without a permission does not build. Public handlers must also stand in [`PUBLIC_ROUTES`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, Route, guard};
use futures_util::future::{FutureExt, LocalBoxFuture};
use tenantry_tenancy::Permission;
use tokio::time::timeout;

use crate::Limits;
use crate::extract::{Guarded, Input, OperatorGuarded, PersonGuarded, refuse_body, refuse_query};
use crate::once;
use crate::openapi::Operation;
use crate::problem::ApiError;
use crate::reply::Reply;

/// The routes that need no credential, all of them. A test refuses any other that answers without one.
pub const PUBLIC_ROUTES: &[(&str, &str)] = &[
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/api/docs"),
    ("GET", "/api/docs/assets/{file}"),
    ("GET", "/api/redoc"),
    ("GET", "/api/schema"),
    ("GET", "/files/{token}"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("POST", "/api/v1/auth/invitations/accept"),
    ("POST", "/api/v1/signup"),
    ("POST", "/api/v1/signup/confirm"),
    ("POST", "/api/v1/auth/password/forgot"),
    ("POST", "/api/v1/auth/password/reset"),
    ("POST", "/api/v1/auth/passkey/finish"),
    ("POST", "/api/v1/auth/passkey/start"),
    ("POST", "/api/v1/auth/api-client/refresh"),
    ("POST", "/api/v1/auth/api-client/token"),
    ("POST", "/api/v1/auth/second-factor/enrol"),
    ("POST", "/api/v1/auth/second-factor/enrol/confirm"),
    ("POST", "/api/v1/auth/session"),
    ("POST", "/api/v1/auth/token"),
    ("POST", "/api/v1/auth/token/refresh"),
    ("POST", "/api/v1/auth/token/revoke"),
    ("POST", "/api/v1/auth/token/verify"),
    ("POST", "/oauth/introspect"),
    ("POST", "/oauth/revoke"),
    ("POST", "/oauth/token"),
    ("PUT", "/files/{token}"),
];

/// What it takes to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// A permission in the caller's tenant.
    Tenant(Permission),
    /// A person's login: their own account.
    Person,
    /// An operator's token.
    Operator,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// Its method.
    pub method: String,
    /// Its path, with `{id}` where an id stands.
    pub path: &'static str,
    /// What it takes to be let in.
    pub access: Access,
}

/// Routes being collected.
#[derive(Default)]
pub(crate) struct Routes(Vec<Entry>);

pub(crate) struct Entry {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) operation: Operation,
    route: Box<dyn Fn() -> Route>,
}

impl Routes {
    /// A route to a tenant's data. Its handler begins with the permission it needs.
    pub(crate) fn tenant<F, A, R>(
        &mut self,
        method: Method,
        path: &'static str,
        summary: &'static str,
        handler: F,
    ) -> &mut Operation
    where
        F: Handler<A, Output = Result<R, ApiError>>,
        A: Guarded,
        R: Reply,
    {
        let (takes_key, writes) = (once::takes_key(&method), method != Method::GET);
        let operation = self.add(method, path, Access::Tenant(A::PERMISSION), summary, handler);
        if takes_key {
            once::describe(operation);
        }
        if writes {
            // Another write may get in the way of any.
            operation.fails(StatusCode::CONFLICT);
        }
        operation
    }

    /// A route for a person's own account. Its handler begins with [`Person`](crate::extract::Person).
    pub(crate) fn person<F, A, R>(
        &mut self,
        method: Method,
        path: &'static str,
        summary: &'static str,
        handler: F,
    ) -> &mut Operation
    where
        F: Handler<A, Output = Result<R, ApiError>>,
        A: PersonGuarded,
        R: Reply,
    {
        self.add(method, path, Access::Person, summary, handler)
    }

    /// A route for those who run the service.
    pub(crate) fn operator<F, A, R>(&mut self, method: Method, path: &'static str, summary: &'static str, handler: F)
    where
        F: Handler<A, Output = Result<R, ApiError>>,
        A: OperatorGuarded,
        R: Reply,
    {
        self.add(method, path, Access::Operator, summary, handler);
    }

    /// A route for everybody; it must be one of [`PUBLIC_ROUTES`]. Gives what the document says of it, to add to.
    pub(crate) fn public<F, A, R>(
        &mut self,
        method: Method,
        path: &'static str,
        summary: &'static str,
        handler: F,
    ) -> &mut Operation
    where
        F: Handler<A, Output = Result<R, ApiError>>,
        A: Input,
        R: Reply,
    {
        assert!(
            PUBLIC_ROUTES.contains(&(method.as_str(), path)),
            "{method} {path} is not on the list of public routes"
        );
        self.add(method, path, Access::Public, summary, handler)
    }

    fn add<F, A, R>(
        &mut self,
        method: Method,
        path: &'static str,
        access: Access,
        summary: &'static str,
        handler: F,
    ) -> &mut Operation
    where
        F: Handler<A, Output = Result<R, ApiError>>,
        A: Input,
        R: Reply,
    {
        let mut operation = Operation::new(summary, std::any::type_name::<F>());
        A::describe(&mut operation);
        R::describe(&mut operation);
        operation.path(path);
        let guarded = method.clone();
        let route = Box::new(move || {
            let handler = handler.clone();
            let route = if guarded == Method::GET {
                // A HEAD is a GET without its body; actix leaves the body out by itself.
                web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
            } else {
                web::method(guarded.clone())
            };
            route.to(move |req: HttpRequest, limits: Data<Limits>, Strict(args): Strict<A>| {
                let time = if A::STREAMS_BODY { limits.upload_time } else { limits.request_time };
                let handled = bounded(time, handler.call(args));
                async move { once::finish(&req, handled.await).await }
            })
        });
        &mut self.0.push_mut(Entry { method, path, access, operation, route }).operation
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    pub(crate) fn table(&self) -> Vec<RouteInfo> {
        let info =
            |entry: &Entry| RouteInfo { method: entry.method.to_string(), path: entry.path, access: entry.access };
        self.0.iter().map(info).collect()
    }

    pub(crate) fn configure(&self, cfg: &mut ServiceConfig) {
        let mut by_path: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
        for entry in &self.0 {
            // Actix takes the first path that matches: a fixed segment must come before one that takes anything.
            by_path.entry(entry.path.replace('{', "~")).or_default().push(entry);
        }
        for entries in by_path.into_values() {
            let Some(first) = entries.first() else { continue };
            let resource = web::resource(first.path).default_service(method_not_allowed(&entries));
            cfg.service(entries.iter().fold(resource, |resource, entry| resource.route((entry.route)())));
        }
    }
}

/// Gives a handler so much time and no more. What it has begun is undone when it is dropped.
async fn bounded<R>(limit: Duration, handled: impl Future<Output = Result<R, ApiError>>) -> Result<R, ApiError> {
    let late = |_| Err(ApiError::unavailable("a handler took too long", Duration::from_secs(1)));
    timeout(limit, handled).await.unwrap_or_else(late)
}

/// A handler's inputs, read only if neither query string nor body have anything that none of them reads.
struct Strict<A>(A);

impl<A: Input> FromRequest for Strict<A> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, mut payload) = (req.clone(), payload.take());
        async move {
            let args = A::read(&req, &mut payload).await?;
            if !A::READS_QUERY {
                refuse_query(req.query_string())?;
            }
            if !A::READS_BODY {
                refuse_body(&req, &mut payload).await?;
            }
            Ok(Self(args))
        }
        .boxed_local()
    }
}

/// There is no such route.
pub(crate) async fn unknown() -> Result<String, ApiError> {
    Err(unknown_route())
}

pub(crate) fn unknown_route() -> ApiError {
    ApiError::not_found("route")
}

fn method_not_allowed(entries: &[&Entry]) -> Route {
    let mut methods: Vec<&str> = entries.iter().map(|entry| entry.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    let allow: Arc<str> = methods.join(", ").into();
    web::route().to(move |req: HttpRequest| {
        let allow = allow.clone();
        async move {
            let detail = format!("{} is not among {allow}", req.method());
            let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
            let allow = HeaderValue::try_from(&*allow).map_err(ApiError::internal)?;
            Err::<String, ApiError>(error.with_header(ALLOW, allow))
        }
    })
}
