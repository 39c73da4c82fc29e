//! Problem documents (RFC 9457): the one shape of every error.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use tenantry_auth::{AuthError, Busy, Rejection, TicketText};
use tenantry_tenancy::{Permission, RequestId, StoreError};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::once::Answer;

/// An error as its receiver sees it (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Names the kind of problem; the same for every problem with this `code`.
    #[schema(format = "uri-reference", examples("/problems/validation"))]
    pub(crate) r#type: String,
    /// The kind of problem, for people.
    pub(crate) title: &'static str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What is wrong with this request.
    pub(crate) detail: String,
    /// The kind of problem, for programs.
    #[schema(schema_with = codes)]
    pub(crate) code: &'static str,
    /// The request, as our logs name it.
    #[schema(value_type = RequestId)]
    pub(crate) request_id: RequestId,
    /// The fields at fault.
    pub(crate) errors: Vec<FieldError>,
    /// The same as `detail`, for clients that look for it here.
    pub(crate) error: String,
    /// What to go on with, where a password was proven and something is still missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) ticket: Option<String>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// The field, dotted where it lies deeper: `body` or `query` when no single one is at fault.
    pub(crate) field: String,
    /// What is wrong, for programs.
    pub(crate) code: &'static str,
    /// What is wrong, for people.
    pub(crate) message: String,
}

/// What few errors have.
#[derive(Debug)]
pub(crate) enum Aside {
    /// What was answered the first time: this is no failure but the same request again.
    Replay(Answer),
    /// For the caller to go on with, and not for our logs.
    Ticket(TicketText),
}

/// Why a request failed. Rendered at the edge, which knows the request's id.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    pub(crate) errors: Vec<FieldError>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) aside: Option<Box<Aside>>,
    /// For our logs, never for the caller.
    pub(crate) source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), headers: Vec::new(), aside: None, source: None }
    }

    /// A field of the request is not acceptable.
    pub(crate) fn invalid(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        let detail = format!("{field}: {message}");
        let mut error = Self::new(StatusCode::BAD_REQUEST, "validation", detail);
        error.errors.push(FieldError { field, code, message });
        error
    }

    /// The request was answered before; this is what was said.
    pub(crate) fn replayed(answer: Answer) -> Self {
        let mut replayed = Self::new(StatusCode::OK, "internal", "the request was answered before");
        replayed.aside = Some(Box::new(Aside::Replay(answer)));
        replayed
    }

    /// The key came with another request before.
    pub(crate) fn key_reused() -> Self {
        let detail = "this Idempotency-Key came with another request before";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
    }

    /// The first request with the key is still under way.
    pub(crate) fn key_in_flight() -> Self {
        let detail = "the request that this Idempotency-Key came with first is still under way";
        let error = Self::new(StatusCode::CONFLICT, "idempotency_key_in_flight", detail);
        error.with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// A field of the request does not go with how things stand.
    pub(crate) fn conflict(field: impl Into<String>, message: impl Into<String>) -> Self {
        let conflict = Self::invalid(field, "conflict", message);
        Self { status: StatusCode::CONFLICT, code: "conflict", ..conflict }
    }

    /// Nobody gives what they do not have: a field allows more than the caller may.
    pub(crate) fn exceeds(field: &'static str, message: impl Into<String>) -> Self {
        let exceeds = Self::invalid(field, "exceeds", message);
        Self { status: StatusCode::FORBIDDEN, code: "forbidden", ..exceeds }
    }

    /// There is no such thing, or it is another tenant's: nobody can tell which. Says nothing of the id asked for.
    pub(crate) fn not_found(what: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// No credential came with the request.
    pub(crate) fn no_credential() -> Self {
        Self::unauthenticated("Bearer realm=\"tenantry\"")
    }

    /// The one answer to every credential that is no good, whatever is wrong with it.
    pub(crate) fn rejected(rejection: Rejection) -> Self {
        let mut error = Self::unauthenticated("Bearer realm=\"tenantry\", error=\"invalid_token\"");
        error.source = Some(rejection.into());
        error
    }

    /// The password was right, and a code or, by the ticket, a passkey is needed as well.
    pub(crate) fn second_factor_required(ticket: Option<TicketText>) -> Self {
        let mut error = Self::no_credential();
        (error.code, error.detail) = ("second_factor_required", "a second factor is needed as well".to_owned());
        Self { aside: ticket.map(Aside::Ticket).map(Box::new), ..error }
    }

    /// The password was right, but the tenant wants a second factor of everybody. The ticket is for who has no session.
    pub(crate) fn enrolment_required(ticket: Option<TicketText>) -> Self {
        let detail = "the tenant requires a second factor, and you have none yet";
        let error = Self::new(StatusCode::FORBIDDEN, "second_factor_enrolment_required", detail);
        Self { aside: ticket.map(Aside::Ticket).map(Box::new), ..error }
    }

    fn unauthenticated(challenge: &'static str) -> Self {
        let mut error = Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "authentication failed");
        error.headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
        error
    }

    /// The caller is known but may not do this.
    pub(crate) fn forbidden(needed: Permission) -> Self {
        let mut error = Self::new(StatusCode::FORBIDDEN, "forbidden", format!("this needs the permission {needed}"));
        // RFC 6750, section 3.1.
        let challenge = format!("Bearer realm=\"tenantry\", error=\"insufficient_scope\", scope=\"{needed}\"");
        error.headers.extend(HeaderValue::try_from(challenge).map(|challenge| (header::WWW_AUTHENTICATE, challenge)));
        error
    }

    /// The caller is known but is no person, and this is about a person's account.
    pub(crate) fn not_a_person() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "this needs a person who logged in")
    }

    /// The service is too busy or lacks its database; the same request may succeed after `wait`.
    pub(crate) fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>, wait: Duration) -> Self {
        let detail = "the service is unavailable for the moment";
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        error.headers.push((header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1))));
        error.source = Some(source.into());
        error
    }

    /// A defect. Says nothing of the inside.
    pub(crate) fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side");
        error.source = Some(source.into());
        error
    }

    fn ticket(&self) -> Option<&TicketText> {
        match self.aside.as_deref() {
            Some(Aside::Ticket(ticket)) => Some(ticket),
            Some(Aside::Replay(_)) | None => None,
        }
    }

    /// What was answered the first time, or this error.
    pub(crate) fn into_replay(mut self) -> Result<Answer, Self> {
        match self.aside.take().map(|aside| *aside) {
            Some(Aside::Replay(answer)) => Ok(answer),
            aside => Err(Self { aside: aside.map(Box::new), ..self }),
        }
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The document. `status` stands in for 401 where an operator wants it so.
    pub(crate) fn problem(&self, request_id: RequestId, status: StatusCode) -> Problem {
        Problem {
            r#type: format!("/problems/{}", self.code),
            title: title(self.code),
            status: status.as_u16(),
            detail: self.detail.clone(),
            code: self.code,
            request_id,
            errors: self.errors.clone(),
            error: self.detail.clone(),
            ticket: self.ticket().map(|ticket| ticket.reveal().to_owned()),
        }
    }
}

