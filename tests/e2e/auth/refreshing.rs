//! Staying logged in: one refresh token after the other, and what happens when one comes back.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chrono::Utc;
use futures_util::future::join_all;
use serde_json::json;
use tenantry_tenancy::provisioning::set_status;
use tenantry_tenancy::{Role, TenantStatus};

use super::{Person, REFRESH, VERIFY, caller, face, part, post, refresh, text};
use crate::harness::{PLACEMENTS, Response, Suite, another_instance, apart, suite};

/// Changes what is stored of the sessions of one login, as if time had passed.
async fn alter(suite: &Suite, tokens: &Response, change: &str) {
    let session = part(text(tokens, "access"), 1)["sid"].as_str().unwrap().to_owned();
    let changed = suite.admin().await.execute(&format!("update {change} = '{session}'"), &[]).await.unwrap();
    assert!(changed > 0, "{change}");
}

/// The tokens of this login that were used were used long ago.
async fn let_grace_pass(suite: &Suite, tokens: &Response) {
    let change = "registry.refresh_tokens set used_at = used_at - interval '11 seconds' \
                  where used_at is not null and session_id";
    alter(suite, tokens, change).await;
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_the_next() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let first = Person::new(&suite, &tenant, Role::Member).await.log_in(&suite).await;

        let second = refresh(&suite, &first).await.expect(200);
        let third = refresh(&suite, &second).await.expect(200);

        let tokens = [&first, &second, &third];
        let distinct: HashSet<&str> = tokens.iter().flat_map(|it| [text(it, "access"), text(it, "refresh")]).collect();
        assert_eq!(distinct.len(), 6);
        assert_eq!(second.json["expires_in"], 900);
        for tokens in tokens {
            caller(&suite, tokens).get("/api/v1/projects").await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_lost_answer_can_be_had_again_within_the_grace() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let first = Person::new(&suite, &tenant, Role::Member).await.log_in(&suite).await;

    let second = refresh(&suite, &first).await.expect(200);
    let again = refresh(&suite, &first).await.expect(200);

    assert_eq!(text(&again, "refresh"), text(&second, "refresh"));
    refresh(&suite, &second).await.expect(200);
}

#[tokio::test]
async fn fifty_at_once_get_one_successor() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let first = Person::new(&suite, &tenant, Role::Member).await.log_in(&suite).await;

    let answers: Vec<Response> = join_all((0..50).map(|_| refresh(&suite, &first))).await;

    let answers: Vec<Response> = answers.into_iter().map(|it| it.expect(200)).collect();
    let successors: HashSet<&str> = answers.iter().map(|it| text(it, "refresh")).collect();
    assert_eq!(successors.len(), 1);
    let session = part(text(&first, "access"), 1)["sid"].as_str().unwrap().to_owned();
    let live =
        format!("select count(*) from registry.refresh_tokens where used_at is null and session_id = '{session}'");
    let row = suite.admin().await.query_one(&live, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
    refresh(&suite, &answers[0]).await.expect(200);
}

#[tokio::test]
async fn a_token_that_comes_back_late_ends_the_session_everywhere_within_a_second() {
    let suite = suite().await;
    let (_, elsewhere) = another_instance(suite.forever(), &[]).await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let first = person.log_in(&suite).await;
    let other_login = person.log_in(&suite).await;
    let second = refresh(&suite, &first).await.expect(200);
    let holders = [caller(&suite, &first), caller(&suite, &second)];
    let everywhere: Vec<_> = holders.iter().flat_map(|it| [it.clone(), it.at(&elsewhere)]).collect();
    for holder in &everywhere {
        holder.get("/api/v1/projects").await.expect(200);
    }
    let_grace_pass(&suite, &first).await;

    let reused = refresh(&suite, &first).await.expect(401);

    let begun = Instant::now();
    for holder in &everywhere {
        loop {
            let asked = begun.elapsed();
            if holder.get("/api/v1/projects").await.status == 401 {
                break;
            }
            assert!(asked < Duration::from_secs(1), "a token of the session was still good after {asked:?}");
        }
    }
    let successor = refresh(&suite, &second).await.expect(401);
    let unknown = post(&suite, REFRESH, &json!({ "refresh": "unknown" })).await.expect(401);
    assert_eq!([face(&reused), face(&successor)], [face(&unknown), face(&unknown)]);
    // The same person's other login has nothing to do with it.
    caller(&suite, &other_login).get("/api/v1/projects").await.expect(200);
    refresh(&suite, &other_login).await.expect(200);
}

#[tokio::test]
async fn a_token_that_comes_back_in_time_ends_nothing() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let first = Person::new(&suite, &tenant, Role::Member).await.log_in(&suite).await;
    let second = refresh(&suite, &first).await.expect(200);
    refresh(&suite, &first).await.expect(200);
    suite.services.watch.poll_once().await.unwrap();

    caller(&suite, &first).get("/api/v1/projects").await.expect(200);
    refresh(&suite, &second).await.expect(200);
}

