//! The second facts about a request's tenant: the host it was sent to, and what it asserts in `X-Tenant-ID`. The tenant is
//! the credential's alone; these must agree with it, or the answer is that of a path that does not exist.

use std::net::Ipv6Addr;

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderMap};
use actix_web::web::Data;
use tenantry_auth::{Authenticator, HostTenant, Principal, SecurityEventKind};
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

    fn of(&self, authority: &str) -> Result<Host, ApiError> {
        let name = name_of(authority).ok_or_else(malformed)?;
        let Ok(name) = DomainName::parse(name) else { return Ok(Host::Anybodys) };
        Ok(match self.reserved().filter(|base| name.is_within(base)) {
            None => Host::Named(name),
            Some(base) if name.as_str() == base => Host::Anybodys,
            Some(base) => {
                let label =
                    name.as_str().strip_suffix(base).and_then(|rest| rest.strip_suffix('.')).unwrap_or_default();
                Slug::parse(label).map_or(Host::Nobodys, Host::Of)
            }
        })
    }
}

/// Whom a request is for: what its target says goes before the header (RFC 9112, section 3.2.2). Empty if neither does.
fn authority(req: &HttpRequest) -> Result<&str, ApiError> {
    let mut hosts = req.headers().get_all(HOST);
    let (host, None) = (hosts.next(), hosts.next()) else { return Err(malformed()) };
    match (req.uri().authority(), host) {
        (Some(target), _) => Ok(target.as_str()),
        (None, Some(host)) => host.to_str().map_err(|_| malformed()),
        (None, None) => Ok(""),
    }
}

/// The name or address of an authority, if it is one with at most a port beside: what we cannot read somebody else might.
fn name_of(authority: &str) -> Option<&str> {
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (authority, ""),
    };
    let is_address = || name.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
    };
    let is_name = || name.is_empty() || name.strip_suffix('.').unwrap_or(name).split('.').all(is_label);
    let is_port = port.len() <= 5 && port.bytes().all(|it| it.is_ascii_digit());
    (is_port && (is_name() || is_address().is_some())).then_some(name)
}

fn malformed() -> ApiError {
    ApiError::invalid("host", "malformed", "must be one name or address, with at most a port")
}

/// Whose the host is that a request was sent to.
pub(crate) async fn host_tenant(req: &HttpRequest, auth: &Authenticator) -> Result<HostTenant, ApiError> {
    let Some(hosts) = req.app_data::<Data<Hosts>>() else { return Ok(HostTenant::Anybodys) };
    Ok(match hosts.of(authority(req)?)? {
        Host::Anybodys => HostTenant::Anybodys,
        Host::Nobodys => HostTenant::Nobodys,
        Host::Of(slug) => HostTenant::Of(slug),
        Host::Named(name) => auth.tenant_of_host(&name).await?.map_or(HostTenant::Anybodys, HostTenant::Proven),
    })
}

/// Refuses a request whose host or assertion speaks of another tenant than its credential does.
pub(crate) async fn agree(req: &HttpRequest, auth: &Authenticator, principal: &Principal) -> Result<(), ApiError> {
    if !asserts(req.headers(), principal.tenant()) {
        note(req, SecurityEventKind::TenantAsserted, Some(principal));
        return Err(unknown_route());
    }
    let agrees = host_tenant(req, auth).await?.serves(principal.tenant(), principal.slug());
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
    use actix_web::test::TestRequest;

    use super::*;

    fn host(base: Option<&str>, host: &str) -> Host {
        Hosts::below(base.map(|base| DomainName::parse(base).unwrap())).of(host).unwrap()
    }

    #[test]
    fn what_is_neither_a_name_nor_an_address_is_refused() {
        for malformed in [
            "acme.api.example.com:x",
            "acme.api.example.com:80:80",
            "acme.api.example.com/",
            "user@acme.api.example.com",
            "acme..example.com",
            ".acme.example.com",
            "acme.example.com..",
            "acme example.com",
            "[::1",
            "::1",
            "[acme.example.com]",
            "acme.example.com:123456",
        ] {
            assert!(Hosts::default().of(malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn the_target_goes_before_the_header_and_two_headers_are_refused() {
        let both = TestRequest::with_uri("http://acme.example.com/x").insert_header((HOST, "globex.example.com"));
        let header = TestRequest::with_uri("/x").insert_header((HOST, "globex.example.com"));
        let twice = TestRequest::with_uri("/x").append_header((HOST, "a.example")).append_header((HOST, "b.example"));

        assert_eq!(authority(&both.to_http_request()).unwrap(), "acme.example.com");
        assert_eq!(authority(&header.to_http_request()).unwrap(), "globex.example.com");
        assert_eq!(authority(&TestRequest::with_uri("/x").to_http_request()).unwrap(), "");
        assert!(authority(&twice.to_http_request()).is_err());
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
