//! The DNS, by the system's resolvers or one that is named.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use tenantry_app::{DnsError, TxtResolver};

/// How long a name server may take to answer, and how often it is asked.
const TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPTS: usize = 2;

/// Asks the DNS, never a cache: whoever proves a domain has just written the record.
pub struct Dns {
    server: Option<SocketAddr>,
}

impl Dns {
    /// Uses the name server given, or else those of the system.
    pub const fn new(server: Option<SocketAddr>) -> Self {
        Self { server }
    }

    fn resolver(&self) -> Result<TokioResolver, DnsError> {
        let provider = TokioRuntimeProvider::default();
        let builder = match self.server {
            Some(address) => {
                let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
                (udp.port, tcp.port) = (address.port(), address.port());
                let server = NameServerConfig::new(address.ip(), true, vec![udp, tcp]);
                Ok(TokioResolver::builder_with_config(ResolverConfig::from_parts(None, vec![], vec![server]), provider))
            }
            None => TokioResolver::builder(provider),
        };
        let mut builder = builder.map_err(|error| DnsError(error.into()))?;
        let options = builder.options_mut();
        (options.timeout, options.attempts, options.cache_size) = (TIMEOUT, ATTEMPTS, 0);
        builder.build().map_err(|error| DnsError(error.into()))
    }
}

#[async_trait]
impl TxtResolver for Dns {
    async fn txt(&self, name: &str) -> Result<Vec<String>, DnsError> {
        // With its dot at the end a name is whole: no search domain is put behind it.
        match self.resolver()?.lookup(format!("{name}."), RecordType::TXT).await {
            Ok(found) => {
                let texts = found.answers().iter().filter_map(|record| match &record.data {
                    // The parts of a long text belong together (RFC 7208, section 3.3).
                    RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
                    _ => None,
                });
                Ok(texts.collect())
            }
            Err(error) if error.is_no_records_found() || error.is_nx_domain() => Ok(Vec::new()),
            Err(error) => Err(DnsError(error.into())),
        }
    }
}
