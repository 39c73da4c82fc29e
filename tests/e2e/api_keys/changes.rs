//! What changes about a key, its holder or its tenant is felt on every instance within a second.

use reqwest::Method;
use serde_json::json;
use tenantry_tenancy::Role;
use uuid::Uuid;

use super::{KEYS, Made, all_scopes, rejection};
use crate::harness::{Caller, PLACEMENTS, Suite, Tenant, another_instance, apart, suite};
use crate::suspension::felt_in_time;

/// The same key at both instances, known to both.
async fn at_both(made: &Made, other: &str) -> [Caller; 2] {
    let both = [made.key.clone(), made.key.at(other)];
    for key in &both {
        key.get("/api/v1/projects").await.expect(200);
    }
    both
}

async fn answer(keys: &[Caller], path: &str, status: u16) -> bool {
    for key in keys {
        if key.get(path).await.status != status {
            return false;
        }
    }
    true
}

async fn set_role(suite: &'static Suite, tenant: &Tenant, of: Role, to: Role) {
    let (tenant, user) = (tenant.tenant.id, tenant.user(of));
    apart(async move { suite.services.registry.ensure_member(tenant, user, to).await }).await.unwrap();
}

#[tokio::test]
async fn a_revoked_key_is_refused_everywhere_within_a_second() {
    let suite = suite().await;
    let (_, other) = another_instance(suite.forever(), &[]).await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let (made, kept) = (Made::by(&owner, &["projects:read"]).await, Made::by(&owner, &["projects:read"]).await);
        let (both, kept) = (at_both(&made, &other).await, at_both(&kept, &other).await);

        owner.delete(&made.path()).await.expect(204);

        felt_in_time("the key is refused", async || answer(&both, "/api/v1/projects", 401).await).await;
        assert!(answer(&kept, "/api/v1/projects", 200).await);
        assert_eq!(both[1].get("/api/v1/projects").await.without_request_id(), rejection(&tenant).await);
        owner.get(&made.path()).await.expect(404);
        owner.delete(&made.path()).await.expect(404);
    }
}

#[tokio::test]
async fn a_key_follows_the_role_of_its_holder_within_a_second() {
    let suite = suite().await;
    let (_, other) = another_instance(suite.forever(), &[]).await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let made = Made::by(&tenant.caller(Role::Admin), &all_scopes()).await;
    let both = at_both(&made, &other).await;
    assert!(answer(&both, KEYS, 200).await);

    set_role(suite.forever(), &tenant, Role::Admin, Role::Viewer).await;
    felt_in_time("it allows less", async || answer(&both, KEYS, 403).await).await;
    assert!(answer(&both, "/api/v1/projects", 200).await);

    set_role(suite.forever(), &tenant, Role::Admin, Role::Owner).await;
    felt_in_time("it allows more", async || answer(&both, KEYS, 200).await).await;
}

#[tokio::test]
async fn a_key_follows_a_role_of_the_tenant_within_a_second() {
    let suite = suite().await;
    let admin = suite.admin().await;
    let tenant = suite.tenant(PLACEMENTS[1]).await;
    let made = Made::by(&tenant.caller(Role::Admin), &all_scopes()).await;
    let (id, user, role) = (tenant.tenant.id, tenant.user(Role::Admin), Uuid::now_v7());
    let define = "insert into registry.roles (tenant_id, id, name, description, permissions)";
    let define = format!("{define} values ('{id}', '{role}', 'support', '', '{{projects:read}}')");
    let member = format!("tenant_id = '{id}' and user_id = '{user}'");
    let give = format!("update registry.memberships set role = 'support' where {member}");
    admin.batch_execute(&format!("{define}; {give}")).await.unwrap();
    let keys = [made.key.clone()];
    felt_in_time("the role is held", async || answer(&keys, "/api/v1/tasks", 403).await).await;
    assert!(answer(&keys, "/api/v1/projects", 200).await);

    let other = format!("update registry.roles set permissions = '{{tasks:read}}' where tenant_id = '{id}'");
    admin.batch_execute(&other).await.unwrap();

    felt_in_time("the role is another", async || answer(&keys, "/api/v1/tasks", 200).await).await;
    assert!(answer(&keys, "/api/v1/projects", 403).await);
}

#[tokio::test]
async fn a_key_goes_when_its_holder_does() {
    let suite = suite().await;
    let (_, other) = another_instance(suite.forever(), &[]).await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let made = Made::by(&tenant.caller(Role::Admin), &["projects:read"]).await;
    let both = at_both(&made, &other).await;

    let (id, user) = (tenant.tenant.id, tenant.user(Role::Admin));
    let leave = format!("delete from registry.memberships where tenant_id = '{id}' and user_id = '{user}'");
    suite.admin().await.batch_execute(&leave).await.unwrap();

    felt_in_time("the key is refused", async || answer(&both, "/api/v1/projects", 401).await).await;
    tenant.owner().get(&made.path()).await.expect(404);
}

