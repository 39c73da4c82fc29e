//! What holds for every route: both spellings, HEAD, wrong methods, unknown routes, request ids.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use tenantry_api::{Access, RouteInfo};

use crate::examples::{Example, Examples};
use crate::harness::wire::Wire;
use crate::harness::{PLACEMENTS, Response, suite};
use crate::schemas::violations;

fn spelled_with_slash(path: &str) -> String {
    match path.split_once('?') {
        Some((path, query)) => format!("{path}/?{query}"),
        None => format!("{path}/"),
    }
}

/// An answer without what differs between two equal requests. What operators see is everybody's: it changes while other
/// tests run.
fn comparable(example: &Example, answer: &Response) -> (u16, String, String) {
    let text = if is_shared(example) { String::new() } else { answer.without_request_id() };
    (answer.status, answer.header("content-type").to_owned(), text)
}

fn is_shared(example: &Example) -> bool {
    example.route.access == Access::Operator
}

fn is_get(example: &&Example) -> bool {
    example.route.method == "GET"
}

#[tokio::test]
async fn both_spellings_of_every_path_are_the_same() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let examples = Examples::new(&suite, &tenant).await;

    for example in examples.all().await {
        let caller = examples.caller(&example.route);
        let slashed = spelled_with_slash(&example.path);
        if example.route.method == "GET" {
            let plain = example.send_to(&example.path, caller).send().await;
            let with_slash = example.send_to(&slashed, caller).send().await;
            assert_eq!(comparable(&example, &plain), comparable(&example, &with_slash), "{slashed}");
        } else {
            let with_slash = example.send_to(&slashed, caller).send().await;
            let known = with_slash.json["detail"] != "there is no such route";
            assert!(known && with_slash.status != 405 && with_slash.status < 500, "{slashed}: {}", with_slash.text);
        }
    }
}

#[tokio::test]
async fn an_answer_is_what_the_document_says() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let examples = Examples::new(&suite, &tenant).await;
        let document = &examples.document;

        for example in examples.all().await {
            let answer = example.send_to(&example.path, examples.caller(&example.route)).send().await;

            let (status, at) = (answer.status.to_string(), format!("{} {}", example.route.method, example.path));
            let responses = &examples.operation(&example.route)["responses"];
            let mut response = responses.get(&status).unwrap_or_else(|| panic!("{at}: {status} is not documented"));
            if let Some(reference) = response["$ref"].as_str() {
                response = document.pointer(reference.trim_start_matches('#')).unwrap();
            }
            let content_type = answer.header("content-type").split(';').next().unwrap();
            match response.pointer(&format!("/content/{}", content_type.replace('/', "~1"))) {
                Some(content) => assert_eq!(violations(document, &content["schema"], &answer.json), [""; 0], "{at}"),
                None => assert!(answer.text.is_empty() || response.pointer("/content/*~1*").is_some(), "{at}"),
            }
            for header in response["headers"].as_object().into_iter().flatten().map(|(name, _)| name) {
                let optional = header == "Link";
                assert!(optional || !answer.header(header).is_empty(), "{at}: {header} is missing");
            }
        }
    }
}

#[tokio::test]
async fn a_head_is_a_get_without_its_body() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[1]).await;
    let examples = Examples::new(&suite, &tenant).await;

    for example in examples.all().await.iter().filter(is_get) {
        let caller = examples.caller(&example.route);
        let get = example.send_to(&example.path, caller).send().await;
        let head = caller.request(Method::HEAD, &example.path).send().await;

        assert_eq!((head.status, head.text.as_str()), (200, ""), "{}", example.path);
        for header in ["content-type", "content-length", "link", "cache-control", "x-content-type-options"] {
            let may_differ = header == "content-length" && is_shared(example);
            assert!(may_differ || head.header(header) == get.header(header), "{}: {header}", example.path);
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let examples = Examples::new(&suite, &tenant).await;
    let mut allowed: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for RouteInfo { method, path, .. } in tenantry_api::routes() {
        if method == "GET" {
            allowed.entry(path).or_default().insert("HEAD".to_owned());
        }
        allowed.entry(path).or_default().insert(method);
    }

    for example in examples.all().await {
        let allowed = &allowed[example.route.path];
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"] {
            if allowed.contains(method) {
                continue;
            }
            let caller = examples.caller(&example.route);
            let answer = caller.request(method.parse().unwrap(), &example.path).send().await;

            let told: BTreeSet<String> = answer.header("allow").split(", ").map(str::to_owned).collect();
            assert_eq!((answer.status, &told), (405, allowed), "{method} {}", example.path);
            if method != "HEAD" {
                assert_eq!(answer.expect(405).json["code"], "method_not_allowed");
            }
        }
    }
}

