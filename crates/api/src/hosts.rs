//! The second facts about a request's tenant: the host it was sent to, and what it asserts in `X-Tenant-ID`. The tenant is
//! the credential's alone; these must agree with it, or the answer is that of a path that does not exist.

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderMap};
use actix_web::web::Data;
use tenantry_auth::{Authenticator, Principal, SecurityEventKind};
use tenantry_tenancy::domains::DomainName;
use tenantry_tenancy::{Slug, TenantId};

use crate::edge::TENANT_ID;
use crate::problem::ApiError;
use crate::routes::unknown_route;
use crate::security_events::note;

/// What hosts mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Below it, each tenant has a host of its own named by its slug; no host means anything if it is not given.
    base: Option<DomainName>,
}

/// Whose a host is, as far as its name tells.
#[derive(Debug, PartialEq, Eq)]
enum Host {
    /// Everybody's: the service itself, an address, a name that no domain can have.
    Anybodys,
    /// The tenant's of this name.
    Of(Slug),
    /// Below our own domain, but no tenant can have it.
    Nobodys,
    /// Perhaps a tenant's own domain.
    Named(DomainName),
}

impl Hosts {
    /// Tenants have hosts below this domain.
    pub const fn below(base: Option<DomainName>) -> Self {
        Self { base }
    }

    /// The service's own domain, which no tenant can claim.
    pub(crate) fn reserved(&self) -> Option<&str> {
        self.base.as_ref().map(DomainName::as_str)
    }

    fn of(&self, headers: &HeaderMap) -> Host {
        let mut hosts = headers.get_all(HOST);
        let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else {
            return Host::Anybodys;
        };
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let Ok(name) = DomainName::parse(name) else { return Host::Anybodys };
        match self.reserved().filter(|base| name.is_within(base)) {
            None => Host::Named(name),
            Some(base) if name.as_str() == base => Host::Anybodys,
            Some(base) => {
                let label =
                    name.as_str().strip_suffix(base).and_then(|rest| rest.strip_suffix('.')).unwrap_or_default();
                Slug::parse(label).map_or(Host::Nobodys, Host::Of)
            }
        }
    }
}

/// Refuses a request whose host or assertion speaks of another tenant than its credential does.
pub(crate) async fn agree(req: &HttpRequest, auth: &Authenticator, principal: &Principal) -> Result<(), ApiError> {
    if !asserts(req.headers(), principal.tenant()) {
        note(req, SecurityEventKind::TenantAsserted, Some(principal));
        return Err(unknown_route());
    }
    let Some(hosts) = req.app_data::<Data<Hosts>>() else { return Ok(()) };
    let agrees = match hosts.of(req.headers()) {
        Host::Anybodys => true,
        Host::Nobodys => false,
        Host::Of(slug) => slug == *principal.slug(),
        Host::Named(name) => auth.tenant_of_host(&name).await?.is_none_or(|tenant| tenant == principal.tenant()),
    };
    if !agrees {
        note(req, SecurityEventKind::HostMismatch, Some(principal));
        return Err(unknown_route());
    }
    Ok(())
}

/// Whether the request asserts nothing about its tenant, or the truth.
fn asserts(headers: &HeaderMap, tenant: TenantId) -> bool {
    headers.get_all(TENANT_ID).all(|asserted| asserted.to_str().is_ok_and(|it| it.parse() == Ok(tenant)))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn host(base: Option<&str>, host: &'static str) -> Host {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(host));
        Hosts::below(base.map(|base| DomainName::parse(base).unwrap())).of(&headers)
    }

    #[test]
    fn a_host_below_our_domain_is_the_tenants_of_that_name() {
        let base = Some("api.example.com");

        for (name, slug) in [("acme.api.example.com", "acme"), ("ACME.api.example.com.:8443", "acme")] {
            assert_eq!(host(base, name), Host::Of(Slug::parse(slug).unwrap()), "{name}");
        }
        for nobodys in ["a.b.api.example.com", "1.api.example.com"] {
            assert_eq!(host(base, nobodys), Host::Nobodys, "{nobodys}");
        }
        for anybodys in ["api.example.com", "127.0.0.1:8000", "localhost", "[::1]:8000", ""] {
            assert_eq!(host(base, anybodys), Host::Anybodys, "{anybodys}");
        }
        assert_eq!(host(base, "notapi.example.com"), Host::Named(DomainName::parse("notapi.example.com").unwrap()));
    }

    #[test]
    fn without_a_domain_of_ours_every_name_may_be_a_tenants_own() {
        assert_eq!(host(None, "app.acme.example"), Host::Named(DomainName::parse("app.acme.example").unwrap()));
        assert_eq!(host(None, "127.0.0.1"), Host::Anybodys);
    }
}
