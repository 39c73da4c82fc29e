//! `/health` and `/ready`: what a load balancer is told. That a dead database is told is tested with the dead database.

use reqwest::Method;
use serde_json::json;

use crate::harness::{PATIENCE, eventually, suite};

#[tokio::test]
async fn a_living_process_says_so_to_anybody() {
    let suite = suite().await;

    let health = suite.request(Method::GET, "/health").send().await.expect(200);

    assert_eq!(health.json, json!({ "status": "healthy" }));
    assert_eq!(health.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_process_that_can_serve_says_so_to_anybody() {
    let suite = suite().await;

    // On a machine that is busy with other tests the feed of changes may lag behind for a moment.
    eventually("the service is ready", PATIENCE, async || {
        let ready = suite.request(Method::GET, "/ready").send().await;
        let answer = (ready.status, &ready.json, ready.header("cache-control"));
        answer == (200, &json!({ "status": "ready" }), "no-store")
    })
    .await;
}
