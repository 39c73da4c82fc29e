//! Members: who sees and changes them, what nobody may give or take, and how soon it is felt.

use std::time::Duration;

use serde_json::json;
use tenantry_tenancy::Role;
use tokio_postgres::Client;

use crate::auth::Person;
use crate::harness::{Caller, PATIENCE, PLACEMENTS, Suite, Tenant, another_instance, eventually, suite};

const MEMBERS: &str = "/api/v1/members";
const SECOND: Duration = Duration::from_secs(1);

fn one(tenant: &Tenant, role: Role) -> String {
    format!("{MEMBERS}/{}", tenant.user(role))
}

/// Somebody who logged in with a password, and what they can refresh with.
async fn logged_in(suite: &Suite, tenant: &Tenant, role: Role) -> (Caller, String) {
    let tokens = Person::new(suite, tenant, role).await.log_in(suite).await;
    let text = |field: &str| tokens.json[field].as_str().unwrap().to_owned();
    (Caller { token: text("access"), base: suite.base.clone() }, text("refresh"))
}

#[tokio::test]
async fn members_are_listed_page_by_page_with_address_and_role() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let viewer = tenant.caller(Role::Viewer);

        let mut seen = Vec::new();
        let mut path = format!("{MEMBERS}?limit=3");
        loop {
            let page = viewer.get(&path).await.expect(200);
            seen.extend(page.json["data"].as_array().unwrap().clone());
            let Some(cursor) = page.json["next_cursor"].as_str() else { break };
            path = format!("{MEMBERS}?limit=3&cursor={cursor}");
        }

        assert_eq!(seen.len(), Role::ALL.len());
        for role in Role::ALL {
            let member = seen.iter().find(|it| it["id"] == tenant.user(*role).to_string()).unwrap();
            assert_eq!(member["role"], role.as_str());
            assert_eq!(member["email"], format!("{role}@{}.example", tenant.tenant.slug));
        }
    }
}

#[tokio::test]
async fn a_person_of_another_tenant_is_met_as_nobody() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (tenant, other) = (suite.tenant(placement).await, suite.tenant(placement).await);
        let owner = tenant.owner();
        let missing = format!("{MEMBERS}/{}", uuid::Uuid::now_v7());

        for (foreign, missing) in [
            (owner.get(&one(&other, Role::Member)).await, owner.get(&missing).await),
            (
                owner.patch(&one(&other, Role::Member), json!({ "role": "viewer" })).await,
                owner.patch(&missing, json!({ "role": "viewer" })).await,
            ),
            (owner.delete(&one(&other, Role::Member)).await, owner.delete(&missing).await),
        ] {
            assert_eq!(foreign.expect(404).without_request_id(), missing.expect(404).without_request_id());
        }
        other.owner().get(&one(&other, Role::Member)).await.expect(200);
    }
}

#[tokio::test]
async fn there_is_always_an_owner() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let only = one(&tenant, Role::Owner);

    owner.patch(&only, json!({ "role": "member" })).await.expect_field(409, "role");
    owner.delete(&only).await.expect_field(409, "role");
    owner.patch(&only, json!({ "role": "owner" })).await.expect(200);

    owner.patch(&one(&tenant, Role::Admin), json!({ "role": "owner" })).await.expect(200);
    assert_eq!(owner.patch(&only, json!({ "role": "member" })).await.expect(200).json["role"], "member");
}

#[tokio::test]
async fn two_owners_who_demote_each_other_at_once_leave_one() {
    let suite = suite().await;
    for _ in 0..8 {
        let tenant = suite.tenant(PLACEMENTS[0]).await;
        tenant.owner().patch(&one(&tenant, Role::Admin), json!({ "role": "owner" })).await.expect(200);
        let (first, second) = (one(&tenant, Role::Owner), one(&tenant, Role::Admin));
        let (by_first, by_second) = (tenant.owner(), tenant.owner());

        let (one, other) =
            tokio::join!(by_first.patch(&second, json!({ "role": "viewer" })), by_second.delete(&first),);

        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert!(matches!(statuses, [200 | 204, 409]), "{statuses:?}");
        let id = tenant.tenant.id;
        let owners = format!("select count(*) from registry.memberships where tenant_id = '{id}' and role = 'owner'");
        let count: i64 = suite.admin().await.query_one(&owners, &[]).await.unwrap().get(0);
        assert_eq!(count, 1);
    }
}

/// How many sessions wait for what this one has locked.
pub async fn held_up(suite: &Suite, by: &Client) -> i64 {
    let pid: i32 = by.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let waiting = "select count(*) from pg_stat_activity where $1 = any(pg_blocking_pids(pid))";
    suite.admin().await.query_one(waiting, &[&pid]).await.unwrap().get(0)
}

#[tokio::test]
async fn whoever_becomes_the_only_owner_meanwhile_stays_one() {
    let suite = suite().await;
    for remove in [true, false] {
        let tenant = suite.tenant(PLACEMENTS[0]).await;
        let (admin, owner, target) = (suite.admin().await, tenant.owner(), one(&tenant, Role::Viewer));
        let handover = format!(
            "begin;
             update registry.memberships set role = 'owner' where tenant_id = '{0}' and user_id = '{1}';
             update registry.memberships set role = 'viewer' where tenant_id = '{0}' and user_id = '{2}'",
            tenant.tenant.id,
            tenant.user(Role::Viewer),
            tenant.user(Role::Owner)
        );
        admin.batch_execute(&handover).await.unwrap();

        let request = tokio::spawn(async move {
            if remove { owner.delete(&target).await } else { owner.patch(&target, json!({ "role": "member" })).await }
        });
        eventually("the request waits", PATIENCE, async || held_up(&suite, &admin).await > 0).await;
        admin.batch_execute("commit").await.unwrap();

        request.await.unwrap().expect_field(409, "role");
    }
}

