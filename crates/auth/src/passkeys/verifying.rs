//! What a passkey says, held against what was asked of it (Web Authentication Level 3, sections 7.1 and 7.2).
//!
//! Every answer must show a person who was there and proved themselves to their authenticator. Attestation is not asked
//! for: which make an authenticator is of decides nothing here.

use ciborium::Value as Cbor;
use p256::ecdsa::signature::Verifier;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::credentials::TokenDigest;

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const MAY_BE_COPIED: u8 = 1 << 3;
const IS_COPIED: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

/// The greatest length of a credential's id (section 7.1, step 25).
const LONGEST_ID: usize = 1023;
/// How deep the CBOR of an authenticator may nest; what we accept nests once.
const DEPTH: usize = 8;

/// What was wrong with a passkey's answer. For logs and tests only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Never asked, answered before, or too late.
    #[error("no such ceremony is under way")]
    Ceremony,
    /// Nobody registered it, or it was removed.
    #[error("there is no such passkey")]
    Unknown,
    /// Another person's than the one that was asked, or than it says itself.
    #[error("the passkey is another person's")]
    Person,
    /// What the browser says it signed cannot be read, or is of another ceremony.
    #[error("the client data are malformed or of another ceremony")]
    ClientData,
    /// An answer to another question.
    #[error("the challenge is another")]
    Challenge,
    /// The question was asked on another page, or in a frame of one.
    #[error("the origin is another")]
    Origin,
    /// What the authenticator says cannot be read.
    #[error("the authenticator data are malformed")]
    AuthenticatorData,
    /// For another relying party.
    #[error("the relying party is another")]
    RelyingParty,
    /// Nobody touched the authenticator.
    #[error("nobody was present")]
    Presence,
    /// Nobody proved to the authenticator who they are.
    #[error("the person was not verified")]
    Verification,
    /// An attestation, which was not asked for, or none that can be read.
    #[error("the attestation is not none")]
    Attestation,
    /// A key that we do not verify with, or none at all.
    #[error("the public key is unusable")]
    Key,
    /// Forged or damaged.
    #[error("the signature is wrong")]
    Signature,
}

/// Who passkeys are for: they answer nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    id: String,
    origin: String,
}

impl RelyingParty {
    /// The one with this domain as its id, whose pages have this origin.
    pub fn new(id: impl Into<String>, origin: impl Into<String>) -> Self {
        Self { id: id.into(), origin: origin.into() }
    }

    /// Its domain.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where its pages are.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The credential that was made in answer to a challenge.
    pub(crate) fn registered(
        &self,
        challenge: &TokenDigest,
        client_data: &[u8],
        attestation: &[u8],
    ) -> Result<Registered, Flaw> {
        self.check_client(client_data, "webauthn.create", challenge)?;
        let attestation = whole(attestation).ok_or(Flaw::Attestation)?;
        let statement = one(&attestation, |key| key.as_text() == Some("attStmt"));
        let format = one(&attestation, |key| key.as_text() == Some("fmt")).and_then(Cbor::as_text);
        if format != Some("none") || statement.and_then(Cbor::as_map).is_none_or(|map| !map.is_empty()) {
            return Err(Flaw::Attestation);
        }
        let data = one(&attestation, |key| key.as_text() == Some("authData")).and_then(Cbor::as_bytes);
        let said = self.check_authenticator(data.ok_or(Flaw::Attestation)?)?;
        let (credential, key) = said.credential.ok_or(Flaw::AuthenticatorData)?;
        Ok(Registered { credential, key, counter: said.counter })
    }

    /// The counter of an authenticator that has signed a challenge with this key.
    pub(crate) fn signed(&self, challenge: &TokenDigest, signed: &Signed<'_>, key: &PublicKey) -> Result<u32, Flaw> {
        self.check_client(signed.client_data, "webauthn.get", challenge)?;
        let said = self.check_authenticator(signed.authenticator_data)?;
        let message = [signed.authenticator_data, &Sha256::digest(signed.client_data)].concat();
        if key.verifies(&message, signed.signature) { Ok(said.counter) } else { Err(Flaw::Signature) }
    }

