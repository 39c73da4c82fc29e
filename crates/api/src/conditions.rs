//! Conditional requests (RFC 9110, section 13): an `ETag` on everything that has a version, `If-None-Match` on reads and
//! `If-Match` on changes.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use actix_web::http::{Method, StatusCode};
use tenantry_tenancy::{Expected, Stale};

use crate::edge::RequestContext;
use crate::extract::Input;
use crate::openapi::Operation;
use crate::problem::ApiError;

/// A view of something that counts its changes.
pub(crate) trait Versioned {
    /// How often it was changed, plus one.
    fn version(&self) -> i64;
}

/// The strong validator of a version: equal exactly when the thing was not changed in between.
pub(crate) fn etag(version: i64) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::try_from(format!("\"{version}\""));
    (ETAG, value.unwrap_or(HeaderValue::from_static("\"\"")))
}

/// Whether the caller of a read has this version already.
pub(crate) fn is_known(req: &HttpRequest, version: i64) -> bool {
    let reads = matches!(*req.method(), Method::GET | Method::HEAD);
    reads
        && match tags(req.headers(), &IF_NONE_MATCH) {
            Some(Tags::Any) => true,
            // Weak comparison (section 13.1.2): a cache in between may have weakened the tag.
            Some(Tags::Of(tags)) => tags.iter().any(|tag| tag.version == Some(version)),
            None => false,
        }
}

/// What the `If-Match` of a change says.
pub(crate) struct IfMatch(pub(crate) Expected);

impl Input for IfMatch {
    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        match tags(req.headers(), &IF_MATCH) {
            Some(Tags::Any) => Ok(Self(Expected::ANY)),
            Some(Tags::Of(tags)) => {
                // Strong comparison: a weak tag matches nothing (section 13.1.1).
                let strong = tags.iter().filter(|tag| !tag.weak).filter_map(|tag| tag.version);
                Ok(Self(Expected::one_of(strong.collect())))
            }
            None if is_demanded(req) => Err(ApiError::new(
                StatusCode::PRECONDITION_REQUIRED,
                "precondition_required",
                "this tenant wants every change to name the version it was made from, in If-Match",
            )),
            None => Ok(Self(Expected::ANY)),
        }
    }

    fn describe(operation: &mut Operation) {
        operation.header("If-Match", "The `ETag` that the change was made from, or `*`.");
        operation.fails(StatusCode::PRECONDITION_FAILED);
        operation.fails(StatusCode::PRECONDITION_REQUIRED);
    }
}

impl From<Stale> for ApiError {
    fn from(stale: Stale) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", stale.to_string())
    }
}

/// Whether the caller's tenant wants `If-Match` on every change.
fn is_demanded(req: &HttpRequest) -> bool {
    use actix_web::HttpMessage;
    req.extensions().get::<RequestContext>().is_some_and(|context| context.demands_if_match.get())
}

/// The value of `If-Match` and `If-None-Match`.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`.
    Any,
    /// These.
    Of(Vec<Tag>),
}

/// One entity tag; ours are versions, anybody else's none.
#[derive(Debug, PartialEq, Eq)]
struct Tag {
    weak: bool,
    version: Option<i64>,
}

/// `None` if there is no such header. What is no entity tag matches nothing.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Tags> {
    let mut tags = Vec::new();
    let mut found = false;
    for value in headers.get_all(name) {
        found = true;
        let Ok(value) = value.to_str() else { continue };
        if value.trim() == "*" {
            return Some(Tags::Any);
        }
        tags.extend(value.split(',').map(tag));
    }
    found.then_some(Tags::Of(tags))
}

fn tag(raw: &str) -> Tag {
    let raw = raw.trim();
    let (weak, quoted) = raw.strip_prefix("W/").map_or((false, raw), |quoted| (true, quoted));
    let text = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    // One version has one spelling: `"07"` is not what we sent.
    let version = text.and_then(|text| text.parse::<i64>().ok().filter(|version| version.to_string() == text));
    Tag { weak, version }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Option<Tags> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, HeaderValue::from_static(value));
        }
        tags(&headers, &IF_MATCH)
    }

    fn strong(version: i64) -> Tag {
        Tag { weak: false, version: Some(version) }
    }

    #[test]
    fn tags_are_read_as_the_rfc_writes_them() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["*"]), Some(Tags::Any));
        assert_eq!(of(&["\"3\""]), Some(Tags::Of(vec![strong(3)])));
        assert_eq!(
            of(&["\"3\", W/\"4\"", "\"5\""]),
            Some(Tags::Of(vec![strong(3), Tag { weak: true, version: Some(4) }, strong(5)]))
        );
    }

    #[test]
    fn what_we_never_sent_matches_nothing() {
        for foreign in ["3", "\"\"", "\"x\"", "\"03\"", "\"+3\"", "\"3", "W/3", "\"99999999999999999999\"", ""] {
            let Some(Tags::Of(tags)) = of(&[foreign]) else { panic!("{foreign}") };
            assert!(tags.iter().all(|tag| tag.version.is_none()), "{foreign}: {tags:?}");
        }
    }
}
