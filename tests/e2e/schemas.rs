//! JSON, judged: whether an answer is what the OpenAPI document says, and what of it differs from run to run.

use chrono::{DateTime, NaiveDate};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The same JSON with ids and times, which must be well-formed, replaced by what they are.
pub fn redacted(value: &Value) -> Value {
    let mut redacted = value.clone();
    for (name, value) in redacted.as_object_mut().into_iter().flatten() {
        let Some(text) = value.as_str() else { continue };
        match name.as_str() {
            "id" | "request_id" => {
                text.parse::<Uuid>().unwrap();
                *value = "<uuid>".into();
            }
            "created_at" | "updated_at" | "completed_at" | "expires_at" => {
                DateTime::parse_from_rfc3339(text).unwrap();
                *value = "<time>".into();
            }
            _ => {}
        }
    }
    redacted
}

/// Where `value` is not what `schema` says, a JSON Schema as our document writes them; nothing if it is.
pub fn violations(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    judge(document, schema, value, "", &mut found);
    found
}

fn judge(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        match document.pointer(reference.trim_start_matches('#')) {
            Some(schema) => judge(document, schema, value, at, found),
            None => found.push(format!("{at}: {reference} leads nowhere")),
        }
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let fitting = choices.iter().filter(|choice| violations(document, choice, value).is_empty()).count();
        if fitting != 1 {
            found.push(format!("{at}: {fitting} of the choices fit {value}"));
        }
    }
    if schema.get("type").is_some_and(|types| !has_type(types, value)) {
        found.push(format!("{at}: {value} is not {}", schema["type"]));
    }
    if schema.get("enum").and_then(Value::as_array).is_some_and(|words| !words.contains(value)) {
        found.push(format!("{at}: {value} is not among {}", schema["enum"]));
    }
    if let (Some(format), Some(text)) = (schema.get("format").and_then(Value::as_str), value.as_str())
        && !has_format(format, text)
    {
        found.push(format!("{at}: {text} is no {format}"));
    }
    for (place, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(items) = schema.get("items") {
            judge(document, items, item, &format!("{at}/{place}"), found);
        }
    }
    if let (Some(properties), Some(fields)) = (schema.get("properties").and_then(Value::as_object), value.as_object()) {
        judge_object(document, schema, (properties, fields), at, found);
    }
}

/// Stricter than JSON Schema: a field that is not documented is a violation.
fn judge_object(
    document: &Value,
    schema: &Value,
    (properties, fields): (&Map<String, Value>, &Map<String, Value>),
    at: &str,
    found: &mut Vec<String>,
) {
    for (name, value) in fields {
        match properties.get(name) {
            Some(schema) => judge(document, schema, value, &format!("{at}/{name}"), found),
            None => found.push(format!("{at}: {name} is not documented")),
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let missing = required.filter_map(Value::as_str).filter(|name| !fields.contains_key(*name));
    found.extend(missing.map(|name| format!("{at}: {name} is missing")));
}

fn has_type(types: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    };
    types.as_array().map_or_else(|| is(types), |types| types.iter().any(is))
}

fn has_format(format: &str, text: &str) -> bool {
    match format {
        "uuid" => text.len() == 36 && text.parse::<Uuid>().is_ok(),
        "date" => text.len() == 10 && text.parse::<NaiveDate>().is_ok(),
        "date-time" => DateTime::parse_from_rfc3339(text).is_ok(),
        "email" => text.contains('@'),
        "hostname" => tenantry_tenancy::domains::DomainName::parse(text).is_ok(),
        "cidr" => text.parse::<tenantry_tenancy::Network>().is_ok(),
        "uri-reference" => text.starts_with('/'),
        // The type says it already.
        "password" | "int64" => true,
        other => panic!("{other} is a format that nobody checks"),
    }
}

#[test]
fn what_is_not_as_documented_is_found() {
    let document = tenantry_api::openapi();
    let schema = json!({ "$ref": "#/components/schemas/TaskView" });
    let id = Uuid::now_v7();
    let good = json!({
        "id": id, "project": id, "title": "Fly", "description": "", "status": "todo", "priority": "low",
        "assignee": null, "due": "2028-02-29", "completed_at": null, "creator": null, "version": 1,
        "created_at": "2028-02-29T00:00:00Z", "updated_at": "2028-02-29T00:00:00Z",
    });
    assert_eq!(violations(&document, &schema, &good), [""; 0]);

    for (field, bad) in [
        ("id", json!("1")),
        ("title", json!(1)),
        ("title", json!(null)),
        ("status", json!("finished")),
        ("assignee", json!("nobody")),
        ("due", json!("29.02.2028")),
        ("version", json!("1")),
        ("created_at", json!("yesterday")),
        ("tenant_id", json!(id)),
    ] {
        let mut task = good.clone();
        task[field] = bad;
        assert_eq!(violations(&document, &schema, &task).len(), 1, "{field}");
    }
    let mut without_title = good;
    without_title.as_object_mut().unwrap().remove("title");
    assert_eq!(violations(&document, &schema, &without_title), [": title is missing"]);
}
