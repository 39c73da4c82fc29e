//! Splits a file of SQL into its statements: one statement per message is what a distributed Postgres takes.

/// The statements of `text`, without what only separates them.
///
/// Knows comments, quoted text and dollar quotes. A body written `BEGIN ATOMIC … END` is not known: write `RETURN …`.
pub(crate) fn statements(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(';') {
            found.push(&text[start..at]);
            at += 1;
            start = at;
        } else {
            at += token(rest);
        }
    }
    found.push(&text[start..]);
    found.into_iter().map(without_leading_comments).filter(|statement| !statement.is_empty()).collect()
}

/// How long the comment, quoted text or character is that `rest` begins with.
fn token(rest: &str) -> usize {
    let to_end = |opening: usize, closing: &str| {
        let after = &rest[opening..];
        after.find(closing).map_or(rest.len(), |at| opening + at + closing.len())
    };
    match rest.as_bytes() {
        [b'-', b'-', ..] => to_end(2, "\n"),
        [b'/', b'*', ..] => to_end(2, "*/"),
        [b'\'', ..] => to_end(1, "'"),
        [b'"', ..] => to_end(1, "\""),
        [b'$', ..] => dollar_quote(rest).map_or(1, |quote| to_end(quote.len(), quote)),
        _ => rest.chars().next().map_or(1, char::len_utf8),
    }
}

/// `$$` or `$word$`, if `rest` begins with one.
fn dollar_quote(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 2;
    let word = &rest[1..end - 1];
    let is_word =
        word.chars().all(|c| c.is_alphanumeric() || c == '_') && !word.starts_with(|c: char| c.is_ascii_digit());
    is_word.then(|| &rest[..end])
}

fn without_leading_comments(statement: &str) -> &str {
    let mut statement = statement.trim();
    while statement.starts_with("--") {
        statement = statement.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_inside_quotes_or_comments_ends_nothing() {
        let text = "-- first; really\nselect 'a;b', \"c;d\", $1;\n/* ; */ do $$ begin; end $$;\n\
                    create function f() as $body$ select '$$;' $body$;\n-- last;\n";

        let found = statements(text);

        assert_eq!(
            found,
            [
                "select 'a;b', \"c;d\", $1",
                "/* ; */ do $$ begin; end $$",
                "create function f() as $body$ select '$$;' $body$"
            ]
        );
    }

    #[test]
    fn a_doubled_quote_stays_inside() {
        assert_eq!(statements("select 'it''s; fine'; select 2"), ["select 'it''s; fine'", "select 2"]);
    }
}
