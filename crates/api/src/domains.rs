//! `/api/v1/domains`: the tenant's own domains, and the proof that they are.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_app::{DnsError, TxtResolver};
use tenantry_auth::challenge;
use tenantry_tenancy::domains::{self, Domain, DomainError, DomainId, DomainName, NewDomain};
use tenantry_tenancy::permissions::needs::{ReadDomains, WriteDomains};
use tenantry_tenancy::{Clock, Limit, Order};
use utoipa::{IntoParams, ToSchema};

use crate::conditions::{IfMatch, Versioned};
use crate::cursor::Cursors;
use crate::extract::{Body, Can, PathId, Query};
use crate::hosts::Hosts;
use crate::list::{List, PageView, Paging};
use crate::once::Store;
use crate::problem::ApiError;
use crate::reply::{CreatedResource, Gone, Resource};
use crate::routes::Routes;

const PATH: &str = "/api/v1/domains";
const ONE: &str = "/api/v1/domains/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List domains", list);
    routes.tenant(Method::POST, PATH, "Add a domain, which is then to be proven", create);
    routes.tenant(Method::GET, ONE, "Show a domain", show);
    routes
        .tenant(Method::POST, "/api/v1/domains/{id}/verify", "Look whether the domain's TXT record is there", verify)
        .fails(StatusCode::CONFLICT);
    routes.tenant(Method::DELETE, ONE, "Remove a domain", remove);
}

/// A domain.
#[derive(Debug, Serialize, ToSchema)]
struct DomainView {
    id: DomainId,
    name: DomainName,
    /// Where a TXT record proves that the domain is the tenant's.
    record_name: String,
    /// What that record must say.
    record_text: String,
    /// When it was proven; `null` until then.
    verified_at: Option<DateTime<Utc>>,
    /// Counts the changes made to it.
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Domain> for DomainView {
    fn from(domain: Domain) -> Self {
        let (record_name, record_text) = (domain.record_name(), domain.record_text());
        let Domain { id, name, verified_at, version, created_at, updated_at, challenge: _ } = domain;
        Self { id, name, record_name, record_text, verified_at, version, created_at, updated_at }
    }
}

impl Versioned for DomainView {
    fn version(&self) -> i64 {
        self.version
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DomainBody {
    name: DomainName,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct DomainFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<Order>,
}

async fn list(
    caller: Can<ReadDomains>,
    store: Store,
    cursors: Data<Cursors>,
    Query(filter): Query<DomainFilter>,
) -> Result<PageView<DomainView>, ApiError> {
    let paging = Paging { limit: filter.limit, cursor: filter.cursor.as_deref(), sort: filter.sort };
    let list = List::open(&cursors, caller.tenant(), "domains?".to_owned(), &paging)?;
    let page = store.read(&caller, async |tx| tx.access().domains().list(&list.page).await).await?;
    list.view(page)
}

async fn create(
    caller: Can<WriteDomains>,
    store: Store,
    hosts: Data<Hosts>,
    Body(body): Body<DomainBody>,
) -> Result<CreatedResource<DomainView>, ApiError> {
    let new = NewDomain { id: DomainId::generate(), name: body.name, challenge: challenge() };
    let domain =
        store.write(&caller, async |tx| domains::add(tx.access().domains(), &new, hosts.reserved()).await).await?;
    Ok(CreatedResource { location: format!("{PATH}/{}", domain.id), view: domain.into() })
}

async fn show(
    caller: Can<ReadDomains>,
    store: Store,
    PathId(id): PathId<DomainId>,
) -> Result<Resource<DomainView>, ApiError> {
    let domain = store.read(&caller, async |tx| domains::show(tx.access().domains(), id).await).await?;
    Ok(Resource(domain.into()))
}

async fn verify(
    caller: Can<WriteDomains>,
    store: Store,
    clock: Data<dyn Clock>,
    resolver: Data<dyn TxtResolver>,
    PathId(id): PathId<DomainId>,
) -> Result<Resource<DomainView>, ApiError> {
    let domain = store.read(&caller, async |tx| domains::show(tx.access().domains(), id).await).await?;
    // Between two transactions, so that none waits for the DNS.
    let records = resolver.txt(&domain.record_name()).await?;
    let verified =
        store.write(&caller, async |tx| domains::verify(tx.access().domains(), &**clock, id, &records).await).await?;
    Ok(Resource(verified.into()))
}

async fn remove(
    caller: Can<WriteDomains>,
    store: Store,
    PathId(id): PathId<DomainId>,
    IfMatch(expected): IfMatch,
) -> Result<Gone, ApiError> {
    store.write(&caller, async |tx| domains::remove(tx.access().domains(), id, &expected).await).await?;
    Ok(Gone)
}

impl From<DomainError> for ApiError {
    fn from(error: DomainError) -> Self {
        let message = error.to_string();
        match error {
            DomainError::NotFound(_) => Self::not_found("domain"),
            DomainError::Taken(_) | DomainError::TooMany => Self::conflict("name", message),
            DomainError::Reserved(_) => Self::invalid("name", "reserved", message),
            DomainError::NotProven(_) => Self::new(StatusCode::CONFLICT, "conflict", message),
            DomainError::Stale(stale) => stale.into(),
            DomainError::Store(error) => error.into(),
        }
    }
}

impl From<DnsError> for ApiError {
    fn from(error: DnsError) -> Self {
        Self::unavailable(error, Duration::from_secs(30))
    }
}
