//! The schemas that bodies are made of, as those who make clients need them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::Problem;
use crate::routes::Routes;

/// Every schema by its name.
pub(super) fn of(routes: &Routes) -> BTreeMap<String, Value> {
    let mut found = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut found);
    let found = found.into_iter().map(|(name, schema)| (name, json!(schema)));
    let used = routes.entries().iter().flat_map(|entry| entry.operation.schemas.iter().cloned());
    let mut schemas: BTreeMap<String, Value> = used.chain(found).collect();
    for schema in schemas.values_mut() {
        require_nullable(schema);
        drop_defaults(schema);
    }
    schemas
}

/// A field with a default counts as one that is always there, for those who make clients; ours may be left out.
fn drop_defaults(schema: &mut Value) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
    for property in properties.filter_map(Value::as_object_mut) {
        property.remove("default");
    }
}

/// A field of an answer that may be `null` is there: one that is left out instead is `#[schema(nullable = false)]`. What is
/// sent to us refuses unknown fields, and may leave out what may be `null`.
fn require_nullable(schema: &mut Value) {
    if schema["additionalProperties"] == false {
        return;
    }
    let is_null = |schema: &Value| match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "null"),
        kind => kind == "null",
    };
    let is_nullable =
        |schema: &Value| is_null(schema) || schema["oneOf"].as_array().is_some_and(|it| it.iter().any(is_null));
    let properties = schema["properties"].as_object().into_iter().flatten();
    let nullable = properties.filter(|(_, property)| is_nullable(property)).map(|(name, _)| name.clone());
    let mut required: BTreeSet<String> = nullable.collect();
    required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that stand for more than one schema.
    fn clashes<'a>(schemas: impl Iterator<Item = &'a (String, Value)>) -> BTreeSet<&'a str> {
        let mut known: BTreeMap<&str, &Value> = BTreeMap::new();
        schemas
            .filter_map(|(name, schema)| (*known.entry(name).or_insert(schema) != schema).then_some(&**name))
            .collect()
    }

    #[test]
    fn no_two_types_are_called_the_same() {
        let routes = crate::all();
        let schemas = || routes.entries().iter().flat_map(|entry| &entry.operation.schemas);
        let other = [("ProjectView".to_owned(), json!({ "type": "string" }))];

        assert_eq!(clashes(schemas()), BTreeSet::new());
        assert_eq!(clashes(schemas().chain(&other)), BTreeSet::from(["ProjectView"]));
    }

    #[test]
    fn what_may_be_null_is_there_in_an_answer_and_may_be_left_out_of_a_request() {
        let properties = json!({ "one": { "type": ["string", "null"] }, "two": { "type": "string" } });
        let mut answer = json!({ "type": "object", "properties": properties });
        let mut request = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        let as_it_was = request.clone();

        require_nullable(&mut answer);
        require_nullable(&mut request);

        assert_eq!(answer["required"], json!(["one"]));
        assert_eq!(request, as_it_was);
    }
}
