//! The keys that sign access tokens. What kind a key is decides the algorithm; a token's header has no say in it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde_json::{Value, json};

use crate::opaque;

/// What every PKCS#8 document of an Ed25519 key begins with (RFC 8410, section 7); the 32 bytes of the seed follow.
const ED25519_PKCS8: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// The shortest RSA modulus, in bytes (RFC 7518, section 3.3).
const RSA_MODULUS: usize = 256;

/// The shortest secret for HS256, in bytes (RFC 7518, section 3.2).
const HS256_SECRET: usize = 32;

/// The keys of the service. One signs; all verify, so that a key can be replaced without logging anyone out: the new one is
/// published before it signs, so that every instance and every reader of the JWKS has it by then, and the old one is dropped
/// when the last token signed by it has expired.
pub struct SigningKeys(Vec<SigningKey>);

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Without a key nothing can be signed.
    #[error("there is no signing key")]
    None,
    /// Not a private key in PKCS#8, or of a kind we do not sign with.
    #[error("signing key {0} is not a private Ed25519, P-256 or RSA key in PKCS#8 PEM")]
    Unusable(
        /// Its place in the list, from 1.
        usize,
        #[source] jsonwebtoken::errors::Error,
    ),
    /// Factored too easily.
    #[error("signing key {0} is an RSA key of less than 2048 bits")]
    TooShort(
        /// Its place in the list, from 1.
        usize,
    ),
    /// Guessed too easily.
    #[error("the HS256 secret has less than {HS256_SECRET} bytes")]
    ShortSecret,
    /// Given before.
    #[error("signing key {0} is given twice")]
    Duplicate(
        /// Its place in the list, from 1.
        usize,
    ),
}

/// One key pair.
pub(crate) struct SigningKey {
    /// Its name: the RFC 7638 thumbprint of the public key; of a secret, what it makes of a text that everybody knows.
    pub(crate) id: String,
    /// What it signs with.
    pub(crate) algorithm: Algorithm,
    /// The private half.
    pub(crate) private: EncodingKey,
    /// The public half, or the same secret.
    pub(crate) public: DecodingKey,
    /// What everybody may read of it: of a secret nothing.
    jwk: Option<Value>,
    /// From when on it signs, unless a later one does.
    signs_from: DateTime<Utc>,
}

impl SigningKeys {
    /// Reads private keys in PKCS#8 PEM: Ed25519 (signs EdDSA), P-256 (ES256) or RSA of 2048 bits and more (RS256). The first
    /// signs, the others only verify.
    pub fn from_pems(pems: &[impl AsRef<str>]) -> Result<Self, KeyError> {
        let times = std::iter::once(DateTime::<Utc>::MIN_UTC).chain(std::iter::repeat(DateTime::<Utc>::MAX_UTC));
        Self::scheduled(times.zip(pems.iter().map(AsRef::as_ref)))
    }

