//! Logging in with a password.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenantry_tenancy::provisioning::set_status;
use tenantry_tenancy::{Role, TenantStatus};

use super::{Person, TOKEN, caller, face, part, post};
use crate::harness::{Caller, PATIENCE, PLACEMENTS, another_instance, eventually, suite};
use crate::roles::scopes;
use crate::schemas::violations;

#[tokio::test]
async fn a_login_gives_tokens_that_open_the_persons_tenant() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let project = tenant.owner().project("Moon").await;
        let person = Person::new(&suite, &tenant, Role::Member).await;

        let tokens = person.log_in(&suite).await;

        let documented = json!({ "$ref": "#/components/schemas/TokenView" });
        assert_eq!(violations(&tenantry_api::openapi(), &documented, &tokens.json), [""; 0]);
        assert_eq!((&tokens.json["token_type"], &tokens.json["expires_in"]), (&json!("Bearer"), &json!(900)));
        assert_eq!(tokens.header("cache-control"), "no-store");
        caller(&suite, &tokens).get(&format!("/api/v1/projects/{project}")).await.expect(200);
    }
}

#[tokio::test]
async fn an_access_token_says_who_where_and_what_for() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Viewer).await;

    let (first, second) = (person.log_in(&suite).await, person.log_in(&suite).await);

    let header = part(first.json["access"].as_str().unwrap(), 0);
    let claims = part(first.json["access"].as_str().unwrap(), 1);
    let user = tenant.user(Role::Viewer).to_string();
    for (claim, value) in [
        ("sub", json!(user)),
        ("user_id", json!(user)),
        ("tenant", json!(tenant.tenant.id.to_string())),
        ("iss", json!("multitenant-api")),
        ("aud", json!("multitenant-api")),
        ("token_type", json!("access")),
        ("roles", json!(["viewer"])),
        ("scopes", json!(scopes(Role::Viewer))),
    ] {
        assert_eq!(claims[claim], value, "{claim}");
    }
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("at+jwt")));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert_ne!(claims["jti"], part(second.json["access"].as_str().unwrap(), 1)["jti"]);
}

#[tokio::test]
async fn a_tenant_may_be_named_by_slug_or_id() {
    let suite = suite().await;
    let (tenant, other) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let user = tenant.user(Role::Member);
    suite.services.registry.ensure_member(other.tenant.id, user, Role::Viewer).await.unwrap();

    for (of, role) in [(&tenant, "member"), (&other, "viewer")] {
        for name in [of.tenant.slug.to_string(), of.tenant.id.to_string()] {
            let mut credentials = person.credentials();
            credentials["tenant"] = json!(name);

            let tokens = post(&suite, TOKEN, &credentials).await.expect(200);

            let claims = part(tokens.json["access"].as_str().unwrap(), 1);
            assert_eq!((&claims["tenant"], &claims["roles"]), (&json!(of.tenant.id.to_string()), &json!([role])));
        }
    }
}

#[tokio::test]
async fn an_address_is_the_same_in_capitals() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Owner).await;

    let credentials = json!({ "username": person.username.to_uppercase(), "password": person.password });

    post(&suite, TOKEN, &credentials).await.expect(200);
}

#[tokio::test]
async fn a_member_of_several_tenants_must_say_which_but_learns_so_only_with_the_right_password() {
    let suite = suite().await;
    let (tenant, other) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let user = tenant.user(Role::Member);
    suite.services.registry.ensure_member(other.tenant.id, user, Role::Viewer).await.unwrap();
    let wrong = json!({ "username": person.username, "password": "wrong horse battery staple" });

    let asked = post(&suite, TOKEN, &person.credentials()).await.expect_field(400, "tenant");
    let refused = post(&suite, TOKEN, &wrong).await.expect(401);

    assert_eq!(asked.json["errors"][0]["code"], "required");
    assert_eq!(refused.json["errors"], json!([]));
    // Once one of the two is not served any more there is nothing left to choose.
    set_status(&*suite.services.registry, other.tenant.id, TenantStatus::Suspended).await.unwrap();
    let tokens = person.log_in(&suite).await;
    assert_eq!(part(tokens.json["access"].as_str().unwrap(), 1)["tenant"], tenant.tenant.id.to_string());
}

