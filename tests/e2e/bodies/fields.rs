//! Bodies that are JSON, with one field at fault.

use reqwest::Method;
use serde_json::{Value, json};

use super::{examples, raw, with_field};
use crate::examples::{Example, Examples};
use crate::harness::{PLACEMENTS, suite};

/// The fields of a route's body with their schemas.
fn fields(examples: &Examples, example: &Example) -> Vec<(String, Value)> {
    let schema = examples.body_schema(&example.route).unwrap();
    let properties = schema["properties"].as_object().unwrap().clone();
    properties.into_iter().map(|(name, schema)| (name, examples.resolved(&schema))).collect()
}

/// What a route answers to a text that cannot be right, where that is not told from any other that is wrong: a failed
/// proof, a tenant that is not there, a token that is good for nothing anyway.
fn indifferent(example: &Example) -> Option<u16> {
    match example.route.path {
        "/api/v1/auth/token/switch" => Some(404),
        "/api/v1/auth/token/revoke" => Some(204),
        path if path.starts_with("/api/v1/auth/password/") => None,
        // Whoever has no authenticator, or not proven the password, is told that first.
        "/api/v1/me/totp/confirm" => Some(409),
        "/api/v1/me/totp" | "/api/v1/me/totp/remove" | "/api/v1/me/recovery-codes" => Some(400),
        path if path.starts_with("/api/v1/me/passkeys/") => Some(400),
        // Neither is a login: the token is good or not, whatever else is sent.
        "/api/v1/auth/invitations/accept" | "/api/v1/signup/confirm" => Some(400),
        path => path.starts_with("/api/v1/auth/").then_some(401),
    }
}

#[tokio::test]
async fn an_unknown_field_is_named() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;

    for example in &with_body {
        for field in ["tenant_id", "Tenant_Id", "tenantId", "id", "version", "created_at", "__proto__", "ключ"] {
            for value in ["null", "1", &json!(uuid::Uuid::now_v7()).to_string(), "{\"deep\":[]}"] {
                let body = with_field(example.body.as_ref().unwrap(), field, value);
                let answer = raw(&examples, example, body).send().await.expect_field(400, field);
                assert_eq!(answer.json["errors"][0]["code"], "unknown");
            }
        }
    }
}

#[tokio::test]
async fn an_unknown_field_that_lies_deeper_is_named_with_its_path() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;
    let mut seen = 0;

    for example in &with_body {
        for (name, _) in fields(&examples, example).iter().filter(|(_, schema)| schema["type"] == "object") {
            let body = with_field(example.body.as_ref().unwrap(), name, r#"{"tenant_id":1}"#);
            raw(&examples, example, body).send().await.expect_field(400, &format!("{name}.tenant_id"));
            seen += 1;
        }
    }

    assert!(seen > 0, "no body has an object in it");
}

#[tokio::test]
async fn a_field_given_twice_is_named() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;

    for example in &with_body {
        let body = example.body.as_ref().unwrap();
        for (name, value) in body.as_object().unwrap() {
            let text = body.to_string();
            let twice = format!("{{{}:{value},{}", json!(name), &text[1..]);
            let answer = raw(&examples, example, twice).send().await.expect_field(400, name);
            assert_eq!(answer.json["errors"][0]["code"], "duplicate");
        }
    }
}

#[tokio::test]
async fn a_missing_field_is_named() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;
    let mut seen = 0;

    for example in &with_body {
        let schema = examples.body_schema(&example.route).unwrap();
        for name in schema["required"].as_array().into_iter().flatten().map(|it| it.as_str().unwrap()) {
            let mut body = example.body.clone().unwrap();
            body.as_object_mut().unwrap().remove(name);
            let answer = raw(&examples, example, body.to_string()).send().await.expect_field(400, name);
            assert_eq!(answer.json["errors"][0]["code"], "required");
            seen += 1;
        }
    }

    assert!(seen >= 12, "only {seen} fields were left out");
}

#[tokio::test]
async fn a_field_of_the_wrong_type_is_named() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));

    for example in &with_body {
        for (name, schema) in fields(&examples, example) {
            // What may be null has two types.
            let may_be = |wanted: &str| {
                schema["type"] == wanted
                    || schema["type"].as_array().is_some_and(|types| types.contains(&json!(wanted)))
            };
            let is_object = may_be("object");
            let is_right = |value: &str| may_be("integer") && value == "1" || may_be("boolean") && value == "true";
            for value in ["1", "true", "1.5", "[]", "{}", "[\"a\"]", &deep] {
                if is_object && value == "{}" || is_right(value) {
                    continue;
                }
                let body = with_field(example.body.as_ref().unwrap(), &name, value);
                // Of several things, the one at fault is named.
                let of_things = schema.pointer("/items/$ref").is_some() || schema["items"]["type"] == "object";
                let is_item = value.len() > 2 && value.starts_with('[') && of_things;
                let named = if is_item { format!("{name}[0]") } else { name.clone() };
                raw(&examples, example, body).send().await.expect_field(400, &named);
            }
        }
    }
}

