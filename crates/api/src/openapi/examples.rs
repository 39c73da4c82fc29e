//! Examples of bodies, put together from the schemas: a field that is added shows in every example, or is named by a test.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};
use tenantry_tenancy::{Permission, RequestId};
use uuid::Uuid;

use crate::problem::ApiError;

/// What texts hold, by the name of their type or, where that says nothing, of their field. A field that needs another
/// one has it at its schema: `#[schema(examples(…))]`.
const TEXTS: &[(&str, &str)] = &[
    // xtask new: examples
    ("ApiClientName", "Nightly export"),
    ("ApiKeyName", "Website"),
    ("BillTo", "Globex Corporation\n1 High Street, Exampleton"),
    ("ContentType", "application/pdf"),
    ("Currency", "EUR"),
    ("CustomerName", "Globex Corporation"),
    ("DisplayName", "Acme Ltd"),
    ("DocumentTitle", "Offer of March"),
    ("LineDescription", "Consulting"),
    ("LineQuantity", "2.5"),
    ("PasskeyName", "Laptop"),
    ("PersonName", "Ada Lovelace"),
    ("ProductName", "Desk lamp"),
    ("ProjectName", "Website relaunch"),
    ("Reason", "The customer cannot see their invoices, ticket 4711"),
    ("RoleName", "bookkeeper"),
    ("RoleDescription", "Keeps the books"),
    ("Series", "INV"),
    ("ServiceName", "billing-sync"),
    ("Sha256", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    ("Slug", "acme"),
    ("SupplierName", "Initech Supplies"),
    ("TaskTitle", "Write the imprint"),
    ("access", "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwMTlj…"),
    ("access_token", "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwMTlj…"),
    ("action", "update"),
    ("actor", "user:019cadb4-5c40-7cc0-8000-3f1d5c9b2a10"),
    ("address", "1 High Street, Exampleton"),
    ("attestation", "none"),
    ("attestationObject", "o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YVg"),
    ("aud", "tenantry"),
    ("authenticatorAttachment", "platform"),
    ("authenticatorData", "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ"),
    ("ceremony", "6Jt3m1r0yQm9rT4k"),
    ("challenge", "2JkJ0f9c0bq1yFfS8vXn3w"),
    ("clientDataJSON", "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiMkprSjAifQ"),
    ("client_id", "019cadb4-5c40-7cc0-8000-5e0a6c1f44d2"),
    ("client_secret", "tncs_Vb3q9m…"),
    ("code", "492039"),
    ("description", "Everything that has to be done until the launch."),
    ("displayName", "Ada Lovelace"),
    ("email", "ada@example.com"),
    ("headers", "application/pdf"),
    ("iss", "https://api.example.com"),
    ("key", "tenantry_sk_live_8Zr2hQ4tVb3m…"),
    ("notes", "Prefers to be called in the morning."),
    ("note", "Counted in March."),
    ("otp", "492039"),
    ("phone", "+44 20 7946 0018"),
    ("prefix", "tenantry_sk_live_8Zr2hQ4tVb3m"),
    ("publicKey", "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE"),
    ("rawId", "AbUvDcNL3r5hZkH2q1w"),
    ("record_name", "_tenantry-challenge.crm.example.com"),
    ("record_text", "tenantry-verification=6Jt3m1r0yQm9rT4k"),
    ("recovery_codes", "3f1d-5c9b-2a10-7cc0-8e4a-019c-adb4-5c40"),
    ("quantity", "2.5"),
    ("reference", "INV-000042"),
    ("refresh", "tnr_5Yw1nC…"),
    ("residentKey", "required"),
    ("resource", "projects"),
    ("rpId", "api.example.com"),
    ("scope", "projects:read tasks:read"),
    ("secret", "JBSWY3DPEHPK3PXP"),
    ("session", "tns_0Lk4vD…"),
    ("signature", "MEUCIQDx0bq1yFfS8vXn3w2JkJ0f9cAiA"),
    ("sku", "LAMP-01"),
    ("sub", "019cadb4-5c40-7cc0-8000-5e0a6c1f44d2"),
    ("tenant", "acme"),
    ("ticket", "tnt_6Jt3m1r0yQm9rT4k"),
    ("token", "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwMTlj…"),
    ("token_type", "Bearer"),
    ("transports", "internal"),
    ("uri", "otpauth://totp/Tenantry:ada%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=Tenantry"),
    ("userHandle", "AZytLFxAfMCAAD8dXJsqEA"),
    ("userVerification", "required"),
    ("username", "ada@example.com"),
];

/// What the keys of objects with any keys are, by the name of their field.
const KEYS: &[(&str, &str)] = &[("headers", "content-type")];

/// What numbers are, by the name of their field.
const NUMBERS: &[(&str, i64)] = &[
    ("alg", -8),
    ("exp", 1_772_444_100),
    ("expires_in", 300),
    ("minutes", 15),
    ("net", 25_000),
    ("overlap_seconds", 86_400),
    ("publicKeyAlgorithm", -8),
    ("size", 48_213),
    ("tax", 4_750),
    ("tax_basis_points", 1900),
    ("timeout", 300_000),
    ("total", 29_750),
    ("unit_price", 10_000),
];

/// Puts together what bodies look like.
pub(super) struct Examples<'a> {
    schemas: &'a BTreeMap<String, Value>,
    /// Whether the body is an answer, which has its optional fields only now and then; these it has.
    answer: Option<&'a [&'static str]>,
    /// Fields whose schemas do not tell what they hold.
    lacking: Vec<String>,
}

