//! The token by which the device of somebody who has logged in is known again.

use actix_web::body::BoxBody;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder};
use tenantry_auth::DeviceToken;

use crate::openapi::Operation;
use crate::reply::Reply;
use crate::site::Site;

/// For programs and backends: the answer to a login has it, the next login may bring it.
const DEVICE_TOKEN: HeaderName = HeaderName::from_static("x-device-token");

/// The token that came with a login.
pub(crate) fn device<'a>(site: &Site, headers: &'a HeaderMap) -> Option<&'a str> {
    let header = headers.get(DEVICE_TOKEN).and_then(|value| value.to_str().ok());
    header.or_else(|| site.device(headers))
}

/// An answer to a program's login.
pub(crate) struct WithDevice<T> {
    pub(crate) reply: T,
    pub(crate) device: Option<DeviceToken>,
}

impl<T: Responder<Body = BoxBody>> Responder for WithDevice<T> {
    type Body = BoxBody;

    fn respond_to(self, req: &HttpRequest) -> HttpResponse {
        let mut response = self.reply.respond_to(req);
        if let Some(token) = self.device.and_then(|device| HeaderValue::try_from(device.reveal()).ok()) {
            response.headers_mut().insert(DEVICE_TOKEN, token);
        }
        response
    }
}

impl<T: Reply> Reply for WithDevice<T> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
        operation.header(
            "X-Device-Token",
            "What the answer to an earlier login said: who guesses elsewhere makes no known device wait",
        );
    }
}
