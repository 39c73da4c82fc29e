//! `/health`: the process lives. `/ready`: it can serve.

use actix_web::http::Method;
use actix_web::web::Data;
use futures_util::future::BoxFuture;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::{ApiError, FieldError};
use crate::reply::Show;
use crate::routes::Routes;

pub(crate) fn routes(routes: &mut Routes) {
    routes.public(Method::GET, "/health", "Tell whether the process lives", health);
    routes.public(Method::GET, "/ready", "Tell whether requests can be served", ready);
}

/// Says whether the service can serve.
pub trait Readiness: Send + Sync {
    /// What is wrong, as pairs of a part and what it lacks; nothing when all is well.
    fn faults(&self) -> BoxFuture<'_, Vec<(&'static str, String)>>;
}

/// The process lives.
#[derive(Serialize, ToSchema)]
struct Health {
    #[schema(examples("healthy"))]
    status: &'static str,
}

async fn health() -> Result<Show<Health>, ApiError> {
    Ok(Show(Health { status: "healthy" }))
}

async fn ready(readiness: Data<dyn Readiness>) -> Result<Show<Health>, ApiError> {
    let faults = readiness.faults().await;
    if faults.is_empty() {
        return Ok(Show(Health { status: "ready" }));
    }
    let mut error = ApiError::unavailable("not ready", std::time::Duration::from_secs(1));
    error.errors = faults
        .into_iter()
        .map(|(part, message)| FieldError { field: part.to_owned(), code: "unavailable", message })
        .collect();
    Err(error)
}
