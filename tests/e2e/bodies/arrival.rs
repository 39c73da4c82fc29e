//! Bodies that are too large, too slow, or never arrive whole.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use super::examples;
use crate::examples::{Example, Examples};
use crate::harness::wire::Wire;
use crate::harness::{PLACEMENTS, another_instance, suite};

const LIMIT: usize = 1024 * 1024;

fn head(examples: &Examples, example: &Example) -> String {
    let token = &examples.caller(&example.route).token;
    format!(
        "{} {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n",
        example.route.method, example.path
    )
}

#[tokio::test]
async fn a_body_declared_too_large_is_refused_before_it_is_sent() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;

    for example in &with_body {
        for length in [LIMIT + 1, 10 * LIMIT, usize::MAX / 2] {
            let mut wire = Wire::open(&suite.base).await;
            wire.send(format!("{}content-length: {length}\r\n\r\n", head(&examples, example))).await;

            let answer = wire.answer().await.unwrap().expect_field(413, "body");

            assert_eq!(answer.json["code"], "too_large");
        }
    }
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused_when_it_does() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;
    let chunk = format!("{:x}\r\n{}\r\n", LIMIT / 8, " ".repeat(LIMIT / 8));

    for example in &with_body {
        let mut wire = Wire::open(&suite.base).await;
        wire.send(format!("{}transfer-encoding: chunked\r\n\r\n", head(&examples, example))).await;
        for _ in 0..8 {
            wire.send(&chunk).await;
        }
        wire.send("1\r\n \r\n").await;

        wire.answer().await.unwrap().expect_field(413, "body");
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let body = format!("{}{}", r#"{"name":"Moon"}"#, " ".repeat(LIMIT - 15));

    let request = owner.request(reqwest::Method::POST, "/api/v1/projects").header("content-type", "application/json");

    request.body(body).send().await.expect(201);
}

#[tokio::test]
async fn a_slow_body_is_given_up_on_time() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;
    let limit = Duration::from_secs(suite.settings.http.body_seconds);

    let requests = with_body.iter().flat_map(|example| {
        let head = head(&examples, example);
        // One that stops in the middle, one that never begins, one that comes drop by drop.
        [
            format!("{head}content-length: 100\r\n\r\n{{\"na"),
            format!("{head}content-length: 100\r\n\r\n"),
            format!("{head}transfer-encoding: chunked\r\n\r\n1\r\n{{\r\n"),
        ]
    });
    let answers = requests.map(async |request| {
        let begun = Instant::now();
        let mut wire = Wire::open(&suite.base).await;
        wire.send(request).await;
        (wire.answer().await.unwrap().expect(408), begun.elapsed())
    });

    for (answer, elapsed) in join_all(answers).await {
        assert_eq!(answer.json["code"], "timeout");
        assert!(elapsed >= limit && elapsed < limit + Duration::from_secs(8), "{elapsed:?}");
    }
}

#[tokio::test]
async fn drops_of_a_body_do_not_buy_time() {
    let suite = suite().await;
    let (examples, with_body) = examples(&suite).await;
    let begun = Instant::now();
    let mut wire = Wire::open(&suite.base).await;
    wire.send(format!("{}content-length: 1000\r\n\r\n", head(&examples, &with_body[0]))).await;
    let mut drops = tokio::time::interval(Duration::from_millis(50));

    let answer = loop {
        tokio::select! {
            biased;
            answer = wire.answer() => break answer,
            _ = drops.tick() => {}
        }
        wire.send(" ").await;
    };

    answer.unwrap().expect(408);
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn nobody_is_kept_waiting_by_those_who_never_send_their_bodies() {
    let suite = suite().await;
    let (_, base) = another_instance(suite.forever(), &[("TENANTRY_HTTP__BODY_SECONDS", "60")]).await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let (examples, with_body) = examples(&suite).await;
    let create = with_body.iter().find(|it| it.route.path == "/api/v1/projects").unwrap();
    let mut idle = Vec::new();
    for _ in 0..50 {
        let mut wire = Wire::open(&base).await;
        wire.send(format!("{}content-length: 100\r\n\r\n", head(&examples, create))).await;
        idle.push(wire);
    }

    // A request that waited for one of them would be given up by its client first.
    owner.at(&base).post("/api/v1/projects", json!({ "name": "Moon" })).await.expect(201);
}
