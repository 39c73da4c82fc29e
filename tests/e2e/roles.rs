//! Roles: what each may do on every route, from the table of routes.

use reqwest::Method;
use serde_json::json;
use tenantry_api::{Access, RouteInfo};
use tenantry_tenancy::{Permission, Role};

use crate::examples::Examples;
use crate::harness::{PLACEMENTS, Response, suite};

/// What each role may do, written down a second time: the business of the tenant, but not its administration.
fn may(role: Role, permission: Permission) -> bool {
    match role {
        Role::Owner | Role::Admin => true,
        Role::Member => !matches!(
            permission,
            Permission::ManageTasks
                | Permission::WriteMembers
                | Permission::WriteRoles
                | Permission::ReadApiKeys
                | Permission::WriteApiKeys
                | Permission::ReadApiClients
                | Permission::WriteApiClients
                | Permission::ReadDomains
                | Permission::WriteDomains
                | Permission::ReadTenant
                | Permission::WriteTenant
                | Permission::ReadAudit
        ),
        Role::Viewer => may(Role::Member, permission) && permission.as_str().ends_with(":read"),
    }
}

/// The scopes that a token of somebody with this role has.
pub fn scopes(role: Role) -> Vec<&'static str> {
    Permission::ALL.iter().filter(|it| may(role, **it)).map(|it| it.as_str()).collect()
}

/// What is wrong with the answer that somebody with this role got on this route.
fn fault(role: Role, route: &RouteInfo, answer: &Response) -> Option<String> {
    let Access::Tenant(permission) = route.access else { return None };
    // The examples are the owner's: to change them takes more than to change one's own.
    let of_others = role == Role::Member && route.path.starts_with("/api/v1/tasks/{id}") && route.method != "GET";
    let permission = if of_others { Permission::ManageTasks } else { permission };
    let right = if may(role, permission) {
        (200..300).contains(&answer.status)
    } else {
        answer.status == 403
            && answer.json["code"] == "forbidden"
            && answer.json["detail"] == format!("this needs the permission {permission}")
    };
    (!right).then(|| format!("{role} on {} {}: {} {}", route.method, route.path, answer.status, answer.text))
}

#[tokio::test]
async fn every_route_lets_in_those_who_may_and_nobody_else() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let examples = Examples::new(&suite, &tenant).await;

    for role in Role::ALL {
        let caller = tenant.caller(*role);
        for route in tenantry_api::routes().iter().filter(|it| matches!(it.access, Access::Tenant(_))) {
            let example = examples.of(route).await;

            let answer = example.send_to(&example.path, &caller).send().await;

            assert_eq!(fault(*role, route, &answer), None);
        }
    }
}

#[tokio::test]
async fn a_route_that_asks_for_too_little_would_be_found() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let viewer = tenant.caller(Role::Viewer);
    let listed = viewer.get("/api/v1/projects").await.expect(200);
    let refused = viewer.post("/api/v1/projects", json!({ "name": "Moon" })).await.expect(403);
    let challenge = "Bearer realm=\"tenantry\", error=\"insufficient_scope\", scope=\"projects:write\"";
    assert_eq!(refused.header("www-authenticate"), challenge);
    let route = |permission| RouteInfo {
        method: "POST".to_owned(),
        path: "/api/v1/projects",
        access: Access::Tenant(permission),
    };

    assert!(fault(Role::Viewer, &route(Permission::WriteProjects), &listed).is_some());
    assert!(fault(Role::Viewer, &route(Permission::WriteTasks), &refused).is_some());
    assert!(fault(Role::Owner, &route(Permission::WriteProjects), &refused).is_some());
    assert!(fault(Role::Viewer, &route(Permission::WriteProjects), &refused).is_none());
}

#[tokio::test]
async fn a_viewer_is_refused_before_anything_else_of_the_request_is_looked_at() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let viewer = tenant.caller(Role::Viewer);
    let project = tenant.owner().project("Moon").await;

    for path in ["/api/v1/projects/no-id", &format!("/api/v1/projects/{}", uuid::Uuid::now_v7())] {
        viewer.delete(path).await.expect(403);
        viewer.request(Method::PUT, path).body("{").send().await.expect(403);
    }
    viewer.delete(&format!("/api/v1/projects/{project}?tenant_id=x")).await.expect(403);

    viewer.get(&format!("/api/v1/projects/{project}")).await.expect(200);
}

#[tokio::test]
async fn nobody_of_a_tenant_is_an_operator_and_no_operator_is_anybody_in_a_tenant() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let examples = Examples::new(&suite, &tenant).await;
    let unknown = tenant.owner().at(&suite.base);
    let unknown = crate::harness::Caller { token: "unknown".to_owned(), ..unknown };
    let expected = unknown.get("/api/v1/projects").await.expect(401).without_request_id();

    for example in examples.all().await {
        let callers = match example.route.access {
            Access::Public => continue,
            Access::Person | Access::Tenant(_) => vec![examples.operator.clone()],
            Access::Operator => Role::ALL.iter().map(|role| tenant.caller(*role)).collect(),
        };
        for caller in callers {
            let answer = example.send_to(&example.path, &caller).send().await.expect(401);

            assert_eq!(answer.without_request_id(), expected, "{} {}", example.route.method, example.route.path);
        }
    }
}
