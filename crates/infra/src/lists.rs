//! What the lists of all resources have in common: where they go on, and how words are found.

use diesel::pg::Pg;
use diesel::prelude::*;

use crate::schema::search_words;
use crate::tenant_tx::PgTenantTx;

/// The ids of rows that have a certain word.
pub(crate) type RowsWithWord = search_words::BoxedQuery<'static, Pg, diesel::sql_types::Uuid>;

impl PgTenantTx {
    /// The ids of a resource's rows that have a word which begins like `word`: a range of the key, since no index is used for
    /// operators of full-text search under row-level security.
    pub(crate) fn rows_with_word(&self, resource: &'static str, word: &str) -> RowsWithWord {
        let end = format!("{word}\u{10ffff}");
        self.rows_of(search_words::table)
            .filter(search_words::resource.eq(resource))
            .filter(search_words::word.ge(word.to_owned()))
            .filter(search_words::word.lt(end))
            .select(search_words::row_id)
            .into_boxed()
    }
}

/// Sorts a boxed query by a column and then by id, and goes on behind a position.
macro_rules! sorted {
    ($rows:ident, $after:expr, $table:ident, id, $direction:ident) => {{
        let rows = match $after {
            Some(at) => $rows.filter(crate::lists::sorted!(@beyond $direction, $table::id, at.id)),
            None => $rows,
        };
        rows.order($table::id.$direction())
    }};
    ($rows:ident, $after:expr, $table:ident, $column:ident: $Key:ident, $direction:ident) => {{
        let rows = match $after {
            Some(Position { key: SortKey::$Key(key), id }) => {
                let beyond = crate::lists::sorted!(@beyond $direction, $table::$column, key.clone())
                    .or(crate::lists::sorted!(@beyond $direction, $table::id, id));
                // The first condition says nothing new, but an index can use it.
                $rows.filter(crate::lists::sorted!(@from $direction, $table::$column, key)).filter(beyond)
            }
            _ => $rows,
        };
        rows.order(($table::$column.$direction(), $table::id.$direction()))
    }};
    (@beyond asc, $column:expr, $value:expr) => { $column.gt($value) };
    (@beyond desc, $column:expr, $value:expr) => { $column.lt($value) };
    (@from asc, $column:expr, $value:expr) => { $column.ge($value) };
    (@from desc, $column:expr, $value:expr) => { $column.le($value) };
}
pub(crate) use sorted;

/// The page of a boxed query that is sorted by a column of ids, which is as good as by when things came to be.
macro_rules! by_id {
    ($rows:expr, $page:expr, $id:expr) => {{
        let page: &tenantry_tenancy::PageQuery = $page;
        let rows = $rows.limit(page.limit.get() as i64 + 1);
        match (page.order, page.after) {
            (tenantry_tenancy::Order::Newest, None) => rows.order($id.desc()),
            (tenantry_tenancy::Order::Newest, Some(after)) => rows.filter($id.lt(after)).order($id.desc()),
            (tenantry_tenancy::Order::Oldest, None) => rows.order($id.asc()),
            (tenantry_tenancy::Order::Oldest, Some(after)) => rows.filter($id.gt(after)).order($id.asc()),
        }
    }};
}
pub(crate) use by_id;
