//! Refresh tokens: opaque, used once, each the seed of its only successor.
//!
//! The successor is `HMAC-SHA256(key = the old token's secret, message = a nonce)`. The store keeps the nonce beside the
//! used token, so whoever lost the answer and asks again with the old token is given the same successor: never a second
//! branch of the session, and nothing in the store from which a token could be computed.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::credentials::Nonce;
use crate::opaque::opaque_token;

/// How long after its use a refresh token still yields its successor (RFC 9700, section 4.14.2, allows for lost answers).
pub const GRACE: Duration = Duration::from_secs(10);

opaque_token!(
    /// A refresh token in clear. Only its holder keeps it; the store gets the digest.
    RefreshToken,
    "tnr_"
);

impl RefreshToken {
    /// The token that follows this one.
    pub fn successor(&self, nonce: &Nonce) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(nonce.as_bytes());
        Self(mac.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_recognisable() {
        let token = RefreshToken::generate();

        assert!(token.reveal().starts_with("tnr_"));
        assert_eq!(token.reveal().len(), 47);
        assert!(RefreshToken::parse(&token.reveal()) == Some(token));
        assert!(RefreshToken::parse("eyJhbGciOiJub25lIn0.e30.").is_none());
    }

    #[test]
    fn the_same_nonce_gives_the_same_successor_and_only_with_the_old_token() {
        let (token, nonce) = (RefreshToken::generate(), Nonce::random());

        let successor = token.successor(&nonce);

        assert!(successor == token.successor(&nonce));
        assert!(successor != token.successor(&Nonce::random()));
        assert!(successor != RefreshToken::generate().successor(&nonce));
        assert!(successor != token);
    }

    #[test]
    fn the_successor_is_the_hmac_of_the_nonce() {
        // From `openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…` over sixteen bytes 0x09.
        let successor = RefreshToken([7; 32]).successor(&Nonce::from_bytes([9; 16]));

        let hex: String = successor.0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "34fbcecf355b255f53c0d246492ee3f716d66c54227d9d3086189ece7811e20d");
    }

    #[test]
    fn neither_token_nor_digest_is_shown() {
        let token = RefreshToken::generate();

        assert_eq!(format!("{token:?} {:?}", token.digest()), "RefreshToken(..) TokenDigest(..)");
    }
}
