use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tenantry_tenancy::{ApiClientId, ApiKeyId, OperatorId, PermissionSet};

use super::*;

const ES256: &str = include_str!("../../testdata/es256.pem");
const RS256: &str = include_str!("../../testdata/rs256.pem");

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 250_000_000).unwrap()
}

fn tokens(pems: &[&str]) -> AccessTokens {
    AccessTokens::new(SigningKeys::from_pems(pems).unwrap(), TokenSettings::default())
}

fn holder(role: Role) -> Holder {
    Holder::member(UserId::generate(), TenantId::random(), SessionId::generate(), role)
}

fn issue(tokens: &AccessTokens) -> String {
    tokens.issue(&holder(Role::Member), now(), Duration::from_secs(900)).unwrap()
}

fn b64(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The header and the claims of a token.
fn open(token: &str) -> (Value, Value) {
    let parts: Vec<Value> =
        token.split('.').take(2).map(|part| serde_json::from_slice(&decode(part).unwrap()).unwrap()).collect();
    (parts[0].clone(), parts[1].clone())
}

/// A token with a genuine signature over whatever header and claims.
fn seal(tokens: &AccessTokens, header: impl ToString, claims: impl ToString) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let keys = tokens.keys();
    let key = keys.signer(now());
    format!("{message}.{}", crypto::sign(message.as_bytes(), &key.private, key.algorithm).unwrap())
}

/// The same token with members of its header or claims set, or removed by `null`; genuinely signed.
fn altered(tokens: &AccessTokens, header: Value, claims: Value) -> String {
    let (mut old_header, mut old_claims) = open(&issue(tokens));
    for (old, new) in [(&mut old_header, header), (&mut old_claims, claims)] {
        for (member, value) in new.as_object().unwrap() {
            old[member] = value.clone();
            if value.is_null() {
                old.as_object_mut().unwrap().remove(member);
            }
        }
    }
    seal(tokens, old_header, old_claims)
}

#[test]
fn a_secret_signs_and_verifies_its_own_tokens_alone() {
    let with = |byte| AccessTokens::new(SigningKeys::symmetric(&[byte; 32]).unwrap(), TokenSettings::default());
    let (own, other) = (with(7), with(8));
    let token = issue(&own);

    assert_eq!(open(&token).0["alg"], "HS256");
    assert!(own.verify(&token, now()).is_ok());
    assert_eq!(other.verify(&token, now()), Err(Rejection::UnknownKey));
    assert_eq!(tokens(&[ES256]).verify(&token, now()), Err(Rejection::UnknownKey));
}

#[test]
fn a_token_says_who_where_and_what() {
    for pem in [SigningKeys::generate_pem().as_str(), ES256, RS256] {
        let tokens = tokens(&[pem]);
        let holder = holder(Role::Viewer);

        let token = tokens.issue(&holder, now(), Duration::from_secs(900)).unwrap();

        let access = tokens.verify(&token, now()).unwrap();
        assert_eq!(access.expires_at.map(|it| it.timestamp()), Some(1_800_000_900));
        assert_eq!((access.kind, access.actor), (CredentialKind::AccessToken, holder.actor));
        assert_eq!((access.tenant, access.credential), (holder.tenant, holder.credential));
        assert_eq!((access.version, access.roles), (holder.version, holder.roles));
        assert_eq!(access.permissions, PermissionSet::READ);
    }
}

