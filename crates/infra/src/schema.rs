//! The tables as diesel sees them, and the predicate that every statement on a tenant table carries.

use diesel::prelude::*;
use diesel::query_dsl::methods::FilterDsl;
use uuid::Uuid;

mod registry;

pub(crate) use registry::*;

diesel::table! {
    projects (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
        description -> Text,
        status -> Text,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    tasks (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        project_id -> Uuid,
        title -> Text,
        description -> Text,
        status -> Text,
        priority -> Text,
        assignee_id -> Nullable<Uuid>,
        due -> Nullable<Date>,
        due_order -> Date,
        completed_at -> Nullable<Timestamptz>,
        created_by -> Nullable<Uuid>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    search_words (tenant_id, resource, word, row_id) {
        tenant_id -> Uuid,
        resource -> Text,
        word -> Text,
        row_id -> Uuid,
    }
}

diesel::allow_tables_to_appear_in_same_query!(search_words, projects);
diesel::allow_tables_to_appear_in_same_query!(search_words, tasks);
diesel::allow_tables_to_appear_in_same_query!(search_words, documents);

diesel::table! {
    idempotency_keys (tenant_id, digest) {
        tenant_id -> Uuid,
        digest -> Binary,
        fingerprint -> Binary,
        answer -> Nullable<Binary>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    documents (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        project_id -> Uuid,
        title -> Text,
        blob_id -> Nullable<Uuid>,
        content_type -> Nullable<Text>,
        size -> Nullable<Int8>,
        sha256 -> Nullable<Text>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    blobs (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        document_id -> Uuid,
        state -> Text,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(documents, blobs);

diesel::table! {
    audit_events (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        at -> Timestamptz,
        resource -> Text,
        row_id -> Uuid,
        action -> Text,
        before -> Nullable<Jsonb>,
        after -> Nullable<Jsonb>,
        actor -> Text,
        request_id -> Uuid,
    }
}

diesel::table! {
    customers (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
        email -> Text,
        phone -> Text,
        address -> Text,
        notes -> Text,
        status -> Text,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(search_words, customers);

diesel::table! {
    suppliers (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
        email -> Text,
        phone -> Text,
        address -> Text,
        notes -> Text,
        status -> Text,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(search_words, suppliers);

diesel::table! {
    products (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
        sku -> Text,
        description -> Text,
        status -> Text,
        stock -> Int8,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(search_words, products);

diesel::table! {
    stock_movements (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        product_id -> Uuid,
        quantity -> Int8,
        reason -> Text,
        note -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    invoices (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        customer_id -> Nullable<Uuid>,
        bill_to -> Text,
        currency -> Text,
        lines -> Jsonb,
        net -> Int8,
        tax -> Int8,
        series -> Text,
        number -> Nullable<Int8>,
        reference -> Text,
        notes -> Text,
        status -> Text,
        issued_on -> Nullable<Date>,
        due -> Nullable<Date>,
        settled_on -> Nullable<Date>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(search_words, invoices);

diesel::table! {
    invoice_series (tenant_id, series) {
        tenant_id -> Uuid,
        series -> Text,
        last -> Int8,
    }
}
// xtask new: tables

/// A table whose rows belong to tenants.
pub(crate) trait TenantTable: Table + Sized {
    /// Its column `tenant_id`.
    type TenantId: ExpressionMethods + Expression<SqlType = diesel::sql_types::Uuid>;

    /// Its column `tenant_id`.
    fn tenant_id() -> Self::TenantId;
}

macro_rules! tenant_tables {
    ($(#[$meta:meta])* $list:ident: $($table:ident),+ $(,)?) => {
        $(#[$meta])*
        pub const $list: &[&str] = &[$(stringify!($table)),+];

        $(
            impl TenantTable for $table::table {
                type TenantId = $table::tenant_id;

                fn tenant_id() -> Self::TenantId {
                    $table::tenant_id
                }
            }
        )+
    };
}

tenant_tables! {
    /// Every tenant table, for whoever checks what is said about them.
    TENANT_TABLES:
    projects,
    tasks,
    documents,
    blobs,
    audit_events,
    search_words,
    idempotency_keys,
    customers,
    suppliers,
    products,
    stock_movements,
    invoices,
    invoice_series,
    // xtask new: tenant tables
}

tenant_tables! {
    /// Every table of the registry whose rows belong to tenants and are reached by them, under row-level security as well.
    SHARED_TABLES:
    memberships,
    roles,
    api_keys,
    domains,
    api_clients,
    api_client_secrets,
    invitations,
}

/// A tenant's own row: its key is the tenant.
impl TenantTable for tenants::table {
    type TenantId = tenants::id;

    fn tenant_id() -> Self::TenantId {
        tenants::id
    }
}

/// The rows of `table` that belong to `tenant`: row-level security says so too, this says it in the statement, where a
/// distributed Postgres looks for the one shard to ask.
pub(crate) fn rows_of<T>(table: T, tenant: Uuid) -> diesel::dsl::Filter<T, diesel::dsl::Eq<T::TenantId, Uuid>>
where
    T: TenantTable + FilterDsl<diesel::dsl::Eq<T::TenantId, Uuid>>,
    Uuid: diesel::expression::AsExpression<diesel::sql_types::Uuid>,
{
    FilterDsl::filter(table, T::tenant_id().eq(tenant))
}