#[tokio::test]
async fn an_unknown_route_is_a_problem_like_any() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();

    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/nothing",
        "/api/v1/projects/a/b/c",
        "/api/v1//projects",
        "/api//v1/projects",
        "/API/V1/projects",
        "/api/v1/Projects",
        "/api/v2/projects",
        "/api/v1/projects.json",
        "/api/v1/projects;x=1",
        "/api/v1/projects%2F",
        "/api/v1%2Fprojects",
        "/api/v1/projects%00",
        "/api/v1/%ff",
        "/api/v1/%",
        "/operator",
        "/.well-known/openid-configuration",
        "/favicon.ico",
        "/api/docs/assets",
        "/api/docs/assets/nothing.js",
        "/api/docs/assets/redoc.html",
        "/api/docs/assets/..%2Fredoc.html",
        "/api/docs/assets/%00",
    ] {
        for method in [Method::GET, Method::POST] {
            let answer = owner.request(method.clone(), path).send().await;
            let known_but_read_only = path.starts_with("/api/docs/assets/") && method == Method::POST;
            answer.expect(if known_but_read_only { 405 } else { 404 });
        }
    }
}

#[tokio::test]
async fn a_path_that_climbs_leads_nowhere() {
    let suite = suite().await;

    for target in [
        "/api/docs/assets/../../../Cargo.toml",
        "/api/docs/assets/%2e%2e/%2e%2e/Cargo.toml",
        "/api/docs/assets/..%5c..%5cCargo.toml",
        "/../etc/passwd",
        "/api/v1/../../health",
        "/api/docs/../../health",
    ] {
        let mut wire = Wire::open(&suite.base).await;
        wire.send(format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n")).await;

        wire.answer().await.unwrap().expect(404);
    }
}

#[tokio::test]
async fn what_is_no_http_gets_no_answer_or_400_and_hurts_nobody() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let head = format!("POST /api/v1/projects HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n", owner.token);
    let json = "content-type: application/json\r\n";
    let long_header = format!("GET /health HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "a".repeat(1 << 18));
    let many_headers = format!("GET /health HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-many: 1\r\n".repeat(1_000));

    for bytes in [
        b"\0\x01\x02\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET /health HTTP/9.9\r\n\r\n".to_vec(),
        b"GET /a b HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"GET /health HTTP/1.1\r\nbad header\r\n\r\n".to_vec(),
        b"GET /health HTTP/1.1\r\nhost: x\r\nx-nul: \0\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        format!("{head}{json}content-length: -1\r\n\r\n{{}}").into_bytes(),
        format!("{head}{json}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}").into_bytes(),
        format!("{head}{json}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n").into_bytes(),
        format!("{head}{json}transfer-encoding: chunked\r\n\r\nxyz\r\n{{}}\r\n0\r\n\r\n").into_bytes(),
        format!("{head}{json}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n").into_bytes(),
        long_header.into_bytes(),
        many_headers.into_bytes(),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let mut wire = Wire::open(&suite.base).await;
        wire.send(bytes).await;

        let status = wire.answer().await.map(|it| it.status);

        assert!(status.is_none_or(|it| (400..500).contains(&it)), "{shown}: {status:?}");
    }

    owner.project("still works").await;
}

#[tokio::test]
async fn a_request_keeps_the_id_it_came_with_if_that_is_one() {
    let suite = suite().await;
    let given = uuid::Uuid::now_v7().to_string();

    let kept = suite.request(Method::GET, "/nothing").header("x-request-id", &given).send().await.expect(404);

    assert_eq!(kept.json["request_id"], given);
    for bad in ["", "1", "not an id", "<script>", &"a".repeat(36), &format!("{given}{given}")] {
        let made = suite.request(Method::GET, "/health").header("x-request-id", bad).send().await.expect(200);
        assert!(made.header("x-request-id").parse::<uuid::Uuid>().is_ok() && made.header("x-request-id") != bad);
    }
}