#[test]
fn a_token_has_exactly_these_claims() {
    let tokens = tokens(&[&SigningKeys::generate_pem()]);
    let holder = holder(Role::Viewer);
    let Actor::User(user) = holder.actor else { unreachable!("a member is a person") };

    let (header, mut claims) = open(&tokens.issue(&holder, now(), Duration::from_secs(900)).unwrap());

    assert_eq!(header, json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": tokens.keys().signer(now()).id }));
    assert_eq!(claims["jti"].take().as_str().map(str::len), Some(36));
    assert_eq!(
        claims,
        json!({
            "iss": "multitenant-api",
            "aud": "multitenant-api",
            "sub": user,
            "client_id": "tenantry",
            "iat": 1_800_000_000,
            "exp": 1_800_000_900,
            "jti": null,
            "token_type": "access",
            "actor": format!("user:{user}"),
            "user_id": user,
            "tenant": holder.tenant,
            "sid": holder.credential,
            "ver": 1,
            "roles": ["viewer"],
            "scopes": PermissionSet::READ.to_scopes(),
        })
    );
}

#[test]
fn a_token_without_a_signature_of_ours_is_refused() {
    let tokens = tokens(&[ES256]);
    let token = issue(&tokens);
    let (message, _) = token.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let foreign = issue(&self::tokens(&[&SigningKeys::generate_pem()]));
    let foreign_signature = foreign.rsplit_once('.').unwrap().1;
    let mut other_claims = open(&token).1;
    other_claims["tenant"] = json!(TenantId::random());
    let signature = token.rsplit_once('.').unwrap().1;

    for (forged, reason) in [
        (format!("{message}."), Rejection::Signature),
        (format!("{message}.{}", b64([0; 64])), Rejection::Signature),
        (format!("{message}.{}", b64([0; 63])), Rejection::Signature),
        (format!("{message}.{foreign_signature}"), Rejection::Signature),
        (format!("{header}.{}.{signature}", b64(other_claims.to_string())), Rejection::Signature),
        (format!("{header}.{claims}A.{signature}"), Rejection::Signature),
        (foreign, Rejection::UnknownKey),
    ] {
        assert_eq!(tokens.verify(&forged, now()), Err(reason), "{forged}");
    }
}

#[test]
fn a_token_with_alg_none_is_refused() {
    let tokens = tokens(&[ES256]);
    let (mut header, claims) = open(&issue(&tokens));

    for alg in ["none", "None", "NONE", "nOnE", ""] {
        header["alg"] = json!(alg);
        let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        for signature in ["", "AAAA"] {
            assert_eq!(tokens.verify(&format!("{message}.{signature}"), now()), Err(Rejection::Algorithm), "{alg}");
        }
    }
}

#[test]
fn a_public_key_is_no_hmac_secret() {
    for pem in [SigningKeys::generate_pem().as_str(), ES256, RS256] {
        let tokens = tokens(&[pem]);
        let (mut header, claims) = open(&issue(&tokens));
        header["alg"] = json!("HS256");
        let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let jwk = tokens.keys().jwks()["keys"][0].clone();
        let public = jwk["x"].as_str().or(jwk["n"].as_str()).unwrap();

        for secret in [public.as_bytes(), &decode(public).unwrap(), jwk.to_string().as_bytes()] {
            let secret = jsonwebtoken::EncodingKey::from_secret(secret);
            let signature = crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
            assert_eq!(tokens.verify(&format!("{message}.{signature}"), now()), Err(Rejection::Algorithm));
        }
    }
}

#[test]
fn the_key_decides_the_algorithm_and_not_the_header() {
    let tokens = tokens(&[RS256, ES256]);

    for alg in ["ES256", "EdDSA", "PS256", "RS384", "HS256", "rs256"] {
        let token = altered(&tokens, json!({ "alg": alg }), json!({}));
        assert_eq!(tokens.verify(&token, now()), Err(Rejection::Algorithm), "{alg}");
    }
}

#[test]
fn a_header_that_says_more_than_ours_is_refused() {
    let tokens = tokens(&[ES256]);
    let jwk = tokens.keys().jwks()["keys"][0].clone();

    for more in [
        json!({ "crit": ["exp"] }),
        json!({ "crit": [] }),
        json!({ "crit": ["b64"], "b64": false }),
        json!({ "jku": "https://attacker.example/jwks" }),
        json!({ "jwk": jwk }),
        json!({ "x5u": "https://attacker.example/cert" }),
        json!({ "x5c": ["MIIB"] }),
        json!({ "enc": "A128GCM" }),
        json!({ "zip": "DEF" }),
        json!({ "cty": "JWT" }),
        json!({ "alg": null }),
        json!({ "alg": ["ES256"] }),
        json!({ "kid": 1 }),
    ] {
        assert_eq!(tokens.verify(&altered(&tokens, more.clone(), json!({})), now()), Err(Rejection::Header), "{more}");
    }
    let (header, claims) = open(&issue(&tokens));
    let twice = header.to_string().replacen('{', r#"{"alg":"none","#, 1);
    assert_eq!(tokens.verify(&seal(&tokens, twice, claims), now()), Err(Rejection::Header));
}

#[test]
fn a_token_names_its_key() {
    let tokens = tokens(&[ES256, RS256]);

    for kid in [json!(null), json!(""), json!("other"), json!("../../etc/passwd"), json!("' or 1=1")] {
        let token = altered(&tokens, json!({ "kid": kid }), json!({}));
        assert_eq!(tokens.verify(&token, now()), Err(Rejection::UnknownKey), "{kid}");
    }
    let wrong_key = altered(&tokens, json!({ "kid": tokens.keys().jwks()["keys"][1]["kid"] }), json!({}));
    assert_eq!(tokens.verify(&wrong_key, now()), Err(Rejection::Algorithm));
}

#[test]
fn only_the_type_of_an_access_token_is_accepted() {
    let tokens = tokens(&[ES256]);
    let verify = |typ: Value| tokens.verify(&altered(&tokens, json!({ "typ": typ }), json!({})), now());

    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert!(verify(json!(typ)).is_ok(), "{typ}");
    }
    for typ in [json!(null), json!(""), json!("JWT"), json!("jwt"), json!("dpop+jwt"), json!("at+jwt ")] {
        assert_eq!(verify(typ.clone()), Err(Rejection::Type), "{typ}");
    }
}

#[test]
fn what_is_not_three_parts_of_strict_base64url_is_refused() {
    let tokens = tokens(&[ES256]);
    let token = issue(&tokens);
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();

    for bad in [
        String::new(),
        "a".to_owned(),
        "a.b".to_owned(),
        "..".to_owned(),
        "....".to_owned(),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("{token}="),
        format!("{token}.{signature}"),
        format!("{header}=.{claims}.{signature}"),
        format!("{header}.{claims}=.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{claims}.{signature}.{claims}.{signature}"),
        format!("é.{claims}.{signature}"),
    ] {
        assert!(tokens.verify(&bad, now()).is_err(), "{bad}");
    }
    let long = altered(&tokens, json!({}), json!({ "more": "x".repeat(8 * 1024) }));
    assert_eq!(tokens.verify(&long, now()), Err(Rejection::TooLong));
}

#[test]
fn every_claim_is_checked() {
    let tokens = tokens(&[ES256]);
    let verify = |claims: &Value| tokens.verify(&altered(&tokens, json!({}), claims.clone()), now());

    for (claims, reason) in [
        (json!({ "iss": "other" }), Rejection::Issuer),
        (json!({ "aud": "other" }), Rejection::Audience),
        (json!({ "aud": ["multitenant-api", "other"] }), Rejection::Malformed),
        (json!({ "token_type": "refresh" }), Rejection::Type),
        (json!({ "token_type": "Access" }), Rejection::Type),
        (json!({ "sub": UserId::generate() }), Rejection::Malformed),
        (json!({ "exp": 1_800_000_901 }), Rejection::Lifetime),
        (json!({ "iat": i64::MIN, "exp": i64::MAX }), Rejection::Lifetime),
        (json!({ "exp": "1800000900" }), Rejection::Malformed),
        (json!({ "exp": 1e300 }), Rejection::Malformed),
        (json!({ "tenant": "acme" }), Rejection::Malformed),
        (json!({ "roles": "owner" }), Rejection::Malformed),
    ] {
        assert_eq!(verify(&claims), Err(reason), "{claims}");
    }
    for claim in ["iss", "aud", "sub", "client_id", "iat", "exp", "jti", "token_type", "user_id", "tenant", "sid"] {
        assert_eq!(verify(&json!({ claim: null })), Err(Rejection::Malformed), "{claim}");
    }
    assert!(verify(&json!({ "later": "addition" })).is_ok());
}

#[test]
fn a_token_is_good_from_when_it_was_issued_until_just_before_it_expires() {
    let tokens = tokens(&[ES256]);
    let token = issue(&tokens);
    let verify = |seconds: i64| tokens.verify(&token, now() + TimeDelta::seconds(seconds)).map(|_| ());

    for (seconds, expected) in [
        (-31, Err(Rejection::FromTheFuture)),
        (-30, Ok(())),
        (0, Ok(())),
        (899, Ok(())),
        (900, Err(Rejection::Expired)),
        (1_000_000, Err(Rejection::Expired)),
    ] {
        assert_eq!(verify(seconds), expected, "{seconds}");
    }
}

#[test]
fn scopes_narrow_what_the_roles_allow_and_never_widen_it() {
    let tokens = tokens(&[ES256]);
    let permissions = |roles: &[&str], scopes: &[&str]| {
        let token = altered(&tokens, json!({}), json!({ "roles": roles, "scopes": scopes }));
        tokens.verify(&token, now()).unwrap().permissions.to_scopes()
    };

    assert_eq!(permissions(&["viewer"], &["tasks:read", "tasks:write"]), ["tasks:read"]);
    assert_eq!(permissions(&["owner"], &["tasks:write"]), ["tasks:write"]);
    assert_eq!(permissions(&["viewer", "auditor"], &["tasks:read", "audits:read"]), ["tasks:read"]);
    assert_eq!(permissions(&["auditor"], &["tasks:read"]), ["tasks:read"]);
    assert!(permissions(&[], &["tasks:read"]).is_empty());
    assert!(permissions(&["owner"], &[]).is_empty());
}

#[test]
fn tokens_of_a_key_that_no_longer_signs_are_still_verified() {
    let old = tokens(&[ES256]);

    let token = issue(&old);

    assert!(tokens(&[RS256, ES256]).verify(&token, now()).is_ok());
    assert_eq!(tokens(&[RS256]).verify(&token, now()), Err(Rejection::UnknownKey));
}

#[test]
fn no_token_outlives_the_memory_of_revocations() {
    let settings = TokenSettings { max_access_lifetime: Duration::from_secs(3600), ..TokenSettings::default() };
    let tokens = AccessTokens::new(SigningKeys::from_pems(&[ES256]).unwrap(), settings);
    let issue = |seconds| tokens.issue(&holder(Role::Member), now(), Duration::from_secs(seconds));

    assert!(tokens.verify(&issue(3600).unwrap(), now()).is_ok());
    assert!(matches!(issue(3601), Err(IssueError::Lifetime(_))));
    assert!(tokens.settings().revocation_memory() > Duration::from_secs(3600));
    assert!(TokenSettings::default().revocation_memory() > TokenSettings::default().access_lifetime);
}

#[test]
fn whoever_acts_is_the_subject_and_a_machine_client_is_its_own_client() {
    let tokens = tokens(&[&SigningKeys::generate_pem()]);
    let client = ApiClientId::generate();
    for (actor, kind, subject, client_id) in [
        (Actor::ApiClient(client), CredentialKind::ClientToken, client.to_string(), client.to_string()),
        (Actor::Service("sync".parse().unwrap()), CredentialKind::ServiceToken, "sync".to_owned(), CLIENT.to_owned()),
    ] {
        let holder = Holder { actor, ..holder(Role::Viewer) };

        let token = tokens.issue(&holder, now(), Duration::from_secs(900)).unwrap();

        let (_, claims) = open(&token);
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!(subject), &json!(client_id)));
        assert_eq!(claims.get("user_id"), None);
        let access = tokens.verify(&token, now()).unwrap();
        assert_eq!((access.kind, access.actor, access.user), (kind, actor, None));
    }
    let operator = Holder { actor: Actor::Operator(OperatorId::generate()), ..holder(Role::Viewer) };
    let access = tokens.verify(&tokens.issue(&operator, now(), Duration::from_secs(900)).unwrap(), now()).unwrap();
    assert_eq!(access.kind, CredentialKind::ActingOperator);
}

#[test]
fn neither_a_key_nor_the_service_itself_has_a_token() {
    let tokens = tokens(&[&SigningKeys::generate_pem()]);

    for actor in [Actor::ApiKey(ApiKeyId::generate()), Actor::System] {
        let holder = Holder { actor, ..holder(Role::Viewer) };
        let token = tokens.issue(&holder, now(), Duration::from_secs(900)).unwrap();

        assert_eq!(tokens.verify(&token, now()), Err(Rejection::Malformed), "{actor}");
    }
}

#[test]
fn keys_are_swapped_while_tokens_are_issued_and_verified() {
    let tokens = tokens(&[ES256]);
    let before = issue(&tokens);

    assert!(tokens.set_keys(SigningKeys::from_pems(&[RS256, ES256]).unwrap()));
    let after = issue(&tokens);
    assert!(tokens.verify(&before, now()).is_ok() && tokens.verify(&after, now()).is_ok());
    assert_eq!(open(&after).0["alg"], "RS256");

    assert!(!tokens.set_keys(SigningKeys::from_pems(&[RS256]).unwrap()));
    assert_eq!(tokens.verify(&before, now()), Err(Rejection::UnknownKey));
    assert!(tokens.verify(&after, now()).is_ok());
}
