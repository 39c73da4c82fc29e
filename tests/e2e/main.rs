//! End-to-end tests: one binary, one Postgres, and servers on ports of their own.
//!
//! Start reading at `harness.rs`. Every test makes its own tenants: that is its isolation, and it exercises ours.

#![cfg(test)]
#![expect(unreachable_pub, reason = "a test binary has no readers from outside")]

mod audit;
mod auth;
mod bodies;
mod configuration;
mod conventions;
mod examples;
mod harness;
mod health;
mod lists;
mod migrations;
mod openapi;
mod operators;
mod outage;
mod process;
mod production;
mod projects;
mod provisioning;
mod queries;
mod roles;
mod schemas;
mod suspension;
mod tasks;

#[tokio::test]
async fn smoke() {
    let suite = harness::suite().await;
    for placement in harness::PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let project = owner.project("x").await;
        let stranger = suite.tenant(placement).await.owner();
        owner.get(&format!("/api/v1/projects/{project}")).await.expect(200);
        stranger.get(&format!("/api/v1/projects/{project}")).await.expect(404);
    }
    assert!(harness::statements::heard() > 3);
}
