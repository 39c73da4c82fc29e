//! The API's documentation: the OpenAPI document, Swagger UI and ReDoc, all served by us.

use std::sync::LazyLock;

use actix_web::HttpRequest;
use actix_web::http::Method;
use serde::Serialize;
use serde_json::{Value, json};
use tenantry_tenancy::json_schema;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};

use crate::problem::ApiError;
use crate::reply::{Asset, Show};
use crate::routes::Routes;

pub(crate) fn routes(routes: &mut Routes) {
    routes.public(Method::GET, "/api/schema", "The OpenAPI document", schema);
    routes.public(Method::GET, "/api/docs", "Swagger UI", swagger_ui);
    routes.public(Method::GET, "/api/redoc", "ReDoc", redoc);
    routes.public(Method::GET, "/api/docs/assets/{file}", "What the two pages load", asset);
}

/// An OpenAPI 3.1 document.
#[derive(Serialize)]
#[serde(transparent)]
struct Document(&'static Value);

json_schema!(Document, {
    let info = json!({ "title": "Tenantry", "version": env!("CARGO_PKG_VERSION") });
    let example = json!({ "openapi": "3.1.0", "info": info, "paths": {} });
    ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true))).examples([example])
});

async fn schema() -> Result<Show<Document>, ApiError> {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(crate::openapi);
    Ok(Show(Document(&DOCUMENT)))
}

/// A page may load what we serve, and nothing from elsewhere.
const PAGE: &[(&str, &str)] = &[(
    "content-security-policy",
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'",
)];
/// An asset changes with a release only.
const KEPT: &[(&str, &str)] = &[("cache-control", "public, max-age=3600")];

async fn swagger_ui() -> Result<Asset, ApiError> {
    Ok(page(include_bytes!("../assets/swagger-ui.html")))
}

async fn redoc() -> Result<Asset, ApiError> {
    Ok(page(include_bytes!("../assets/redoc.html")))
}

async fn asset(req: HttpRequest) -> Result<Asset, ApiError> {
    let (content_type, bytes, gzipped): (_, &'static [u8], _) = match req.match_info().get("file") {
        Some("swagger-ui-bundle.js") => (JAVASCRIPT, include_bytes!("../assets/swagger-ui-bundle.js.gz"), true),
        Some("swagger-ui.css") => ("text/css; charset=utf-8", include_bytes!("../assets/swagger-ui.css.gz"), true),
        Some("redoc.standalone.js") => (JAVASCRIPT, include_bytes!("../assets/redoc.standalone.js.gz"), true),
        Some("start.js") => (JAVASCRIPT, include_bytes!("../assets/start.js"), false),
        _ => return Err(ApiError::not_found("file")),
    };
    Ok(Asset { content_type, bytes, gzipped, headers: KEPT })
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

fn page(bytes: &'static [u8]) -> Asset {
    Asset { content_type: "text/html; charset=utf-8", bytes, gzipped: false, headers: PAGE }
}