#[tokio::test]
async fn a_refresh_token_that_is_no_good_is_refused_like_any_other() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let (expired, over, revoked) =
        (person.log_in(&suite).await, person.log_in(&suite).await, person.log_in(&suite).await);
    alter(&suite, &expired, "registry.refresh_tokens set expires_at = now() where session_id").await;
    alter(&suite, &over, "registry.sessions set ends_at = now() where id").await;
    alter(&suite, &revoked, "registry.sessions set revoked_at = now() where id").await;
    let good = person.log_in(&suite).await;
    let refresh_token = text(&good, "refresh");
    let mut flipped = refresh_token.to_owned();
    let last = if flipped.pop() == Some('A') { 'E' } else { 'A' };
    flipped.push(last);

    let unknown = post(&suite, REFRESH, &json!({ "refresh": "tnr_unknown" })).await.expect(401);

    for token in [
        text(&expired, "refresh"),
        text(&over, "refresh"),
        text(&revoked, "refresh"),
        text(&good, "access"),
        &flipped,
        &refresh_token[4..],
        &refresh_token.to_uppercase(),
        &format!("{refresh_token}="),
        &format!(" {refresh_token}"),
        &format!("{refresh_token}\0"),
        &"x".repeat(100_000),
        "",
    ] {
        let answer = post(&suite, REFRESH, &json!({ "refresh": token })).await.expect(401);
        assert_eq!(face(&answer), face(&unknown), "{token}");
    }
    refresh(&suite, &good).await.expect(200);
}

#[tokio::test]
async fn a_suspended_tenant_gives_no_tokens_and_uses_none_up() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let first = Person::new(&suite, &tenant, Role::Member).await.log_in(&suite).await;
    let registry = &*suite.services.registry;

    set_status(registry, tenant.tenant.id, TenantStatus::Suspended).await.unwrap();
    refresh(&suite, &first).await.expect(401);
    set_status(registry, tenant.tenant.id, TenantStatus::Active).await.unwrap();

    refresh(&suite, &first).await.expect(200);
}

#[tokio::test]
async fn a_refreshed_token_has_the_role_of_now() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let first = Person::new(&suite, &tenant, Role::Member).await.log_in(&suite).await;
    let user = tenant.user(Role::Member);

    suite.services.registry.ensure_member(tenant.tenant.id, user, Role::Viewer).await.unwrap();
    let second = refresh(&suite, &first).await.expect(200);

    assert_eq!(part(text(&second, "access"), 1)["roles"], json!(["viewer"]));
    caller(&suite, &second).post("/api/v1/projects", json!({ "name": "Moon" })).await.expect(403);
}

#[tokio::test]
async fn a_refresh_token_opens_nothing_itself() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let tokens = Person::new(&suite, &tenant, Role::Owner).await.log_in(&suite).await;
    let refresh_token = text(&tokens, "refresh");

    super::with_authorization(&suite, &format!("Bearer {refresh_token}")).send().await.expect(401);
    post(&suite, VERIFY, &json!({ "token": refresh_token })).await.expect(401);
}

#[tokio::test]
async fn a_refresh_token_that_was_used_is_forgotten_after_a_day_and_not_before() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let first = Person::new(&suite, &tenant, Role::Member).await.log_in(&suite).await;
    let second = refresh(&suite, &first).await.expect(200);
    let third = refresh(&suite, &second).await.expect(200);
    let admin = suite.admin().await;
    let age = "update registry.refresh_tokens set used_at = used_at - $2::text::interval where digest = sha256(convert_to($1, 'UTF8'))";
    for (tokens, age_of_use) in [(&first, "25 hours"), (&second, "23 hours")] {
        assert_eq!(admin.execute(age, &[&text(tokens, "refresh"), &age_of_use]).await.unwrap(), 1);
    }

    let services = suite.services.clone();
    apart(async move { services.registry.prune(Utc::now()).await.unwrap() }).await;

    let kept = "select count(*) from registry.refresh_tokens where digest = sha256(convert_to($1, 'UTF8'))";
    for (tokens, expected) in [(&first, 0_i64), (&second, 1), (&third, 1)] {
        let count: i64 = admin.query_one(kept, &[&text(tokens, "refresh")]).await.unwrap().get(0);
        assert_eq!(count, expected);
    }
}
