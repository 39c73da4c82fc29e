//! Malformed queries and ids, on every route that there is.

use serde_json::json;

use tenantry_api::Access;

use crate::examples::Examples;
use crate::harness::wire::Wire;
use crate::harness::{PLACEMENTS, suite};

#[tokio::test]
async fn no_route_takes_a_tenant_id_in_its_query_or_does_anything_for_one() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let other = suite.tenant(PLACEMENTS[0]).await.tenant.id;
    let examples = Examples::new(&suite, &tenant).await;
    let all = examples.all().await;
    let statistics = examples.owner.get("/api/v1/projects/statistics").await.expect(200).text;

    for example in &all {
        for parameter in [format!("tenant_id={other}"), "tenant_id=".to_owned(), "tenant_id".to_owned()] {
            let path = example.path_with(&parameter);
            let answer = example.send_to(&path, examples.caller(&example.route)).send().await;
            answer.expect_field(400, "tenant_id");
        }
        // Operators may look for what happened in one tenant.
        let is_filter = |name: &str| examples.query_parameters(&example.route).iter().any(|it| it["name"] == name);
        let tenant = if is_filter("tenant") { &[][..] } else { &["tenant=x", "%74enant=x"] };
        assert!(!is_filter("tenant") || example.route.access == Access::Operator, "{}", example.path);
        for parameter in tenant.iter().chain(&["TENANT_ID=x", "unknown", "a%00b=1"]) {
            let path = example.path_with(parameter);
            let answer = example.send_to(&path, examples.caller(&example.route)).send().await.expect(400);
            assert_eq!(answer.json["errors"][0]["code"], "unknown", "{path}: {}", answer.text);
        }
    }

    assert_eq!(examples.owner.get("/api/v1/projects/statistics").await.expect(200).text, statistics);
}

#[tokio::test]
async fn a_broken_escape_is_the_querys_fault() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let examples = Examples::new(&suite, &tenant).await;

    for example in examples.all().await {
        for escape in ["x=%", "x=%f", "x=%zz", "x=%ff", "x=%c3%28", "%ff=x", "x=%ed%a0%80"] {
            let path = example.path_with(escape);
            let answer = example.send_to(&path, examples.caller(&example.route)).send().await;
            answer.expect_field(400, "query");
        }
    }
}

#[tokio::test]
async fn a_parameter_that_is_malformed_or_given_twice_is_named() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let examples = Examples::new(&suite, &tenant).await;
    let long = "x".repeat(20_000);
    let mut seen = 0;

    for route in tenantry_api::routes() {
        for parameter in examples.query_parameters(&route) {
            let name = parameter["name"].as_str().unwrap();
            let example = examples.of(&route).await;
            let (path, needed) = example.path.split_once('?').unwrap_or((&example.path, ""));
            // What the route must have anyway stands last, so that the parameter is the first at fault.
            let needed = if needed.starts_with(name) { "" } else { needed };
            // Anything with a word in it can be searched for.
            let is_malformed = |value: &&str| name != "q" || !matches!(*value, "💥" | "' or 1=1 --");
            for value in ["", "%00", "a%00b", "%0d%0aset-cookie:%20x=1", "💥", "' or 1=1 --", "..", &long]
                .into_iter()
                .filter(is_malformed)
            {
                let answer = examples.caller(&route).get(&format!("{path}?{name}={value}&{needed}")).await;
                answer.expect_field(400, name);
            }
            let answer = examples.caller(&route).get(&format!("{path}?{name}=1&{name}=2&{needed}")).await;
            answer.expect_field(400, name);
            seen += 1;
        }
    }

    assert!(seen > 20, "only {seen} parameters were tried");
}

#[tokio::test]
async fn a_moment_outside_the_years_1_to_9999_is_named() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let examples = Examples::new(&suite, &tenant).await;
    let mut seen = 0;

    for route in tenantry_api::routes() {
        for parameter in examples.query_parameters(&route) {
            let name = parameter["name"].as_str().unwrap();
            let moments = match examples.resolved(&parameter["schema"])["format"].as_str() {
                Some("date-time") => [
                    "-5000-01-01T00:00:00Z",
                    "0000-12-31T23:59:59Z",
                    "10000-01-01T00:00:00Z",
                    "%2B262142-12-31T23:59:59Z",
                    "9999-12-31T23:59:59-01:00",
                ],
                Some("date") => ["-5000-01-01", "0000-12-31", "10000-01-01", "%2B262142-12-31", "2027-02-29"],
                _ => continue,
            };
            let example = examples.of(&route).await;
            for moment in moments {
                let answer = examples.caller(&route).get(&example.path_with(&format!("{name}={moment}"))).await;
                answer.expect_field(400, name);
            }
            seen += 1;
        }
    }

    assert!(seen > 5, "only {seen} parameters were tried");
}

#[tokio::test]
async fn an_id_that_is_none_is_named() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let examples = Examples::new(&suite, &tenant).await;
    let id = uuid::Uuid::now_v7();
    let (long, simple, braced) = ("a".repeat(5_000), id.simple().to_string(), format!("%7B{id}%7D"));
    let mut seen = 0;

    for example in examples.all().await.iter().filter(|it| it.route.path.contains("{id}")) {
        for bad in [
            "1",
            "null",
            "%00",
            "%ff",
            "%",
            "%zz",
            "%2e%2e",
            "' or 1=1 --",
            "%F0%9F%92%A5",
            "018f0c5e-7f6a-7cc0-8000-3f1d5c9b2a1g",
            "018f0c5e-7f6a-7cc0-8000-3f1d5c9b2a1%00",
            "018f0c5e-7f6a-7cc0-8000-3f1d5c9b2a10%20",
            &long,
            &simple,
            &braced,
        ] {
            // Written by hand: a client would put some of these right.
            let target = example.route.path.replace("{id}", &bad.replace(' ', "%20"));
            let body = example.body.as_ref().map_or(String::new(), ToString::to_string);
            let mut wire = Wire::open(&suite.base).await;
            wire.send(format!(
                "{} {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n{body}",
                example.route.method,
                examples.caller(&example.route).token,
                body.len()
            ))
            .await;

            let answer = wire.answer().await.expect(&target);

            answer.expect_field(400, "id");
            seen += 1;
        }
    }

    assert!(seen > 100, "only {seen} requests were sent");
}

#[tokio::test]
async fn an_id_in_capitals_is_the_same_id() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let project = owner.project("Moon").await;

    let found = owner.get(&format!("/api/v1/projects/{}", project.to_uppercase())).await.expect(200);

    assert_eq!(found.json["id"], json!(project));
}