    fn check_client(&self, client_data: &[u8], ceremony: &str, challenge: &TokenDigest) -> Result<(), Flaw> {
        let said: ClientData = serde_json::from_slice(client_data).map_err(|_| Flaw::ClientData)?;
        if said.r#type != ceremony {
            return Err(Flaw::ClientData);
        }
        if TokenDigest::of(&said.challenge) != *challenge {
            return Err(Flaw::Challenge);
        }
        if said.origin != self.origin || said.cross_origin || said.top_origin.is_some() {
            return Err(Flaw::Origin);
        }
        Ok(())
    }

    /// What an authenticator says (section 6.1), if a person was there and proved themselves.
    fn check_authenticator(&self, data: &[u8]) -> Result<Said, Flaw> {
        let (relying_party, rest) = data.split_first_chunk::<32>().ok_or(Flaw::AuthenticatorData)?;
        let (&flags, rest) = rest.split_first().ok_or(Flaw::AuthenticatorData)?;
        let (counter, mut rest) = rest.split_first_chunk::<4>().ok_or(Flaw::AuthenticatorData)?;
        if relying_party.as_slice() != Sha256::digest(&self.id).as_slice() {
            return Err(Flaw::RelyingParty);
        }
        if flags & PRESENT == 0 {
            return Err(Flaw::Presence);
        }
        if flags & VERIFIED == 0 {
            return Err(Flaw::Verification);
        }
        let credential = if flags & HAS_CREDENTIAL == 0 { None } else { Some(credential(&mut rest)?) };
        let extends = flags & HAS_EXTENSIONS != 0;
        let extensions_are_good = !extends || first(&mut rest).is_some_and(|value| value.is_map());
        let is_copied_lawfully = flags & IS_COPIED == 0 || flags & MAY_BE_COPIED != 0;
        if !extensions_are_good || !is_copied_lawfully || !rest.is_empty() {
            return Err(Flaw::AuthenticatorData);
        }
        Ok(Said { counter: u32::from_be_bytes(*counter), credential })
    }
}

/// A passkey's answer to a login, decoded.
pub(crate) struct Signed<'a> {
    pub(crate) client_data: &'a [u8],
    pub(crate) authenticator_data: &'a [u8],
    pub(crate) signature: &'a [u8],
}

/// A credential that was just made.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) credential: Vec<u8>,
    pub(crate) key: PublicKey,
    pub(crate) counter: u32,
}

struct Said {
    counter: u32,
    credential: Option<(Vec<u8>, PublicKey)>,
}

/// What a browser says that was asked, and where (section 5.8.1). It may say more.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    #[serde(default)]
    top_origin: Option<String>,
}

/// What verifies the signatures of a passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// ECDSA over P-256 with SHA-256.
    Es256(p256::ecdsa::VerifyingKey),
    /// EdDSA over Curve25519.
    EdDsa(ed25519_dalek::VerifyingKey),
}

impl PublicKey {
    /// Reads one that was kept: a point of P-256 or 32 bytes of Ed25519.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.try_into() {
            Ok(bytes) => {
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).ok()?;
                (!key.is_weak()).then_some(Self::EdDsa(key))
            }
            Err(_) => p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok().map(Self::Es256),
        }
    }

    /// What is kept of it; its length tells its kind.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Es256(key) => key.to_encoded_point(false).as_bytes().to_vec(),
            Self::EdDsa(key) => key.as_bytes().to_vec(),
        }
    }

    /// Reads a COSE_Key (RFC 9053, section 7) of one of the two algorithms that were asked for.
    fn from_cose(key: &Cbor) -> Option<Self> {
        let parameter = |name: i64| one(key, |it| it.as_integer() == Some(name.into()));
        let number = |name| parameter(name).and_then(Cbor::as_integer).and_then(|it| i64::try_from(it).ok());
        let coordinate = |name| parameter(name).and_then(Cbor::as_bytes).filter(|it| it.len() == 32);
        match (number(1)?, number(3)?, number(-1)?) {
            (2, -7, 1) => Self::from_bytes(&[[4].as_slice(), coordinate(-2)?, coordinate(-3)?].concat()),
            (1, -8, 6) => Self::from_bytes(coordinate(-2)?),
            _ => None,
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Es256(key) => {
                let signature = p256::ecdsa::Signature::from_der(signature);
                signature.is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
            Self::EdDsa(key) => {
                let signature = ed25519_dalek::Signature::from_slice(signature);
                signature.is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
            }
        }
    }
}

/// The credential in what an authenticator says, which goes on behind it (section 6.5.1).
fn credential(rest: &mut &[u8]) -> Result<(Vec<u8>, PublicKey), Flaw> {
    let (_make, after) = rest.split_first_chunk::<16>().ok_or(Flaw::AuthenticatorData)?;
    let (length, after) = after.split_first_chunk::<2>().ok_or(Flaw::AuthenticatorData)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (id, after) = after.split_at_checked(length).ok_or(Flaw::AuthenticatorData)?;
    if !(1..=LONGEST_ID).contains(&length) {
        return Err(Flaw::AuthenticatorData);
    }
    *rest = after;
    let key = first(rest).ok_or(Flaw::AuthenticatorData)?;
    Ok((id.to_vec(), PublicKey::from_cose(&key).ok_or(Flaw::Key)?))
}

/// The value that a text begins with; what is left of it is behind that.
fn first(rest: &mut &[u8]) -> Option<Cbor> {
    ciborium::de::from_reader_with_recursion_limit(rest, DEPTH).ok()
}

/// The value that a text is, and nothing behind it.
fn whole(mut text: &[u8]) -> Option<Cbor> {
    first(&mut text).filter(|_| text.is_empty())
}

/// The one value of a map whose key is wanted: none if there are two.
fn one(map: &Cbor, is_wanted: impl Fn(&Cbor) -> bool) -> Option<&Cbor> {
    let mut found = map.as_map()?.iter().filter(|(key, _)| is_wanted(key)).map(|(_, value)| value);
    found.next().filter(|_| found.next().is_none())
}

#[cfg(test)]
mod tests;
