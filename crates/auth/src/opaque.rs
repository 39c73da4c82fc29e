//! Opaque secrets as text: a prefix that people and scanners recognise, then 32 random bytes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// How long a checksum is.
const CHECKSUM: usize = 6;

/// What is behind the prefix.
pub(crate) type Secret = [u8; 32];

/// Declares a token that is opaque: `opaque_token!(/** What it is. */ Name, "prefix_");`.
macro_rules! opaque_token {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name($crate::opaque::Secret);

        impl $name {
            /// A new one: 256 random bits.
            pub fn generate() -> Self {
                Self($crate::opaque::random())
            }

            /// Reads one; `None` if it cannot be one of ours.
            pub fn parse(raw: &str) -> Option<Self> {
                $crate::opaque::decode($prefix, raw).map(Self)
            }

            /// The token as text, for its holder only.
            pub fn reveal(&self) -> String {
                $crate::opaque::encode($prefix, &self.0)
            }

            /// What is stored of it.
            pub fn digest(&self) -> $crate::credentials::TokenDigest {
                $crate::credentials::TokenDigest::of(&self.reveal())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

/// Declares a token that ends with a checksum (see [`checked`]): `checked_token!(/** What it is. */ Name, "prefix_");`.
macro_rules! checked_token {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// A new one.
            pub fn generate() -> Self {
                Self($crate::opaque::checked($prefix))
            }

            /// Reads one; `None` if it cannot be one of ours.
            pub fn parse(raw: &str) -> Option<Self> {
                $crate::opaque::is_checked($prefix, raw).then(|| Self(raw.to_owned()))
            }

            /// The text, for its holder only.
            pub fn reveal(&self) -> &str {
                &self.0
            }

            /// What is stored of it.
            pub fn digest(&self) -> $crate::credentials::TokenDigest {
                $crate::credentials::TokenDigest::of(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

pub(crate) use checked_token;
pub(crate) use opaque_token;

/// Fresh randomness from the operating system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness once it has booted");
    bytes
}

/// A random text that somebody is to publish: 128 bits.
pub fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(random::<16>())
}

/// Spells a secret.
pub(crate) fn encode(prefix: &str, secret: &Secret) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(secret))
}

/// Reads what [`encode`] wrote, and nothing else: one secret has one spelling.
pub(crate) fn decode(prefix: &str, text: &str) -> Option<Secret> {
    let mut secret = Secret::default();
    let encoded = text.strip_prefix(prefix).filter(|it| it.len() == 43)?;
    let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut secret).ok()?;
    (length == secret.len()).then_some(secret)
}

/// A new secret with a checksum behind it: six hexadecimal digits, the start of the SHA-256 of all before them. It is no
/// secret, it only tells a secret from a typing error, so that a mistyped or guessed one costs no query.
pub(crate) fn checked(prefix: &str) -> String {
    let body = encode(prefix, &random());
    let checksum = checksum(&body);
    body + &checksum
}

/// Whether it is spelled as [`checked`] spells.
pub(crate) fn is_checked(prefix: &str, raw: &str) -> bool {
    let parts = raw.len().checked_sub(CHECKSUM).and_then(|at| raw.split_at_checked(at));
    parts.is_some_and(|(body, sum)| decode(prefix, body).is_some() && sum == checksum(body))
}

fn checksum(body: &str) -> String {
    Sha256::digest(body).iter().take(CHECKSUM / 2).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_secret_has_one_spelling() {
        let text = encode("x_", &[7; 32]);

        assert_eq!(decode("x_", &text), Some([7; 32]));
        for bad in [
            "",
            "x_",
            "x_BwcH",
            text.strip_prefix("x_").unwrap(),
            &text.replace("x_", "X_"),
            &format!("{text}="),
            &format!("{text} "),
            &format!("{text}A"),
            // The last character has two bits to spare: only one of four spellings may be read.
            &format!("{}9", text.strip_suffix('c').unwrap()),
            &text.replace('w', "+"),
            &text.replace('w', "é"),
        ] {
            assert_eq!(decode("x_", bad), None, "{bad}");
        }
    }

    #[test]
    fn two_secrets_are_never_the_same() {
        assert_ne!(random::<32>(), random::<32>());
    }
}
