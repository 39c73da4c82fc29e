use ed25519_dalek::Signer;

use super::*;
use crate::opaque;

fn number(number: i64) -> Cbor {
    Cbor::Integer(number.into())
}

fn cose(parameters: &[(i64, Cbor)]) -> Cbor {
    Cbor::Map(parameters.iter().map(|(name, value)| (number(*name), value.clone())).collect())
}

fn ed25519() -> (ed25519_dalek::SigningKey, Cbor) {
    let key = ed25519_dalek::SigningKey::from_bytes(&opaque::random());
    let bytes = Cbor::Bytes(key.verifying_key().as_bytes().to_vec());
    let cose = cose(&[(1, number(1)), (3, number(-8)), (-1, number(6)), (-2, bytes)]);
    (key, cose)
}

#[test]
fn a_key_of_ed25519_verifies_what_it_signed_and_nothing_else() {
    let (key, cose) = ed25519();
    let signature = key.sign(b"message").to_bytes();

    let public = PublicKey::from_cose(&cose).unwrap();

    assert_eq!(PublicKey::from_bytes(&public.to_bytes()), Some(public.clone()));
    assert!(public.verifies(b"message", &signature));
    assert!(!public.verifies(b"massage", &signature));
    assert!(!public.verifies(b"message", &signature[1..]));
    assert!(!PublicKey::from_cose(&ed25519().1).unwrap().verifies(b"message", &signature));
}

#[test]
fn a_key_that_is_none_or_of_another_algorithm_is_refused() {
    let (_, good) = ed25519();
    let point = |byte| Cbor::Bytes(vec![byte; 32]);
    let mut twice = good.as_map().unwrap().clone();
    twice.push(twice.last().unwrap().clone());

    for bad in [
        Cbor::Null,
        Cbor::Map(twice),
        // RS256, ES256 over another curve, ES256 with no point of it, Ed25519 named ES256, and a weak Ed25519.
        cose(&[(1, number(3)), (3, number(-257)), (-1, point(1)), (-2, point(1))]),
        cose(&[(1, number(2)), (3, number(-7)), (-1, number(2)), (-2, point(1)), (-3, point(1))]),
        cose(&[(1, number(2)), (3, number(-7)), (-1, number(1)), (-2, point(1)), (-3, point(1))]),
        cose(&[(1, number(1)), (3, number(-7)), (-1, number(6)), (-2, point(1))]),
        cose(&[(1, number(1)), (3, number(-8)), (-1, number(6)), (-2, point(0))]),
    ] {
        assert_eq!(PublicKey::from_cose(&bad), None, "{bad:?}");
    }
}

fn written(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn text(text: &str) -> Cbor {
    Cbor::Text(text.to_owned())
}

/// What a good authenticator says of a new credential with this id.
fn authenticator_data(id: &[u8]) -> Vec<u8> {
    let length = u16::try_from(id.len()).unwrap().to_be_bytes();
    let hash = Sha256::digest("example.com");
    [&hash[..], &[5 | HAS_CREDENTIAL], &[0; 4], &[0; 16], &length, id, &written(&ed25519().1)].concat()
}

fn attestation(format: &str, statement: Vec<(Cbor, Cbor)>, data: Vec<u8>) -> Vec<u8> {
    written(&Cbor::Map(vec![
        (text("fmt"), text(format)),
        (text("attStmt"), Cbor::Map(statement)),
        (text("authData"), Cbor::Bytes(data)),
    ]))
}

fn registered(attestation: &[u8]) -> Result<Vec<u8>, Flaw> {
    let site = RelyingParty::new("example.com", "https://example.com");
    let client_data = br#"{"type":"webauthn.create","challenge":"x","origin":"https://example.com","new":1}"#;
    site.registered(&TokenDigest::of("x"), client_data, attestation).map(|it| it.credential)
}

#[test]
fn a_credential_has_no_attestation_a_bounded_id_and_nothing_behind_it() {
    assert_eq!(registered(&attestation("none", vec![], authenticator_data(b"id"))), Ok(b"id".to_vec()));
    assert!(registered(&attestation("none", vec![], authenticator_data(&[1; 1023]))).is_ok());

    let more = |data: &[u8]| [data, b"\0"].concat();
    let good = attestation("none", vec![], authenticator_data(b"id"));
    let stated = vec![(text("sig"), Cbor::Bytes(vec![1]))];
    for (bad, flaw) in [
        (attestation("packed", vec![], authenticator_data(b"id")), Flaw::Attestation),
        (attestation("none", stated, authenticator_data(b"id")), Flaw::Attestation),
        (more(&good), Flaw::Attestation),
        (good[..good.len() - 1].to_vec(), Flaw::Attestation),
        (Vec::new(), Flaw::Attestation),
        (vec![0x81; 4096], Flaw::Attestation),
        (attestation("none", vec![], more(&authenticator_data(b"id"))), Flaw::AuthenticatorData),
        (attestation("none", vec![], authenticator_data(&[1; 1024])), Flaw::AuthenticatorData),
        (attestation("none", vec![], authenticator_data(b"")), Flaw::AuthenticatorData),
        (attestation("none", vec![], authenticator_data(b"id")[..60].to_vec()), Flaw::AuthenticatorData),
        (attestation("none", vec![], Vec::new()), Flaw::AuthenticatorData),
    ] {
        assert_eq!(registered(&bad), Err(flaw), "{bad:?}");
    }
}
