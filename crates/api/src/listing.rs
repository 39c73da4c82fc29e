//! What the list of a module answers with: one page, or everything as CSV or NDJSON for those who ask for that in `Accept`.

use std::fmt;
use std::rc::Rc;

use actix_web::body::{BodyStream, BoxBody};
use actix_web::dev::Payload;
use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, VARY};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, Responder};
use futures_util::future::LocalBoxFuture;
use futures_util::{TryStreamExt, stream};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use tenantry_tenancy::{Limit, PageQuery, Position, Requires, SortedPage, SortedQuery};
use utoipa::ToSchema;

use crate::extract::{Can, Input};
use crate::list::{List, PageView};
use crate::openapi::Operation;
use crate::problem::ApiError;
use crate::reply::Reply;

/// How a caller wants a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One page of it.
    Json,
    /// All of it, a line of JSON each.
    Ndjson,
    /// All of it, as a table (RFC 4180).
    Csv,
}

impl Input for Format {
    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        let accepted = req.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
        // The first that is ours wins; whoever names none of them gets what everybody gets.
        let found = accepted.flat_map(|value| value.split(',')).find_map(|media| match essence(media).as_str() {
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            "application/x-ndjson" => Some(Self::Ndjson),
            "text/csv" => Some(Self::Csv),
            _ => None,
        });
        Ok(found.unwrap_or(Self::Json))
    }
}

fn essence(media: &str) -> String {
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Fetches a page for a caller who has just shown again that they may see it.
type Fetch<P, O, E> = Rc<dyn Fn(Can<P>, SortedQuery<O>) -> LocalBoxFuture<'static, Result<SortedPage<E>, ApiError>>>;

/// One page, or the rest of the list.
pub(crate) enum Listing<P, O, E, V> {
    /// One page.
    Page(PageView<V>),
    /// The first page of all, and how to get the others.
    Export { name: &'static str, format: Format, order: O, part: Limit, first: SortedPage<E>, fetch: Fetch<P, O, E> },
}

impl<P, O, E, V> Listing<P, O, E, V>
where
    P: Requires,
    O: Copy + Default + fmt::Display + 'static,
    E: 'static,
    V: From<E> + Serialize,
{
    /// Fetches what the caller asked for. An export has no `limit`: it is everything behind the cursor.
    pub(crate) async fn of<F>(
        name: &'static str,
        caller: Can<P>,
        format: Format,
        list: List<'_, O, Position>,
        fetch: impl Fn(Can<P>, SortedQuery<O>) -> F + 'static,
    ) -> Result<Self, ApiError>
    where
        F: Future<Output = Result<SortedPage<E>, ApiError>> + 'static,
    {
        Self::in_parts(name, Limit::LARGEST, caller, format, list, fetch).await
    }

    /// The same of a list with large rows, of which no more than `part` are fetched at once.
    pub(crate) async fn in_parts<F>(
        name: &'static str,
        part: Limit,
        caller: Can<P>,
        format: Format,
        list: List<'_, O, Position>,
        fetch: impl Fn(Can<P>, SortedQuery<O>) -> F + 'static,
    ) -> Result<Self, ApiError>
    where
        F: Future<Output = Result<SortedPage<E>, ApiError>> + 'static,
    {
        if format == Format::Json {
            return Ok(Self::Page(list.gather(part, async |page| fetch(caller.clone(), page).await).await?));
        }
        if list.is_limited {
            return Err(ApiError::invalid("limit", "invalid", "has no meaning where the whole list is asked for"));
        }
        let order = list.page.order;
        let first = fetch(caller, SortedQuery { limit: part, ..list.page }).await?;
        let fetch: Fetch<P, O, E> = Rc::new(move |caller, page| Box::pin(fetch(caller, page)));
        Ok(Self::Export { name, format, order, part, first, fetch })
    }
}

impl<P, O, E, V> Responder for Listing<P, O, E, V>
where
    P: Requires + 'static,
    O: Copy + 'static,
    E: 'static,
    V: From<E> + Serialize + 'static,
{
    type Body = BoxBody;

    fn respond_to(self, req: &HttpRequest) -> HttpResponse {
        let mut response = match self {
            Self::Page(page) => page.respond_to(req),
            Self::Export { name, format, order, part, first, fetch } => {
                let rows = Rows { format, has_head: false };
                let pages = stream::try_unfold((Some(Fetched::Page(first)), rows), {
                    let req = req.clone();
                    move |(next, mut rows)| {
                        let fetched = next.map(|next| match next {
                            Fetched::Page(page) => Ok(page),
                            Fetched::Behind(after) => Err(after),
                        });
                        let further = fetched.map(|fetched| match fetched {
                            Ok(page) => Box::pin(async { Ok(page) }) as LocalBoxFuture<'static, _>,
                            Err(after) => further(&req, &fetch, PageQuery { after: Some(after), limit: part, order }),
                        });
                        async move {
                            let Some(further) = further else { return Ok::<_, ApiError>(None) };
                            let page: SortedPage<E> = further.await?;
                            let next = page.next.map(Fetched::Behind);
                            let bytes = rows.write(page.items.into_iter().map(V::from))?;
                            Ok(Some((bytes, (next, rows))))
                        }
                    }
                });
                file(name, format, BoxBody::new(BodyStream::new(Box::pin(pages.map_err(cut)))))
            }
        };
        response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
        response
    }
}

/// What of an export comes next.
enum Fetched<E> {
    /// This page.
    Page(SortedPage<E>),
    /// The page behind this position.
    Behind(Position),
}

/// The page behind a position, for whoever the request still proves to be: an export may outlive its credential.
fn further<P: Requires + 'static, O: 'static, E: 'static>(
    req: &HttpRequest,
    fetch: &Fetch<P, O, E>,
    query: SortedQuery<O>,
) -> LocalBoxFuture<'static, Result<SortedPage<E>, ApiError>> {
    let (req, fetch) = (req.clone(), fetch.clone());
    Box::pin(async move {
        let caller = Can::<P>::read(&req, &mut Payload::None).await?;
        fetch(caller, query).await
    })
}

