//! Operators who act in a tenant: for a stated reason, for a while, in the tenant's sight.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::auth::part;
use crate::examples::operator;
use crate::harness::{Caller, PLACEMENTS, Response, Suite, Tenant, another_instance, eventually, suite};

const SECOND: Duration = Duration::from_secs(1);
const REASON: &str = "ticket 4711: a project was lost";

fn act_as(tenant: &Tenant) -> String {
    format!("/operator/v1/tenants/{}/act-as", tenant.tenant.id)
}

fn acting(suite: &Suite, begun: &Response) -> Caller {
    Caller { token: begun.json["access"].as_str().unwrap().to_owned(), base: suite.base.clone() }
}

/// What the tenant's audit says of it.
async fn told(tenant: &Tenant, begun: &Response) -> Vec<Value> {
    let path = format!("/api/v1/audit-events?row_id={}", begun.json["id"].as_str().unwrap());
    tenant.owner().get(&path).await.expect(200).json["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_operator_reads_unless_more_was_asked_for_and_the_tenant_is_told_why() {
    let suite = suite().await;
    let operator = operator(&suite).await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;

        let begun = operator.post(&act_as(&tenant), json!({ "reason": REASON, "minutes": 60 })).await.expect(201);

        let caller = acting(&suite, &begun);
        caller.get("/api/v1/projects").await.expect(200);
        caller.post("/api/v1/projects", json!({ "name": "Moon" })).await.expect(403);
        caller.get("/api/v1/audit-events").await.expect(403);
        let events = told(&tenant, &begun).await;
        let [event] = &events[..] else { panic!("{events:#?}") };
        assert_eq!((&event["action"], &event["resource"]), (&json!("operator_acting"), &json!("acting_grants")));
        assert_eq!(event["after"]["reason"], REASON);
        assert_eq!(event["request_id"], begun.header("x-request-id"));
        let until = |text: &Value| chrono::DateTime::parse_from_rfc3339(text.as_str().unwrap()).unwrap();
        assert!((until(&event["after"]["until"]) - until(&begun.json["expires_at"])).num_milliseconds() == 0);
        let claims = part(&caller.token, 1);
        assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 3600);
    }
}

#[tokio::test]
async fn every_change_names_the_operator() {
    let suite = suite().await;
    let operator = operator(&suite).await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let body = json!({ "reason": REASON, "minutes": 5, "permissions": ["projects:read", "projects:write"] });

        let begun = operator.post(&act_as(&tenant), body).await.expect(201);
        let project = acting(&suite, &begun).project("Moon").await;

        let actor = part(begun.json["access"].as_str().unwrap(), 1)["actor"].clone();
        assert!(actor.as_str().unwrap().starts_with("operator:"));
        let path = format!("/api/v1/audit-events?row_id={project}");
        let event = tenant.owner().get(&path).await.expect(200).json["data"][0].clone();
        assert_eq!((&event["action"], &event["actor"]), (&json!("insert"), &actor));
        assert_eq!(told(&tenant, &begun).await[0]["actor"], actor);
    }
}

#[tokio::test]
async fn acting_that_is_ended_is_over_within_a_second_on_every_instance() {
    let suite = suite().await;
    let operator = operator(&suite).await;
    let (_, elsewhere) = another_instance(suite.forever(), &[]).await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let begun = operator.post(&act_as(&tenant), json!({ "reason": REASON, "minutes": 5 })).await.expect(201);
    let end = format!("/operator/v1/act-as/{}", begun.json["id"].as_str().unwrap());
    let here = acting(&suite, &begun);
    let callers = [here.at(&elsewhere), here];
    for caller in &callers {
        caller.get("/api/v1/projects").await.expect(200);
    }

    operator.delete(&end).await.expect(204);

    for caller in &callers {
        eventually("the token is void", SECOND, async || caller.get("/api/v1/projects").await.status == 401).await;
    }
    operator.delete(&end).await.expect(204);
    let actions: Vec<Value> = told(&tenant, &begun).await.into_iter().map(|event| event["action"].clone()).collect();
    assert_eq!(actions, ["operator_left", "operator_acting"]);
}

