//! How many of a thing a tenant may have: no more come to be, however many are added at once.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{PLACEMENTS, suite};

/// How many of twelve requests at once are taken where there is room for four.
async fn taken(fill: &str, path: &'static str, body: fn(usize) -> Value) -> usize {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let fill = fill.replace("%tenant%", &tenant.tenant.id.to_string());
    suite.admin().await.batch_execute(&fill).await.unwrap();

    let mut requests = JoinSet::new();
    for n in 0..12 {
        let owner = tenant.owner();
        requests.spawn(async move { owner.post(path, body(n)).await });
    }
    let answers = requests.join_all().await;

    assert!(answers.iter().all(|it| matches!(it.status, 201 | 409)), "{answers:#?}");
    answers.iter().filter(|it| it.status == 201).count()
}

#[tokio::test]
async fn a_tenant_has_50_domains() {
    let fill = "insert into registry.domains (tenant_id, id, name, challenge)
        select '%tenant%', gen_random_uuid(), 'a' || n || '.' || gen_random_uuid() || '.example', repeat('x', 43)
        from generate_series(1, 46) n";

    assert_eq!(taken(fill, "/api/v1/domains", |n| json!({ "name": format!("b{n}.example") })).await, 4);
}

#[tokio::test]
async fn a_tenant_waits_for_200_answers() {
    let fill = "insert into registry.invitations (tenant_id, id, email, role, digest, expires_at)
        select '%tenant%', gen_random_uuid(), n || '-' || gen_random_uuid() || '@invited.example', 'viewer',
          sha256(gen_random_uuid()::text::bytea), now() + interval '1 day' from generate_series(1, 196) n";
    let body = |n| json!({ "email": format!("at-once-{n}@invited.example"), "role": "viewer" });

    assert_eq!(taken(fill, "/api/v1/invitations", body).await, 4);
}

#[tokio::test]
async fn a_tenant_defines_100_roles() {
    let fill = "insert into registry.roles (tenant_id, id, name, description, permissions)
        select '%tenant%', gen_random_uuid(), 'role-' || n, '', array['projects:read'] from generate_series(1, 96) n";
    let body = |n| json!({ "name": format!("at-once-{n}"), "description": "", "permissions": ["projects:read"] });

    assert_eq!(taken(fill, "/api/v1/roles", body).await, 4);
}
