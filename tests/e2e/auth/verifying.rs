//! Telling whether a token is good, and with which keys others can tell.

use reqwest::Method;
use serde_json::json;
use tenantry_tenancy::Role;

use super::{VERIFY, face, part, post};
use crate::harness::{PLACEMENTS, suite};
use crate::roles::scopes;
use crate::schemas::{redacted, violations};

#[tokio::test]
async fn a_good_token_is_told_with_what_it_allows() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let viewer = tenant.caller(Role::Viewer);

        let verified = post(&suite, VERIFY, &json!({ "token": viewer.token })).await.expect(200);

        let documented = json!({ "$ref": "#/components/schemas/VerifiedView" });
        assert_eq!(violations(&tenantry_api::openapi(), &documented, &verified.json), [""; 0]);
        assert_eq!(
            redacted(&verified.json),
            json!({
                "valid": true,
                "tenant": tenant.tenant.id.to_string(),
                "user_id": tenant.user(Role::Viewer).to_string(),
                "roles": ["viewer"],
                "scopes": scopes(Role::Viewer),
                "expires_at": "<time>",
            })
        );
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_like_at_any_route() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let at_a_route = super::with_authorization(&suite, "Bearer unknown").send().await.expect(401);

    for token in ["", "unknown", &owner.token[1..], &format!("{} ", owner.token), "\0"] {
        let answer = post(&suite, VERIFY, &json!({ "token": token })).await.expect(401);
        assert_eq!(face(&answer), face(&at_a_route), "{token}");
    }
}

#[tokio::test]
async fn the_published_keys_are_public_and_name_the_key_of_every_token() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();

    let keys = suite.request(Method::GET, "/.well-known/jwks.json").send().await.expect(200);

    let documented = json!({ "$ref": "#/components/schemas/KeySet" });
    assert_eq!(violations(&tenantry_api::openapi(), &documented, &keys.json), [""; 0]);
    let keys = keys.json["keys"].as_array().unwrap();
    for key in keys {
        let mut members: Vec<&String> = key.as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
        assert_eq!((&key["kty"], &key["crv"], &key["use"]), (&json!("OKP"), &json!("Ed25519"), &json!("sig")));
    }
    let kid = &part(&owner.token, 0)["kid"];
    assert_eq!(keys.iter().filter(|key| key["kid"] == *kid).count(), 1);
}
