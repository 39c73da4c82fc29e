//! A tenant as its own administrators see and set it, and how every answer names it.

use serde_json::json;
use tenantry_tenancy::Role;

use crate::harness::{PLACEMENTS, suite};

const TENANT: &str = "/api/v1/tenant";

#[tokio::test]
async fn an_administrator_sees_the_tenant_and_nobody_else_does() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;

        let shown = tenant.caller(Role::Admin).get(TENANT).await.expect(200);

        assert_eq!(
            shown.json,
            json!({
                "id": tenant.tenant.id.to_string(),
                "slug": tenant.tenant.slug.to_string(),
                "plan": "standard",
                "status": "active",
                "settings": { },
                "version": shown.json["version"],
            })
        );
        for role in [Role::Member, Role::Viewer] {
            tenant.caller(role).get(TENANT).await.expect(403);
        }
    }
}

#[tokio::test]
async fn settings_are_merged_and_the_change_is_in_the_audit() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let settings = |settings| json!({ "settings": settings });

        owner.patch(TENANT, settings(json!({ "display_name": "Acme" }))).await.expect(200);
        let both = owner.patch(TENANT, settings(json!({ "api_key_max_age_days": 90 }))).await.expect(200);
        let one = owner.patch(TENANT, settings(json!({ "display_name": null }))).await.expect(200);

        assert_eq!(both.json["settings"], json!({ "display_name": "Acme", "api_key_max_age_days": 90 }));
        assert_eq!(one.json["settings"], json!({ "api_key_max_age_days": 90 }));
        assert_eq!(owner.get(TENANT).await.expect(200).json, one.json);
        let events = owner.get("/api/v1/audit-events?resource=tenants&limit=1").await.expect(200).json;
        let event = &events["data"][0];
        assert_eq!((&event["action"], &event["row_id"]), (&json!("update"), &one.json["id"]));
        assert_eq!(event["actor"], format!("user:{}", tenant.user(Role::Owner)));
        assert_eq!(event["after"]["settings"], one.json["settings"]);
    }
}

#[tokio::test]
async fn an_unknown_or_ill_typed_setting_is_named_and_changes_nothing() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let before = owner.get(TENANT).await.expect(200).json;

    for (settings, field) in [
        (json!({ "theme": "dark" }), "settings.theme"),
        (json!({ "display_name": 7 }), "settings.display_name"),
        (json!({ "require_if_match": null }), "settings.require_if_match"),
        (json!({ "display_name": "Acme", "api_key_max_age_days": 0 }), "settings.api_key_max_age_days"),
    ] {
        owner.patch(TENANT, json!({ "settings": settings })).await.expect_field(400, field);
    }
    for field in ["slug", "plan", "status", "placement"] {
        let body = json!({ "settings": {}, field: "active" });
        owner.patch(TENANT, body).await.expect_field(400, field);
    }

    assert_eq!(owner.get(TENANT).await.expect(200).json, before);
}

#[tokio::test]
async fn a_change_made_from_another_version_is_refused() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let seen = owner.get(TENANT).await.expect(200);
    let change = |name: &str| {
        let body = json!({ "settings": { "display_name": name } });
        owner.request(reqwest::Method::PATCH, TENANT).header("if-match", seen.header("etag")).json(&body).send()
    };

    change("First").await.expect(200);
    change("Second").await.expect(412);

    assert_eq!(owner.get(TENANT).await.expect(200).json["settings"]["display_name"], "First");
}

#[tokio::test]
async fn every_answer_to_a_caller_names_their_tenant_and_the_request() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (tenant, other) = (suite.tenant(placement).await, suite.tenant(placement).await);
        let (owner, viewer) = (tenant.owner(), tenant.caller(Role::Viewer));
        let foreign = format!("/api/v1/projects/{}", other.owner().project("Moon").await);

        for answer in [
            owner.get("/api/v1/projects").await.expect(200),
            owner.post("/api/v1/projects", json!({ "name": "Moon" })).await.expect(201),
            owner.post("/api/v1/projects", json!({})).await.expect(400),
            viewer.post("/api/v1/projects", json!({ "name": "Moon" })).await.expect(403),
            owner.get(&foreign).await.expect(404),
            owner.get("/api/v1/audit-events").await.expect(200),
        ] {
            assert_eq!(answer.header("x-tenant-id"), tenant.tenant.id.to_string());
            assert!(uuid::Uuid::try_parse(answer.header("x-request-id")).is_ok());
        }
        let stranger = suite.request(reqwest::Method::GET, "/api/v1/projects").send().await.expect(401);
        assert_eq!(stranger.header("x-tenant-id"), "");
        assert!(uuid::Uuid::try_parse(stranger.header("x-request-id")).is_ok());
    }
}
