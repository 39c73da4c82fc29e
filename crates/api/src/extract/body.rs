//! A JSON body, bounded in bytes and time.

use std::marker::PhantomData;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{BytesMut, Data};
use futures_util::StreamExt;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde_path_to_error::{Deserializer as PathDeserializer, Track};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Input;
use crate::Limits;
use crate::once;
use crate::openapi::Operation;
use crate::problem::ApiError;

/// A JSON body. Its type refuses unknown fields; `tenant_id` is always one.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned + ToSchema + 'static> Input for Body<T> {
    const READS_BODY: bool = true;

    async fn read(req: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
        let bytes = arrived(req, payload, JSON).await?;
        parse(&bytes).map(Self)
    }

    fn describe(operation: &mut Operation) {
        operation.body::<T>();
    }
}

/// Refuses any field, for routes that take no body.
pub(crate) async fn refuse(req: &HttpRequest, payload: &mut Payload) -> Result<(), ApiError> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    if matches!(payload, Payload::None) {
        return Ok(());
    }
    let bytes = arrived(req, payload, JSON).await?;
    if bytes.is_empty() { Ok(()) } else { parse::<Nothing>(&bytes).map(|_| ()) }
}

/// What a body may be.
pub(super) struct Media {
    accepts: fn(&str) -> bool,
    name: &'static str,
}

pub(super) const JSON: Media = Media { accepts: is_json, name: "application/json" };

/// A form, which has no charset to speak of.
pub(super) const FORM: Media = Media { accepts: is_form, name: "application/x-www-form-urlencoded" };

/// The whole body.
pub(super) async fn arrived(req: &HttpRequest, payload: &mut Payload, media: Media) -> Result<BytesMut, ApiError> {
    let limits = req.app_data::<Data<Limits>>().map_or_else(Limits::default, |limits| ***limits);
    check_headers(req, limits, &media)?;
    let bytes = timeout(limits.body_time, read(payload, limits.body_bytes)).await.map_err(|_| {
        let detail = format!("the body took longer than {} seconds to arrive", limits.body_time.as_secs());
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail)
    })??;
    once::remember_body(req, &bytes);
    Ok(bytes)
}

fn check_headers(req: &HttpRequest, limits: Limits, media: &Media) -> Result<(), ApiError> {
    let unsupported =
        |detail: String| ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail);
    // A few kilobytes of a compressed body can become gigabytes; nobody needs that for a JSON document.
    if req.headers().contains_key(CONTENT_ENCODING) {
        return Err(unsupported("a body must come without Content-Encoding".to_owned()));
    }
    let content_type = req.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !(media.accepts)(content_type) {
        return Err(unsupported(format!("the body must be {} in UTF-8", media.name)));
    }
    let length = req.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limits.body_bytes) {
        return Err(too_large(limits.body_bytes));
    }
    Ok(())
}

/// JSON, or a JSON merge patch (RFC 7396), in the one encoding that JSON has (RFC 8259, section 8.1).
fn is_json(content_type: &str) -> bool {
    is_one_of(content_type, &["application/json", "application/merge-patch+json"])
}

fn is_form(content_type: &str) -> bool {
    is_one_of(content_type, &["application/x-www-form-urlencoded"])
}

/// One of these, in UTF-8.
fn is_one_of(content_type: &str, essences: &[&str]) -> bool {
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let is_known = essences.iter().any(|known| essence.trim().eq_ignore_ascii_case(known));
    let charset = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    is_known && charset.is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"))
}

async fn read(payload: &mut Payload, limit: usize) -> Result<BytesMut, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::invalid("body", "incomplete", "did not arrive whole"))?;
        if bytes.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

pub(super) fn too_large(limit: usize) -> ApiError {
    let message = format!("must have at most {limit} bytes");
    let mut error = ApiError::invalid("body", "too_large", message);
    (error.status, error.code) = (StatusCode::PAYLOAD_TOO_LARGE, "too_large");
    error
}