/// What a value is called.
#[derive(Clone, Copy)]
struct Named<'a> {
    owner: &'a str,
    field: &'a str,
}

/// Adds an example to every JSON and every form of these contents; tells which fields lack one.
pub(super) fn add(
    content: &mut Value,
    schemas: &BTreeMap<String, Value>,
    answer: Option<&[&'static str]>,
) -> Vec<String> {
    let mut examples = Examples { schemas, answer, lacking: Vec::new() };
    for (media, content) in content.as_object_mut().into_iter().flatten() {
        if !matches!(media.as_str(), "application/json" | super::FORM) {
            continue;
        }
        let value = examples.value(&content["schema"], Named { owner: media, field: "" });
        content["examples"] = json!({ "default": { "value": value } });
    }
    examples.lacking
}

impl Examples<'_> {
    fn value(&mut self, schema: &Value, named: Named<'_>) -> Value {
        if let Some(example) = schema.pointer("/examples/0").or_else(|| schema.pointer("/enum/0")) {
            return example.clone();
        }
        if let Some((_, name)) = schema["$ref"].as_str().and_then(|reference| reference.rsplit_once('/')) {
            let schemas = self.schemas;
            return schemas.get(name).map_or(Value::Null, |schema| self.value(schema, Named { owner: name, ..named }));
        }
        if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            let choice = choices.iter().find(|choice| choice["type"] != "null");
            return choice.map_or(Value::Null, |choice| self.value(choice, named));
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let parts = parts.iter().map(|part| self.value(part, named));
            return parts.flat_map(|part| part.as_object().cloned().unwrap_or_default()).collect::<Map<_, _>>().into();
        }
        match kind(schema) {
            "object" if schema["properties"].is_object() => self.object(schema, named.owner),
            "object" if schema["additionalProperties"].is_object() => {
                let key = KEYS.iter().find(|(field, _)| *field == named.field).map_or("name", |(_, key)| key);
                json!({ key: self.value(&schema["additionalProperties"], named) })
            }
            "array" => json!([self.value(&schema["items"], named)]),
            "boolean" => json!(true),
            "integer" => match NUMBERS.iter().find(|(name, _)| *name == named.field) {
                Some((_, number)) => json!(number),
                None => json!(schema["minimum"].as_i64().unwrap_or_default().max(1)),
            },
            "string" => self.text(schema, named),
            _ => self.lacks(named),
        }
    }

    fn object(&mut self, schema: &Value, owner: &str) -> Value {
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut object = Map::new();
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let is_shown =
                self.answer.is_none_or(|shown| required.iter().any(|it| it == field) || shown.contains(&&**field));
            if is_shown {
                object.insert(field.clone(), self.value(property, Named { owner, field }));
            }
        }
        object.into()
    }

    fn text(&mut self, schema: &Value, named: Named<'_>) -> Value {
        match schema["format"].as_str() {
            Some("uuid") => json!(id(named.owner)),
            Some("date-time") if matches!(named.field, "ends_at" | "expires_at") => json!("2026-09-02T09:30:00Z"),
            Some("date-time") => json!("2026-03-02T09:30:00Z"),
            Some("date") => json!("2026-03-31"),
            Some("email") => json!("ada@example.com"),
            Some("cidr") => json!("203.0.113.0/24"),
            Some("hostname") => json!("crm.example.com"),
            Some("password") => json!("correct horse battery staple"),
            _ => {
                let of = |wanted: &str| TEXTS.iter().find(|(name, _)| *name == wanted);
                match of(named.owner).or_else(|| of(named.field)) {
                    Some((_, text)) => json!(text),
                    None => self.lacks(named),
                }
            }
        }
    }

    fn lacks(&mut self, named: Named<'_>) -> Value {
        self.lacking.push(format!("{}.{}", named.owner, named.field));
        Value::Null
    }
}

