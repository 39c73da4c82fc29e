//! Changing a password.

use serde_json::json;
use tenantry_tenancy::Role;

use super::{NEW, OLD, Person, password_events};
use crate::harness::{PLACEMENTS, suite};

const PASSWORD: &str = "/api/v1/me/password";

#[tokio::test]
async fn a_change_ends_the_persons_other_sessions_in_every_tenant_and_tells_audit_and_owner() {
    let suite = suite().await;
    let (home, second) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let person = Person::new(&suite, &home, Role::Member).await;
    let user = home.user(Role::Member);
    suite.services.registry.ensure_member(second.tenant.id, user, Role::Viewer).await.unwrap();
    let stranger = Person::new(&suite, &home, Role::Owner).await.log_in(&suite, &home).await;
    let (kept, others) = (
        person.log_in(&suite, &home).await,
        [person.log_in(&suite, &home).await, person.log_in(&suite, &second).await],
    );

    kept.caller.post(PASSWORD, json!({ "current_password": OLD, "new_password": NEW })).await.expect(204);

    for other in &others {
        other.assert_over(&suite).await;
    }
    kept.assert_lives().await;
    stranger.assert_lives().await;
    person.try_password(&suite, OLD, &home).await.expect(401);
    person.try_password(&suite, NEW, &home).await.expect(200);
    for tenant in [&home, &second] {
        let expected = [("password_changed".to_owned(), format!("user:{user}"))];
        assert_eq!(password_events(&suite, tenant, user).await, expected);
    }
    let mail = suite.mail_to(&person.email, 1).await;
    assert!(mail.contains("was changed") && !mail.contains(NEW), "{mail}");
}

#[tokio::test]
async fn the_current_password_must_be_known_and_the_new_one_hard_to_guess() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Member).await;
    let login = person.log_in(&suite, &tenant).await;
    let slug = tenant.tenant.slug.to_string();

    for wrong in ["", "wrong horse battery staple"] {
        let body = json!({ "current_password": wrong, "new_password": NEW });
        login.caller.post(PASSWORD, body).await.expect_field(400, "current_password");
    }
    let guessable = [
        "fourteen chars".to_owned(),
        "passwordpassword".to_owned(),
        "aaaaaaaaaaaaaaaaaaaa".to_owned(),
        "1234567890123456".to_owned(),
        "qwertyuiopasdfghjkl".to_owned(),
        format!("tenantry {slug} member"),
        person.email.clone(),
    ];
    for new in guessable {
        let body = json!({ "current_password": OLD, "new_password": new });
        login.caller.post(PASSWORD, body).await.expect_field(400, "new_password");
    }

    person.try_password(&suite, OLD, &tenant).await.expect(200);
    assert_eq!(password_events(&suite, &tenant, tenant.user(Role::Member)).await, []);
}

#[tokio::test]
async fn who_has_no_password_proves_none() {
    let suite = suite().await;
    let member = suite.tenant(PLACEMENTS[0]).await.caller(Role::Member);

    for current in ["", OLD] {
        let body = json!({ "current_password": current, "new_password": NEW });
        member.post(PASSWORD, body).await.expect_field(400, "current_password");
    }
}