#[tokio::test]
async fn who_is_removed_meanwhile_gets_no_key() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let (admin, member) = (suite.admin().await, tenant.caller(Role::Admin));
    let removal = format!(
        "begin; delete from registry.memberships where tenant_id = '{}' and user_id = '{}'",
        tenant.tenant.id,
        tenant.user(Role::Admin)
    );
    admin.batch_execute(&removal).await.unwrap();

    let body = json!({ "name": "Importer", "scopes": ["projects:read"] });
    let made = tokio::spawn(async move { member.post("/api/v1/api-keys", body).await });
    eventually("the request waits", PATIENCE, async || held_up(&suite, &admin).await > 0).await;
    admin.batch_execute("commit").await.unwrap();

    made.await.unwrap().expect(409);
}

#[tokio::test]
async fn nobody_changes_or_removes_somebody_who_may_do_more() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let role = json!({ "name": "host", "description": "", "permissions": ["members:read", "members:write"] });
    tenant.owner().post("/api/v1/roles", role).await.expect(201);
    tenant.owner().patch(&one(&tenant, Role::Viewer), json!({ "role": "host" })).await.expect(200);
    let tokens = Person::new(&suite, &tenant, Role::Viewer).await.log_in(&suite).await;
    let host = Caller { token: tokens.json["access"].as_str().unwrap().to_owned(), base: suite.base.clone() };

    for role in [Role::Admin, Role::Member] {
        host.patch(&one(&tenant, role), json!({ "role": "host" })).await.expect(403);
        host.delete(&one(&tenant, role)).await.expect(403);
    }
    host.delete(&one(&tenant, Role::Viewer)).await.expect(204);
}

#[tokio::test]
async fn only_an_owner_makes_or_unmakes_an_owner() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let admin = tenant.caller(Role::Admin);

    admin.patch(&one(&tenant, Role::Admin), json!({ "role": "owner" })).await.expect(403);
    admin.patch(&one(&tenant, Role::Owner), json!({ "role": "viewer" })).await.expect(403);
    admin.delete(&one(&tenant, Role::Owner)).await.expect(403);

    admin.patch(&one(&tenant, Role::Member), json!({ "role": "admin" })).await.expect(200);
    tenant.owner().get(&one(&tenant, Role::Owner)).await.expect(200);
}

#[tokio::test]
async fn a_role_must_exist() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let path = one(&tenant, Role::Member);

    tenant.owner().patch(&path, json!({ "role": "gardener" })).await.expect_field(400, "role");
    tenant.owner().patch(&path, json!({ "role": "Owner!" })).await.expect_field(400, "role");
    tenant.caller(Role::Member).patch(&path, json!({ "role": "owner" })).await.expect(403);
}

#[tokio::test]
async fn a_new_role_is_felt_on_every_instance_within_a_second_and_a_refresh_has_it() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let (member, refresh) = logged_in(&suite, &tenant, Role::Member).await;
        let (_, base) = another_instance(suite.forever(), &[]).await;
        let instances = [member.clone(), member.at(&base)];
        for instance in &instances {
            instance.post("/api/v1/projects", json!({ "name": "Moon" })).await.expect(201);
        }

        let path = one(&tenant, Role::Member);
        tenant.owner().patch(&path, json!({ "role": "viewer" })).await.expect(200);

        for instance in &instances {
            let void = async || instance.post("/api/v1/projects", json!({ "name": "Moon" })).await.status == 401;
            eventually("the old token is void", SECOND, void).await;
        }
        let renewed = suite
            .request(reqwest::Method::POST, "/api/v1/auth/token/refresh")
            .json(&json!({ "refresh": refresh }))
            .send()
            .await
            .expect(200);
        let viewer = Caller { token: renewed.json["access"].as_str().unwrap().to_owned(), base: suite.base.clone() };
        viewer.get("/api/v1/projects").await.expect(200);
        viewer.post("/api/v1/projects", json!({ "name": "Moon" })).await.expect(403);
    }
}

#[tokio::test]
async fn who_was_removed_is_out_on_every_instance_within_a_second() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let (member, refresh) = logged_in(&suite, &tenant, Role::Member).await;
    let (_, base) = another_instance(suite.forever(), &[]).await;
    let elsewhere = member.at(&base);
    elsewhere.get("/api/v1/projects").await.expect(200);

    tenant.owner().delete(&one(&tenant, Role::Member)).await.expect(204);

    for instance in [&member, &elsewhere] {
        let out = async || instance.get("/api/v1/projects").await.status == 401;
        eventually("the removed member is out", SECOND, out).await;
    }
    let body = json!({ "refresh": refresh });
    suite.request(reqwest::Method::POST, "/api/v1/auth/token/refresh").json(&body).send().await.expect(401);
    tenant.owner().get(&one(&tenant, Role::Member)).await.expect(404);
}

#[tokio::test]
async fn every_change_of_a_member_is_in_the_tenants_audit_with_who_did_it() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let changed = tenant.owner().patch(&one(&tenant, Role::Member), json!({ "role": "viewer" })).await.expect(200);

        let events = format!(
            "select before ->> 'role', after ->> 'role', actor from {}.audit_events
             where tenant_id = '{}' and resource = 'memberships' and request_id = '{}'",
            tenant.tenant.schema(),
            tenant.tenant.id,
            changed.header("x-request-id"),
        );
        let event = suite.admin().await.query_one(&events, &[]).await.unwrap();
        let (before, after, actor): (&str, &str, &str) = (event.get(0), event.get(1), event.get(2));
        assert_eq!((before, after), ("member", "viewer"));
        assert_eq!(actor, format!("user:{}", tenant.user(Role::Owner)));
    }
}