#[tokio::test]
async fn every_wrong_login_gets_the_same_answer() {
    let suite = suite().await;
    let (tenant, other) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let right = person.credentials();
    let mut expected = None;

    for (why, credentials) in wrong_logins(&person, &tenant.tenant.slug.to_string(), &other.tenant.slug.to_string()) {
        let answer = post(&suite, TOKEN, &credentials).await.expect(401);

        let expected = expected.get_or_insert_with(|| face(&answer));
        assert_eq!(face(&answer), *expected, "{why}");
    }
    let nobodys = Person::new(&suite, &other, Role::Owner).await;
    set_status(&*suite.services.registry, other.tenant.id, TenantStatus::Suspended).await.unwrap();
    let suspended = post(&suite, TOKEN, &nobodys.credentials()).await.expect(401);

    assert_eq!(Some(face(&suspended)), expected, "the only tenant is suspended");
    // So many wrong ones have locked the person out for some seconds.
    eventually("the right one", PATIENCE, async || post(&suite, TOKEN, &right).await.status == 200).await;
}

/// Logins that each lack something else.
fn wrong_logins(person: &Person, tenant: &str, other: &str) -> Vec<(&'static str, Value)> {
    let login = |username: &str, password: &str, tenant: Option<&str>| json!({ "username": username, "password": password, "tenant": tenant });
    let (username, password) = (person.username.as_str(), person.password);
    let passwordless = username.replace("member@", "viewer@");
    let long = "x".repeat(300);
    vec![
        ("wrong password", login(username, "wrong horse battery staple", None)),
        ("wrong password, right tenant", login(username, "wrong horse battery staple", Some(tenant))),
        ("no password", login(username, "", None)),
        ("password of another length", login(username, "x", None)),
        ("password with something behind", login(username, &format!("{password} "), None)),
        ("password in capitals", login(username, &password.to_uppercase(), None)),
        ("password with a NUL", login(username, &format!("{password}\0"), None)),
        ("password of 300 bytes", login(username, &long, None)),
        ("password of a megabyte", login(username, &"x".repeat(1_000_000), None)),
        ("nobody", login("nobody@example.com", password, None)),
        ("somebody who never chose a password", login(&passwordless, password, None)),
        ("somebody who never chose a password, empty", login(&passwordless, "", None)),
        ("no address", login("", password, None)),
        ("malformed address", login("member", password, None)),
        ("address with a NUL", login(&format!("{username}\0"), password, None)),
        ("address too long", login(&format!("{long}@example.com"), password, None)),
        ("address as SQL", login("' or 1=1 --@example.com", password, None)),
        ("tenant of others", login(username, password, Some(other))),
        ("unknown tenant", login(username, password, Some("no-such-tenant"))),
        ("unknown tenant id", login(username, password, Some("018f0c5e-7f6a-4cc0-8000-3f1d5c9b2a10"))),
        ("no tenant", login(username, password, Some(""))),
        ("malformed tenant", login(username, password, Some("\0' or 1=1 --"))),
        ("tenant in capitals", login(username, password, Some(&tenant.to_uppercase()))),
        ("huge tenant", login(username, password, Some(&long))),
    ]
}

#[tokio::test]
async fn every_wrong_login_takes_the_time_of_a_right_one() {
    let suite = suite().await;
    // With the real parameters, so that a verification that is left out is not lost in the noise.
    let (_, base) = another_instance(
        suite.forever(),
        &[("TENANTRY_AUTH__PASSWORD_MEMORY_KIB", "19456"), ("TENANTRY_AUTH__PASSWORD_ITERATIONS", "2")],
    )
    .await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let login = async |credentials: &Value| {
        let begun = Instant::now();
        Caller { token: String::new(), base: base.clone() }.post(TOKEN, credentials.clone()).await;
        begun.elapsed()
    };
    // The first right one renews the hash, which was made with parameters for tests.
    login(&person.credentials()).await;
    let slug = tenant.tenant.slug.to_string();
    let mut all = wrong_logins(&person, &slug, "no-such-tenant");
    let of_each_kind = [
        "wrong password",
        "password of 300 bytes",
        "nobody",
        "malformed address",
        "somebody who never chose a password",
        "unknown tenant",
    ];
    all.retain(|(why, _)| of_each_kind.contains(why));
    all.push(("right", person.credentials()));
    // What is refused unverified, to see that the difference would show.
    all.push(("control", json!({})));

    // Of many, the shortest is the one that was disturbed least: the longer one measures, the more alike they become.
    let (mut shortest, begun) = (vec![Duration::MAX; all.len()], Instant::now());
    for round in 1.. {
        for ((_, credentials), shortest) in all.iter().zip(&mut shortest) {
            *shortest = login(credentials).await.min(*shortest);
        }
        let (control, verified) = shortest.split_last().unwrap();
        let longest = *verified.iter().max().unwrap();
        if round >= 5 && *control * 2 < longest && verified.iter().all(|it| *it * 2 > longest) {
            break;
        }
        let told: Vec<_> = all.iter().map(|(why, _)| why).zip(&shortest).collect();
        assert!(begun.elapsed() < PATIENCE, "they do not take the same time: {told:?}");
    }
}
