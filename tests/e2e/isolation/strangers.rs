//! A stranger who knows an id meets the answer to an id that nobody has, byte for byte, on every route and by every method.

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_api::{Access, RouteInfo};
use tenantry_tenancy::Role;
use uuid::Uuid;

use super::{World, ask, rows, seen};
use crate::harness::{Caller, PLACEMENTS, suite};

/// What a route's id names.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Project,
    Task,
}

impl Kind {
    fn of(self, world: &World) -> &str {
        match self {
            Self::Project => &world.project,
            Self::Task => &world.task,
        }
    }
}

/// How a route with an id is called so that a caller with a right to the thing succeeds: what the id names, and a body.
/// `None` for a route that nobody has thought of: add it here.
fn sample(method: &str, path: &str, own: &World) -> Option<(Kind, Option<Value>)> {
    let task = json!({ "project": own.project, "title": "Taken" });
    Some(match (method, path) {
        ("GET" | "DELETE", "/api/v1/projects/{id}") | ("GET", "/api/v1/projects/{id}/tasks") => (Kind::Project, None),
        ("PUT" | "PATCH", "/api/v1/projects/{id}") => (Kind::Project, Some(json!({ "name": "Taken" }))),
        ("GET" | "DELETE", "/api/v1/tasks/{id}") | ("POST", "/api/v1/tasks/{id}/complete") => (Kind::Task, None),
        ("PUT" | "PATCH", "/api/v1/tasks/{id}") => (Kind::Task, Some(task)),
        _ => return None,
    })
}

/// The routes of tenants that name something by an id.
fn with_id(routes: Vec<RouteInfo>) -> Vec<RouteInfo> {
    routes.into_iter().filter(|route| matches!(route.access, Access::Tenant(_)) && route.path.contains('{')).collect()
}

/// The routes that no test attacks.
fn not_covered(routes: Vec<RouteInfo>) -> Vec<RouteInfo> {
    let own = World { project: String::new(), task: String::new() };
    with_id(routes).into_iter().filter(|route| sample(&route.method, route.path, &own).is_none()).collect()
}

#[test]
fn every_route_with_an_id_is_covered() {
    let routes = tenantry_api::routes();

    assert!(with_id(routes.clone()).len() >= 10);
    assert_eq!(not_covered(routes), [], "not covered: say in `sample` how they are called");
}

#[test]
fn a_new_route_with_an_id_is_not_covered_until_somebody_says_how() {
    let access = tenantry_api::routes().into_iter().find(|route| route.path == "/api/v1/tasks").unwrap().access;
    let new = RouteInfo { method: "POST".to_owned(), path: "/api/v1/tasks/{id}/reopen", access };

    assert_eq!(not_covered(vec![new.clone()]), [new]);
}

#[tokio::test]
async fn a_stranger_meets_the_answer_to_a_random_id_on_every_route() {
    let suite = suite().await;
    let admin = suite.admin().await;
    for victims in PLACEMENTS {
        for strangers in PLACEMENTS {
            let (victim, stranger) = (suite.tenant(victims).await, suite.tenant(strangers).await);
            let theirs = World::of(&victim.owner()).await;
            let own = World::of(&stranger.owner()).await;
            let before = rows(&admin, &victim).await;

            for route in with_id(tenantry_api::routes()) {
                let (kind, body) = sample(&route.method, route.path, &own).unwrap();
                let attack = Attack { path: route.path, method: route.method.parse().unwrap(), body };

                attack.finds_nothing(&stranger.owner(), kind.of(&theirs), 404).await;
                let of_viewer = if attack.method == Method::GET { 404 } else { 403 };
                attack.finds_nothing(&stranger.caller(Role::Viewer), kind.of(&theirs), of_viewer).await;
                if attack.method == Method::GET {
                    Attack { method: Method::HEAD, ..attack }
                        .finds_nothing(&stranger.owner(), kind.of(&theirs), 404)
                        .await;
                }
            }

            assert_eq!(rows(&admin, &victim).await, before, "{strangers} stranger, {victims} victim");
        }
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_have_tells_nothing_either() {
    let suite = suite().await;
    let (victim, stranger) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let theirs = World::of(&victim.owner()).await;
    let own = World::of(&stranger.owner()).await;

    for route in with_id(tenantry_api::routes()) {
        let (kind, _) = sample(&route.method, route.path, &own).unwrap();
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::TRACE] {
            let has = |other: &RouteInfo| other.path == route.path && other.method == method.as_str();
            if !tenantry_api::routes().iter().any(has) {
                let attack = Attack { path: route.path, method, body: None };
                attack.finds_nothing(&stranger.owner(), kind.of(&theirs), 405).await;
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
        let owner = suite.tenant(placement).await.owner();
        for route in with_id(tenantry_api::routes()) {
            let own = World::of(&owner).await;
            let (kind, body) = sample(&route.method, route.path, &own).unwrap();
            let attack = Attack { path: route.path, method: route.method.parse().unwrap(), body };

            let (answer, missing) = attack.pair(&owner, kind.of(&own)).await;

            assert!((200..300).contains(&answer.0), "{} {}: {}", route.method, route.path, answer.2);
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

type Seen = (u16, Vec<(String, String)>, String);

/// One request, to be tried with different ids.
struct Attack {
    path: &'static str,
    method: Method,
    body: Option<Value>,
}

impl Attack {
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
