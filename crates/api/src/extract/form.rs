//! A form of OAuth 2.0 with the client's credentials, read as strictly as RFC 6749 wants.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tenantry_auth::ClientCredentials;

use super::Input;
use super::body::{FORM, arrived};
use super::query::escapes_are_whole;
use crate::oauth::{OauthError, OauthRefusal};
use crate::openapi::Operation;
use crate::problem::ApiError;

/// What came to an endpoint of OAuth, or what is wrong with it in the words of RFC 6749.
pub(crate) struct OauthForm(pub(crate) Result<Parameters, OauthRefusal>);

/// The parameters of a form, each once, and the client that sent it.
pub(crate) struct Parameters {
    values: BTreeMap<String, String>,
    id: String,
    secret: String,
    /// Whether the credentials came in the header.
    pub(crate) is_basic: bool,
}

impl Parameters {
    /// A parameter. One without a value is one left out (RFC 6749, section 3.1).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What the client shows.
    pub(crate) fn credentials(&self) -> ClientCredentials<'_> {
        ClientCredentials { id: &self.id, secret: &self.secret }
    }
}

impl Input for OauthForm {
    const READS_QUERY: bool = true;
    const READS_BODY: bool = true;

    async fn read(req: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
        if !req.query_string().is_empty() {
            return Ok(Self(Err(OauthRefusal::invalid_request("parameters belong into the body"))));
        }
        let bytes = match arrived(req, payload, FORM).await {
            Ok(bytes) => bytes,
            Err(error) if error.status == StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                return Ok(Self(Err(OauthRefusal::invalid_request(error.detail))));
            }
            Err(error) => return Err(error),
        };
        let mut headers = req.headers().get_all(AUTHORIZATION);
        let header = match (headers.next(), headers.next()) {
            (None, _) => None,
            // What is no text is no `Basic` either.
            (Some(value), None) => Some(value.to_str().unwrap_or_default()),
            (Some(_), Some(_)) => {
                return Ok(Self(Err(OauthRefusal::invalid_request("Authorization must come once"))));
            }
        };
        Ok(Self(parse(&bytes, header)))
    }

    fn describe(operation: &mut Operation) {
        operation.oauth_form::<OauthError>(&[StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED]);
    }
}

fn parse(body: &[u8], header: Option<&str>) -> Result<Parameters, OauthRefusal> {
    let mut values = BTreeMap::new();
    if !escapes_are_whole(body) {
        return Err(OauthRefusal::invalid_request("the form is not UTF-8 in whole escapes"));
    }
    for (name, value) in form_urlencoded::parse(body) {
        if values.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(OauthRefusal::invalid_request("a parameter is repeated"));
        }
    }
    let (id, secret) = (values.remove("client_id"), values.remove("client_secret"));
    let Some(header) = header else {
        return match (id, secret) {
            (Some(id), Some(secret)) => Ok(Parameters { values, id, secret, is_basic: false }),
            _ => Err(OauthRefusal::invalid_client(false)),
        };
    };
    let (shown_id, shown_secret) = basic(header).ok_or_else(|| OauthRefusal::invalid_client(true))?;
    // A client may repeat its id, but it authenticates in one way (RFC 6749, section 2.3).
    if secret.is_some() || id.is_some_and(|id| id != shown_id) {
        return Err(OauthRefusal::invalid_request("a client authenticates in one way"));
    }
    Ok(Parameters { values, id: shown_id, secret: shown_secret, is_basic: true })
}

/// Id and secret of `Basic`, which are form-encoded before they are base64 (RFC 6749, section 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((decode(id)?, decode(secret)?))
}

fn decode(part: &str) -> Option<String> {
    if part.contains(['&', '=']) || !escapes_are_whole(part.as_bytes()) {
        return None;
    }
    Some(form_urlencoded::parse(part.as_bytes()).next().map(|(text, _)| text.into_owned()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str, header: Option<&str>) -> &'static str {
        parse(body.as_bytes(), header).map_or_else(|refusal| refusal.code(), |_| "good")
    }

    #[test]
    fn basic_credentials_are_form_encoded_before_they_are_base64() {
        let header = format!("basic {}", STANDARD.encode("a%3Ab+c:s%2Bt%26%C3%A4"));

        let form = parse(b"grant_type=client_credentials", Some(&header)).unwrap();

        assert_eq!((form.id.as_str(), form.secret.as_str(), form.is_basic), ("a:b c", "s+t&ä", true));
        for bad in ["Basic", "Basic !", "Bearer YTpi", &format!("Basic {}", STANDARD.encode("no colon")), ""] {
            assert_eq!(code("grant_type=x", Some(bad)), "invalid_client", "{bad}");
        }
    }

    #[test]
    fn a_client_authenticates_in_one_way_and_says_everything_once() {
        let header = format!("Basic {}", STANDARD.encode("id:secret"));

        assert_eq!(code("client_id=id&client_secret=s", None), "good");
        assert_eq!(code("client_id=id", Some(&header)), "good");
        for (body, header) in [
            ("client_id=id&client_secret=secret", Some(header.as_str())),
            ("client_id=other", Some(&header)),
            ("scope=a&scope=a&client_id=id&client_secret=s", None),
            ("client_id=id&client_id=id&client_secret=s", None),
            ("client_id=%ff&client_secret=s", None),
            ("client_id=%&client_secret=s", None),
        ] {
            assert_eq!(code(body, header), "invalid_request", "{body}");
        }
        assert_eq!(code("client_id=id", None), "invalid_client");
        assert_eq!(code("", None), "invalid_client");
    }
}
