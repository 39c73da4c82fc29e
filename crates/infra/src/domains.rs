//! The domains of the open transaction's tenant.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use tenantry_tenancy::domains::{Domain, DomainError, DomainId, DomainName, DomainRepo, NewDomain};
use tenantry_tenancy::{Page, PageQuery, StoreError};
use uuid::Uuid;

use crate::error::OnConstraint;
use crate::lists::by_id;
use crate::rows::trusted;
use crate::schema::domains;
use crate::tenant_tx::PgTenantTx;

/// A tenant has a name once.
const NAME_KEY: &str = "domains_name_key";
/// A name is proven by one tenant.
const PROVEN_KEY: &str = "domains_proven";

#[derive(Queryable, Selectable)]
#[diesel(table_name = domains, check_for_backend(diesel::pg::Pg))]
struct DomainRow {
    id: Uuid,
    name: String,
    challenge: String,
    verified_at: Option<DateTime<Utc>>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<DomainRow> for Domain {
    type Error = StoreError;

    fn try_from(row: DomainRow) -> Result<Self, StoreError> {
        let DomainRow { id, name, challenge, verified_at, version, created_at, updated_at } = row;
        let (id, name) = (DomainId::from_uuid(id), trusted(DomainName::parse(&name))?);
        Ok(Self { id, name, challenge, verified_at, version, created_at, updated_at })
    }
}

#[async_trait]
impl DomainRepo for PgTenantTx {
    async fn find(&mut self, id: DomainId) -> Result<Option<Domain>, StoreError> {
        let query = self.rows_of(domains::table).filter(domains::id.eq(id.as_uuid())).select(DomainRow::as_select());
        self.load_one(query).await?.map(Domain::try_from).transpose()
    }

    async fn find_for_update(&mut self, id: DomainId) -> Result<Option<Domain>, StoreError> {
        let found = self.rows_of(domains::table).filter(domains::id.eq(id.as_uuid()));
        self.load_one(found.select(DomainRow::as_select()).for_update()).await?.map(Domain::try_from).transpose()
    }

    async fn list(&mut self, page: &PageQuery) -> Result<Page<Domain>, StoreError> {
        let rows = self.rows_of(domains::table).select(DomainRow::as_select()).into_boxed();
        let rows = self.load(by_id!(rows, page, domains::id)).await?;
        let items = rows.into_iter().map(Domain::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit, |domain| domain.id.as_uuid()))
    }

    async fn count_for_insert(&mut self) -> Result<usize, StoreError> {
        self.one_at_a_time().await?;
        let count: Option<i64> = self.load_one(self.rows_of(domains::table).select(count_star())).await?;
        trusted(usize::try_from(count.unwrap_or(0)))
    }

    async fn insert(&mut self, new: &NewDomain) -> Result<Domain, DomainError> {
        let insert = diesel::insert_into(domains::table)
            .values((
                domains::id.eq(new.id.as_uuid()),
                domains::name.eq(new.name.as_str()),
                domains::challenge.eq(new.challenge.as_str()),
            ))
            .returning(DomainRow::as_returning());
        let row: Option<DomainRow> =
            self.load_one(insert).await.on_constraint(NAME_KEY, || DomainError::Taken(new.name.clone()))?;
        Ok(row.ok_or_else(|| StoreError::internal("an insert returned nothing"))?.try_into()?)
    }

    async fn set_verified(&mut self, domain: &Domain, now: DateTime<Utc>) -> Result<Domain, DomainError> {
        let update = diesel::update(self.rows_of(domains::table).filter(domains::id.eq(domain.id.as_uuid())))
            .set(domains::verified_at.eq(now))
            .returning(DomainRow::as_returning());
        let row: Option<DomainRow> =
            self.load_one(update).await.on_constraint(PROVEN_KEY, || DomainError::NotProven(domain.record_name()))?;
        Ok(row.ok_or(DomainError::NotFound(domain.id))?.try_into()?)
    }

    async fn delete(&mut self, id: DomainId) -> Result<bool, StoreError> {
        let delete = diesel::delete(self.rows_of(domains::table).filter(domains::id.eq(id.as_uuid())));
        Ok(self.execute(delete).await? > 0)
    }
}
