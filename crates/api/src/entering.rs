//! The last step of a login that takes several: tokens, or a session as `/api/v1/auth/session` begins it.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::web::Data;
use serde::Serialize;
use tenantry_auth::{Arrival, Authenticator, HostTenant, Proven};
use tenantry_tenancy::{Clock, RequestId};
use utoipa::ToSchema;

use crate::auth::TokenView;
use crate::devices::{WithDevice, device};
use crate::extract::{Input, origin, request_id};
use crate::hosts::host_tenant;
use crate::openapi::Operation;
use crate::problem::ApiError;
use crate::reply::Show;
use crate::sessions::{Begun, Keeper, SessionView, WithCookies};
use crate::site::{OwnPage, Site};

/// What somebody who was let in gets: tokens, or what their session allows.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum EnteredView {
    Tokens(TokenView),
    Session(SessionView),
}

/// An answer to whoever was let in.
pub(crate) type Entered<T> = WithDevice<WithCookies<Show<T>>>;

/// By which somebody comes in who is about to prove who they are.
pub(crate) struct Door {
    auth: Data<Authenticator>,
    site: Data<Site>,
    clock: Data<dyn Clock>,
    pub(crate) req: HttpRequest,
    host: HostTenant,
}

impl Input for Door {
    async fn read(req: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
        let auth = <Data<Authenticator> as Input>::read(req, payload).await?;
        Ok(Self {
            host: host_tenant(req, &auth).await?,
            auth,
            site: <Data<Site> as Input>::read(req, payload).await?,
            clock: <Data<dyn Clock> as Input>::read(req, payload).await?,
            req: req.clone(),
        })
    }

    fn describe(operation: &mut Operation) {
        OwnPage::describe(operation);
    }
}

impl Door {
    pub(crate) fn request(&self) -> RequestId {
        request_id(&self.req)
    }

    /// Where they come from. A session is begun for a page of ours only, as any login of a browser.
    pub(crate) fn arrival(&self, keeper: Option<Keeper>) -> Result<Arrival<'_>, ApiError> {
        if keeper.is_some() {
            OwnPage::check(&self.req)?;
        }
        Ok(Arrival { origin: origin(&self.req), device: device(&self.site, self.req.headers()), host: &self.host })
    }

    /// Lets somebody in: with a session that `keeper` keeps, or with tokens. The answer is made of what they get.
    pub(crate) async fn let_in<T>(
        &self,
        proven: Proven,
        keeper: Option<Keeper>,
        answer: impl FnOnce(EnteredView) -> T,
    ) -> Result<Entered<T>, ApiError> {
        let (view, cookies, device) = match keeper {
            None => {
                let mut tokens = self.auth.let_in(proven).await?;
                let device = tokens.device.take();
                (EnteredView::Tokens(tokens.into()), Vec::new(), device)
            }
            Some(keeper) => {
                let login = self.auth.let_in_browser(proven, self.site.token(self.req.headers())?).await?;
                let Begun { view, cookies, device } = Begun::new(login, keeper, &self.site, self.clock.now());
                (EnteredView::Session(view), cookies, device)
            }
        };
        Ok(WithDevice { reply: WithCookies { reply: Show(answer(view)), cookies }, device })
    }
}
