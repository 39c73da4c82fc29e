//! Every route but the public ones asks for a credential, and for one of its own kind.

use reqwest::Method;
use tenantry_api::{Access, PUBLIC_ROUTES, RouteInfo};
use tenantry_tenancy::Role;
use uuid::Uuid;

use crate::examples::operator;
use crate::harness::{PLACEMENTS, Suite, suite};

#[test]
fn the_public_routes_are_those_on_the_list() {
    let mut public: Vec<(String, &str)> = tenantry_api::routes()
        .into_iter()
        .filter(|route| route.access == Access::Public)
        .map(|route| (route.method, route.path))
        .collect();
    public.sort();
    let mut listed: Vec<(String, &str)> =
        PUBLIC_ROUTES.iter().map(|(method, path)| ((*method).to_owned(), *path)).collect();
    listed.sort();

    assert_eq!(public, listed);
}

#[tokio::test]
async fn every_other_route_answers_401_without_a_credential_or_with_a_bad_one() {
    let suite = suite().await;
    let alien = alien_token(&suite).await;
    let mut guarded = 0;

    for route in tenantry_api::routes().into_iter().filter(|route| !is_listed(route)) {
        for credential in credentials(&alien) {
            assert_eq!(gap(&suite, &route, credential.as_deref()).await, None);
        }
        guarded += 1;
    }

    assert!(guarded >= 20, "the router has more routes than {guarded}");
}

/// The control: a route that lets somebody in without a credential is found.
#[tokio::test]
async fn a_route_without_a_guard_would_be_found() {
    let suite = suite().await;
    let unguarded = RouteInfo { method: "GET".to_owned(), path: "/health", access: Access::Operator };

    assert!(!is_listed(&RouteInfo { path: "/api/v1/projects", ..unguarded.clone() }));
    assert_eq!(gap(&suite, &unguarded, None).await.as_deref(), Some("GET /health answers 200 to None"));
    assert!(gap(&suite, &unguarded, Some("Bearer x")).await.is_some());
}

#[tokio::test]
async fn a_route_for_operators_knows_no_member_and_a_route_of_tenants_no_operator() {
    let suite = suite().await;
    let operator = format!("Bearer {}", operator(&suite).await.token);
    let mut members = Vec::new();
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        members.extend([Role::Owner, Role::Viewer].map(|role| format!("Bearer {}", tenant.caller(role).token)));
    }

    for route in tenantry_api::routes() {
        let wrong = match route.access {
            Access::Public => &[][..],
            Access::Person | Access::Tenant(_) => std::slice::from_ref(&operator),
            Access::Operator => &members,
        };
        for credential in wrong {
            assert_eq!(gap(&suite, &route, Some(credential)).await, None);
        }
    }
}

/// Operators' and members' credentials are good where they belong.
#[tokio::test]
async fn the_same_credentials_are_good_where_they_belong() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();

    operator(&suite).await.get("/operator/v1/tenants").await.expect(200);
    owner.get("/api/v1/projects").await.expect(200);
}

fn is_listed(route: &RouteInfo) -> bool {
    PUBLIC_ROUTES.contains(&(route.method.as_str(), route.path))
}

/// No credential, and every kind of bad one.
fn credentials(alien: &str) -> Vec<Option<String>> {
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.eyJzdWIiOiJ4In0.";
    let bad = ["", "Bearer", "Bearer ", "Bearer x", "Basic eDp4", "bearer null"].map(str::to_owned);
    let shaped = [unsigned, alien, &"A".repeat(9000), &format!("tno_{}", "A".repeat(49))];
    let shaped = shaped.map(|token| format!("Bearer {token}"));
    std::iter::once(None).chain(bad.into_iter().chain(shaped).map(Some)).collect()
}

/// A token that is right in every way but for its signature.
async fn alien_token(suite: &Suite) -> String {
    let token = suite.tenant(PLACEMENTS[0]).await.owner().token;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    format!("{signed}.{first}{}", &signature[1..])
}

/// How the route lets somebody past with this credential; nothing if it answers 401 in every spelling.
async fn gap(suite: &Suite, route: &RouteInfo, credential: Option<&str>) -> Option<String> {
    let path = route.path.replace("{id}", &Uuid::now_v7().to_string());
    let mut methods = vec![route.method.parse::<Method>().unwrap()];
    if route.method == "GET" {
        methods.push(Method::HEAD);
    }
    for method in methods {
        for path in [path.clone(), format!("{path}/")] {
            let mut request = suite.request(method.clone(), &path);
            if let Some(credential) = credential {
                request = request.header("authorization", credential);
            }
            let answer = request.send().await;
            let challenged = answer.header("www-authenticate").starts_with("Bearer realm=");
            if answer.status != 401 || !challenged {
                return Some(format!("{method} {path} answers {} to {credential:?}", answer.status));
            }
        }
    }
    None
}
