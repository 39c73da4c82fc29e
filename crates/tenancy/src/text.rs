//! Bounded text: what people type, checked once at the edge and proven by its type from then on.

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Nothing but white space where something must stand.
    #[error("must not be empty")]
    Empty,
    /// More characters than allowed.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// NUL and other control characters, which terminals, spreadsheets and Postgres trip over.
    #[error("must not contain control characters")]
    Control,
}

/// Which characters a text may have beside the printable ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One line: no line breaks, no tabs, no white space around it, not empty.
    Line,
    /// Any number of lines, also none.
    Paragraphs,
}

/// Checks `raw` against `shape` and a maximum of `max` characters (Unicode scalar values).
pub fn check(raw: String, shape: Shape, max: usize) -> Result<String, InvalidText> {
    let is_break = |c: char| matches!(c, '\n' | '\r' | '\t');
    if raw.chars().any(|c| c.is_control() && !(shape == Shape::Paragraphs && is_break(c))) {
        return Err(InvalidText::Control);
    }
    let text = match shape {
        Shape::Line if raw.trim().is_empty() => return Err(InvalidText::Empty),
        Shape::Line if raw.trim().len() != raw.len() => raw.trim().to_owned(),
        Shape::Line | Shape::Paragraphs => raw,
    };
    // A character has at most four bytes: most texts need no counting.
    if text.len() > max && text.chars().count() > max {
        return Err(InvalidText::TooLong(max));
    }
    Ok(text)
}

/// Declares a text type: `text!(/** What a project is called. */ ProjectName, Line, 255);`.
#[macro_export]
macro_rules! text {
    (@empty $name:ident Line) => {};
    (@empty $name:ident Paragraphs) => {
        /// The empty text.
        impl Default for $name {
            fn default() -> Self {
                Self(String::new())
            }
        }
    };
    ($(#[$meta:meta])* $name:ident, $shape:ident, $max:literal) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The greatest number of characters.
            pub const MAX: usize = $max;

            /// Reads and checks a text.
            pub fn parse(raw: impl Into<String>) -> Result<Self, $crate::text::InvalidText> {
                $crate::text::check(raw.into(), $crate::text::Shape::$shape, Self::MAX).map(Self)
            }

            /// A text from the store, which took it when it was read, perhaps within other bounds.
            pub fn stored(raw: String) -> Self {
                Self(raw)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, given away.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        $crate::text!(@empty $name $shape);

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        $crate::json_schema!($name, $crate::schema::text($crate::text::Shape::$shape, $max));

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let raw = <String as $crate::serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(raw).map_err($crate::serde::de::Error::custom)
            }
        }
    };
}

/// Declares a closed set of words, the same in Rust, JSON and SQL:
/// `words!(/** How far. */ Status { Todo = "todo", Done = "done" });`.
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant),+
        }

        impl $name {
            /// All of them, in their order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// How they are spelled, in the same order.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// How it is spelled.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::text::UnknownWord;

            fn from_str(raw: &str) -> Result<Self, Self::Err> {
                match raw {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::text::UnknownWord(Self::WORDS)),
                }
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let raw = <std::borrow::Cow<'de, str> as $crate::serde::Deserialize>::deserialize(deserializer)?;
                raw.parse().map_err($crate::serde::de::Error::custom)
            }
        }

        $crate::json_schema!($name, $crate::schema::words($name::WORDS));

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

/// A word outside its closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord(
    /// The words of the set.
    pub &'static [&'static str],
);

impl std::fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "must be one of {}", self.0.join(", "))
    }
}

impl std::error::Error for UnknownWord {}

/// Whether a text is a name as hosts have them (RFC 1123): 2 to `most` lower-case letters, digits and inner hyphens, a letter
/// first.
pub(crate) fn is_label(raw: &str, most: usize) -> bool {
    (2..=most).contains(&raw.len())
        && raw.starts_with(|c: char| c.is_ascii_lowercase())
        && !raw.ends_with('-')
        && raw.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_trimmed_bounded_and_free_of_control_characters() {
        let line = |raw: &str| check(raw.to_owned(), Shape::Line, 5);

        assert_eq!(line("  héllo "), Ok("héllo".to_owned()));
        assert_eq!(line("   "), Err(InvalidText::Empty));
        assert_eq!(line("héllos"), Err(InvalidText::TooLong(5)));
        assert_eq!(line("a\0b"), Err(InvalidText::Control));
        assert_eq!(line("a\nb"), Err(InvalidText::Control));
    }

    #[test]
    fn paragraphs_keep_their_line_breaks_but_no_nul() {
        let paragraphs = |raw: &str| check(raw.to_owned(), Shape::Paragraphs, 8);

        assert_eq!(paragraphs(" a\n\tb "), Ok(" a\n\tb ".to_owned()));
        assert_eq!(paragraphs(""), Ok(String::new()));
        assert_eq!(paragraphs("a\0"), Err(InvalidText::Control));
    }
}
