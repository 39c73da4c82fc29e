//! Those who run the service: who they are, and what they see and change of tenants.

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_server::operations;
use tenantry_tenancy::{Email, TenantId};
use uuid::Uuid;

use crate::harness::{self, Caller, PLACEMENTS, Suite};

pub const TENANTS: &str = "/operator/v1/tenants";

/// An operator whose token is good for an hour.
pub async fn operator(suite: &Suite) -> Caller {
    let email = format!("{}@operators.example", Uuid::now_v7());
    named(suite, &email, TimeDelta::hours(1)).await
}

/// An operator with this address, whose token is good for so long.
async fn named(suite: &Suite, email: &str, lifetime: TimeDelta) -> Caller {
    let email = Email::parse(email).unwrap();
    let (_, token) = operations::create_operator(&suite.services, &email, Utc::now() + lifetime).await.unwrap();
    Caller { token: token.reveal().to_owned(), base: suite.base.clone() }
}

/// A slug of this test, in the order of the letters given.
fn slug(prefix: &str, letter: &str) -> String {
    format!("{prefix}-{letter}")
}

fn tenant(slug: &str) -> Value {
    json!({ "slug": slug, "plan": "free", "owner_email": format!("owner@{slug}.example") })
}

#[tokio::test]
async fn only_an_operators_token_opens_the_operators_api() {
    let suite = harness::suite().await;
    let one = suite.tenant(PLACEMENTS[0]).await;
    let (operator, owner) = (operator(&suite).await, one.owner());
    let expired = named(&suite, "expired@operators.example", TimeDelta::seconds(-1)).await;
    let damaged = Caller { token: operator.token.replace("tno_", "tno_A"), ..operator.clone() };
    let unknown = Caller { token: tenantry_auth::OperatorToken::generate().reveal().to_owned(), ..operator.clone() };
    let path = format!("{TENANTS}/{}", one.tenant.id);

    for (method, path, body) in [
        (Method::GET, TENANTS, Value::Null),
        (Method::POST, TENANTS, tenant("never-made")),
        (Method::GET, path.as_str(), Value::Null),
        (Method::PATCH, path.as_str(), json!({ "status": "suspended" })),
    ] {
        let anonymous = suite.request(method.clone(), path).json(&body).send().await.expect(401);
        for caller in [&owner, &expired, &damaged, &unknown] {
            let refused = caller.request(method.clone(), path).json(&body).send().await.expect(401);
            assert_eq!(refused.without_request_id(), anonymous.without_request_id());
        }
    }
    let still = operator.get(&path).await.expect(200);
    assert_eq!(still.json["status"], "active");
    let list = operator.get(&format!("{TENANTS}?after=never-mad")).await.expect(200);
    assert!(list.json["data"].as_array().unwrap().iter().all(|it| it["slug"] != "never-made"));
}

#[tokio::test]
async fn an_operators_token_opens_no_tenant() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;

    operator.get("/api/v1/projects").await.expect(401);
    operator.post("/api/v1/projects", json!({ "name": "x" })).await.expect(401);
}

#[tokio::test]
async fn a_second_token_takes_the_place_of_the_first_at_once() {
    let suite = harness::suite().await;
    let first = named(&suite, "twice@operators.example", TimeDelta::hours(1)).await;
    first.get(TENANTS).await.expect(200);

    let second = named(&suite, "twice@operators.example", TimeDelta::hours(1)).await;

    first.get(TENANTS).await.expect(401);
    second.get(TENANTS).await.expect(200);
}

#[tokio::test]
async fn tenants_are_listed_by_slug_page_by_page() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;
    // No other test's tenants sort behind these.
    let prefix = format!("zz{}", Uuid::now_v7().simple());
    let slugs: Vec<String> = ["a", "b", "c", "d", "e"].iter().map(|letter| slug(&prefix, letter)).collect();
    for slug in slugs.iter().rev() {
        operator.post(TENANTS, tenant(slug)).await.expect(201);
    }

    let mut seen = Vec::new();
    let mut after = prefix.clone();
    loop {
        let page = operator.get(&format!("{TENANTS}?limit=2&after={after}")).await.expect(200);
        let data = page.json["data"].as_array().unwrap();
        assert!(data.len() <= 2);
        seen.extend(data.iter().map(|tenant| tenant["slug"].as_str().unwrap().to_owned()));
        match page.json["next_after"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }

    assert_eq!(seen, slugs);
}

