//! `/api/v1/auth/session` and `/api/v1/me/sessions`: the sessions of browsers, and what a person can do about all of theirs.

use actix_web::body::BoxBody;
use actix_web::http::header::{HeaderValue, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_auth::lockout::DEVICE_LIFETIME;
use tenantry_auth::{Authenticator, BrowserLogin, DeviceToken, LoginAttempt, OwnSession};
use tenantry_tenancy::{Clock, Permission, RoleName, SessionId, Slug, words};
use utoipa::ToSchema;

use crate::devices::{WithDevice, device};
use crate::extract::{Body, CameFrom, PathId, Person};
use crate::hosts::host_tenant;
use crate::openapi::Operation;
use crate::problem::ApiError;
use crate::reply::{Gone, Reply, Show};
use crate::routes::Routes;
use crate::site::{OwnPage, Site};

const CURRENT: &str = "/api/v1/auth/session";
const OWN: &str = "/api/v1/me/sessions";

pub(crate) fn routes(routes: &mut Routes) {
    let log_in = "Log in with a browser: the session's token comes in a cookie";
    routes.public(Method::POST, CURRENT, log_in, begin).fails(StatusCode::UNAUTHORIZED);
    routes.person(Method::GET, CURRENT, "Show the session", show);
    routes.person(Method::DELETE, CURRENT, "Log out", end);
    routes.person(Method::GET, OWN, "List one's own sessions", list);
    routes.person(Method::DELETE, "/api/v1/me/sessions/{id}", "End one of one's own sessions", end_one);
    routes.person(Method::DELETE, OWN, "End all one's own sessions but this one", end_others);
}

words!(
    /// Who keeps the token of a session.
    #[derive(Default)]
    Keeper {
        /// The browser: it comes in a cookie that no script can read.
        #[default]
        Browser = "browser",
        /// The backend in front of the browser: it comes in the body, to be sent as `Authorization: Session …`.
        Backend = "backend",
    }
);

/// A person's name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SessionBody {
    /// The e-mail address.
    username: String,
    #[schema(format = "password")]
    password: String,
    /// The slug or id of the tenant; may be left out by members of one tenant.
    #[serde(default)]
    tenant: Option<String>,
    /// What the authenticator shows, or a recovery code; needed by those who have one.
    #[serde(default)]
    otp: Option<String>,
    /// `browser` if not given.
    #[serde(default)]
    keeper: Option<Keeper>,
}

/// What a session allows. It names neither a token nor a tenant's id: a browser needs none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionView {
    roles: Vec<RoleName>,
    permissions: Vec<Permission>,
    /// When it ends however often it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ends_at: Option<DateTime<Utc>>,
    /// The token, for a backend that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    session: Option<String>,
}

/// A session that has begun, as its keeper is told.
pub(crate) struct Begun {
    pub(crate) view: SessionView,
    pub(crate) cookies: Vec<String>,
    /// What a backend's device is known by; a browser's has a cookie.
    pub(crate) device: Option<DeviceToken>,
}

impl Begun {
    pub(crate) fn new(login: BrowserLogin, keeper: Keeper, site: &Site, now: DateTime<Utc>) -> Self {
        let BrowserLogin { token, device, grant, ends_at } = login;
        let (session, cookies, device) = match keeper {
            Keeper::Browser => {
                let session = site.cookie(&token.reveal(), (ends_at - now).num_seconds());
                let device = site.device_cookie(&device.reveal(), DEVICE_LIFETIME.num_seconds());
                (None, vec![session, device], None)
            }
            Keeper::Backend => (Some(token.reveal()), Vec::new(), Some(device)),
        };
        let (roles, permissions) = (vec![grant.role], grant.permissions.iter().collect());
        Self { view: SessionView { roles, permissions, ends_at: Some(ends_at), session }, cookies, device }
    }
}

/// A session that has begun or ended, with its cookies.
pub(crate) struct WithCookies<T> {
    pub(crate) reply: T,
    pub(crate) cookies: Vec<String>,
}

impl<T: Responder<Body = BoxBody>> Responder for WithCookies<T> {
    type Body = BoxBody;

    fn respond_to(self, req: &HttpRequest) -> HttpResponse {
        let mut response = self.reply.respond_to(req);
        for cookie in self.cookies.into_iter().filter_map(|cookie| HeaderValue::try_from(cookie).ok()) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

impl<T: Reply> Reply for WithCookies<T> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

async fn begin(
    _: OwnPage,
    auth: Data<Authenticator>,
    clock: Data<dyn Clock>,
    site: Data<Site>,
    CameFrom(origin, req): CameFrom,
    Body(body): Body<SessionBody>,
) -> Result<WithDevice<WithCookies<Show<SessionView>>>, ApiError> {
    let SessionBody { username, password, tenant, otp, keeper } = &body;
    let device = device(&site, req.headers());
    let host = host_tenant(&req, &auth).await?;
    let (tenant, code) = (tenant.as_deref(), otp.as_deref());
    let attempt = LoginAttempt { email: username, password, tenant, code, origin, device, host: &host };
    let login = auth.log_in_browser(attempt, site.token(req.headers())?).await?;
    let Begun { view, cookies, device } = Begun::new(login, keeper.unwrap_or_default(), &site, clock.now());
    Ok(WithDevice { reply: WithCookies { reply: Show(view), cookies }, device })
}

async fn show(person: Person) -> Result<Show<SessionView>, ApiError> {
    let (roles, permissions) = (person.roles().to_vec(), person.permissions().iter().collect());
    Ok(Show(SessionView { roles, permissions, ends_at: None, session: None }))
}

async fn end(person: Person, auth: Data<Authenticator>, site: Data<Site>) -> Result<WithCookies<Gone>, ApiError> {
    auth.end_session(person.user, person.session).await?;
    Ok(WithCookies { reply: Gone, cookies: person.by_cookie.then(|| site.cookie("", 0)).into_iter().collect() })
}

/// One of a person's own sessions.
#[derive(Debug, Serialize, ToSchema)]
struct OwnSessionView {
    id: SessionId,
    /// The tenant it is in.
    tenant: Slug,
    /// Whether it is a browser's; otherwise somebody has tokens.
    browser: bool,
    /// Whether it is the one that asks.
    current: bool,
    created_at: DateTime<Utc>,
    /// When it was last looked up or refreshed, to five minutes.
    last_seen_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

/// A person's own sessions.
#[derive(Debug, Serialize, ToSchema)]
struct OwnSessions {
    data: Vec<OwnSessionView>,
}

async fn list(person: Person, auth: Data<Authenticator>) -> Result<Show<OwnSessions>, ApiError> {
    let view = |session: OwnSession| {
        let OwnSession { id, tenant, is_browser, created_at, last_seen_at, ends_at } = session;
        let (browser, current) = (is_browser, id == person.session);
        OwnSessionView { id, tenant, browser, current, created_at, last_seen_at, ends_at }
    };
    let data = auth.sessions(person.user).await?.into_iter().map(view).collect();
    Ok(Show(OwnSessions { data }))
}

async fn end_others(person: Person, auth: Data<Authenticator>) -> Result<Gone, ApiError> {
    auth.end_other_sessions(person.user, person.session).await?;
    Ok(Gone)
}

async fn end_one(person: Person, auth: Data<Authenticator>, PathId(id): PathId<SessionId>) -> Result<Gone, ApiError> {
    if auth.end_session(person.user, id).await? { Ok(Gone) } else { Err(ApiError::not_found("session")) }
}
