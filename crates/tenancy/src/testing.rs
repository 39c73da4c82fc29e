//! What in-memory repositories have in common. They answer as Postgres does, except that a failure undoes nothing.

use std::collections::BTreeMap;

use crate::{Page, Position, Search, SortedPage, SortedQuery, StoreError};

/// A primary key: only a defect gives an id twice.
pub fn check_free<K: Ord, V>(rows: &BTreeMap<K, V>, id: K) -> Result<(), StoreError> {
    if rows.contains_key(&id) { Err(StoreError::internal("the id is taken")) } else { Ok(()) }
}

/// A filter that is not given admits everything.
pub fn admits<T: PartialEq>(filter: Option<T>, value: T) -> bool {
    filter.is_none_or(|wanted| wanted == value)
}

/// A search that is not given finds everything.
pub fn finds(search: Option<&Search>, texts: &[&str]) -> bool {
    search.is_none_or(|search| search.finds(texts))
}

/// Cuts one page out of rows.
pub fn page<'a, T: Clone + 'a, O>(
    rows: impl Iterator<Item = &'a T>,
    query: &SortedQuery<O>,
    is_descending: bool,
    position: impl Fn(&T) -> Position,
) -> SortedPage<T> {
    let mut rows: Vec<_> = rows.map(|row| (position(row), row)).collect();
    let compare = |a: &Position, b: &Position| {
        let ascending = a.key.cmp(&b.key).then(a.id.cmp(&b.id));
        if is_descending { ascending.reverse() } else { ascending }
    };
    rows.sort_by(|(a, _), (b, _)| compare(a, b));
    let rest = rows.into_iter().filter(|(at, _)| query.after.as_ref().is_none_or(|after| compare(at, after).is_gt()));
    let items = rest.take(query.limit.get() + 1).map(|(_, row)| row.clone()).collect();
    Page::cut(items, query.limit, position)
}
