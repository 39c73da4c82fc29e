//! Every answer that a test gets is one that the OpenAPI document tells of.

use std::sync::LazyLock;

use reqwest::Method;
use serde_json::Value;

use super::Response;
use crate::schemas::violations;

/// What any request may meet that asks for what no document offers: a method, a body where none is read, a condition, a
/// part of a file, a host where nothing is; and 401 may be 403, where an operator wants it so.
const OF_HTTP: &[u16] = &[206, 304, 405];
const OF_BODIES: &[u16] = &[408, 413, 415];

static DOCUMENT: LazyLock<Value> = LazyLock::new(tenantry_api::openapi);

/// Fails if the document lacks the answer's status, or says otherwise what its body is.
pub fn assert_documented(method: &Method, path: &str, response: &Response) {
    let told = told(method, path, response);
    assert!(told.is_empty(), "{method} {path} answers {} otherwise than documented: {told:#?}", response.status);
}

fn told(method: &Method, path: &str, response: &Response) -> Vec<String> {
    let Some(operation) = operation(method, path) else { return Vec::new() };
    let status = response.status;
    let answer = &operation["responses"][status.to_string()];
    let answer = answer["$ref"].as_str().map_or(Some(answer), |reference| DOCUMENT.pointer(&reference[1..])).unwrap();
    if answer.is_null() {
        let is_of_http = OF_HTTP.contains(&status)
            || OF_BODIES.contains(&status) && operation.get("requestBody").is_none()
            || status == 404 && response.json["detail"] == "there is no such route"
            || status == 403 && response.json["code"] == "unauthenticated";
        return if is_of_http {
            Vec::new()
        } else {
            vec![format!("add it where the route is registered: .fails({status})")]
        };
    }
    let media = response.header("content-type");
    if *method == Method::HEAD || response.text.is_empty() {
        return Vec::new();
    }
    match answer["content"].get(media.split(';').next().unwrap_or_default()) {
        Some(content) if matches!(media, "application/json" | "application/problem+json") => {
            violations(&DOCUMENT, &content["schema"], &response.json)
        }
        Some(_) => Vec::new(),
        None if answer["content"].get("*/*").is_some() => Vec::new(),
        None => vec![format!("{media} is not among {}", answer["content"])],
    }
}

/// The operation that a request is for: of two paths that match, the one with a word where the other has a parameter.
fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let matches = |template: &str| {
        let (template, path) = (template.split('/'), path.trim_end_matches('/').split('/'));
        template.clone().count() == path.clone().count()
            && template.zip(path).all(|(word, given)| word == given || word.starts_with('{') && !given.is_empty())
    };
    let (_, item) =
        paths.iter().filter(|(template, _)| matches(template)).min_by_key(|(it, _)| it.matches('{').count())?;
    let name = if *method == Method::HEAD { "get".to_owned() } else { method.as_str().to_lowercase() };
    item.get(&name)
}

#[test]
fn an_answer_that_nobody_documented_is_found() {
    let answer = |status, media: &str, text: &str| {
        let media = reqwest::header::HeaderValue::try_from(media).unwrap();
        let headers = reqwest::header::HeaderMap::from_iter([(reqwest::header::CONTENT_TYPE, media)]);
        Response::new(status, headers, text.to_owned())
    };
    let count = |method, path, response: Response| told(&method, path, &response).len();
    let health = r#"{"status": "healthy"}"#;

    assert_eq!(count(Method::GET, "/health", answer(200, "application/json", health)), 0);
    assert_eq!(count(Method::GET, "/health", answer(200, "application/json", "{}")), 1);
    assert_eq!(count(Method::GET, "/health", answer(200, "text/plain", health)), 1);
    assert_eq!(count(Method::GET, "/health", answer(418, "application/json", health)), 1);
    assert_eq!(count(Method::POST, "/health", answer(405, "application/problem+json", "{}")), 0);
    assert_eq!(count(Method::POST, "/api/v1/projects/bulk", answer(404, "application/problem+json", "{}")), 1);
}
