//! `/api/v1/signup`: somebody asks for a tenant of their own, and gets it once their address is proven. Off unless
//! configured; then the routes answer as if they were not there.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use tenantry_app::{Mail, Mailer};
use tenantry_auth::{Authenticator, Signup};
use tenantry_tenancy::provisioning::{NewTenant, TenantRegistry, provision};
use tenantry_tenancy::{Email, PersonName, Plan, Slug, TenantId, words};
use utoipa::ToSchema;

use crate::extract::{Body, Input};
use crate::problem::ApiError;
use crate::reply::{Accepted, Created};
use crate::routes::{Routes, unknown_route};
use crate::site::Site;
use crate::tenants::Storage;

const PATH: &str = "/api/v1/signup";
const CONFIRM: &str = "/api/v1/signup/confirm";

/// Names that would be taken for the service's own hosts.
const RESERVED: &[&str] = &[
    "admin",
    "api",
    "app",
    "auth",
    "blog",
    "cdn",
    "dashboard",
    "dev",
    "docs",
    "ftp",
    "help",
    "imap",
    "internal",
    "login",
    "mail",
    "ns1",
    "ns2",
    "oauth",
    "operator",
    "root",
    "smtp",
    "staging",
    "static",
    "status",
    "support",
    "system",
    "tenantry",
    "test",
    "vpn",
    "webmail",
    "ww",
    "www",
];

pub(crate) fn routes(routes: &mut Routes) {
    routes.public(Method::POST, PATH, "Ask for a tenant of one's own", ask).fails(StatusCode::NOT_FOUND);
    routes
        .public(Method::POST, CONFIRM, "Get the tenant that was asked for, by the token of the mail", confirm)
        .fails(StatusCode::NOT_FOUND);
}

/// Whether people may sign up by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignupSettings {
    /// Whether they may.
    pub enabled: bool,
}

/// Read before anything else of a request.
struct Open;

impl Input for Open {
    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        let open = req.app_data::<Data<SignupSettings>>().is_some_and(|settings| settings.enabled);
        if open { Ok(Self) } else { Err(unknown_route()) }
    }
}

words!(
    /// What somebody who signs up can pay for.
    SignupPlan {
        /// Nothing.
        Free = "free",
        /// Small companies.
        Standard = "standard",
    }
);

impl From<SignupPlan> for Plan {
    fn from(plan: SignupPlan) -> Self {
        match plan {
            SignupPlan::Free => Self::Free,
            SignupPlan::Standard => Self::Standard,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignupBody {
    /// The tenant's name for people.
    company: Slug,
    /// `free` if not given.
    #[serde(default)]
    plan: Option<SignupPlan>,
    email: Email,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmBody {
    /// From the mail.
    token: String,
    /// What you call yourself, if you have not said yet.
    #[serde(default)]
    name: Option<PersonName>,
    /// The password you choose for a new account; the one of an account that is there already stays as it is.
    #[serde(default)]
    #[schema(format = "password")]
    password: Option<String>,
}

/// A tenant that was just made.
#[derive(Serialize, ToSchema)]
struct SignedUpView {
    tenant: TenantId,
    slug: Slug,
}

/// Whether the address or the name is taken is told to nobody here: the mail goes out in any case.
async fn ask(
    _: Open,
    auth: Data<Authenticator>,
    mailer: Data<dyn Mailer>,
    site: Data<Site>,
    Body(body): Body<SignupBody>,
) -> Result<Accepted, ApiError> {
    let SignupBody { company, plan, email } = body;
    if RESERVED.contains(&company.as_str()) {
        return Err(ApiError::invalid("company", "reserved", "is reserved"));
    }
    let signup = Signup { email: email.clone(), slug: company, plan: plan.unwrap_or(SignupPlan::Free).into() };
    if let Some(token) = auth.sign_up(signup).await? {
        mailer.send(mail(email, &token.reveal(), &site.url(CONFIRM)));
    }
    Ok(Accepted)
}

/// Doing it again continues a confirmation that was cut short.
async fn confirm(
    _: Open,
    auth: Data<Authenticator>,
    registry: Data<dyn TenantRegistry>,
    storage: Data<Storage>,
    Body(body): Body<ConfirmBody>,
) -> Result<Created<SignedUpView>, ApiError> {
    let ConfirmBody { token, name, password } = body;
    let confirmed = auth.confirm_signup(&token, name, password.as_deref()).await?;
    let Signup { email, slug, plan } = confirmed.signup.clone();
    let new = NewTenant { slug, plan, placement: plan.placement(), owner: email };
    let tenant = provision(&**registry, storage.0.as_deref(), &new).await?;
    auth.finish_signup(&confirmed).await?;
    Ok(Created { location: "/api/v1/tenant".to_owned(), view: SignedUpView { tenant: tenant.id, slug: tenant.slug } })
}

fn mail(to: Email, token: &str, url: &str) -> Mail {
    let text = format!(
        "Somebody, probably you, signed up with this address.\n\n\
         This token makes your tenant, once, within 24 hours:\n\n{token}\n\n\
         Send it, with the password you choose if you have no account yet, to\n{url}\n\n\
         If it was not you, ignore this mail: nothing will be made.\n"
    );
    Mail { to, subject: "Confirm your sign-up".to_owned(), text }
}
