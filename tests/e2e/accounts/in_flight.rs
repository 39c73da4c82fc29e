//! What is under way when the ground under it is taken away.

use serde_json::json;
use tenantry_auth::{Password, Passwords};
use tenantry_tenancy::{Role, UserId};
use tokio_postgres::Client;

use super::{Login, ME, NEW, Person, SWITCH, TOKEN};
use crate::harness::{PATIENCE, PLACEMENTS, Suite, eventually, suite};
use crate::members::held_up;

/// Begins to set another password, which is seen by others at the commit.
async fn begin_to_replace_password(suite: &Suite, user: UserId) -> Client {
    let admin = suite.admin().await;
    let hash = Passwords::new(suite.settings.passwords()).unwrap().hash(&Password::parse(NEW).unwrap()).await.unwrap();
    let replace = format!("begin; update registry.users set password_hash = '{}' where id = '{user}'", hash.as_str());
    admin.batch_execute(&replace).await.unwrap();
    admin
}

#[tokio::test]
async fn a_login_in_flight_does_not_survive_another_password() {
    let suite = suite().await;
    for path in [TOKEN, "/api/v1/auth/session"] {
        let tenant = suite.tenant(PLACEMENTS[0]).await;
        let person = Person::new(&suite, &tenant, Role::Member).await;
        let admin = begin_to_replace_password(&suite, tenant.user(Role::Member)).await;

        let body = json!({ "username": person.email, "password": super::OLD });
        let login = tokio::spawn(suite.request(reqwest::Method::POST, path).json(&body).send());
        eventually("the login waits", PATIENCE, async || held_up(&suite, &admin).await > 0).await;
        admin.batch_execute("commit").await.unwrap();

        login.await.unwrap().expect(401);
        let sessions = "select count(*) from registry.sessions where user_id = $1::text::uuid";
        let sessions = suite.admin().await.query_one(sessions, &[&tenant.user(Role::Member).to_string()]).await;
        assert_eq!(sessions.unwrap().get::<_, i64>(0), 0, "{path}");
        person.try_password(&suite, NEW, &tenant).await.expect(200);
    }
}

#[tokio::test]
async fn a_switch_in_flight_does_not_survive_its_session() {
    let suite = suite().await;
    let (home, second) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let person = Person::new(&suite, &home, Role::Member).await;
    let user = home.user(Role::Member);
    suite.services.registry.ensure_member(second.tenant.id, user, Role::Viewer).await.unwrap();
    let login = person.log_in(&suite, &home).await;
    let session = login.caller.get(ME).await.expect(200).json["session"].as_str().unwrap().to_owned();
    let admin = suite.admin().await;
    let ends = format!("update registry.sessions set ends_at = now() + interval '100 seconds' where id = '{session}'");
    admin.batch_execute(&ends).await.unwrap();
    let body = json!({ "tenant": second.tenant.slug });

    let switched = login.caller.post(SWITCH, body.clone()).await.expect(200);
    assert!(switched.json["expires_in"].as_u64().unwrap() <= 100, "it ends no later than the one it came from");
    Login::new(&suite, &switched).assert_lives().await;
    let latest = "select count(*) from registry.sessions where user_id = $1::text::uuid and ends_at > now() + interval '100 seconds'";
    assert_eq!(admin.query_one(latest, &[&user.to_string()]).await.unwrap().get::<_, i64>(0), 0);

    let revoke = format!("begin; update registry.sessions set revoked_at = now() where id = '{session}'");
    admin.batch_execute(&revoke).await.unwrap();
    let switch = tokio::spawn({
        let caller = login.caller.at(&suite.base);
        async move { caller.post(SWITCH, body).await }
    });
    eventually("the switch waits", PATIENCE, async || held_up(&suite, &admin).await > 0).await;
    admin.batch_execute("commit").await.unwrap();
    switch.await.unwrap().expect(404);
}

#[tokio::test]
async fn a_login_in_flight_does_not_survive_a_factor_that_it_did_not_prove() {
    let suite = suite().await;
    for path in [TOKEN, "/api/v1/auth/session"] {
        let tenant = suite.tenant(PLACEMENTS[0]).await;
        let (person, user) = (Person::new(&suite, &tenant, Role::Member).await, tenant.user(Role::Member));
        let admin = suite.admin().await;
        let enrol = format!(
            "begin; select from registry.users where id = '{user}' for update;
             insert into registry.totp_factors (user_id, secret, confirmed_at) values ('{user}', 'x', now())"
        );
        admin.batch_execute(&enrol).await.unwrap();

        let body = json!({ "username": person.email, "password": super::OLD });
        let login = tokio::spawn(suite.request(reqwest::Method::POST, path).json(&body).send());
        eventually("the login waits", PATIENCE, async || held_up(&suite, &admin).await > 0).await;
        admin.batch_execute("commit").await.unwrap();

        login.await.unwrap().expect(401);
    }
}
