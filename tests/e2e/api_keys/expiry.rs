//! When keys end, who is told, and when they were used.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tenantry_auth::ApiKeyStore;
use tokio_postgres::Client;

use super::{KEYS, Made, rejection};
use crate::harness::{Caller, PLACEMENTS, Suite, Tenant, apart, suite};
use crate::operators::{TENANTS, operator};
use crate::suspension::felt_in_time;

const DAY: TimeDelta = TimeDelta::days(1);

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

/// Whether two moments are the same but for how long a request takes.
fn close(a: DateTime<Utc>, b: DateTime<Utc>) -> bool {
    (a - b).abs() < TimeDelta::minutes(1)
}

async fn set_policy(operator: &Caller, tenant: &Tenant, days: u16) {
    let settings = json!({ "settings": { "api_key_max_age_days": days } });
    operator.patch(&format!("{TENANTS}/{}", tenant.tenant.id), settings).await.expect(200);
}

/// Makes a key older than it is.
async fn age(admin: &Client, made: &Made, days: i32) {
    let update = format!(
        "update registry.api_keys set created_at = created_at - interval '{days} days' where id = '{}'",
        made.id
    );
    assert_eq!(admin.execute(&update, &[]).await.unwrap(), 1);
}

/// Warns as if it were later by so much.
async fn warn(suite: &'static Suite, later: TimeDelta) {
    let warned = apart(async move { suite.services.directory.warn_of_expiring(Utc::now() + later, DAY * 14).await });
    warned.await.unwrap();
}

/// The keys that the tenant was warned of, with the end told.
async fn warnings(admin: &Client, tenant: &Tenant) -> Vec<(String, DateTime<Utc>)> {
    let query = format!(
        "select row_id::text, after ->> 'expires_at' from {}.audit_events
         where tenant_id = '{}' and resource = 'api_keys' and action = 'api_key_expiring' and actor = 'system' order by at, id",
        tenant.tenant.schema(),
        tenant.tenant.id
    );
    let rows = admin.query(&query, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get::<_, String>(1).parse().unwrap())).collect()
}

#[tokio::test]
async fn an_expired_key_is_refused_like_any_other() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let soon =
        json!({ "name": "x", "scopes": ["projects:read"], "expires_at": Utc::now() + TimeDelta::milliseconds(1500) });
    let made = Made::of(&owner, owner.post(KEYS, soon).await);
    made.key.get("/api/v1/projects").await.expect(200);

    let refused = async || made.key.get("/api/v1/projects").await.status == 401;
    crate::harness::eventually("it expires", crate::harness::PATIENCE, refused).await;

    assert_eq!(made.key.get("/api/v1/projects").await.without_request_id(), rejection(&tenant).await);
    for past in [
        json!(Utc::now() - DAY),
        json!("0001-01-01T00:00:00Z"),
        json!("9999-12-31T23:59:59Z"),
        json!("tomorrow"),
        json!(1),
    ] {
        owner.patch(&made.path(), json!({ "expires_at": past })).await.expect_field(400, "expires_at");
    }
}

#[tokio::test]
async fn a_key_older_than_the_tenants_policy_is_refused_within_a_second() {
    let suite = suite().await;
    let (admin, operator) = (suite.admin().await, operator(&suite).await);
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let (old, young) = (Made::by(&owner, &["projects:read"]).await, Made::by(&owner, &["projects:read"]).await);
        age(&admin, &old, 40).await;
        young.key.get("/api/v1/projects").await.expect(200);

        set_policy(&operator, &tenant, 30).await;

        let refused = async || old.key.get("/api/v1/projects").await.status == 401;
        felt_in_time("the old key is refused", refused).await;
        young.key.get("/api/v1/projects").await.expect(200);
        let made = Made::by(&owner, &["projects:read"]).await;
        assert!(close(time(&made.view["expires_at"]), Utc::now() + DAY * 30));
        let rotated = Made::of(&owner, old.rotate(&owner, json!({})).await);
        assert!(close(time(&rotated.view["expires_at"]), Utc::now() + DAY * 30));
    }
}

#[tokio::test]
async fn a_tenant_is_warned_once_of_each_key_that_ends_soon() {
    let suite = suite().await;
    let (admin, operator) = (suite.admin().await, operator(&suite).await);
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let body =
            |days: i32| json!({ "name": "x", "scopes": ["projects:read"], "expires_at": Utc::now() + DAY * days });
        let forever = Made::by(&owner, &["projects:read"]).await;
        let soon = Made::of(&owner, owner.post(KEYS, body(13)).await);
        Made::of(&owner, owner.post(KEYS, body(60)).await);
        let replaced = Made::of(&owner, owner.post(KEYS, body(13)).await);
        let successor = Made::of(&owner, replaced.rotate(&owner, json!({ "overlap_seconds": 604_800 })).await);
        owner.patch(&successor.path(), json!({ "expires_at": null })).await.expect(200);

        warn(suite.forever(), TimeDelta::zero()).await;
        warn(suite.forever(), TimeDelta::zero()).await;

        let told = warnings(&admin, &tenant).await;
        assert_eq!(told.iter().map(|(id, _)| id).collect::<Vec<_>>(), [&soon.id]);
        assert!(close(told[0].1, Utc::now() + DAY * 13));

        // Of another end it is warned again, also where the end is the policy's.
        owner.patch(&soon.path(), json!({ "expires_at": Utc::now() + DAY * 10 })).await.expect(200);
        set_policy(&operator, &tenant, 90).await;
        warn(suite.forever(), TimeDelta::zero()).await;
        assert_eq!(warnings(&admin, &tenant).await.len(), 2);
        age(&admin, &forever, 80).await;
        warn(suite.forever(), TimeDelta::zero()).await;
        let told = warnings(&admin, &tenant).await;
        assert_eq!((told.len(), &told[2].0), (3, &forever.id));
    }
}

#[tokio::test]
async fn the_last_use_is_told_to_the_minute_and_changes_nothing() {
    let suite = suite().await;
    let (admin, shared) = (suite.admin().await, suite.forever());
    let keep = || apart(async { shared.services.auth.keep_api_key_uses().await });
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let made = Made::by(&owner, &["projects:read"]).await;
        assert!(made.view["last_used_at"].is_null());

        for _ in 0..3 {
            made.key.get("/api/v1/projects").await.expect(200);
        }
        keep().await.unwrap();

        let seen = owner.get(&made.path()).await.expect(200).json;
        assert!(close(time(&seen["last_used_at"]), Utc::now()));
        assert_eq!((&seen["version"], &seen["updated_at"]), (&made.view["version"], &made.view["updated_at"]));
        assert_eq!(owner.get(KEYS).await.expect(200).json["data"][0]["last_used_at"], seen["last_used_at"]);
        let audit =
            format!("select count(*) from {}.audit_events where row_id = '{}'", tenant.tenant.schema(), made.id);
        assert_eq!(admin.query_one(&audit, &[]).await.unwrap().get::<_, i64>(0), 1, "its making alone");
    }
}

#[tokio::test]
async fn the_uses_of_keys_that_are_gone_are_passed_over() {
    let suite = suite().await;
    let shared = suite.forever();
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let (gone, kept) = (Made::by(&owner, &["projects:read"]).await, Made::by(&owner, &["projects:read"]).await);
    for made in [&gone, &kept] {
        made.key.get("/api/v1/projects").await.expect(200);
    }

    owner.delete(&gone.path()).await.expect(204);
    apart(async { shared.services.auth.keep_api_key_uses().await }).await.unwrap();

    assert!(!owner.get(&kept.path()).await.expect(200).json["last_used_at"].is_null());
}
