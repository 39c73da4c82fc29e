//! What browsers take and give (Web Authentication Level 3, sections 5.1.8 to 5.1.10), in its own spelling.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use tenantry_auth::passkeys::CEREMONY_LIFETIME;
use tenantry_auth::{PasskeyOffer, PasskeyQuestion, RelyingParty};
use tenantry_tenancy::words;
use utoipa::ToSchema;

/// ECDSA with P-256 and SHA-256, and EdDSA with Ed25519 (RFC 9053).
const ALGORITHMS: [i32; 2] = [-7, -8];

words!(
    /// The kind of a credential.
    CredentialType {
        /// The only one there is.
        PublicKey = "public-key",
    }
);

/// What a passkey is to be made from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreationOptions {
    rp: RelyingPartyEntity,
    user: UserEntity,
    challenge: String,
    pub_key_cred_params: Vec<CredentialParameters>,
    /// In milliseconds.
    timeout: i64,
    exclude_credentials: Vec<CredentialDescriptor>,
    authenticator_selection: AuthenticatorSelection,
    attestation: &'static str,
}

#[derive(Serialize, ToSchema)]
struct RelyingPartyEntity {
    #[schema(examples("api.example.com"))]
    id: String,
    #[schema(examples("Tenantry"))]
    #[schema(examples("Tenantry"))]
    name: &'static str,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UserEntity {
    #[schema(examples("AZytLFxAfMCAAD8dXJsqEA"))]
    id: String,
    #[schema(examples("ada@example.com"))]
    name: String,
    display_name: String,
}

#[derive(Serialize, ToSchema)]
struct CredentialParameters {
    r#type: CredentialType,
    alg: i32,
}

/// A credential by its id, in base64url.
#[derive(Serialize, ToSchema)]
pub(super) struct CredentialDescriptor {
    r#type: CredentialType,
    #[schema(examples("AbUvDcNL3r5hZkH2q1w"))]
    id: String,
}

/// One that the device finds by itself, and that its person proves themselves to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AuthenticatorSelection {
    resident_key: &'static str,
    require_resident_key: bool,
    user_verification: &'static str,
}

impl CreationOptions {
    pub(super) fn new(site: &RelyingParty, offer: PasskeyOffer) -> Self {
        let (id, name) = offer.user;
        let parameters = |alg| CredentialParameters { r#type: CredentialType::PublicKey, alg };
        Self {
            rp: RelyingPartyEntity { id: site.id().to_owned(), name: "Tenantry" },
            user: UserEntity { id, display_name: name.clone(), name },
            challenge: offer.challenge,
            pub_key_cred_params: ALGORITHMS.into_iter().map(parameters).collect(),
            timeout: CEREMONY_LIFETIME.num_milliseconds(),
            exclude_credentials: described(offer.known),
            authenticator_selection: AuthenticatorSelection {
                resident_key: "required",
                require_resident_key: true,
                user_verification: "required",
            },
            attestation: "none",
        }
    }
}

/// What a passkey is to sign.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestOptions {
    challenge: String,
    /// In milliseconds.
    timeout: i64,
    rp_id: String,
    /// Any that the device has, if there is none here.
    allow_credentials: Vec<CredentialDescriptor>,
    user_verification: &'static str,
}

impl RequestOptions {
    pub(super) fn new(site: &RelyingParty, question: PasskeyQuestion) -> Self {
        Self {
            challenge: question.challenge,
            timeout: CEREMONY_LIFETIME.num_milliseconds(),
            rp_id: site.id().to_owned(),
            allow_credentials: described(question.allowed),
            user_verification: "required",
        }
    }
}

fn described(ids: Vec<String>) -> Vec<CredentialDescriptor> {
    ids.into_iter().map(|id| CredentialDescriptor { r#type: CredentialType::PublicKey, id }).collect()
}

/// What `navigator.credentials.create` gave, as its `toJSON` writes it. Only `id`, `clientDataJSON` and `attestationObject` count.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "browsers write more than is needed")]
pub(super) struct MadeCredential {
    #[schema(examples("AbUvDcNL3r5hZkH2q1w"))]
    pub(super) id: String,
    #[serde(default)]
    raw_id: Option<String>,
    r#type: CredentialType,
    #[serde(default)]
    authenticator_attachment: Option<String>,
    #[serde(default, deserialize_with = "object")]
    client_extension_results: ExtensionResults,
    #[serde(deserialize_with = "object")]
    pub(super) response: AttestationResponse,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "browsers write more than is needed")]
pub(super) struct AttestationResponse {
    #[serde(rename = "clientDataJSON")]
    pub(super) client_data_json: String,
    pub(super) attestation_object: String,
    #[serde(default)]
    authenticator_data: Option<String>,
    #[serde(default)]
    transports: Option<Vec<String>>,
    #[serde(default)]
    public_key: Option<String>,
    #[serde(default)]
    public_key_algorithm: i64,
}

/// What `navigator.credentials.get` gave, as its `toJSON` writes it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "browsers write more than is needed")]
pub(super) struct SignedCredential {
    #[schema(examples("AbUvDcNL3r5hZkH2q1w"))]
    pub(super) id: String,
    #[serde(default)]
    raw_id: Option<String>,
    r#type: CredentialType,
    #[serde(default)]
    authenticator_attachment: Option<String>,
    #[serde(default, deserialize_with = "object")]
    client_extension_results: ExtensionResults,
    #[serde(deserialize_with = "object")]
    pub(super) response: AssertionResponse,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct AssertionResponse {
    #[serde(rename = "clientDataJSON")]
    pub(super) client_data_json: String,
    pub(super) authenticator_data: String,
    pub(super) signature: String,
    #[serde(default)]
    pub(super) user_handle: Option<String>,
}

/// No extension is asked for; browsers may tell of this one all the same.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "browsers write more than is needed")]
struct ExtensionResults {
    #[serde(default)]
    cred_props: CredentialProperties,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "browsers write more than is needed")]
struct CredentialProperties {
    #[serde(default)]
    rk: bool,
}

/// Reads a JSON object as nothing but that; serde takes a list of its values as well.
pub(super) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Object(PhantomData))
}
