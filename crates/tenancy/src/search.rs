//! Full-text search: which words a list is searched for.

use serde::{Deserialize, Deserializer};

/// What a list is searched for. An item is found if it has, for each of these words, one that begins like it; case does
/// not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search(Vec<String>);

/// Why a text cannot be searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSearch {
    /// It has none.
    #[error("must have a word to look for")]
    Empty,
    /// It has control characters, which nobody types.
    #[error("must not contain control characters")]
    Control,
    /// It has too many, or one that is too long.
    #[error("must have at most 8 words of at most 64 characters")]
    TooLong,
}

impl Search {
    /// Reads up to eight words.
    pub fn parse(raw: &str) -> Result<Self, InvalidSearch> {
        if raw.chars().any(char::is_control) {
            return Err(InvalidSearch::Control);
        }
        let mut found: Vec<String> = words(raw).collect();
        found.sort_unstable();
        found.dedup();
        match found.len() {
            0 => Err(InvalidSearch::Empty),
            1..=8 if found.iter().all(|word| word.chars().count() <= 64) => Ok(Self(found)),
            _ => Err(InvalidSearch::TooLong),
        }
    }

    /// The words, in lower case, each once.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether an item with these texts is found.
    pub fn finds(&self, texts: &[&str]) -> bool {
        let has = |wanted: &String| texts.iter().any(|text| words(text).any(|word| word.starts_with(wanted)));
        self.0.iter().all(has)
    }
}

/// The words of a text: what stands between white space and punctuation. `sec.words` in the database cuts the same way.
fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|char: char| {
        let is_punctuation = char.is_ascii_punctuation()
            || matches!(char, '\u{a1}' | '\u{ab}' | '\u{bb}' | '\u{bf}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3000}'..='\u{303f}');
        char.is_whitespace() || char.is_control() || is_punctuation
    });
    words.filter(|word| !word.is_empty()).map(str::to_lowercase)
}

impl std::fmt::Display for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl<'de> Deserialize<'de> for Search {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <std::borrow::Cow<'de, str> as Deserialize>::deserialize(deserializer)?;
        Self::parse(&raw).map_err(serde::de::Error::custom)
    }
}

crate::json_schema!(Search, crate::schema::line(1, 600));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_found_by_the_beginnings_of_its_words() {
        let search = Search::parse("moon, LAND").unwrap();

        assert_eq!(search.words().collect::<Vec<_>>(), ["land", "moon"]);
        assert!(search.finds(&["The Moon-landing", "1969"]));
        assert!(search.finds(&["landing", "(moon)"]));
        assert!(!search.finds(&["Moon"]));
        assert!(!search.finds(&["honeymoon island"]));
    }

    #[test]
    fn a_search_has_one_to_eight_words() {
        for empty in ["", " ", "- / …"] {
            assert_eq!(Search::parse(empty), Err(InvalidSearch::Empty), "{empty}");
        }
        assert_eq!(Search::parse("a\0b"), Err(InvalidSearch::Control));
        assert_eq!(Search::parse("a b c d e f g h i"), Err(InvalidSearch::TooLong));
        assert_eq!(Search::parse(&"x".repeat(65)), Err(InvalidSearch::TooLong));
        assert!(Search::parse("a a a a a a a a a").is_ok());
    }
}