/// Ends the body without its end, so that nobody takes what has arrived for the whole.
fn cut(error: ApiError) -> std::io::Error {
    tracing::error!(problem.code = error.code, error = ?error.source, "an export was cut short");
    std::io::Error::other(error.code)
}

fn file(name: &str, format: Format, body: BoxBody) -> HttpResponse {
    let (media, extension) = match format {
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
        Format::Json | Format::Ndjson => ("application/x-ndjson", "ndjson"),
    };
    let mut response = HttpResponse::Ok().body(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    if let Ok(disposition) = HeaderValue::try_from(format!("attachment; filename=\"{name}.{extension}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    }
    response
}

impl<P, O, E, V> Reply for Listing<P, O, E, V>
where
    P: Requires + 'static,
    O: Copy + 'static,
    E: 'static,
    V: From<E> + Serialize + ToSchema + 'static,
{
    fn describe(operation: &mut Operation) {
        PageView::<V>::describe(operation);
        operation.also_replies(&["text/csv", "application/x-ndjson"]);
    }
}

/// Writes the items of an export.
struct Rows {
    format: Format,
    has_head: bool,
}

impl Rows {
    fn write<V: Serialize>(&mut self, items: impl Iterator<Item = V>) -> Result<Bytes, ApiError> {
        let mut bytes = Vec::new();
        if self.format == Format::Csv {
            self.table(&mut bytes, items)?;
        } else {
            for item in items {
                serde_json::to_writer(&mut bytes, &item).map_err(ApiError::internal)?;
                bytes.push(b'\n');
            }
        }
        Ok(bytes.into())
    }

    fn table<V: Serialize>(&mut self, bytes: &mut Vec<u8>, items: impl Iterator<Item = V>) -> Result<(), ApiError> {
        let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(bytes);
        for item in items {
            // By way of JSON: a cell may hold a list, and its text is that of the list in JSON.
            let item = serde_json::to_vec(&item).map_err(ApiError::internal)?;
            let Members(members) = serde_json::from_slice(&item).map_err(ApiError::internal)?;
            if !self.has_head {
                table.write_record(members.iter().map(|(name, _)| name)).map_err(ApiError::internal)?;
                self.has_head = true;
            }
            table.write_record(members.iter().map(|(_, value)| cell(value))).map_err(ApiError::internal)?;
        }
        table.flush().map_err(ApiError::internal)
    }
}

/// The members of an object, in their order.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => harmless(text),
        // In JSON a separator is within a text, so this is JSON still.
        Value::Array(_) | Value::Object(_) => harmless(&value.to_string()),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Where a spreadsheet may begin another cell, whatever separates ours.
const SEPARATORS: [char; 4] = [';', '\t', '\r', '\n'];
/// What a formula begins with, also in full width.
const FORMULA: [char; 9] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\u{2212}'];

/// A cell that no spreadsheet takes for a formula: what begins like one gets an apostrophe (OWASP, CSV injection), at the
/// beginning of the cell and of whatever may become one.
fn harmless(cell: &str) -> String {
    let mut harmless = String::with_capacity(cell.len());
    if cell.starts_with(['\t', '\r', '\n']) {
        harmless.push('\'');
    }
    for part in cell.split_inclusive(SEPARATORS) {
        let is_skipped = |c: char| c.is_whitespace() || matches!(c, '"' | '\u{200b}' | '\u{feff}');
        if part.trim_start_matches(is_skipped).starts_with(FORMULA) {
            harmless.push('\'');
        }
        harmless.push_str(part);
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        name: &'static str,
        due: Option<i32>,
        lines: &'static [i32],
    }

    #[test]
    fn a_table_has_one_head_and_no_formulas() {
        let mut rows = Rows { format: Format::Csv, has_head: false };

        let first = rows.write([Row { name: "a,\"b\"\nc", due: Some(-1), lines: &[1, 2] }].into_iter()).unwrap();
        let second = rows.write([Row { name: "=cmd|'/c calc'!A0", due: None, lines: &[] }].into_iter()).unwrap();

        assert_eq!(first, "name,due,lines\r\n\"a,\"\"b\"\"\nc\",-1,\"[1,2]\"\r\n".as_bytes());
        assert_eq!(second, "'=cmd|'/c calc'!A0,,[]\r\n".as_bytes());
    }

    #[test]
    fn no_part_of_a_cell_is_a_formula_whatever_separates_cells() {
        for (cell, expected) in [
            ("=1", "'=1"),
            ("x;=1", "x;'=1"),
            ("x;  =1;+2", "x;'  =1;'+2"),
            ("x;\"=1\"", "x;'\"=1\""),
            ("x\t@a\r-b\n+c", "x\t'@a\r'-b\n'+c"),
            ("a\r\n\r\n- b", "a\r\n\r\n'- b"),
            ("\ta", "'\ta"),
            (" =1", "' =1"),
            ("\u{feff}=1", "'\u{feff}=1"),
            ("\u{ff1d}1;\u{ff0b}2;\u{ff0d}3;\u{ff20}4", "'\u{ff1d}1;'\u{ff0b}2;'\u{ff0d}3;'\u{ff20}4"),
            ("a = b, -c; d=e", "a = b, -c; d=e"),
            ("", ""),
        ] {
            assert_eq!(harmless(cell), expected, "{cell:?}");
        }
        let list = serde_json::json!([-1, "a;=1", "=1"]);
        assert_eq!(cell(&list), "[-1,\"a;'=1\",\"=1\"]");
    }

    #[test]
    fn lines_of_json_hold_one_item_each() {
        let mut rows = Rows { format: Format::Ndjson, has_head: false };

        let lines = rows
            .write(
                [Row { name: "a\nb", due: None, lines: &[] }, Row { name: "c", due: Some(1), lines: &[2] }].into_iter(),
            )
            .unwrap();

        assert_eq!(
            lines,
            "{\"name\":\"a\\nb\",\"due\":null,\"lines\":[]}\n{\"name\":\"c\",\"due\":1,\"lines\":[2]}\n".as_bytes()
        );
    }
}
