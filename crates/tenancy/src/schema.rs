//! JSON Schemas of ids, texts and words, written where the types are, so that no document can disagree with them.

/// Gives a type its schema, if the feature `schema` is on.
#[cfg(feature = "schema")]
#[doc(hidden)]
#[macro_export]
macro_rules! json_schema {
    ($name:ident, $schema:expr) => {
        impl $crate::utoipa::PartialSchema for $name {
            fn schema() -> $crate::utoipa::openapi::RefOr<$crate::utoipa::openapi::Schema> {
                $schema.into()
            }
        }

        impl $crate::utoipa::ToSchema for $name {}
    };
}

/// Gives a type no schema: the feature `schema` is off.
#[cfg(not(feature = "schema"))]
#[doc(hidden)]
#[macro_export]
macro_rules! json_schema {
    ($name:ident, $schema:expr) => {};
}

#[cfg(feature = "schema")]
pub use with_schema::{format, integer, line, list, pattern, text, whole_number, words};

#[cfg(feature = "schema")]
mod with_schema {
    use utoipa::PartialSchema;
    use utoipa::openapi::schema::{Array, ArrayBuilder, Object, ObjectBuilder, SchemaFormat, Type};

    use crate::text::Shape;

    fn string() -> ObjectBuilder {
        ObjectBuilder::new().schema_type(Type::String)
    }

    /// A string of a known format.
    pub fn format(format: &str) -> Object {
        string().format(Some(SchemaFormat::Custom(format.to_owned()))).build()
    }

    /// A string that matches a pattern.
    pub fn pattern(pattern: &str, max: usize) -> Object {
        string().pattern(Some(pattern)).max_length(Some(max)).build()
    }

    /// A bounded text.
    pub fn text(shape: Shape, max: usize) -> Object {
        string().min_length((shape == Shape::Line).then_some(1)).max_length(Some(max)).build()
    }

    /// One line of `min` to `max` characters.
    pub fn line(min: usize, max: usize) -> Object {
        string().min_length(Some(min)).max_length(Some(max)).build()
    }

    /// A whole number.
    pub fn whole_number(min: usize, max: usize) -> Object {
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(min)).maximum(Some(max)).build()
    }

    /// A whole number that may be negative.
    pub fn integer(min: i64, max: i64) -> Object {
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(min as f64)).maximum(Some(max as f64)).build()
    }

    /// One to `max` of a kind.
    pub fn list<T: PartialSchema>(max: usize) -> Array {
        ArrayBuilder::new().items(T::schema()).min_items(Some(1)).max_items(Some(max)).build()
    }

    /// One of a closed set of words.
    pub fn words(words: &'static [&'static str]) -> Object {
        string().enum_values(Some(words.iter().copied())).build()
    }
}