    /// Reads private keys, each with the moment from which on it signs. Before all of these, the earliest does.
    pub fn scheduled<'a>(pems: impl IntoIterator<Item = (DateTime<Utc>, &'a str)>) -> Result<Self, KeyError> {
        let mut keys: Vec<SigningKey> = Vec::new();
        for (place, (signs_from, pem)) in (1..).zip(pems) {
            let key = SigningKey { signs_from, ..SigningKey::from_pem(place, pem)? };
            if keys.iter().any(|it| it.id == key.id) {
                return Err(KeyError::Duplicate(place));
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(KeyError::None) } else { Ok(Self(keys)) }
    }

    /// A secret that signs and verifies HS256, for development: whoever can verify a token can forge one.
    pub fn symmetric(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < HS256_SECRET {
            return Err(KeyError::ShortSecret);
        }
        let (private, public) = (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        let id = crypto::sign(b"key id", &private, Algorithm::HS256).map_err(|error| KeyError::Unusable(1, error))?;
        let signs_from = DateTime::<Utc>::MIN_UTC;
        Ok(Self(vec![SigningKey { id, algorithm: Algorithm::HS256, private, public, jwk: None, signs_from }]))
    }

    /// A new Ed25519 key in PKCS#8 PEM.
    pub fn generate_pem() -> String {
        let seed: [u8; 32] = opaque::random();
        let document = STANDARD.encode([ED25519_PKCS8.as_slice(), seed.as_slice()].concat());
        format!("-----BEGIN PRIVATE KEY-----\n{document}\n-----END PRIVATE KEY-----\n")
    }

    /// The public halves as a JWK Set (RFC 7517), for everybody to read.
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.0.iter().filter_map(|key| key.jwk.as_ref()).collect::<Vec<_>>() })
    }

    /// The key that signs at this moment.
    pub(crate) fn signer(&self, now: DateTime<Utc>) -> &SigningKey {
        let signs = self.0.iter().filter(|key| key.signs_from <= now).max_by_key(|key| key.signs_from);
        let earliest = || self.0.iter().min_by_key(|key| key.signs_from);
        signs.or_else(earliest).expect("there is at least one key")
    }

    /// The key of this name.
    pub(crate) fn find(&self, id: &str) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.id == id)
    }

    /// Whether every key of `other` is among these.
    pub(crate) fn has_all_of(&self, other: &Self) -> bool {
        other.0.iter().all(|key| self.find(&key.id).is_some())
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl SigningKey {
    fn from_pem(place: usize, pem: &str) -> Result<Self, KeyError> {
        let unusable = |error| KeyError::Unusable(place, error);
        let pem = pem.as_bytes();
        let (algorithm, private) = EncodingKey::from_ed_pem(pem)
            .map(|key| (Algorithm::EdDSA, key))
            .or_else(|_| EncodingKey::from_ec_pem(pem).map(|key| (Algorithm::ES256, key)))
            .or_else(|_| EncodingKey::from_rsa_pem(pem).map(|key| (Algorithm::RS256, key)))
            .map_err(unusable)?;
        let mut jwk = Jwk::from_encoding_key(&private, algorithm).map_err(unusable)?;
        if let AlgorithmParameters::RSA(public) = &jwk.algorithm
            && URL_SAFE_NO_PAD.decode(&public.n).is_ok_and(|modulus| modulus.len() < RSA_MODULUS)
        {
            return Err(KeyError::TooShort(place));
        }
        let id = jwk.thumbprint(ThumbprintHash::SHA256).map_err(unusable)?;
        jwk.common.key_id = Some(id.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let public = DecodingKey::from_jwk(&jwk).map_err(unusable)?;
        // A key that cannot sign should be found out now and not at the first login.
        let trial = crypto::sign(b"trial", &private, algorithm).map_err(unusable)?;
        if !crypto::verify(&trial, b"trial", &public, algorithm).map_err(unusable)? {
            return Err(unusable(ErrorKind::InvalidSignature.into()));
        }
        Ok(Self { id, algorithm, private, public, jwk: Some(json!(jwk)), signs_from: DateTime::<Utc>::MIN_UTC })
    }

    /// The algorithm as a token's header spells it.
    pub(crate) fn algorithm_name(&self) -> &'static str {
        match self.algorithm {
            Algorithm::ES256 => "ES256",
            Algorithm::RS256 => "RS256",
            Algorithm::HS256 => "HS256",
            _ => "EdDSA",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ES256: &str = include_str!("../testdata/es256.pem");
    const RS256: &str = include_str!("../testdata/rs256.pem");

    #[test]
    fn the_kind_of_a_key_decides_its_algorithm() {
        let ed25519 = SigningKeys::generate_pem();

        for (pem, name) in [(ed25519.as_str(), "EdDSA"), (ES256, "ES256"), (RS256, "RS256")] {
            assert_eq!(SigningKeys::from_pems(&[pem]).unwrap().signer(Utc::now()).algorithm_name(), name);
        }
    }

    #[test]
    fn a_secret_signs_hs256_and_is_published_nowhere() {
        let keys = SigningKeys::symmetric(&[7; 32]).unwrap();
        let other = SigningKeys::symmetric(&[8; 32]).unwrap();

        assert_eq!(keys.signer(Utc::now()).algorithm_name(), "HS256");
        assert_eq!(keys.jwks(), json!({ "keys": [] }));
        assert_ne!(keys.0[0].id, other.0[0].id);
        assert!(matches!(SigningKeys::symmetric(&[7; 31]), Err(KeyError::ShortSecret)));
    }

    #[test]
    fn the_first_key_signs_and_all_are_found() {
        let keys = SigningKeys::from_pems(&[ES256, RS256]).unwrap();

        let ids: Vec<&str> = keys.0.iter().map(|key| key.id.as_str()).collect();
        assert_eq!(keys.signer(Utc::now()).algorithm_name(), "ES256");
        assert!(ids.iter().all(|id| keys.find(id).is_some_and(|key| key.id == *id)));
        assert!(keys.find("").is_none() && keys.find("other").is_none());
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_verifies_after_it_has() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let (old, new) = (SigningKeys::generate_pem(), SigningKeys::generate_pem());
        let keys = SigningKeys::scheduled([(at(2000), new.as_str()), (at(1000), old.as_str())]).unwrap();
        let id = |pem: &str| SigningKeys::from_pems(&[pem]).unwrap().0[0].id.clone();

        for (now, signer) in [(0, &old), (1000, &old), (1999, &old), (2000, &new), (9999, &new)] {
            assert_eq!(keys.signer(at(now)).id, id(signer), "{now}");
        }
        assert!(keys.find(&id(&old)).is_some() && keys.find(&id(&new)).is_some());
        assert_eq!(keys.jwks()["keys"].as_array().unwrap().len(), 2);
        let other = SigningKeys::from_pems(&[&new]).unwrap();
        assert!(keys.has_all_of(&other) && !other.has_all_of(&keys));
    }

    #[test]
    fn the_name_of_a_key_is_its_thumbprint() {
        // The key and the thumbprint of RFC 8037, appendices A.1 and A.3.
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let document = STANDARD.encode([ED25519_PKCS8.as_slice(), &seed].concat());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{document}\n-----END PRIVATE KEY-----\n");

        let keys = SigningKeys::from_pems(&[pem]).unwrap();

        assert_eq!(keys.signer(Utc::now()).id, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(
            keys.jwks(),
            json!({ "keys": [{
                "kty": "OKP",
                "crv": "Ed25519",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "alg": "EdDSA",
                "use": "sig",
                "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            }] })
        );
    }

    #[test]
    fn the_jwks_has_public_members_only() {
        let ed25519 = SigningKeys::generate_pem();

        let jwks = SigningKeys::from_pems(&[ed25519.as_str(), ES256, RS256]).unwrap().jwks();

        let public = ["kty", "crv", "x", "y", "n", "e", "alg", "use", "kid"];
        let keys = jwks["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 3);
        for member in keys.iter().flat_map(|key| key.as_object().unwrap().keys()) {
            assert!(public.contains(&member.as_str()), "{member}");
        }
    }

    #[test]
    fn unusable_keys_are_refused() {
        let none: [&str; 0] = [];
        let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----";
        let p384 = include_str!("../testdata/es384.pem");

        assert!(matches!(SigningKeys::from_pems(&none), Err(KeyError::None)));
        for bad in ["", "secret", public, p384] {
            assert!(matches!(SigningKeys::from_pems(&[ES256, bad]), Err(KeyError::Unusable(2, _))), "{bad}");
        }
        let short = include_str!("../testdata/rs256_short.pem");
        assert!(matches!(SigningKeys::from_pems(&[short]), Err(KeyError::TooShort(1))));
        assert!(matches!(SigningKeys::from_pems(&[ES256, RS256, ES256]), Err(KeyError::Duplicate(3))));
    }

    #[test]
    fn no_key_is_shown() {
        let keys = SigningKeys::from_pems(&[ES256]).unwrap();

        assert_eq!(format!("{keys:?}"), format!("[{:?}]", keys.signer(Utc::now()).id));
    }
}
