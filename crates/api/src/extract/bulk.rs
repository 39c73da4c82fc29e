//! Several things to be made at once.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Input;
use super::body::{JSON, arrived, parse};
use crate::openapi::Operation;
use crate::problem::ApiError;

/// How many at the most.
const MAX: usize = 1000;
/// How many errors are told; more help nobody.
const TOLD: usize = 100;

/// `{"items": […]}`: one to a thousand things, of which all are made or none.
pub(crate) struct Bulk<T>(pub(crate) Vec<T>);

impl<T: DeserializeOwned + ToSchema + 'static> Input for Bulk<T> {
    const READS_BODY: bool = true;

    async fn read(req: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
        read(&arrived(req, payload, JSON).await?).map(Self)
    }

    fn describe(operation: &mut Operation) {
        operation.body::<Self>();
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, ApiError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Items<'a> {
        #[serde(borrow)]
        items: Vec<&'a RawValue>,
    }
    let Items { items } = parse(bytes)?;
    if !(1..=MAX).contains(&items.len()) {
        return Err(ApiError::invalid("items", "invalid", format!("must have 1 to {MAX} elements")));
    }
    let (mut read, mut faults) = (Vec::with_capacity(items.len()), Vec::new());
    for (place, item) in items.iter().enumerate() {
        match parse(item.get().as_bytes()) {
            Ok(item) => read.push(item),
            Err(error) => faults.push((place, error)),
        }
    }
    if faults.is_empty() { Ok(read) } else { Err(of_items(faults)) }
}

/// What is wrong with which of several things.
pub(crate) fn of_items(faults: Vec<(usize, ApiError)>) -> ApiError {
    let number = faults.len();
    let errors = faults.into_iter().take(TOLD).flat_map(|(place, fault)| {
        fault.errors.into_iter().map(move |mut error| {
            let inside = if error.field == "body" { String::new() } else { format!(".{}", error.field) };
            error.field = format!("items[{place}]{inside}");
            error
        })
    });
    let mut error = ApiError::invalid("items", "invalid", format!("{number} of them cannot be made, so none was"));
    error.errors = errors.collect();
    error
}

impl<T: ToSchema> PartialSchema for Bulk<T> {
    fn schema() -> RefOr<Schema> {
        let items = ArrayBuilder::new().items(Ref::from_schema_name(T::name())).min_items(Some(1)).max_items(Some(MAX));
        ObjectBuilder::new()
            .property("items", items)
            .required("items")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .into()
    }
}

/// Named after what is to be made: `ProjectBodyBulk`.
impl<T: ToSchema> ToSchema for Bulk<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Bulk", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        name: String,
    }

    fn errors(body: &str) -> Vec<(String, &'static str)> {
        let error = read::<Thing>(body.as_bytes()).unwrap_err();
        error.errors.into_iter().map(|error| (error.field, error.code)).collect()
    }

    #[test]
    fn every_item_at_fault_is_named() {
        let body = r#"{"items":[{"name":"a"},{},7,{"name":1},{"name":"b","x":1}]}"#;

        let expected = [
            ("items[1].name", "required"),
            ("items[2]", "invalid"),
            ("items[3].name", "invalid"),
            ("items[4].x", "unknown"),
        ];
        assert_eq!(errors(body), expected.map(|(field, code)| (field.to_owned(), code)));
    }

    #[test]
    fn there_are_one_to_a_thousand_items() {
        let items = |number| format!("{{\"items\":[{}]}}", vec![r#"{"name":"a"}"#; number].join(","));

        assert_eq!(errors(&items(0)), [("items".to_owned(), "invalid")]);
        assert_eq!(errors(&items(1001)), [("items".to_owned(), "invalid")]);
        let read: Vec<Thing> = read(items(1000).as_bytes()).unwrap();
        assert!(read.iter().all(|thing| thing.name == "a") && read.len() == 1000);
        assert_eq!(errors("{}"), [("items".to_owned(), "required")]);
        assert_eq!(errors("[]"), [("body".to_owned(), "invalid")]);
    }
}
