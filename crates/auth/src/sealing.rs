//! Sealing: what must be read again, but not from the database alone (AES-256-GCM, NIST SP 800-38D).

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::opaque;

const NONCE: usize = 12;

/// Seals the secrets of one purpose.
pub struct Sealer(Aes256Gcm);

impl Sealer {
    /// Derives the key of a purpose from the service's sealing key.
    pub fn new(sealing_key: &[u8], purpose: &str) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(sealing_key).expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        Self(Aes256Gcm::new(&mac.finalize().into_bytes()))
    }

    /// Seals a secret, which opens where it belongs and nowhere else.
    pub fn seal(&self, belongs_to: &[u8], secret: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = opaque::random();
        let payload = Payload { msg: secret, aad: belongs_to };
        let sealed = self.0.encrypt(&Nonce::from(nonce), payload).expect("a secret is far shorter than AES-GCM allows");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what was sealed; `None` if it was changed, belongs elsewhere, or was sealed with another key.
    pub fn open(&self, belongs_to: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        self.0.decrypt(&Nonce::from(nonce), Payload { msg: sealed, aad: belongs_to }).ok()
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_where_it_belongs_with_its_key_and_purpose() {
        let sealer = Sealer::new(b"key", "tests");

        let sealed = sealer.seal(b"ada", b"secret");

        assert_eq!(sealer.open(b"ada", &sealed).as_deref(), Some(b"secret".as_slice()));
        assert_ne!(sealed, sealer.seal(b"ada", b"secret"));
        assert_eq!(sealer.open(b"bob", &sealed), None);
        assert_eq!(Sealer::new(b"key", "other").open(b"ada", &sealed), None);
        assert_eq!(Sealer::new(b"yek", "tests").open(b"ada", &sealed), None);
        let mut changed = sealed.clone();
        changed[13] ^= 1;
        assert_eq!(sealer.open(b"ada", &changed), None);
        assert_eq!(sealer.open(b"ada", b""), None);
    }
}