/// The type of a value that is there.
fn kind(schema: &Value) -> &str {
    let types = schema["type"].as_array().map_or_else(|| std::slice::from_ref(&schema["type"]), Vec::as_slice);
    types.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
}

/// An id of a moment in March 2026, another one for every kind of thing.
fn id(kind: &str) -> Uuid {
    // FNV-1a: the same in every build, as the document must be.
    let hash = kind
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    Uuid::from_u64_pair(0x019c_adb4_5c40_7cc0, 0x8000_0000_0000_0000 | hash >> 16)
}

/// A problem as it comes with this status; none if nothing of ours has it.
pub(super) fn problem(status: StatusCode) -> Option<Value> {
    let error = match status {
        StatusCode::BAD_REQUEST => ApiError::invalid("name", "required", "is required"),
        StatusCode::UNAUTHORIZED => ApiError::no_credential(),
        StatusCode::FORBIDDEN => ApiError::forbidden(Permission::WriteProjects),
        StatusCode::NOT_FOUND => ApiError::not_found("project"),
        StatusCode::REQUEST_TIMEOUT => {
            ApiError::new(status, "timeout", "the body took longer than 10 seconds to arrive")
        }
        StatusCode::CONFLICT => ApiError::new(status, "conflict", "another change got in the way; try again"),
        StatusCode::PRECONDITION_FAILED => tenantry_tenancy::Stale.into(),
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(status, "too_large", "body: must have at most 1048576 bytes"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ApiError::new(status, "unsupported_media_type", "the body must be application/json in UTF-8")
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            ApiError::new(status, "range_not_satisfiable", "the document has 48213 bytes")
        }
        StatusCode::UNPROCESSABLE_ENTITY => ApiError::key_reused(),
        StatusCode::PRECONDITION_REQUIRED => {
            let detail = "this tenant wants every change to name the version it was made from, in If-Match";
            ApiError::new(status, "precondition_required", detail)
        }
        StatusCode::INTERNAL_SERVER_ERROR => ApiError::internal("an example"),
        StatusCode::SERVICE_UNAVAILABLE => ApiError::unavailable("an example", std::time::Duration::from_secs(1)),
        _ => return None,
    };
    Some(json!(error.problem(RequestId::from_uuid(id("RequestId")), status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(schema: &Value, answer: Option<&[&'static str]>) -> (Value, Vec<String>) {
        let schemas = BTreeMap::from([
            ("ProjectId".to_owned(), json!({ "type": "string", "format": "uuid" })),
            (
                "Thing".to_owned(),
                json!({
                    "type": "object",
                    "required": ["id", "email"],
                    "properties": {
                        "id": { "$ref": "#/components/schemas/ProjectId" },
                        "email": { "type": ["string", "null"] },
                        "state": { "type": "string", "enum": ["on", "off"] },
                    },
                }),
            ),
        ]);
        let mut content = json!({ "application/json": { "schema": schema }, "text/csv": { "schema": {} } });
        let lacking = add(&mut content, &schemas, answer);
        assert!(content["text/csv"]["examples"].is_null());
        (content["application/json"]["examples"]["default"]["value"].clone(), lacking)
    }

    #[test]
    fn a_request_shows_all_that_may_be_sent_and_an_answer_what_always_comes() {
        let schema = json!({ "$ref": "#/components/schemas/Thing" });
        let always = json!({ "id": id("ProjectId"), "email": "ada@example.com" });
        let all = json!({ "id": id("ProjectId"), "email": "ada@example.com", "state": "on" });

        assert_eq!(example(&schema, None), (all.clone(), vec![]));
        assert_eq!(example(&schema, Some(&[])), (always, vec![]));
        assert_eq!(example(&schema, Some(&["state"])), (all, vec![]));
    }

    #[test]
    fn a_field_without_an_example_is_named() {
        let schema =
            json!({ "type": "array", "items": { "properties": { "shoe": { "type": "string" } }, "type": "object" } });

        assert_eq!(example(&schema, None).1, ["application/json.shoe"]);
    }
}
