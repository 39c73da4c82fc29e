//! The cookie of a browser's session, and its defence against requests that other sites make a browser send (CSRF).
//!
//! A browser says by `Sec-Fetch-Site` (Fetch Metadata) where a request comes from; one too old for that names the `Origin`.
//! A change that comes with the cookie and with neither is refused, and so is one from anywhere else. Nothing of this
//! concerns other credentials, which no browser sends by itself.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{COOKIE, HeaderMap, HeaderName, ORIGIN};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;

use crate::extract::Input;
use crate::openapi::Operation;
use crate::problem::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where browsers reach the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    origin: String,
    is_secure: bool,
}

/// The browser says that another site makes it send this.
struct Foreign;

impl Site {
    /// The site at this address, which ends without a path: `https://api.example.com`.
    pub fn new(public_url: &str) -> Self {
        let origin = public_url.trim_end_matches('/').to_lowercase();
        let is_secure = origin.starts_with("https:");
        Self { origin, is_secure }
    }

    /// The absolute URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The address, without a slash at its end.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The name of the cookie. With the prefix `__Host-` a browser takes it over https only, from this very host, and no
    /// neighbouring host can plant one (RFC 6265bis, section 4.1.3.2).
    pub(crate) const fn cookie_name(&self) -> &'static str {
        if self.is_secure { "__Host-sid" } else { "sid" }
    }

    /// Sets the cookie for so many seconds; for 0 it is removed.
    pub(crate) fn cookie(&self, token: &str, seconds: i64) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.cookie_name())
    }

    /// Sets the cookie by which a browser is known again.
    pub(crate) fn device_cookie(&self, token: &str, seconds: i64) -> String {
        let (name, secure) = if self.is_secure { ("__Host-device", "; Secure") } else { ("device", "") };
        format!("{name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }

    /// What is in that cookie.
    pub(crate) fn device<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = if self.is_secure { "__Host-device" } else { "device" };
        cookies(headers).find(|(it, _)| *it == name).map(|(_, token)| token)
    }

    /// The token in the cookie; an error if there are several, of which one may have been planted.
    pub(crate) fn token<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, ApiError> {
        let mut tokens = cookies(headers).filter(|(name, _)| *name == self.cookie_name()).map(|(_, token)| token);
        match (tokens.next(), tokens.next()) {
            (token, None) => Ok(token),
            _ => Err(ApiError::invalid("cookie", "ambiguous", "must hold one session")),
        }
    }

    /// Refuses a change that comes with the cookie but perhaps not from our own pages.
    pub(crate) fn check_cookie(&self, req: &HttpRequest) -> Result<(), ApiError> {
        if matches!(*req.method(), Method::GET | Method::HEAD) {
            return Ok(());
        }
        match self.says(req.headers()) {
            Ok(true) => Ok(()),
            Ok(false) | Err(Foreign) => Err(cross_site()),
        }
    }

    /// Whether the browser says that the request comes from our own pages. Not if nothing says anything.
    fn says(&self, headers: &HeaderMap) -> Result<bool, Foreign> {
        let one = |name: &HeaderName| {
            let mut values = headers.get_all(name);
            match (values.next(), values.next()) {
                (None, _) => Ok(None),
                (Some(value), None) => value.to_str().map(Some).map_err(|_| Foreign),
                _ => Err(Foreign),
            }
        };
        match (one(&SEC_FETCH_SITE)?, one(&ORIGIN)?) {
            (Some("same-origin"), _) => Ok(true),
            (Some(_), _) => Err(Foreign),
            (None, Some(origin)) if origin.eq_ignore_ascii_case(&self.origin) => Ok(true),
            (None, Some(_)) => Err(Foreign),
            (None, None) => Ok(false),
        }
    }
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

fn cross_site() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "cross_site", "a change that comes with a cookie must come from our own pages")
}

/// A login that may be a browser's: another site may not make a browser log in (login CSRF). A backend says nothing of sites.
pub(crate) struct OwnPage;

impl OwnPage {
    /// Refuses a login that another site makes.
    pub(crate) fn check(req: &HttpRequest) -> Result<Self, ApiError> {
        match site(req)?.says(req.headers()) {
            Ok(_) => Ok(Self),
            Err(Foreign) => Err(cross_site()),
        }
    }
}

impl Input for OwnPage {
    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        Self::check(req)
    }

    fn describe(operation: &mut Operation) {
        operation.fails(StatusCode::FORBIDDEN);
    }
}

pub(crate) fn site(req: &HttpRequest) -> Result<&Data<Site>, ApiError> {
    req.app_data::<Data<Site>>().ok_or_else(|| ApiError::internal("no site is configured"))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn changes(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut request = TestRequest::post();
        for pair in pairs {
            request = request.append_header(*pair);
        }
        Site::new("https://api.example.com").check_cookie(&request.to_http_request()).is_ok()
    }

    #[test]
    fn a_change_with_the_cookie_must_come_from_our_own_pages() {
        assert!(changes(&[("sec-fetch-site", "same-origin")]));
        assert!(changes(&[("origin", "https://api.example.com")]));
        for foreign in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://api.example.com")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
            &[("origin", "null")],
            &[("origin", "http://api.example.com")],
            &[("origin", "https://api.example.com.evil.example")],
            &[("origin", "https://evil.example")],
        ] {
            assert!(!changes(foreign), "{foreign:?}");
        }
    }

    #[test]
    fn over_https_the_cookie_is_bound_to_its_host() {
        let site = Site::new("https://api.example.com/");

        assert_eq!(site.cookie("tns_x", 60), "__Host-sid=tns_x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(Site::new("http://127.0.0.1:8000").cookie_name(), "sid");
    }

    #[test]
    fn there_is_one_cookie_or_none() {
        let site = Site::new("https://api.example.com");
        let token = |cookie| {
            let headers = headers(&[("cookie", cookie)]);
            site.token(&headers).map(|token| token.map(str::to_owned)).map_err(|error| error.code)
        };

        assert_eq!(token("a=b; __Host-sid=tns_x; c=d"), Ok(Some("tns_x".to_owned())));
        assert_eq!(token("sid=tns_x"), Ok(None));
        assert_eq!(token("__Host-sid=tns_x; __Host-sid=tns_y"), Err("validation"));
    }
}