#[tokio::test]
async fn a_text_that_a_field_cannot_have_is_named() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;
    let huge = json!("x".repeat(1_000_000)).to_string();
    let nuls =
        [r#""\u0000""#, r#""a\u0000b""#, r#""2028-02-2\u0000""#, r#""018f0c5e-7f6a-7cc0-8000-3f1d5c9b2a1\u0000""#];

    for example in &with_body {
        for (name, schema) in fields(&examples, example) {
            for value in nuls.iter().chain([&huge.as_str()]) {
                let body = with_field(example.body.as_ref().unwrap(), &name, value);
                let answer = raw(&examples, example, body).send().await;
                match indifferent(example) {
                    // What one of a few words must be is no proof of anything.
                    Some(status) if schema["enum"].is_null() && schema["type"] != "object" => answer.expect(status),
                    _ => answer.expect_field(400, &name),
                };
            }
        }
    }
}

#[tokio::test]
async fn a_text_that_is_no_text_is_the_bodys_fault() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;

    for example in &with_body {
        for (name, _) in fields(&examples, example) {
            for value in [b"\"\0\"".as_slice(), b"\"\xff\"", b"\"\xed\xa0\x80\"", b"\"\\ud800\"", b"\"\\x\"", b"\"\n\""]
            {
                let mut body = format!("{{{}:", json!(name)).into_bytes();
                body.extend_from_slice(value);
                body.push(b'}');
                raw(&examples, example, body).send().await.expect_field(400, "body");
            }
        }
    }
}

#[tokio::test]
async fn a_word_outside_its_set_and_an_id_that_is_none_are_named() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;
    let mut seen = 0;

    for example in &with_body {
        for (name, schema) in fields(&examples, example) {
            let format = schema["format"].as_str();
            if schema.get("enum").is_none() && !matches!(format, Some("uuid" | "date" | "date-time" | "email")) {
                continue;
            }
            for value in ["", " ", "nothing", "TODO", "todo ", "1", "018f0c5e7f6a7cc080003f1d5c9b2a10"] {
                let body = with_field(example.body.as_ref().unwrap(), &name, &json!(value).to_string());
                raw(&examples, example, body).send().await.expect_field(400, &name);
                seen += 1;
            }
        }
    }

    assert!(seen > 100, "only {seen} requests were sent");
}

#[tokio::test]
async fn a_day_or_moment_outside_the_years_1_to_9999_is_named() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;
    let mut seen = 0;

    for example in &with_body {
        for (name, schema) in fields(&examples, example) {
            let time = match schema["format"].as_str() {
                Some("date") => "",
                Some("date-time") => "T00:00:00Z",
                _ => continue,
            };
            for day in ["-5000-01-01", "0000-12-31", "10000-01-01", "+10000-01-01", "+262142-12-31"] {
                let value = json!(format!("{day}{time}")).to_string();
                let body = with_field(example.body.as_ref().unwrap(), &name, &value);
                raw(&examples, example, body).send().await.expect_field(400, &name);
                seen += 1;
            }
        }
    }

    assert!(seen > 20, "only {seen} requests were sent");
}

#[tokio::test]
async fn a_text_is_bounded_in_characters_not_bytes() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[1]).await.owner();

    for (field, max) in [("name", 255), ("description", 10_000)] {
        let mut body = json!({ "name": "Moon" });
        body[field] = json!("🦀".repeat(max));
        owner.post("/api/v1/projects", body.clone()).await.expect(201);
        body[field] = json!("🦀".repeat(max + 1));
        owner.post("/api/v1/projects", body).await.expect_field(400, field);
    }
    for name in ["", "   ", "a\nb", "a\tb", "\u{7f}", "\u{85}", "\u{1b}[31m"] {
        owner.post("/api/v1/projects", json!({ "name": name })).await.expect_field(400, "name");
    }
}

#[tokio::test]
async fn a_due_date_is_a_day_of_the_years_1_to_9999() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let project = owner.project("Moon").await;
    let task = format!("/api/v1/tasks/{}", owner.task(&project, "Fly").await);

    for due in [
        "-262143-01-01",
        "-0001-01-01",
        "0000-01-01",
        "10000-01-01",
        "+10000-01-01",
        "+2028-02-29",
        "2028-2-29",
        "2027-02-29",
        "2028-02-30",
        "2028-13-01",
        "2028-02",
        "20280229",
        "29.02.2028",
        "2028-02-29T00:00:00Z",
        " 2028-02-29",
        "infinity",
        "now",
        "",
    ] {
        let body = json!({ "project": project, "title": "Fly", "due": due });
        owner.post("/api/v1/tasks", body.clone()).await.expect_field(400, "due");
        owner.put(&task, body).await.expect_field(400, "due");
        owner.patch(&task, json!({ "due": due })).await.expect_field(400, "due");
    }
    for due in ["0001-01-01", "1582-10-10", "2028-02-29", "9999-12-31"] {
        assert_eq!(owner.patch(&task, json!({ "due": due })).await.expect(200).json["due"], due);
        assert_eq!(owner.request(Method::GET, &task).send().await.expect(200).json["due"], due);
    }
}