#[tokio::test]
async fn a_tenant_is_shown_with_all_there_is_to_know() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await.tenant;

        let shown = operator.get(&format!("{TENANTS}/{}", tenant.id)).await.expect(200).json;

        let expected = json!({
            "id": tenant.id, "slug": tenant.slug, "plan": "standard", "placement": placement, "status": "active",
            "settings": {}, "created_at": shown["created_at"],
        });
        assert_eq!(shown, expected);
    }
    let missing = operator.get(&format!("{TENANTS}/{}", TenantId::random())).await.expect(404);
    assert_eq!(missing.json["detail"], "there is no such tenant");
    operator.get(&format!("{TENANTS}/x")).await.expect_field(400, "id");
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_by_the_name_of_its_field() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;
    let with = |field: &str, value: Value| {
        let mut body = tenant("refused");
        body[field] = value;
        body
    };

    for (field, value) in [
        ("slug", json!("Not A Slug")),
        ("slug", json!("x")),
        ("plan", json!("gold")),
        ("placement", json!("shard")),
        ("owner_email", json!("nobody")),
        ("tenant_id", json!(Uuid::now_v7())),
        ("status", json!("active")),
    ] {
        operator.post(TENANTS, with(field, value)).await.expect_field(400, field);
    }
    for field in ["slug", "plan", "owner_email"] {
        let mut body = tenant("refused");
        body.as_object_mut().unwrap().remove(field);
        operator.post(TENANTS, body).await.expect_field(400, field);
    }
    operator.get(&format!("{TENANTS}?tenant_id=1")).await.expect_field(400, "tenant_id");
    operator.get(&format!("{TENANTS}?limit=0")).await.expect_field(400, "limit");
    operator.get(&format!("{TENANTS}?after=A%20B")).await.expect_field(400, "after");
}

#[tokio::test]
async fn a_state_is_left_only_for_one_that_may_follow() {
    let suite = harness::suite().await;
    let (operator, admin) = (operator(&suite).await, suite.admin().await);
    let path = format!("{TENANTS}/{}", suite.tenant(PLACEMENTS[0]).await.tenant.id);
    let id = path.rsplit('/').next().unwrap().to_owned();
    let change = async |status: &str| operator.patch(&path, json!({ "status": status })).await;

    assert_eq!(change("suspended").await.expect(200).json["status"], "suspended");
    assert_eq!(change("suspended").await.expect(200).json["status"], "suspended");
    for status in ["provisioning", "deleting"] {
        change(status).await.expect_field(409, "status");
    }
    assert_eq!(change("active").await.expect(200).json["status"], "active");
    for (state, to) in [("provisioning", "active"), ("provisioning", "suspended"), ("deleting", "active")] {
        admin
            .batch_execute(&format!("update registry.tenants set status = '{state}' where id = '{id}'"))
            .await
            .unwrap();
        change(to).await.expect_field(409, "status");
    }
    change("gone").await.expect_field(400, "status");
    operator.patch(&path, json!({ "plan": "free" })).await.expect_field(400, "plan");
    let missing = format!("{TENANTS}/{}", TenantId::random());
    operator.patch(&missing, json!({ "status": "suspended" })).await.expect(404);
}

#[tokio::test]
async fn a_state_asked_for_by_many_at_once_is_reached_by_all() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;
    let path = format!("{TENANTS}/{}", suite.tenant(PLACEMENTS[0]).await.tenant.id);

    for status in ["suspended", "active", "suspended", "active"] {
        let body = json!({ "status": status });
        let answers = (0..6).map(|_| operator.patch(&path, body.clone()));
        for answer in futures_util::future::join_all(answers).await {
            assert_eq!(answer.expect(200).json["status"], status);
        }
    }
}

#[tokio::test]
async fn a_token_is_good_until_it_expires() {
    let suite = harness::suite().await;
    let operator = named(&suite, "soon@operators.example", TimeDelta::hours(1)).await;
    operator.get(TENANTS).await.expect(200);

    let expire = "update registry.operators set expires_at = now() where email = 'soon@operators.example'";
    suite.admin().await.batch_execute(expire).await.unwrap();

    operator.get(TENANTS).await.expect(401);
}
