//! A typed query string.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::Input;
use super::body::field_error;
use crate::openapi::Operation;
use crate::problem::ApiError;

/// The query string. Its type refuses unknown parameters; `tenant_id` is always one.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned + IntoParams + 'static> Input for Query<T> {
    const READS_QUERY: bool = true;

    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        parse(req.query_string()).map(Self)
    }

    fn describe(operation: &mut Operation) {
        operation.query::<T>();
    }
}

/// Refuses any parameter, for routes that take none.
pub(crate) fn refuse(query: &str) -> Result<(), ApiError> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    if query.is_empty() { Ok(()) } else { parse::<Nothing>(query).map(|_| ()) }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    // The library reads broken escapes leniently; a NUL or a stray byte is the caller's mistake and should be told.
    let raw = query.as_bytes();
    if let Some(at) = query.find('%').filter(|_| !escapes_are_whole(raw)) {
        return Err(ApiError::invalid("query", "encoding", format!("has a broken escape at or after character {at}")));
    }
    let deserializer = serde_urlencoded::Deserializer::new(form(query));
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| field_error(&error.path().to_string(), error.inner(), "query"))
}

fn form(query: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.as_bytes())
}

/// Whether every `%` is followed by two hex digits, and what they spell is UTF-8.
pub(super) fn escapes_are_whole(raw: &[u8]) -> bool {
    let mut rest = raw;
    let mut decoded = Vec::with_capacity(raw.len());
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return false };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else { return false };
        decoded.push(high << 4 | low);
        rest = tail;
    }
    std::str::from_utf8(&decoded).is_ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use tenantry_tenancy::Limit;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its errors matter")]
        limit: Option<Limit>,
    }

    #[test]
    fn an_error_names_its_parameter() {
        for (query, field, code) in [
            ("limit=0", "limit", "invalid"),
            ("limit=", "limit", "invalid"),
            ("limit=1e9", "limit", "invalid"),
            ("limit=1&limit=2", "limit", "duplicate"),
            ("tenant_id=x", "tenant_id", "unknown"),
            ("limit=%", "query", "encoding"),
            ("limit=%ff", "query", "encoding"),
        ] {
            let error = parse::<Sample>(query).unwrap_err();
            assert_eq!((error.errors[0].field.as_str(), error.errors[0].code), (field, code), "{query}");
        }
        assert_eq!(refuse("tenant_id=x").unwrap_err().errors[0].field, "tenant_id");
        assert!(refuse("").is_ok());
    }
}
