//! The OpenAPI document, and the pages that show it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use reqwest::Method;
use serde_json::Value;
use tenantry_api::Access;

use crate::harness::suite;
use crate::schemas::violations;

/// Every operation with its method and path.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &'_ Value)| -> Vec<_> {
        item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())).collect()
    };
    let keys = paths.iter().flat_map(of);
    keys.map(|(method, path)| {
        let operation = &document["paths"][&path][method.to_lowercase()];
        (method, path, operation)
    })
    .collect()
}

/// Calls `visit` with every value inside `value` that is an object.
fn each_object<'a>(value: &'a Value, visit: &mut dyn FnMut(&'a serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|it| each_object(it, visit));
        }
        Value::Array(items) => items.iter().for_each(|it| each_object(it, visit)),
        _ => {}
    }
}

/// References that lead nowhere.
fn dangling(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    each_object(document, &mut |object| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str)
            && document.pointer(reference.trim_start_matches('#')).is_none()
        {
            found.push(reference.to_owned());
        }
    });
    found
}

/// Schemas of request bodies, with all they refer to, that take fields they do not name.
fn loose_bodies(document: &Value) -> Vec<String> {
    let bodies = operations(document).into_iter().filter_map(|(.., operation)| operation.get("requestBody"));
    let mut waiting: Vec<&Value> = bodies.map(|body| &body["content"]["application/json"]["schema"]).collect();
    let (mut seen, mut loose) = (HashSet::new(), Vec::new());
    while let Some(schema) = waiting.pop() {
        each_object(schema, &mut |object| {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str)
                && seen.insert(reference.to_owned())
            {
                waiting.push(document.pointer(reference.trim_start_matches('#')).unwrap());
            }
            if object.contains_key("properties") && object.get("additionalProperties") != Some(&Value::Bool(false)) {
                loose.push(Value::Object(object.clone()).to_string());
            }
        });
    }
    assert!(seen.len() > 8, "only {} schemas of bodies were found", seen.len());
    loose
}

#[tokio::test]
async fn the_document_is_served_as_the_code_makes_it() {
    let suite = suite().await;

    let served = suite.request(Method::GET, "/api/schema").send().await.expect(200);

    assert_eq!(served.header("content-type"), "application/json");
    assert_eq!(served.json, tenantry_api::openapi());
}

#[test]
fn the_document_has_the_parts_of_openapi_3_1() {
    let document = tenantry_api::openapi();

    assert_eq!(document["openapi"], "3.1.0");
    assert!(["title", "version", "description"].iter().all(|it| document["info"][it].is_string()));
    assert_eq!(dangling(&document), [""; 0]);
    let mut strangers: Vec<&str> = Vec::new();
    each_object(&document, &mut |object| {
        // What 3.0 had and 3.1 has not.
        strangers.extend(["nullable", "x-nullable", "example"].iter().filter(|it| object.contains_key(**it)));
    });
    assert_eq!(strangers, [""; 0]);
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let document = tenantry_api::openapi();

    let documented: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();

    let routes = tenantry_api::routes().into_iter().map(|it| (it.method, it.path.to_owned()));
    assert_eq!(documented, routes.collect());
}

#[test]
fn every_operation_says_what_it_is_and_what_it_needs() {
    let document = tenantry_api::openapi();
    let access: BTreeMap<(String, &str), Access> =
        tenantry_api::routes().into_iter().map(|it| ((it.method, it.path), it.access)).collect();
    let mut ids = HashSet::new();

    for (method, path, operation) in operations(&document) {
        let at = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{at}: the id is taken");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{at}");
        assert!(operation["tags"].as_array().unwrap().iter().any(|it| it != ""), "{at}");
        let any = &["bearer", "session", "cookie"][..];
        let (schemes, told) = match access[&(method, path.as_str())] {
            Access::Public => (&[][..], "no credential".to_owned()),
            Access::Tenant(permission) => (any, format!("`{permission}`")),
            Access::Person => (any, "person".to_owned()),
            Access::Operator => (&["operator"][..], "operator".to_owned()),
        };
        let needed: Vec<&str> = operation["security"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|it| it.as_object().unwrap().keys())
            .map(String::as_str)
            .collect();
        assert_eq!(needed, schemes, "{at}");
        assert!(operation["description"].as_str().unwrap().contains(&told), "{at}");
        assert!(needed.iter().all(|it| document["components"]["securitySchemes"][it].is_object()), "{at}");
    }
}

#[test]
fn every_operation_names_its_parameters() {
    let document = tenantry_api::openapi();

    for (method, path, operation) in operations(&document) {
        let at = format!("{method} {path}");
        let parameters = operation["parameters"].as_array().unwrap();
        let in_path: BTreeSet<&str> = path.split('{').skip(1).filter_map(|it| it.split('}').next()).collect();
        let documented: BTreeSet<&str> =
            parameters.iter().filter(|it| it["in"] == "path").map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(documented, in_path, "{at}");
        let mut names = HashSet::new();
        for parameter in parameters {
            let is_typed = parameter["schema"].as_object().is_some_and(|it| !it.is_empty());
            assert!(is_typed && (parameter["in"] != "path" || parameter["required"] == true), "{at}: {parameter}");
            // A query string cannot say it.
            assert!(!parameter["schema"].to_string().contains("null"), "{at}: {parameter}");
            assert!(names.insert(&parameter["name"]), "{at}: {} stands twice", parameter["name"]);
        }
    }
}

