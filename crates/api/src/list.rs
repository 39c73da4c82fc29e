//! Lists: one page at a time, with a cursor and a link to the next.

use std::borrow::Cow;
use std::fmt::Display;
use std::marker::PhantomData;

use actix_web::HttpRequest;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tenantry_tenancy::{Limit, Order, Page, PageQuery, TenantId};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::cursor::{CursorPosition, Cursors};
use crate::problem::ApiError;

/// How many bytes of items a page has at the most, unless it is the first that is larger.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// How many rows are fetched at once of a list whose rows can have hundreds of kilobytes.
pub(crate) const FEW: Limit = Limit::LARGEST.at_most(25);

/// One page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct PageView<T> {
    /// The items, as they are sent.
    data: Vec<Box<RawValue>>,
    /// Give this as `cursor` to get the next page; `null` on the last one.
    next_cursor: Option<String>,
    #[serde(skip)]
    of: PhantomData<T>,
}

impl<T: ToSchema> PartialSchema for PageView<T> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .property("data", ArrayBuilder::new().items(Ref::from_schema_name(T::name())))
            .property(
                "next_cursor",
                ObjectBuilder::new()
                    .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
                    .examples([serde_json::Value::Null])
                    .description(Some("Give this as `cursor` to get the next page; `null` on the last one.")),
            )
            .required("data")
            .required("next_cursor")
            .into()
    }
}

/// Named after its items: `ProjectViewPage`.
impl<T: ToSchema> ToSchema for PageView<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Page", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<T> PageView<T> {
    /// The next page's address (RFC 8288), without the host: it is the same request with another cursor.
    pub(crate) fn link(&self, req: &HttpRequest) -> Option<String> {
        let cursor = self.next_cursor.as_deref()?;
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(req.query_string().as_bytes()) {
            if name != "cursor" {
                query.append_pair(&name, &value);
            }
        }
        query.append_pair("cursor", cursor);
        Some(format!("<{}?{}>; rel=\"next\"", req.path(), query.finish()))
    }
}

/// What a list was asked for beside its filters.
pub(crate) struct Paging<'a, O = Order> {
    pub(crate) limit: Option<Limit>,
    pub(crate) cursor: Option<&'a str>,
    pub(crate) sort: Option<O>,
}

/// One list as its cursors know it: a resource with its filters, in one order, of one tenant.
pub(crate) struct List<'a, O = Order, P = Uuid> {
    cursors: &'a Cursors,
    tenant: TenantId,
    name: String,
    /// Whether the caller chose how many items a page has.
    pub(crate) is_limited: bool,
    pub(crate) page: PageQuery<O, P>,
}

/// The items of a page as far as they were gathered.
#[derive(Default)]
struct Gathered {
    data: Vec<Box<RawValue>>,
    bytes: usize,
}

impl Gathered {
    /// Adds what has room. Tells where the list goes on, if it does, and whether the page is full.
    fn add<V: Serialize, E: Into<V>, P: Clone>(&mut self, page: Page<E, P>) -> Result<(Option<P>, bool), ApiError> {
        let (items, next) = page.into_placed();
        let mut last = None;
        for (item, place) in items {
            let item = to_raw_value(&item.into()).map_err(ApiError::internal)?;
            let bytes = self.bytes + item.get().len();
            if bytes > PAGE_BYTES && last.is_some() {
                return Ok((last, true));
            }
            self.bytes = bytes;
            self.data.push(item);
            last = Some(place);
        }
        Ok((next, self.bytes >= PAGE_BYTES))
    }
}

impl<'a, O: Copy + Default + Display, P: CursorPosition + Clone> List<'a, O, P> {
    /// Reads the cursor. `filters` spells out everything that decides which items the list has.
    pub(crate) fn open(
        cursors: &'a Cursors,
        tenant: TenantId,
        filters: String,
        paging: &Paging<'_, O>,
    ) -> Result<Self, ApiError> {
        let order = paging.sort.unwrap_or_default();
        let name = format!("{filters}&sort={order}");
        let after = paging.cursor.map(|cursor| cursors.open(tenant, &name, cursor)).transpose()?;
        let page = PageQuery { after, limit: paging.limit.unwrap_or_default(), order };
        Ok(Self { cursors, tenant, name, is_limited: paging.limit.is_some(), page })
    }