/// Every code a problem can have, with its title.
pub(crate) const CODES: &[(&str, &str)] = &[
    ("validation", "The request is not valid"),
    ("unauthenticated", "Authentication failed"),
    ("second_factor_required", "A second factor is needed"),
    ("second_factor_enrolment_required", "A second factor must be enrolled"),
    ("forbidden", "Not allowed"),
    ("cross_site", "A request of another site"),
    ("not_found", "Not found"),
    ("method_not_allowed", "Method not allowed"),
    ("timeout", "The request took too long"),
    ("conflict", "Conflict"),
    ("precondition_failed", "Changed in the meantime"),
    ("precondition_required", "The version must be named"),
    ("idempotency_key_reused", "The key belongs to another request"),
    ("idempotency_key_in_flight", "The first request is still under way"),
    ("too_large", "The request is too large"),
    ("range_not_satisfiable", "No such range"),
    ("unsupported_media_type", "Unsupported media type"),
    ("internal", "Internal error"),
    ("unavailable", "Service unavailable"),
];

fn codes() -> Object {
    let codes = CODES.iter().map(|(code, _)| *code);
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(codes))
        .description(Some("The kind of problem, for programs."))
        .build()
}

fn title(code: &str) -> &'static str {
    CODES.iter().find(|(known, _)| *known == code).map_or("Error", |(_, title)| title)
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::unavailable(error, Duration::from_secs(1)),
            StoreError::Conflict(_) => {
                let detail = "another change got in the way; try again";
                let mut conflict = Self::new(StatusCode::CONFLICT, "conflict", detail);
                conflict.source = Some(error.into());
                conflict
            }
            StoreError::Internal(_) => Self::internal(error),
        }
    }
}

impl From<Busy> for ApiError {
    fn from(busy: Busy) -> Self {
        Self::unavailable(busy, Duration::from_secs(1))
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Rejected(rejection) => Self::rejected(rejection),
            AuthError::Busy(busy) => busy.into(),
            AuthError::Store(error) => error.into(),
        }
    }
}
