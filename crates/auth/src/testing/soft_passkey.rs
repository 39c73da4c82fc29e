//! An authenticator without a device: makes one P-256 credential and signs as a browser would have it sign.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value as Cbor;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::opaque;

/// A passkey, and how it behaves. The fields may be changed to misbehave.
#[derive(Clone, Debug)]
pub struct SoftPasskey {
    key: SigningKey,
    /// The credential's id.
    pub id: Vec<u8>,
    /// Whose it says it is, in base64url.
    pub user: String,
    /// The domain it believes to be on.
    pub relying_party: String,
    /// The page it believes to be on.
    pub origin: String,
    /// Present (1), verified (4), may be copied (8), is copied (16).
    pub flags: u8,
    /// How often it has signed; stays 0 if it does not count.
    pub counter: u32,
}

impl SoftPasskey {
    /// A new one at this relying party.
    pub fn new(relying_party: &str, origin: &str) -> Self {
        let key = SigningKey::from_slice(&opaque::random::<32>()).expect("few numbers are no key");
        Self {
            key,
            id: opaque::random::<16>().to_vec(),
            user: String::new(),
            relying_party: relying_party.to_owned(),
            origin: origin.to_owned(),
            flags: 5,
            counter: 0,
        }
    }

    /// The credential's id in base64url.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.id)
    }

    /// Answers options to make a passkey, for the person in them.
    pub fn make(&mut self, options: &Value) -> Value {
        options.pointer("/user/id").and_then(Value::as_str).unwrap_or_default().clone_into(&mut self.user);
        let (client_data, point) =
            (self.client_data("webauthn.create", options), self.key.verifying_key().to_encoded_point(false));
        let number = |number: i64| Cbor::Integer(number.into());
        let bytes = |bytes: Option<&p256::FieldBytes>| Cbor::Bytes(bytes.expect("the point is whole").to_vec());
        let key = Cbor::Map(vec![
            (number(1), number(2)),
            (number(3), number(-7)),
            (number(-1), number(1)),
            (number(-2), bytes(point.x())),
            (number(-3), bytes(point.y())),
        ]);
        let length = u16::try_from(self.id.len()).expect("ids are short").to_be_bytes();
        let data = [&self.head(64)[..], &[0; 16], &length, &self.id, &written(&key)].concat();
        let text = |text: &str| Cbor::Text(text.to_owned());
        let attestation = Cbor::Map(vec![
            (text("fmt"), text("none")),
            (text("attStmt"), Cbor::Map(Vec::new())),
            (text("authData"), Cbor::Bytes(data)),
        ]);
        let attestation = URL_SAFE_NO_PAD.encode(written(&attestation));
        let response =
            json!({ "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data), "attestationObject": attestation });
        json!({ "id": self.id(), "type": "public-key", "response": response })
    }

    /// Answers options to log in.
    pub fn sign(&mut self, options: &Value) -> Value {
        if self.counter > 0 {
            self.counter += 1;
        }
        let (client_data, data) = (self.client_data("webauthn.get", options), self.head(0));
        let signature: Signature = self.key.sign(&[&data[..], &Sha256::digest(&client_data)].concat());
        let response = json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature.to_der()),
            "userHandle": self.user,
        });
        json!({ "id": self.id(), "type": "public-key", "response": response })
    }

    fn client_data(&self, ceremony: &str, options: &Value) -> String {
        json!({ "type": ceremony, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false })
            .to_string()
    }

    /// What authenticator data begin with, with one more flag.
    fn head(&self, flag: u8) -> Vec<u8> {
        let hash = Sha256::digest(&self.relying_party);
        [hash.as_slice(), &[self.flags | flag], &self.counter.to_be_bytes()].concat()
    }
}

fn written(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("memory takes everything");
    bytes
}
