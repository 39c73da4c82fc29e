//! Customers in Postgres.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use tenantry_crm::customers::{
    Customer, CustomerAddress, CustomerChange, CustomerError, CustomerId, CustomerName, CustomerNotes, CustomerOrder,
    CustomerPhone, CustomerQuery, CustomerRepo, NewCustomer,
};
use tenantry_tenancy::{Email, Page, Position, Search, SortKey, SortedPage, StoreError};
use uuid::Uuid;

use crate::error::OnConstraint;
use crate::lists::sorted;
use crate::rows::{parsed, trusted};
use crate::schema::customers;
use crate::tenant_tx::PgTenantTx;

#[derive(Queryable, Selectable)]
#[diesel(table_name = customers, check_for_backend(diesel::pg::Pg))]
struct CustomerRow {
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

impl TryFrom<CustomerRow> for Customer {
    type Error = StoreError;

    fn try_from(row: CustomerRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: CustomerId::from_uuid(row.id),
            name: trusted(CustomerName::parse(row.name))?,
            email: (!row.email.is_empty()).then(|| Email::stored(row.email)),
            phone: (!row.phone.is_empty()).then(|| CustomerPhone::stored(row.phone)),
            address: trusted(CustomerAddress::parse(row.address))?,
            notes: trusted(CustomerNotes::parse(row.notes))?,
            status: parsed(&row.status)?,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

// Not "default": a statement with a DEFAULT that depends on its values is prepared anew each time.
#[derive(Insertable)]
#[diesel(table_name = customers, treat_none_as_default_value = false)]
struct NewCustomerRow<'a> {
    id: Uuid,
    name: &'a str,
    email: &'a str,
    phone: &'a str,
    address: &'a str,
    notes: &'a str,
    status: &'a str,
}

#[derive(AsChangeset)]
#[diesel(table_name = customers)]
struct CustomerChangeRow<'a> {
    name: Option<&'a str>,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    address: Option<&'a str>,
    notes: Option<&'a str>,
    status: Option<&'a str>,
}

#[async_trait]
impl CustomerRepo for PgTenantTx {
    async fn find(&mut self, id: CustomerId) -> Result<Option<Customer>, StoreError> {
        let query =
            self.rows_of(customers::table).filter(customers::id.eq(id.as_uuid())).select(CustomerRow::as_select());
        self.load_one(query).await?.map(Customer::try_from).transpose()
    }

    async fn find_many(&mut self, ids: &[CustomerId]) -> Result<Vec<Customer>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let limit = trusted(i64::try_from(ids.len()))?;
        let rows = self.rows_of(customers::table).filter(customers::id.eq_any(ids)).order(customers::id).limit(limit);
        self.load(rows.select(CustomerRow::as_select())).await?.into_iter().map(Customer::try_from).collect()
    }

    async fn find_for_update(&mut self, id: CustomerId) -> Result<Option<Customer>, StoreError> {
        let row = self.rows_of(customers::table).filter(customers::id.eq(id.as_uuid()));
        self.load_one(row.select(CustomerRow::as_select()).for_update()).await?.map(Customer::try_from).transpose()
    }

    async fn list(&mut self, query: &CustomerQuery) -> Result<SortedPage<Customer>, StoreError> {
        let CustomerQuery { status, updated_since, search, page } = query.clone();
        let limit = page.limit.get() as i64 + 1;
        let mut rows = self.rows_of(customers::table).select(CustomerRow::as_select()).limit(limit).into_boxed();
        if let Some(status) = status {
            rows = rows.filter(customers::status.eq(status.as_str()));
        }
        if let Some(since) = updated_since {
            rows = rows.filter(customers::updated_at.ge(since.time()));
        }
        for word in search.iter().flat_map(Search::words) {
            rows = rows.filter(customers::id.eq_any(self.rows_with_word("customers", word)));
        }
        let after = page.after;
        let rows = match page.order {
            CustomerOrder::Newest => sorted!(rows, after, customers, id, desc),
            CustomerOrder::Oldest => sorted!(rows, after, customers, id, asc),
            CustomerOrder::Name => sorted!(rows, after, customers, name: Text, asc),
            CustomerOrder::NameDescending => sorted!(rows, after, customers, name: Text, desc),
            CustomerOrder::Updated => sorted!(rows, after, customers, updated_at: Time, asc),
            CustomerOrder::LastUpdated => sorted!(rows, after, customers, updated_at: Time, desc),
        };
        let items = self.load(rows).await?.into_iter().map(Customer::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit, |customer| page.order.position(customer)))
    }

    async fn insert(&mut self, new: &[NewCustomer]) -> Result<Vec<Customer>, StoreError> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let rows = new.iter().map(|new| NewCustomerRow {
            id: new.id.as_uuid(),
            name: new.name.as_str(),
            email: new.email.as_ref().map_or("", Email::as_str),
            phone: new.phone.as_ref().map_or("", CustomerPhone::as_str),
            address: new.address.as_str(),
            notes: new.notes.as_str(),
            status: new.status.as_str(),
        });
        let rows: Vec<_> = rows.collect();
        let insert = diesel::insert_into(customers::table).values(rows).returning(CustomerRow::as_returning());
        self.load(insert).await?.into_iter().map(Customer::try_from).collect()
    }

    async fn update(&mut self, id: CustomerId, change: &CustomerChange) -> Result<Option<Customer>, StoreError> {
        let row = CustomerChangeRow {
            name: change.name.as_ref().map(CustomerName::as_str),
            email: change.email.as_ref().map(|it| it.as_ref().map_or("", Email::as_str)),
            phone: change.phone.as_ref().map(|it| it.as_ref().map_or("", CustomerPhone::as_str)),
            address: change.address.as_ref().map(CustomerAddress::as_str),
            notes: change.notes.as_ref().map(CustomerNotes::as_str),
            status: change.status.map(|word| word.as_str()),
        };
        let update = diesel::update(self.rows_of(customers::table).filter(customers::id.eq(id.as_uuid())))
            .set(row)
            .returning(CustomerRow::as_returning());
        self.load_one(update).await?.map(Customer::try_from).transpose()
    }

    async fn delete(&mut self, id: CustomerId) -> Result<bool, CustomerError> {
        let delete = diesel::delete(self.rows_of(customers::table).filter(customers::id.eq(id.as_uuid())));
        Ok(self.execute(delete).await.on_constraint("invoices_customer_fkey", || CustomerError::InUse(id))? > 0)
    }
}
