//! Connection URLs for a server on a Unix socket.

use std::{fmt::Write, os::unix::ffi::OsStrExt, path::Path};

/// `postgresql://user@%2Fsocket%2Fdirectory:5432/database`, with every odd byte escaped.
pub(crate) fn connection_url(socket_dir: &Path, user: &str, database: &str) -> String {
    let host = escape(socket_dir.as_os_str().as_bytes());
    format!("postgresql://{}@{host}:5432/{}", escape(user.as_bytes()), escape(database.as_bytes()))
}

fn escape(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_directory_is_escaped_into_the_host() {
        let url = connection_url(Path::new("/tmp/a b/s"), "app", "tenant_1");

        assert_eq!(url, "postgresql://app@%2Ftmp%2Fa%20b%2Fs:5432/tenant_1");
    }
}
