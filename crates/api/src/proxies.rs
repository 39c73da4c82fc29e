//! The address of a client behind proxies.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::web::Data;
use tenantry_tenancy::Networks;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word about a client's address is taken.
#[derive(Clone, Debug)]
pub struct Proxies(Option<Networks>);

impl Proxies {
    /// Those in these networks; nobody if there are none.
    pub const fn trusting(networks: Option<Networks>) -> Self {
        Self(networks)
    }

    /// The address that the nearest trusted proxy was called from: the right-most one of `X-Forwarded-For` that is no proxy's.
    /// What is left of it anybody can make up. `None` if a trusted proxy names something that is no address.
    fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let trusts = |address| self.0.as_ref().is_some_and(|proxies| proxies.contain(Some(address)));
        let mut client = peer?.to_canonical();
        let values: Vec<_> = headers.get_all(FORWARDED_FOR).collect();
        for value in values.into_iter().rev() {
            if !trusts(client) {
                break;
            }
            for named in value.to_str().ok()?.rsplit(',') {
                if !trusts(client) {
                    break;
                }
                client = named.trim().parse::<IpAddr>().ok()?.to_canonical();
            }
        }
        Some(client)
    }
}

/// The address of whoever sent a request, as far as it is known.
pub(crate) fn client_address(req: &HttpRequest) -> Option<IpAddr> {
    let peer = req.peer_addr().map(|address| address.ip());
    match req.app_data::<Data<Proxies>>() {
        Some(proxies) => proxies.client(peer, req.headers()),
        None => peer,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&'static str]) -> Option<String> {
        let proxies = Proxies::trusting(Networks::parse(&["10.0.0.0/8", "2001:db8::/32"]).ok());
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
        }
        proxies.client(peer.parse().ok(), &headers).map(|address| address.to_string())
    }

    #[test]
    fn a_client_behind_trusted_proxies_is_the_last_that_none_of_them_is() {
        for (peer, forwarded, expected) in [
            ("10.0.0.1", &["203.0.113.7"][..], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7", "10.0.0.2"], "203.0.113.7"),
            ("::ffff:10.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7"),
            ("2001:db8::1", &["2001:db9::7,2001:db8::2"], "2001:db9::7"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ] {
            assert_eq!(client(peer, forwarded).as_deref(), Some(expected), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn what_a_client_says_of_itself_is_not_believed() {
        for (peer, forwarded, expected) in [
            ("203.0.113.7", &["198.51.100.1"][..], "203.0.113.7"),
            ("203.0.113.7", &["garbage"], "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["garbage, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            ("10.0.0.1", &["10.0.0.9, 203.0.113.7"], "203.0.113.7"),
        ] {
            assert_eq!(client(peer, forwarded).as_deref(), Some(expected), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn an_address_that_no_one_can_read_is_not_known() {
        for garbage in ["", "unknown", "203.0.113.7:80", "[2001:db9::7]", "203.0.113.7 203.0.113.8", "1", ","] {
            assert_eq!(client("10.0.0.1", &[garbage]), None, "{garbage}");
        }
    }
}