pub(super) fn parse<'de, T: serde::Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, ApiError> {
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(ApiError::invalid("body", "encoding", format!("is not UTF-8 from byte {}", error.valid_up_to())));
    }
    let (mut deserializer, mut track) = (serde_json::Deserializer::from_slice(bytes), Track::new());
    let value = object(PathDeserializer::new(&mut deserializer, &mut track)).map_err(|error| {
        if error.is_data() { field_error(&track.path().to_string(), &error, "body") } else { syntax_error(&error) }
    })?;
    deserializer.end().map_err(|error| syntax_error(&error))?;
    Ok(value)
}

fn syntax_error(error: &serde_json::Error) -> ApiError {
    ApiError::invalid("body", "syntax", format!("is not valid JSON: {error}"))
}

/// Says which field is at fault. `path` is where serde stopped; a missing field lies one deeper, in its message.
pub(super) fn field_error(path: &str, error: &dyn std::fmt::Display, whole: &str) -> ApiError {
    let message = error.to_string();
    // serde_json adds where in the text it stopped; the field says it better.
    let message = message.split(" at line ").next().unwrap_or_default();
    let named = |prefix: &str| {
        let (name, _) = message.strip_prefix(prefix)?.split_once('`')?;
        Some(name.to_owned())
    };
    let (code, name) = if let Some(name) = named("missing field `") {
        ("required", Some(name))
    } else if let Some(name) = named("unknown field `") {
        ("unknown", Some(name))
    } else if let Some(name) = named("duplicate field `") {
        ("duplicate", Some(name))
    } else {
        ("invalid", None)
    };
    let path = if path == "." { "" } else { path };
    let field = match name {
        Some(name) if path.is_empty() || path == name => name,
        Some(name) if path.ends_with(&format!(".{name}")) => path.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None if path.is_empty() => whole.to_owned(),
        None => path.to_owned(),
    };
    let message = match code {
        "required" => "is required".to_owned(),
        "unknown" => "is not a field of this request".to_owned(),
        "duplicate" => "is given twice".to_owned(),
        _ => message.to_owned(),
    };
    ApiError::invalid(field, code, message)
}

/// Reads a field of a patch: if it is there it counts, and `null` is then a value like any other.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The same for a field that is an object.
pub(crate) fn present_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    object(deserializer).map(Some)
}

/// Reads an object and nothing else. A derived type by itself also reads an array, as its fields in their order.
fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    struct Object<T>(PhantomData<T>);

    impl<'de, T: serde::Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Object(PhantomData))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only its errors matter")]
        name: String,
        #[serde(default, deserialize_with = "present_object")]
        #[expect(dead_code, reason = "only its errors matter")]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its errors matter")]
        count: u8,
    }

    #[test]
    fn an_error_names_its_field() {
        for (body, field, code) in [
            ("{", "body", "syntax"),
            (r#"{"name":"a"}x"#, "body", "syntax"),
            ("[]", "body", "invalid"),
            (r#"["a",null]"#, "body", "invalid"),
            (r#"{"name":"a","inner":[1]}"#, "inner", "invalid"),
            ("{}", "name", "required"),
            (r#"{"name":1}"#, "name", "invalid"),
            (r#"{"name":"a","tenant_id":"b"}"#, "tenant_id", "unknown"),
            (r#"{"name":"a","name":"b"}"#, "name", "duplicate"),
            (r#"{"name":"a","inner":{}}"#, "inner.count", "required"),
            (r#"{"name":"a","inner":{"count":-1}}"#, "inner.count", "invalid"),
            (r#"{"name":"a","inner":{"count":1,"x":2}}"#, "inner.x", "unknown"),
        ] {
            let error = parse::<Outer>(body.as_bytes()).unwrap_err();
            assert_eq!((error.errors[0].field.as_str(), error.errors[0].code), (field, code), "{body}");
        }
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(parse::<serde_json::Value>(deep.as_bytes()).unwrap_err().errors[0].field, "body");
        assert_eq!(parse::<Outer>(b"{\"name\":\"\xff\"}").unwrap_err().errors[0].code, "encoding");
    }

    #[test]
    fn only_json_in_utf_8_is_json() {
        for good in ["application/json", "Application/JSON; charset=UTF-8", "application/merge-patch+json"] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["", "text/json", "application/xml", "application/json; charset=latin1", "application/jsonx"] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