#[tokio::test]
async fn nobody_acts_in_a_tenant_that_is_not_served_or_not_there() {
    let suite = suite().await;
    let operator = operator(&suite).await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let body = json!({ "reason": REASON, "minutes": 5 });
    let begun = operator.post(&act_as(&tenant), body.clone()).await.expect(201);
    let one = format!("/operator/v1/tenants/{}", tenant.tenant.id);

    operator.patch(&one, json!({ "status": "suspended" })).await.expect(200);

    operator.post(&act_as(&tenant), body.clone()).await.expect(409);
    let caller = acting(&suite, &begun);
    eventually("nobody is let in", SECOND, async || caller.get("/api/v1/projects").await.status == 401).await;
    let missing = Uuid::now_v7();
    operator.post(&format!("/operator/v1/tenants/{missing}/act-as"), body).await.expect(404);
    operator.delete(&format!("/operator/v1/act-as/{missing}")).await.expect(404);
}

#[tokio::test]
async fn a_reason_and_an_end_must_be_given() {
    let suite = suite().await;
    let operator = operator(&suite).await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;

    for (body, field) in [
        (json!({ "minutes": 5 }), "reason"),
        (json!({ "reason": "because", "minutes": 5 }), "reason"),
        (json!({ "reason": "a".repeat(501), "minutes": 5 }), "reason"),
        (json!({ "reason": REASON }), "minutes"),
        (json!({ "reason": REASON, "minutes": 0 }), "minutes"),
        (json!({ "reason": REASON, "minutes": 61 }), "minutes"),
        (json!({ "reason": REASON, "minutes": 5, "permissions": ["moons:write"] }), "permissions"),
        // By these an operator could stay beyond the hour.
        (json!({ "reason": REASON, "minutes": 5, "permissions": ["api_clients:write"] }), "permissions"),
        (json!({ "reason": REASON, "minutes": 5, "permissions": ["projects:read", "members:write"] }), "permissions"),
    ] {
        operator.post(&act_as(&tenant), body).await.expect_field(400, field);
    }
    tenant.owner().post(&act_as(&tenant), json!({ "reason": REASON, "minutes": 5 })).await.expect(401);
}

#[tokio::test]
async fn a_service_does_what_it_was_let_do_and_nothing_else_until_it_is_dismissed() {
    let suite = suite().await;
    let operator = operator(&suite).await;
    let (_, elsewhere) = another_instance(suite.forever(), &[]).await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let path = format!("/operator/v1/tenants/{}/service-tokens", tenant.tenant.id);
        let body = json!({
            "service": "billing-sync", "reason": REASON, "minutes": 60, "permissions": ["projects:read", "projects:write"],
        });

        let admitted = operator.post(&path, body).await.expect(201);
        let service = acting(&suite, &admitted);
        let project = service.project("Moon").await;
        service.get("/api/v1/tasks").await.expect(403);
        service.get("/api/v1/me").await.expect(403);

        let claims = part(&service.token, 1);
        assert_eq!((&claims["sub"], &claims["actor"]), (&json!("billing-sync"), &json!("service:billing-sync")));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
        let made = tenant.owner().get(&format!("/api/v1/audit-events?row_id={project}")).await.expect(200);
        assert_eq!(made.json["data"][0]["actor"], "service:billing-sync");

        let dismissed = admitted.header("location").to_owned();
        operator.delete(&dismissed).await.expect(204);
        for caller in [service.at(&elsewhere), service] {
            eventually("the token is void", SECOND, async || caller.get("/api/v1/projects").await.status == 401).await;
        }
        let actions: Vec<Value> = told(&tenant, &admitted).await.iter().map(|event| event["action"].clone()).collect();
        assert_eq!(actions, ["service_dismissed", "service_admitted"]);
    }
}