    /// The page as it is shown: of large items there are fewer.
    pub(crate) fn view<E: Into<V>, V: Serialize>(&self, page: Page<E, P>) -> Result<PageView<V>, ApiError> {
        let mut gathered = Gathered::default();
        let (next, _) = gathered.add(page)?;
        Ok(self.shown(gathered, next))
    }

    /// The same, fetched in parts of up to `part` rows and no further than the page goes.
    pub(crate) async fn gather<E: Into<V>, V: Serialize>(
        &self,
        part: Limit,
        fetch: impl AsyncFn(PageQuery<O, P>) -> Result<Page<E, P>, ApiError>,
    ) -> Result<PageView<V>, ApiError> {
        let (mut gathered, mut after) = (Gathered::default(), self.page.after.clone());
        loop {
            let room = self.page.limit.get() - gathered.data.len();
            let query = PageQuery { after, limit: part.at_most(room), order: self.page.order };
            let (next, is_full) = gathered.add(fetch(query).await?)?;
            if is_full || next.is_none() || gathered.data.len() >= self.page.limit.get() {
                return Ok(self.shown(gathered, next));
            }
            after = next;
        }
    }

    fn shown<V>(&self, gathered: Gathered, next: Option<P>) -> PageView<V> {
        let next_cursor = next.map(|after| self.cursors.seal(self.tenant, &self.name, &after));
        PageView { data: gathered.data, next_cursor, of: PhantomData }
    }
}

/// A filter as the name of a list spells it.
pub(crate) fn spelled(filter: Option<impl Display>) -> String {
    filter.map(|filter| filter.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// An item that is shown with so many bytes.
    struct Item(u32, usize);

    impl From<Item> for String {
        fn from(item: Item) -> Self {
            "x".repeat(item.1 - 2)
        }
    }

    /// How many items the first page of 200 has, whether there is another, and how many were asked for each time.
    async fn first_page(sizes: &[usize], part: u64) -> (usize, bool, Vec<usize>) {
        let (cursors, asked) = (Cursors::new(&[7; 32]), RefCell::new(Vec::new()));
        let paging = Paging { limit: Some(Limit::LARGEST), cursor: None, sort: None };
        let list = List::<Order, Uuid>::open(&cursors, TenantId::random(), String::new(), &paging).unwrap();
        let place = |number: u32| Uuid::from_fields(number, 0, 0, &[0; 8]);
        let fetch = async |query: PageQuery| {
            asked.borrow_mut().push(query.limit.get());
            let items = (0..).zip(sizes).map(|(number, size)| Item(number, *size));
            let behind = items.filter(|item| query.after.is_none_or(|after| place(item.0) > after));
            Ok(Page::cut(behind.take(query.limit.get() + 1).collect(), query.limit, |item| place(item.0)))
        };

        let page: PageView<String> = list.gather(Limit::new(part).unwrap(), fetch).await.unwrap();

        (page.data.len(), page.next_cursor.is_some(), asked.take())
    }

    #[actix_web::test]
    async fn a_page_ends_where_its_items_have_too_many_bytes() {
        const MIB: usize = 1024 * 1024;
        let all = 200;

        assert_eq!(first_page(&[10; 200], all).await, (200, false, vec![200]));
        assert_eq!(first_page(&[10; 201], all).await, (200, true, vec![200]));
        assert_eq!(first_page(&[MIB; 4], all).await, (4, false, vec![200]));
        assert_eq!(first_page(&[MIB; 5], all).await, (4, true, vec![200]));
        assert_eq!(first_page(&[9 * MIB, 10], all).await, (1, true, vec![200]));
        assert_eq!(first_page(&[10, 9 * MIB], all).await, (1, true, vec![200]));
        assert_eq!(first_page(&[], all).await, (0, false, vec![200]));
    }

    #[actix_web::test]
    async fn large_rows_are_fetched_no_further_than_the_page_goes() {
        assert_eq!(first_page(&[400_000; 200], 25).await, (10, true, vec![25]));
        assert_eq!(first_page(&[100_000; 200], 25).await, (41, true, vec![25, 25]));
        assert_eq!(first_page(&[10; 60], 25).await, (60, false, vec![25, 25, 25]));
        assert_eq!(first_page(&[10; 201], 75).await, (200, true, vec![75, 75, 50]));
        assert_eq!(first_page(&[10; 50], 25).await, (50, false, vec![25, 25]));
    }
}
