//! Who passkeys are for: the host of `http.public_url`.

use anyhow::{Context, Result};
use tenantry_auth::RelyingParty;
use url::{Host, Url};

use super::Settings;

impl Settings {
    /// The relying party of passkeys. Its id must be a domain (Web Authentication, section 5.1.2), so an address of this very
    /// machine is `localhost`, as a browser there must call it; passkeys work with no other address.
    pub fn relying_party(&self) -> Result<RelyingParty> {
        let mut url = Url::parse(&self.http.public_url).context("http.public_url is no URL")?;
        let is_loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(_)) | None => false,
        };
        if is_loopback {
            url.set_host(Some("localhost")).context("http.public_url has no host")?;
        }
        let id = url.host_str().context("http.public_url has no host")?;
        Ok(RelyingParty::new(id, url.origin().ascii_serialization()))
    }
}
