//! Suppliers in Postgres.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use tenantry_inventory::suppliers::{
    NewSupplier, Supplier, SupplierAddress, SupplierChange, SupplierId, SupplierName, SupplierNotes, SupplierOrder,
    SupplierPhone, SupplierQuery, SupplierRepo,
};
use tenantry_tenancy::{Email, Page, Position, Search, SortKey, SortedPage, StoreError};
use uuid::Uuid;

use crate::lists::sorted;
use crate::rows::{parsed, trusted};
use crate::schema::suppliers;
use crate::tenant_tx::PgTenantTx;

#[derive(Queryable, Selectable)]
#[diesel(table_name = suppliers, check_for_backend(diesel::pg::Pg))]
struct SupplierRow {
    id: Uuid,
    name: String,
    email: String,
    phone: String,
    address: String,
    notes: String,
    status: String,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<SupplierRow> for Supplier {
    type Error = StoreError;

    fn try_from(row: SupplierRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: SupplierId::from_uuid(row.id),
            name: trusted(SupplierName::parse(row.name))?,
            email: (!row.email.is_empty()).then(|| Email::stored(row.email)),
            phone: (!row.phone.is_empty()).then(|| SupplierPhone::stored(row.phone)),
            address: trusted(SupplierAddress::parse(row.address))?,
            notes: trusted(SupplierNotes::parse(row.notes))?,
            status: parsed(&row.status)?,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

// Not "default": a statement with a DEFAULT that depends on its values is prepared anew each time.
#[derive(Insertable)]
#[diesel(table_name = suppliers, treat_none_as_default_value = false)]
struct NewSupplierRow<'a> {
    id: Uuid,
    name: &'a str,
    email: &'a str,
    phone: &'a str,
    address: &'a str,
    notes: &'a str,
    status: &'a str,
}

#[derive(AsChangeset)]
#[diesel(table_name = suppliers)]
struct SupplierChangeRow<'a> {
    name: Option<&'a str>,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    address: Option<&'a str>,
    notes: Option<&'a str>,
    status: Option<&'a str>,
}

#[async_trait]
impl SupplierRepo for PgTenantTx {
    async fn find(&mut self, id: SupplierId) -> Result<Option<Supplier>, StoreError> {
        let query =
            self.rows_of(suppliers::table).filter(suppliers::id.eq(id.as_uuid())).select(SupplierRow::as_select());
        self.load_one(query).await?.map(Supplier::try_from).transpose()
    }

    async fn find_for_update(&mut self, id: SupplierId) -> Result<Option<Supplier>, StoreError> {
        let row = self.rows_of(suppliers::table).filter(suppliers::id.eq(id.as_uuid()));
        self.load_one(row.select(SupplierRow::as_select()).for_update()).await?.map(Supplier::try_from).transpose()
    }

    async fn list(&mut self, query: &SupplierQuery) -> Result<SortedPage<Supplier>, StoreError> {
        let SupplierQuery { status, updated_since, search, page } = query.clone();
        let limit = page.limit.get() as i64 + 1;
        let mut rows = self.rows_of(suppliers::table).select(SupplierRow::as_select()).limit(limit).into_boxed();
        if let Some(status) = status {
            rows = rows.filter(suppliers::status.eq(status.as_str()));
        }
        if let Some(since) = updated_since {
            rows = rows.filter(suppliers::updated_at.ge(since.time()));
        }
        for word in search.iter().flat_map(Search::words) {
            rows = rows.filter(suppliers::id.eq_any(self.rows_with_word("suppliers", word)));
        }
        let after = page.after;
        let rows = match page.order {
            SupplierOrder::Newest => sorted!(rows, after, suppliers, id, desc),
            SupplierOrder::Oldest => sorted!(rows, after, suppliers, id, asc),
            SupplierOrder::Name => sorted!(rows, after, suppliers, name: Text, asc),
            SupplierOrder::NameDescending => sorted!(rows, after, suppliers, name: Text, desc),
            SupplierOrder::Updated => sorted!(rows, after, suppliers, updated_at: Time, asc),
            SupplierOrder::LastUpdated => sorted!(rows, after, suppliers, updated_at: Time, desc),
        };
        let items = self.load(rows).await?.into_iter().map(Supplier::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit, |supplier| page.order.position(supplier)))
    }

    async fn insert(&mut self, new: &[NewSupplier]) -> Result<Vec<Supplier>, StoreError> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let rows = new.iter().map(|new| NewSupplierRow {
            id: new.id.as_uuid(),
            name: new.name.as_str(),
            email: new.email.as_ref().map_or("", Email::as_str),
            phone: new.phone.as_ref().map_or("", SupplierPhone::as_str),
            address: new.address.as_str(),
            notes: new.notes.as_str(),
            status: new.status.as_str(),
        });
        let rows: Vec<_> = rows.collect();
        let insert = diesel::insert_into(suppliers::table).values(rows).returning(SupplierRow::as_returning());
        self.load(insert).await?.into_iter().map(Supplier::try_from).collect()
    }

    async fn update(&mut self, id: SupplierId, change: &SupplierChange) -> Result<Option<Supplier>, StoreError> {
        let row = SupplierChangeRow {
            name: change.name.as_ref().map(SupplierName::as_str),
            email: change.email.as_ref().map(|it| it.as_ref().map_or("", Email::as_str)),
            phone: change.phone.as_ref().map(|it| it.as_ref().map_or("", SupplierPhone::as_str)),
            address: change.address.as_ref().map(SupplierAddress::as_str),
            notes: change.notes.as_ref().map(SupplierNotes::as_str),
            status: change.status.map(|word| word.as_str()),
        };
        let update = diesel::update(self.rows_of(suppliers::table).filter(suppliers::id.eq(id.as_uuid())))
            .set(row)
            .returning(SupplierRow::as_returning());
        self.load_one(update).await?.map(Supplier::try_from).transpose()
    }

    async fn delete(&mut self, id: SupplierId) -> Result<bool, StoreError> {
        let delete = diesel::delete(self.rows_of(suppliers::table).filter(suppliers::id.eq(id.as_uuid())));
        Ok(self.execute(delete).await? > 0)
    }
}