#[test]
fn every_operation_names_its_answers() {
    let document = tenantry_api::openapi();

    for (method, path, operation) in operations(&document) {
        let at = format!("{method} {path}");
        let responses = operation["responses"].as_object().unwrap();
        let has = |status: &str| responses.contains_key(status);
        let secured = operation["security"] != serde_json::json!([]);
        assert_eq!(responses.keys().filter(|it| it.starts_with('2')).count(), 1, "{at}");
        assert!(has("400") && has("500") && has("503"), "{at}");
        let is_login = path.starts_with("/api/v1/auth/")
            && !path.starts_with("/api/v1/auth/password/")
            && path != "/api/v1/auth/token/revoke";
        // Nowhere to go, or a route that may be switched off.
        let may_be_missing = path == "/api/v1/auth/token/switch" || path.starts_with("/api/v1/signup");
        // What is wrong with a form of OAuth is said in the words of RFC 6749, also of its media type.
        let is_oauth = path.starts_with("/oauth/");
        assert_eq!(secured || is_oauth || is_login, has("401"), "{at}");
        assert_eq!(path.contains('{') || may_be_missing, has("404"), "{at}");
        assert_eq!(
            operation.get("requestBody").is_some(),
            has("408") && has("413") && (has("415") || is_oauth),
            "{at}"
        );
        for (status, response) in responses.iter().filter(|(status, _)| !status.starts_with('2')) {
            if is_oauth && matches!(status.as_str(), "400" | "401") {
                let schema = &response["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/OauthError", "{at}: {status}");
                continue;
            }
            let response = document.pointer(response["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap();
            let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{at}: {status}");
            assert!(response["description"].is_string(), "{at}: {status}");
        }
    }
}

/// Every content of a body in the document, with where it is.
fn contents(document: &Value) -> Vec<(String, &Value)> {
    let mut contents = Vec::new();
    for (method, path, operation) in operations(document) {
        let responses = operation["responses"].as_object().unwrap().iter();
        let bodies = responses.map(|(status, response)| (status.as_str(), response));
        for (part, body) in bodies.chain([("request", &operation["requestBody"])]) {
            let of_body = body["content"].as_object().into_iter().flatten();
            contents.extend(of_body.map(|(media, it)| (format!("{method} {path} {part} {media}"), it)));
        }
    }
    let responses = document["components"]["responses"].as_object().unwrap();
    contents.extend(responses.iter().map(|(status, it)| (status.clone(), &it["content"]["application/problem+json"])));
    contents
}

#[test]
fn every_body_has_an_example_that_obeys_its_schema() {
    let document = tenantry_api::openapi();
    let mut found = 0;

    for (at, content) in contents(&document) {
        // Files, the lists that are exported as text, and what is printed.
        if ["*/*", "text/csv", "ndjson", "text/html"].iter().any(|media| at.ends_with(media)) {
            continue;
        }
        let example = content.pointer("/examples/default/value").unwrap_or_else(|| panic!("{at} has no example"));
        assert_eq!(violations(&document, &content["schema"], example), [""; 0], "{at}");
        found += 1;
    }

    assert!(found > 150, "only {found} bodies were found");
}

#[test]
fn a_body_takes_no_field_that_it_does_not_name() {
    assert_eq!(loose_bodies(&tenantry_api::openapi()), [""; 0]);
}

#[test]
fn a_loose_body_and_a_dangling_reference_would_be_found() {
    let document = tenantry_api::openapi();
    let mut loose = document.clone();
    loose["components"]["schemas"]["ProjectBody"].as_object_mut().unwrap().remove("additionalProperties");
    let mut cut = document.clone();
    cut["components"]["schemas"].as_object_mut().unwrap().remove("ProjectView");

    assert_eq!(loose_bodies(&loose).len(), 1);
    assert!(!dangling(&cut).is_empty());
}

#[test]
fn every_schema_requires_only_what_it_has_and_none_is_left_over() {
    let document = tenantry_api::openapi();
    let mut used = HashSet::new();
    each_object(&document, &mut |object| {
        used.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
        if let Some(required) = object.get("required").and_then(Value::as_array) {
            let has = |name: &Value| object["properties"].get(name.as_str().unwrap()).is_some();
            assert!(required.iter().all(has), "{object:?}");
        }
    });

    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(used.contains(&format!("#/components/schemas/{name}")), "{name} is never referred to");
        let is_described = schema["type"] != "object" || schema.get("properties").is_some();
        assert!(is_described || schema["additionalProperties"] == true, "{name} has no fields");
    }
}

#[tokio::test]
async fn the_pages_and_all_they_load_are_ours() {
    let suite = suite().await;

    for page in ["/api/docs", "/api/redoc"] {
        let page = suite.request(Method::GET, page).send().await.expect(200);

        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert!(!page.text.contains("//"), "an address of another host: {}", page.text);
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'self';"), "{policy}");
        assert!(!policy.contains("//") && !policy.contains('*') && !policy.contains("unsafe-eval"), "{policy}");
        let scripts = policy.split(';').find(|it| it.trim().starts_with("script-src"));
        assert!(scripts.is_none_or(|it| !it.contains("unsafe")), "{policy}");
        let loaded: Vec<&str> = ["src=\"", "href=\""]
            .iter()
            .flat_map(|attribute| page.text.split(attribute).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .filter(|address| *address != "data:,")
            .collect();
        assert!(loaded.len() >= 2, "{loaded:?}");
        for address in loaded {
            assert!(address.starts_with("/api/docs/assets/"), "{address}");
            let asset = suite.request(Method::GET, address).send().await.expect(200);
            let kind = if address.ends_with(".css") { "text/css" } else { "text/javascript" };
            assert_eq!(asset.header("content-type"), format!("{kind}; charset=utf-8"), "{address}");
            assert_eq!(asset.header("content-encoding") == "gzip", !address.ends_with("/start.js"), "{address}");
            assert!(asset.text.len() > 100, "{address}");
        }
    }
}
