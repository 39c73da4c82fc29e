//! The feed of changes goes on whatever else keeps the database busy, and however long it has become.

use std::time::{Duration, Instant};

use serde_json::json;
use tenantry_auth::watch::MAX_AGE;
use tenantry_tenancy::Role;
use tokio_postgres::Client;

use crate::harness::databases::OwnDatabase;
use crate::harness::{PATIENCE, PLACEMENTS, Request, connect, eventually, suite};

#[tokio::test]
async fn logins_that_wait_for_the_database_make_nobody_wait_who_has_logged_in() {
    let suite = suite().await;
    let own = OwnDatabase::served(&suite, "feed_and_logins", &[]).await;
    let caller = own.tenant(PLACEMENTS[0]).await.caller(Role::Viewer);
    caller.get("/api/v1/projects").await.expect(200);
    let admin = own.admin().await;
    admin.batch_execute("begin; lock table registry.login_attempts").await.unwrap();

    let mut logins = tokio::task::JoinSet::new();
    for number in 0..12 {
        let body = json!({ "username": format!("nobody{number}@example.com"), "password": "x" });
        let login = Request::new(&caller.base, reqwest::Method::POST, "/api/v1/auth/token").json(&body);
        logins.spawn(login.send());
    }
    let watcher = own.admin().await;
    eventually("all connections of logins wait", PATIENCE, async || waiting(&watcher).await >= 4).await;
    let begun = Instant::now();
    while begun.elapsed() < MAX_AGE + Duration::from_millis(500) {
        caller.get("/api/v1/projects").await.expect(200);
    }

    admin.batch_execute("rollback").await.unwrap();
    while let Some(login) = logins.join_next().await {
        login.unwrap().expect(401);
    }
}

async fn waiting(client: &Client) -> i64 {
    let sessions =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    client.query_one(sessions, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn the_feed_is_read_through_its_indexes_however_long_it_is() {
    let suite = suite().await;
    let own = OwnDatabase::new(&suite, "feed_of_many").await;
    let admin = own.admin().await;
    let fill = "insert into registry.changes (kind, subject, at)
          select 'session', gen_random_uuid(), now() - interval '2 days' * (n % 50 + 1) from generate_series(1, 30000) n;
        analyze registry.changes";
    admin.batch_execute(fill).await.unwrap();
    let mark: i64 = admin.query_one("select mark from registry.changes_after(null) limit 1", &[]).await.unwrap().get(0);
    let twice = uuid::Uuid::new_v4().to_string();
    for version in [2_i64, 3] {
        let change = "insert into registry.changes (kind, subject, version) values ('credential', $1::text::uuid, $2)";
        admin.execute(change, &[&twice, &version]).await.unwrap();
    }

    let told = |version: i64| Some((twice.clone(), version));
    for (since, changes) in [(None, vec![told(3)]), (Some(mark), vec![told(2), told(3)])] {
        let client = connect(own.database.urls.admin.as_ref().unwrap()).await;
        client.batch_execute("begin").await.unwrap();
        let question = "select subject::text, version from registry.changes_after($1) order by version nulls first";
        let rows = client.query(question, &[&since]).await.unwrap();
        let told: Vec<Option<(String, i64)>> =
            rows.iter().map(|row| Some((row.get::<_, Option<String>>(0)?, row.get(1)))).collect();

        assert_eq!(told, [vec![None], changes].concat(), "{since:?}");
        let scans = "select seq_scan, idx_scan from pg_stat_xact_all_tables where relid = 'registry.changes'::regclass";
        let scans = client.query_one(scans, &[]).await.unwrap();
        assert_eq!((scans.get::<_, i64>(0), scans.get::<_, i64>(1) > 0), (0, true), "{since:?}");
    }
}
