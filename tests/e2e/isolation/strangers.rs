//! A stranger who knows an id meets the answer to an id that nobody has, byte for byte, on every route and by every method.
//!
//! The requests are made from the router and the document (`examples.rs`), so a new route is attacked the day it is
//! registered; if no good request can be made for it, `the_same_requests_succeed_on_ones_own` fails.

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_api::{Access, RouteInfo};
use tenantry_tenancy::Role;
use uuid::Uuid;

use super::{World, ask, rows, seen};
use crate::examples::Examples;
use crate::harness::{Caller, PLACEMENTS, suite};

/// The routes of tenants that name something by an id.
fn with_id() -> impl Iterator<Item = RouteInfo> {
    let routes = tenantry_api::routes().into_iter();
    routes.filter(|route| matches!(route.access, Access::Tenant(_)) && route.path.contains('{'))
}

fn viewer_may(route: &RouteInfo) -> bool {
    matches!(route.access, Access::Tenant(permission) if Role::Viewer.permissions().contains(permission))
}

#[tokio::test]
async fn a_stranger_meets_the_answer_to_a_random_id_on_every_route() {
    let suite = suite().await;
    let admin = suite.admin().await;
    assert!(with_id().count() >= 10, "the router has lost its routes");
    for victims in PLACEMENTS {
        for strangers in PLACEMENTS {
            let (victim, stranger) = (suite.tenant(victims).await, suite.tenant(strangers).await);
            let theirs = Examples::new(&suite, &victim).await;
            let own = Examples::new(&suite, &stranger).await;

            let mut attacks = Vec::new();
            for route in with_id() {
                let id = id_in(&theirs.of(&route).await.path).to_owned();
                attacks.push((Attack::new(&route, own.of(&route).await.body), id, route));
            }
            let before = rows(&admin, &victim).await;
            for (attack, id, route) in attacks {
                attack.finds_nothing(&stranger.owner(), &id, 404).await;
                let of_viewer = if viewer_may(&route) { 404 } else { 403 };
                attack.finds_nothing(&stranger.caller(Role::Viewer), &id, of_viewer).await;
                if attack.method == Method::GET {
                    Attack { method: Method::HEAD, ..attack }.finds_nothing(&stranger.owner(), &id, 404).await;
                }

                let after = rows(&admin, &victim).await;
                assert_eq!(after, before, "{strangers} stranger, {victims} victim: {} {}", route.method, route.path);
            }
        }
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_have_tells_nothing_either() {
    let suite = suite().await;
    let (victim, stranger) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let theirs = Examples::new(&suite, &victim).await;

    for route in with_id() {
        let id = id_in(&theirs.of(&route).await.path).to_owned();
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::TRACE] {
            if !with_id().any(|other| other.path == route.path && other.method == method.as_str()) {
                let attack = Attack { path: route.path, method, body: None };
                attack.finds_nothing(&stranger.owner(), &id, 405).await;
            }
        }
    }
}

/// The control: with the very same requests an owner gets somewhere, so a stranger's 404 is not for want of a good request;
/// and the comparison sees that an id that exists answers otherwise than one that does not.
#[tokio::test]
async fn the_same_requests_succeed_on_ones_own() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let own = Examples::new(&suite, &tenant).await;
        for route in with_id() {
            let example = own.of(&route).await;
            let attack = Attack::new(&route, example.body);

            let (answer, missing) = attack.pair(&tenant.owner(), id_in(&example.path)).await;

            assert!((200..300).contains(&answer.0), "not covered: {} {}: {}", route.method, route.path, answer.2);
            assert_ne!(answer, missing, "{} {}", route.method, route.path);
        }
    }
}

/// The control of the rows: a single changed field is seen.
#[tokio::test]
async fn a_changed_row_of_the_victim_would_be_seen() {
    let suite = suite().await;
    let admin = suite.admin().await;
    for placement in PLACEMENTS {
        let victim = suite.tenant(placement).await;
        let theirs = World::of(&victim.owner()).await;
        let before = rows(&admin, &victim).await;

        victim
            .owner()
            .patch(&format!("/api/v1/tasks/{}", theirs.task), json!({ "title": "Changed" }))
            .await
            .expect(200);

        assert_ne!(rows(&admin, &victim).await, before);
    }
}

/// The id in the path of an example.
fn id_in(path: &str) -> &str {
    path.split(['/', '?']).find(|part| Uuid::try_parse(part).is_ok()).unwrap()
}

type Seen = (u16, Vec<(String, String)>, String);

/// One request, to be tried with different ids.
struct Attack {
    path: &'static str,
    method: Method,
    body: Option<Value>,
}

impl Attack {
    fn new(route: &RouteInfo, body: Option<Value>) -> Self {
        Self { path: route.path, method: route.method.parse().unwrap(), body }
    }

    /// The answers for `id` and for one that nobody has.
    async fn pair(&self, caller: &Caller, id: &str) -> (Seen, Seen) {
        let missing = Uuid::now_v7().to_string();
        let answer = ask(caller, &self.method, &self.path.replace("{id}", id), self.body.as_ref()).await;
        let other = ask(caller, &self.method, &self.path.replace("{id}", &missing), self.body.as_ref()).await;
        (seen(&answer), seen(&other))
    }

    async fn finds_nothing(&self, caller: &Caller, id: &str, status: u16) {
        let (answer, missing) = self.pair(caller, id).await;
        assert_eq!(answer, missing, "{} {}", self.method, self.path);
        assert_eq!(answer.0, status, "{} {}: {}", self.method, self.path, answer.2);
        assert!(!answer.2.contains(id), "{} {} repeats the id", self.method, self.path);
    }
}
