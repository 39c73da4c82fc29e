//! Lists of texts in a body. What is wrong with one of them is the list's fault, and the list is what the error names.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One element, whatever it is: nothing if it is no text.
struct Element(Option<String>);

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Anything;

        impl<'de> Visitor<'de> for Anything {
            type Value = Option<String>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Some(text.to_owned()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(None)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(None)
            }
        }

        deserializer.deserialize_any(Anything).map(Self)
    }
}

/// Reads one to `max` texts; the error is the list's own, whatever is wrong with an element.
pub fn texts<'de, D: Deserializer<'de>>(deserializer: D, max: usize) -> Result<Vec<String>, D::Error> {
    let wrong = |message: String| serde::de::Error::custom(message);
    let elements = Vec::<Element>::deserialize(deserializer)?;
    if !(1..=max).contains(&elements.len()) {
        return Err(wrong(format!("must have 1 to {max} elements")));
    }
    elements.into_iter().map(|element| element.0.ok_or_else(|| wrong("must be a list of texts".to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<String>, String> {
        texts(&mut serde_json::Deserializer::from_str(json), 3).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_has_one_to_so_many_texts_and_nothing_else() {
        assert_eq!(read(r#"["a","b","c"]"#), Ok(["a", "b", "c"].map(str::to_owned).to_vec()));
        for bad in
            ["[]", r#"["a","b","c","d"]"#, "[1]", "[null]", "[true]", "[-1]", "[1.5]", r#"[["a"]]"#, r#"[{"a":1}]"#]
        {
            assert!(read(bad).unwrap_err().starts_with("must "), "{bad}");
        }
        assert!(read(r#""a""#).is_err());
    }

    #[test]
    fn an_element_of_any_depth_is_no_text() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));

        assert_eq!(read(&deep), Err("must be a list of texts".to_owned()));
    }
}
