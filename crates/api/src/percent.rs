//! Percent-encoding (RFC 3986, section 2.1).

/// A text of which only unreserved characters are spelled as they are.
pub(crate) fn percent_encoded(text: &str) -> String {
    let spelled = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(spelled).collect()
}