#[tokio::test]
async fn a_narrowed_key_does_less_within_a_second() {
    let suite = suite().await;
    let (_, other) = another_instance(suite.forever(), &[]).await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let made = Made::by(&tenant.owner(), &["projects:read", "tasks:read"]).await;
    let both = at_both(&made, &other).await;

    let patch = json!({ "name": "Nightly", "scopes": ["projects:read"] });
    let changed = tenant.owner().patch(&made.path(), patch).await.expect(200);

    assert_eq!((&changed.json["name"], &changed.json["scopes"]), (&json!("Nightly"), &json!(["projects:read"])));
    assert_eq!(changed.json["version"], 2);
    felt_in_time("it does less", async || answer(&both, "/api/v1/tasks", 403).await).await;
    assert!(answer(&both, "/api/v1/projects", 200).await);
}

#[tokio::test]
async fn a_key_is_good_in_its_networks_only() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let expected = rejection(&tenant).await;
    let body = json!({ "name": "CI", "scopes": ["projects:read", "api_keys:write"], "networks": ["203.0.113.0/24"] });
    let made = Made::of(&owner, owner.post(KEYS, body).await);
    let keys = [made.key.clone()];

    assert_eq!(made.key.get("/api/v1/projects").await.expect(401).without_request_id(), expected);
    owner.patch(&made.path(), json!({ "networks": ["::1", "::ffff:127.0.0.0/104"] })).await.expect(200);
    felt_in_time("it is good here", async || answer(&keys, "/api/v1/projects", 200).await).await;

    // What it makes and changes stays in there.
    let child = Made::by(&made.key, &["projects:read"]).await;
    assert_eq!(child.view["networks"], json!(["::1/128", "127.0.0.0/8"]));
    let wider = json!({ "name": "x", "scopes": ["projects:read"], "networks": ["0.0.0.0/0"] });
    made.key.post(KEYS, wider).await.expect_field(400, "networks");
    let itself = made.key.patch(&made.path(), json!({ "networks": null })).await.expect(200);
    assert_eq!(itself.json["networks"], json!(["::1/128", "127.0.0.0/8"]));

    let freed = owner.patch(&made.path(), json!({ "networks": null })).await.expect(200);
    assert!(freed.json["networks"].is_null());
    for bad in [json!([]), json!(["localhost"]), json!(["127.0.0.1/8"]), json!([1]), json!("::1")] {
        owner.patch(&made.path(), json!({ "networks": bad })).await.expect_field(400, "networks");
    }
}

#[tokio::test]
async fn a_rotated_key_and_its_successor_are_both_good_until_the_overlap_ends() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let (owner, admin) = (tenant.owner(), tenant.caller(Role::Admin));
        let old = Made::by(&owner, &["projects:read"]).await;

        let new = Made::of(&admin, old.rotate(&admin, json!({ "overlap_seconds": 3600 })).await);

        assert_eq!((&new.view["name"], &new.view["scopes"]), (&old.view["name"], &old.view["scopes"]));
        assert_eq!(new.view["holder"], json!(tenant.user(Role::Admin)));
        let seen = owner.get(&old.path()).await.expect(200).json;
        assert_eq!(seen["replaced_by"], new.view["id"]);
        let ends: chrono::DateTime<chrono::Utc> = seen["expires_at"].as_str().unwrap().parse().unwrap();
        assert!((chrono::Utc::now() - ends).num_seconds().abs() > 3500);
        assert!(answer(&[old.key.clone(), new.key.clone()], "/api/v1/projects", 200).await);
        assert_eq!(old.rotate(&owner, json!({})).await.expect(409).json["code"], "conflict");
        let prolonged = owner.patch(&old.path(), json!({ "expires_at": null })).await.expect(200);
        assert_eq!(prolonged.json["expires_at"], seen["expires_at"]);

        let newest = Made::of(&owner, new.rotate(&owner, json!({ "overlap_seconds": 0 })).await);
        let over = [new.key.clone()];
        felt_in_time("it ends at once", async || answer(&over, "/api/v1/projects", 401).await).await;
        newest.key.get("/api/v1/projects").await.expect(200);
    }
}

#[tokio::test]
async fn a_change_made_from_an_old_version_is_refused() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let made = Made::by(&owner, &["projects:read"]).await;
    let send = async |method: Method, tag: &str| {
        let request = owner.request(method.clone(), &made.path()).header("if-match", tag);
        if method == Method::PATCH {
            request.json(&json!({ "name": "Nightly" })).send().await
        } else {
            request.send().await
        }
    };
    assert_eq!(owner.get(&made.path()).await.expect(200).header("etag"), "\"1\"");

    send(Method::PATCH, "\"2\"").await.expect(412);
    send(Method::DELETE, "\"2\"").await.expect(412);
    assert_eq!(send(Method::PATCH, "\"1\"").await.expect(200).header("etag"), "\"2\"");
    send(Method::DELETE, "\"2\"").await.expect(204);
}

#[tokio::test]
async fn of_many_who_rotate_a_key_at_once_one_does() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let made = Made::by(&owner, &["projects:read"]).await;

    let answers = futures_util::future::join_all((0..10).map(|_| made.rotate(&owner, json!({})))).await;

    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    assert_eq!(owner.get(KEYS).await.expect(200).json["data"].as_array().unwrap().len(), 2);
}
