//! A Rust file, with its code, comments and texts told apart, so that a rule is not broken by whoever talks about it.

use std::path::{Path, PathBuf};

use anyhow::Result;

/// A file of the workspace.
pub(super) struct Source {
    /// Relative to the root.
    pub(super) path: PathBuf,
    /// The file with comments and the insides of texts blanked.
    pub(super) code: String,
    /// The file with all but its comments blanked.
    pub(super) comments: String,
}

impl Source {
    pub(super) fn new(path: PathBuf, text: &str) -> Self {
        let (mut code, mut comments) = (String::with_capacity(text.len()), String::with_capacity(text.len()));
        let mut rest = text;
        let mut before = ' ';
        while let Some(first) = rest.chars().next() {
            let (token, kind) = token(rest, before);
            let (token, tail) = rest.split_at(token);
            code.push_str(&if kind == Kind::Code { token.to_owned() } else { blank(token) });
            comments.push_str(&if kind == Kind::Comment { token.to_owned() } else { blank(token) });
            (rest, before) = (tail, first);
        }
        Self { path, code, comments }
    }

    /// The code without the tests at the end of the file.
    pub(super) fn product_code(&self) -> &str {
        self.code.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
    }

    /// Whether all of the file is for tests.
    pub(super) fn is_test(&self) -> bool {
        self.is_in("tests")
            || self.path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "testing")))
            || matches!(self.path.file_name().and_then(|name| name.to_str()), Some("tests.rs" | "testing.rs"))
    }

    pub(super) fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

/// Every line of `text` that has `wanted`, counted from 1.
pub(super) fn lines_with<'a>(text: &'a str, wanted: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.lines().enumerate().filter(move |(_, line)| line.contains(wanted)).map(|(index, _)| index + 1)
}

pub(super) fn read_all(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> Result<()> {
    for path in super::entries(folder)? {
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                read_all(root, &path, sources)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
            sources.push(Source::new(relative, &super::read(&path)?));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Text,
}

/// How long the comment, text or character is that `rest` begins with.
fn token(rest: &str, before: char) -> (usize, Kind) {
    let up_to = |closing: &str, from: usize| {
        rest.get(from..).and_then(|tail| tail.find(closing)).map_or(rest.len(), |at| from + at + closing.len())
    };
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), Kind::Comment);
    }
    if rest.starts_with("/*") {
        return (up_to("*/", 2), Kind::Comment);
    }
    if let Some((opening, closing)) = raw_quotes(rest).filter(|_| !before.is_alphanumeric() && before != '_') {
        return (up_to(&closing, opening), Kind::Text);
    }
    if rest.starts_with('"') {
        return (quoted(rest), Kind::Text);
    }
    // A quote as a character; any other one may be a lifetime.
    for character in ["'\"'", "'\\''", "'\\\"'"] {
        if rest.starts_with(character) {
            return (character.len(), Kind::Text);
        }
    }
    (rest.chars().next().map_or(0, char::len_utf8), Kind::Code)
}

/// The length of `r##"`, and what closes it.
fn raw_quotes(rest: &str) -> Option<(usize, String)> {
    let hashes = rest.strip_prefix('r').or_else(|| rest.strip_prefix("br"))?;
    let quote = hashes.trim_start_matches('#');
    let count = hashes.len() - quote.len();
    quote.starts_with('"').then(|| (rest.len() - quote.len() + 1, format!("\"{}", "#".repeat(count))))
}

/// The length of a text with escapes.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// As many lines, with nothing in them.
fn blank(token: &str) -> String {
    token.chars().map(|character| if character == '\n' { '\n' } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(PathBuf::from("crates/x/src/lib.rs"), text)
    }

    #[test]
    fn texts_and_comments_are_not_code() {
        let text = "a(\"b // \\\" c\"); // d \"e\n/* f\n */ g('\"', r#\"h \" i\"#, 'x', &'static j)";

        let source = source(text);

        let words = |text: &str| text.split(|c: char| !c.is_alphanumeric()).collect::<String>();
        assert_eq!(words(&source.code), "agxstaticj");
        assert_eq!(words(&source.comments), "def");
        assert_eq!(source.code.lines().count(), text.lines().count());
        assert_eq!(source.comments.lines().count(), text.lines().count());
    }

    #[test]
    fn tests_at_the_end_are_not_product_code() {
        assert_eq!(source("a\n#[cfg(test)]\nmod tests {\nb\n}\n").product_code(), "a\n");
        assert!(!source("").is_test());
        for path in ["tests/e2e/a.rs", "crates/x/src/testing/b.rs", "crates/x/src/a/tests.rs", "crates/x/tests/c.rs"] {
            assert!(Source::new(PathBuf::from(path), "").is_test(), "{path}");
        }
    }
}
