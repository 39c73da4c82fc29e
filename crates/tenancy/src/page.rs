//! Pages of a list: keyset pagination, so that an insert elsewhere neither repeats nor skips a row.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

/// How many items a page has: 1 to 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u8);

impl Limit {
    /// The most a page can have.
    pub const MAX: u8 = 200;

    /// The largest page.
    pub const LARGEST: Self = Self(Self::MAX);

    /// Accepts 1 to [`Limit::MAX`].
    pub fn new(limit: u64) -> Option<Self> {
        u8::try_from(limit).ok().filter(|limit| (1..=Self::MAX).contains(limit)).map(Self)
    }

    /// The lesser of this and another number, but one at least.
    #[must_use]
    pub const fn at_most(self, number: usize) -> Self {
        match number {
            0 => Self(1),
            number if number < self.0 as usize => Self(number as u8),
            _ => self,
        }
    }

    /// The number.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        raw.parse().ok().and_then(Self::new).ok_or_else(|| serde::de::Error::custom("must be a number from 1 to 200"))
    }
}

#[cfg(feature = "schema")]
impl utoipa::PartialSchema for Limit {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(Self::MAX))
            .default(Some(50.into()))
            .into()
    }
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for Limit {}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

crate::words!(
    /// In which order a list comes. Ids are UUIDv7, so their order is the order of creation.
    #[derive(Default)]
    Order {
        /// The newest first.
        #[default]
        Newest = "-created_at",
        /// The oldest first.
        Oldest = "created_at",
    }
);

/// Where a list that is sorted by something else than the id goes on: behind the item with this key and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// What the list is sorted by.
    pub key: SortKey,
    /// The item's id, which decides between equal keys.
    pub id: Uuid,
}

/// What an item is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortKey {
    /// Its id alone.
    Id,
    /// A text.
    Text(String),
    /// A moment.
    Time(DateTime<Utc>),
    /// A day.
    Day(NaiveDate),
    /// A number.
    Number(i64),
}

/// A page of a list with orders of its own.
pub type SortedQuery<O> = PageQuery<O, Position>;
/// One page of such a list.
pub type SortedPage<T> = Page<T, Position>;

/// Which page of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageQuery<O = Order, P = Uuid> {
    /// Where the page before ended.
    pub after: Option<P>,
    /// How many items at the most.
    pub limit: Limit,
    /// In which order.
    pub order: O,
}

impl<O: Default, P> Default for PageQuery<O, P> {
    fn default() -> Self {
        Self { after: None, limit: Limit::default(), order: O::default() }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, P = Uuid> {
    /// The items, in the order asked for.
    pub items: Vec<T>,
    /// What to continue after, if there are more.
    pub next: Option<P>,
    /// Where each item stands, for those who show fewer.
    places: Vec<P>,
}

impl<T, P: Clone> Page<T, P> {
    /// Makes a page from up to `limit + 1` items: the one too many only says that there are more.
    pub fn cut(mut items: Vec<T>, limit: Limit, position: impl Fn(&T) -> P) -> Self {
        let more = items.len() > limit.get();
        items.truncate(limit.get());
        let places: Vec<P> = items.iter().map(position).collect();
        let next = if more { places.last().cloned() } else { None };
        Self { items, next, places }
    }

    /// A page without items, and the last one.
    pub const fn empty() -> Self {
        Self { items: Vec::new(), next: None, places: Vec::new() }
    }

    /// Each item with where it stands, and where to continue after the last of them, if there are more.
    pub fn into_placed(self) -> (impl Iterator<Item = (T, P)>, Option<P>) {
        (self.items.into_iter().zip(self.places), self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_its_successor_only_when_there_is_one() {
        let ids: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
        let limit = Limit::new(2).unwrap_or_default();

        let full = Page::cut(ids.clone(), limit, |id| *id);
        let last = Page::cut(ids[..2].to_vec(), limit, |id| *id);

        assert_eq!((full.items.len(), full.next), (2, Some(ids[1])));
        assert_eq!((last.items.len(), &last.next), (2, &None));
        assert_eq!(last.into_placed().0.map(|(_, place)| place).collect::<Vec<_>>(), ids[..2]);
    }

    #[test]
    fn a_limit_is_one_to_two_hundred() {
        assert_eq!(Limit::new(0), None);
        assert_eq!(Limit::new(201), None);
        assert_eq!(Limit::new(u64::MAX), None);
        assert_eq!(Limit::new(200).map(Limit::get), Some(200));
        assert_eq!([0, 7, 50, 300].map(|number| Limit::default().at_most(number).get()), [1, 7, 50, 50]);
    }
}
