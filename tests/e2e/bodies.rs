//! Malformed bodies, on every route that takes one: always a 4xx that names the field, and the service lives on.

mod arrival;
mod fields;

use reqwest::Method;
use serde_json::{Value, json};

use crate::examples::{Example, Examples};
use crate::harness::{PLACEMENTS, Request, Suite, suite};

/// Every route that takes a body.
async fn examples(suite: &Suite) -> (Examples, Vec<Example>) {
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let examples = Examples::new(suite, &tenant).await;
    let with_body: Vec<Example> = examples.all().await.into_iter().filter(|it| it.body.is_some()).collect();
    assert!(with_body.len() >= 9, "some bodies are not documented");
    (examples, with_body)
}

/// A request with this text as its JSON body.
fn raw(examples: &Examples, example: &Example, body: impl Into<reqwest::Body>) -> Request {
    let request = examples.caller(&example.route).request(example.method(), &example.path);
    request.header("content-type", "application/json").body(body)
}

#[tokio::test]
async fn a_body_must_be_declared_as_json_in_utf_8() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;

    for example in &with_body {
        for content_type in [
            "",
            "text/plain",
            "text/json",
            "application/xml",
            "application/jsonx",
            "application/json-seq",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=latin1",
            "application/json; charset=utf-16",
            "application/json; charset=\"iso-8859-1\"",
            "\u{ff}",
        ] {
            let request = examples.caller(&example.route).request(example.method(), &example.path);
            let body = example.body.as_ref().unwrap().to_string();
            let answer = request.header("content-type", content_type).body(body).send().await.expect(415);
            assert_eq!(answer.json["code"], "unsupported_media_type");
        }
        let request = examples.caller(&example.route).request(example.method(), &example.path);
        request.send().await.expect(415);
    }
}

#[tokio::test]
async fn a_charset_of_utf_8_may_be_spelled_out() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();

    for content_type in ["application/json;charset=UTF-8", "Application/JSON ; charset=\"utf-8\"; x=y"] {
        let request = owner.request(Method::POST, "/api/v1/projects").header("content-type", content_type);
        request.body(r#"{"name":"Moon"}"#).send().await.expect(201);
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused_unread() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;

    for example in &with_body {
        for encoding in ["gzip", "deflate", "br", "zstd", "identity", "gzip, gzip", "nonsense"] {
            let body = example.body.as_ref().unwrap().to_string();
            let answer = raw(&examples, example, body).header("content-encoding", encoding).send().await;
            answer.expect(415);
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_the_bodys_fault() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_objects = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));

    for example in &with_body {
        let good = example.body.as_ref().unwrap().to_string();
        for body in [
            b"".to_vec(),
            b" ".to_vec(),
            b"{".to_vec(),
            b"}".to_vec(),
            b"{]".to_vec(),
            b"nul".to_vec(),
            b"\0".to_vec(),
            b"\xff\xfe{\0}\0".to_vec(),
            b"\xef\xbb\xbf{}".to_vec(),
            b"{\xff:1}".to_vec(),
            b"{'a':1}".to_vec(),
            b"{,}".to_vec(),
            b"null".to_vec(),
            b"true".to_vec(),
            b"1".to_vec(),
            b"1e999".to_vec(),
            b"\"text\"".to_vec(),
            b"[]".to_vec(),
            b"[{}]".to_vec(),
            deep.clone().into_bytes(),
            format!("{good}{good}").into_bytes(),
            format!("{good},").into_bytes(),
            format!("{good}\0").into_bytes(),
            format!("[{good}]").into_bytes(),
            good[..good.len() - 1].to_owned().into_bytes(),
        ] {
            raw(&examples, example, body).send().await.expect_field(400, "body");
        }
        // It is refused at its first field already.
        raw(&examples, example, deep_objects.clone()).send().await.expect_field(400, "a");
    }
}

#[tokio::test]
async fn a_route_that_takes_no_body_takes_no_tenant_id_in_one_either() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let examples = Examples::new(&suite, &tenant).await;

    for example in examples.all().await.iter().filter(|it| examples.operation(&it.route).get("requestBody").is_none()) {
        raw(&examples, example, r#"{"tenant_id":"x"}"#).send().await.expect_field(400, "tenant_id");
        raw(&examples, example, "{").send().await.expect_field(400, "body");
        let undeclared = examples.caller(&example.route).request(example.method(), &example.path);
        undeclared.body("{}").send().await.expect(415);
        let empty = raw(&examples, example, "{}").send().await;
        assert!((200..300).contains(&empty.status), "{}: {}", example.path, empty.text);
    }
}

#[tokio::test]
async fn the_service_survives_all_of_this() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[1]).await.owner();
    for body in ["[".repeat(1_000_000), "{\"name\":".repeat(100_000), "\"\\u0000".repeat(100_000)] {
        let request = owner.request(Method::POST, "/api/v1/projects").header("content-type", "application/json");
        request.body(body).send().await.expect(400);
    }

    let project = owner.project("still works").await;

    assert_eq!(owner.get(&format!("/api/v1/projects/{project}")).await.expect(200).json["name"], json!("still works"));
}

/// A body with one field replaced or added; it stands first, so that nothing before it is found at fault.
fn with_field(body: &Value, name: &str, value: &str) -> String {
    let rest = body.as_object().unwrap().iter().filter(|(known, _)| *known != name);
    let rest: String = rest.map(|(name, value)| format!(",{}:{value}", json!(name))).collect();
    format!("{{{}:{value}{rest}}}", json!(name))
}
