//! Lists: one page at a time, with a cursor and a link to the next.

use std::borrow::Cow;
use std::fmt::Display;

use actix_web::HttpRequest;
use serde::Serialize;
use tenantry_tenancy::{Limit, Order, Page, PageQuery, TenantId};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::cursor::{CursorPosition, Cursors};
use crate::problem::ApiError;

/// One page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct PageView<T> {
    /// The items.
    pub(crate) data: Vec<T>,
    /// Give this as `cursor` to get the next page; `null` on the last one.
    pub(crate) next_cursor: Option<String>,
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

impl<'a, O: Copy + Default + Display, P: CursorPosition> List<'a, O, P> {
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

    /// The page as it is shown.
    pub(crate) fn view<E, V: From<E>>(&self, page: Page<E, P>) -> PageView<V> {
        PageView {
            data: page.items.into_iter().map(V::from).collect(),
            next_cursor: page.next.map(|after| self.cursors.seal(self.tenant, &self.name, &after)),
        }
    }
}

/// A filter as the name of a list spells it.
pub(crate) fn spelled(filter: Option<impl Display>) -> String {
    filter.map(|filter| filter.to_string()).unwrap_or_default()
}
