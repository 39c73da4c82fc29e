//! Signing keys that are rotated while instances run: nobody is logged out, unless an operator wants it so.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::json;
use tenantry_server::key_ring::KeyRing;
use tenantry_tenancy::Role;

use crate::auth::{Person, part};
use crate::harness::{Caller, PLACEMENTS, Request, Response, another_instance, eventually, settings, suite};

/// Instances look at the folder every two seconds.
const SOON: Duration = Duration::from_secs(6);
const PROJECTS: &str = "/api/v1/projects";

async fn log_in(base: &str, person: &Person) -> Response {
    Request::new(base, Method::POST, "/api/v1/auth/token").json(&person.credentials()).send().await.expect(200)
}

fn caller(base: &str, tokens: &Response) -> Caller {
    Caller { token: tokens.json["access"].as_str().unwrap().to_owned(), base: base.to_owned() }
}

async fn published(base: &str) -> usize {
    let keys = Request::new(base, Method::GET, "/.well-known/jwks.json").send().await.expect(200);
    keys.json["keys"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_key_is_rotated_on_every_instance_without_logging_anyone_out_and_in_an_emergency_with() {
    let suite = suite().await;
    let folder = tempfile::tempdir().unwrap();
    let path: &'static str = Box::leak(folder.path().join("signing").display().to_string().into_boxed_str());
    let overrides: &'static [(&str, &str)] =
        Box::leak(Box::new([("TENANTRY_AUTH__SIGNING_KEY_FOLDER", path), ("TENANTRY_AUTH__SIGNING_KEY_FILES", "")]));
    let ring = KeyRing::of(&settings(overrides)).unwrap().unwrap();
    let (_, one) = another_instance(suite.forever(), overrides).await;
    let (_, other) = another_instance(suite.forever(), overrides).await;
    let person = Person::new(&suite, &suite.tenant(PLACEMENTS[0]).await, Role::Member).await;
    let old = log_in(&one, &person).await;
    let kid = |tokens: &Response| part(tokens.json["access"].as_str().unwrap(), 0)["kid"].clone();

    // Published everywhere before it signs.
    ring.rotate(Utc::now(), false).unwrap();
    for base in [&one, &other] {
        eventually("the new key is published", SOON, async || published(base).await == 2).await;
    }
    assert_eq!(kid(&log_in(&other, &person).await), kid(&old));

    // As if the new key had been made long ago: now it signs, and both verify.
    let waiting = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let now = (Utc::now() - TimeDelta::seconds(1)).timestamp();
    std::fs::rename(&waiting, waiting.with_file_name(format!("{now}.pem"))).unwrap();
    eventually("the new key signs", SOON, async || kid(&log_in(&one, &person).await) != kid(&old)).await;
    let new = log_in(&one, &person).await;
    for base in [&one, &other] {
        for tokens in [&old, &new] {
            caller(base, tokens).get(PROJECTS).await.expect(200);
        }
    }

    // In an emergency every former token is void, and sessions go on with a refresh.
    ring.rotate(Utc::now(), true).unwrap();
    for base in [&one, &other] {
        for tokens in [&old, &new] {
            let void = async || caller(base, tokens).get(PROJECTS).await.status == 401;
            eventually("tokens of the dropped keys are void", SOON, void).await;
        }
    }
    let body = json!({ "refresh": old.json["refresh"] });
    let fresh = Request::new(&other, Method::POST, "/api/v1/auth/token/refresh").json(&body).send().await.expect(200);
    caller(&one, &fresh).get(PROJECTS).await.expect(200);
}
