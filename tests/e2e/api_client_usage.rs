//! What machine clients call is counted for their tenant, and for nobody else.

use chrono::{DateTime, Timelike, Utc};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api_clients::{CLIENTS, Client};
use crate::harness::{Caller, PLACEMENTS, Suite, apart, suite};

async fn keep(suite: &'static Suite) {
    apart(async { suite.services.usage.keep(Utc::now()).await }).await.unwrap();
}

/// Everything counted, a call at a time: method, route, status, how often.
async fn counted(owner: &Caller, client: &Client, limit: usize) -> Vec<(String, String, u64, u64)> {
    let mut calls = Vec::new();
    let mut path = format!("{}/usage?limit={limit}&sort=created_at", client.path());
    loop {
        let page = owner.get(&path).await.expect(200).json;
        for it in page["data"].as_array().unwrap() {
            let text = |name: &str| it[name].as_str().unwrap().to_owned();
            calls.push((text("method"), text("route"), it["status"].as_u64().unwrap(), it["calls"].as_u64().unwrap()));
        }
        let Some(cursor) = page["next_cursor"].as_str() else { return calls };
        path = format!("{}/usage?limit={limit}&sort=created_at&cursor={cursor}", client.path());
    }
}

fn call(method: &str, route: &str, status: u64, calls: u64) -> (String, String, u64, u64) {
    (method.to_owned(), route.to_owned(), status, calls)
}

#[tokio::test]
async fn what_a_client_calls_is_counted_by_the_hour_and_told_to_its_tenant_alone() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (tenant, other) = (suite.tenant(placement).await, suite.tenant(placement).await);
        let owner = tenant.owner();
        let client = Client::new(&owner, &["projects:read"]).await;
        let begun = Utc::now();

        let tokens = client.log_in(&suite).await;
        let caller = Caller { token: tokens.json["access"].as_str().unwrap().to_owned(), base: suite.base.clone() };
        for _ in 0..2 {
            caller.get("/api/v1/projects").await.expect(200);
        }
        caller.get(&format!("/api/v1/projects/{}", tenant.tenant.id)).await.expect(404);
        caller.post("/api/v1/projects", json!({ "name": "x" })).await.expect(403);
        keep(suite.forever()).await;
        caller.get("/api/v1/projects").await.expect(200);
        owner.get("/api/v1/projects").await.expect(200);
        keep(suite.forever()).await;

        let seen = owner.get(&format!("{}/usage", client.path())).await.expect(200).json;
        let newest = &seen["data"][0];
        let moment = |name: &str| newest[name].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        assert_eq!((moment("hour").minute(), moment("hour").second()), (0, 0));
        assert!(begun <= moment("last_at") && moment("last_at") <= Utc::now());
        // The hour may have turned meanwhile.
        if Utc::now().hour() == begun.hour() {
            for limit in [1, 50] {
                assert_eq!(
                    counted(&owner, &client, limit).await,
                    [
                        call("POST", "/api/v1/auth/api-client/token", 200, 1),
                        call("GET", "/api/v1/projects", 200, 3),
                        call("GET", "/api/v1/projects/{id}", 404, 1),
                        call("POST", "/api/v1/projects", 403, 1),
                    ]
                );
            }
        }
        other.owner().get(&format!("{}/usage", client.path())).await.expect(404);
        let alien = format!("{CLIENTS}/{}/usage", other.tenant.id);
        owner.get(&alien).await.expect(404);
    }
}

#[tokio::test]
async fn a_token_for_client_credentials_counts_and_a_client_that_is_gone_does_not() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let (kept, gone) = (Client::new(&owner, &["projects:read"]).await, Client::new(&owner, &["projects:read"]).await);
    for client in [&kept, &gone] {
        let form = format!("grant_type=client_credentials&client_id={}&client_secret={}", client.id, client.secret);
        let request = suite.request(Method::POST, "/oauth/token").body(form);
        request.header("content-type", "application/x-www-form-urlencoded").send().await.expect(200);
    }

    owner.delete(&gone.path()).await.expect(204);
    keep(suite.forever()).await;

    assert_eq!(counted(&owner, &kept, 10).await, [call("POST", "/oauth/token", 200, 1)]);
    let admin = suite.admin().await;
    let left = "select count(*) from registry.api_client_usage where api_client_id = $1::text::uuid";
    assert_eq!(admin.query_one(left, &[&gone.id]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn what_is_older_than_ninety_days_is_forgotten() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[1]).await.owner();
    let client = Client::new(&owner, &["projects:read"]).await;
    client.log_in(&suite).await;
    keep(suite.forever()).await;
    let admin = suite.admin().await;
    let age =
        "update registry.api_client_usage set hour = hour - interval '91 days' where api_client_id = $1::text::uuid";
    assert_eq!(admin.execute(age, &[&client.id]).await.unwrap(), 1);

    client.log_in(&suite).await;
    keep(suite.forever()).await;

    let seen: Value = owner.get(&format!("{}/usage", client.path())).await.expect(200).json;
    assert_eq!(seen["data"].as_array().unwrap().len(), 1);
}
