//! A tenant that is suspended is served by no instance a second later; one that is resumed, by all.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tenantry_auth::{Password, Passwords};
use tenantry_tenancy::{Placement, Role, TenantStatus};

use crate::harness::databases::OwnDatabase;
use crate::harness::{self, Caller, PLACEMENTS, Response, Suite, Tenant, another_instance};
use crate::operators::{TENANTS, operator};

/// How long a change of state may take to be felt everywhere (T4).
const DEADLINE: Duration = Duration::from_secs(1);

async fn set_status(operator: &Caller, tenant: &Tenant, status: TenantStatus) {
    let path = format!("{TENANTS}/{}", tenant.tenant.id);
    operator.patch(&path, json!({ "status": status })).await.expect(200);
}

async fn statuses(callers: &[Caller]) -> Vec<u16> {
    let answers = callers.iter().map(async |caller| caller.get("/api/v1/projects").await.status);
    join_all(answers).await
}

/// Fails if a request that begins later than the deadline, counted from now, is not answered as expected. How long the
/// answers take on a busy machine does not matter.
pub async fn felt_in_time(what: &str, mut as_expected: impl AsyncFnMut() -> bool) {
    let changed = Instant::now();
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    loop {
        let began = changed.elapsed();
        if as_expected().await {
            return;
        }
        assert!(began < DEADLINE, "{what} later than {DEADLINE:?} after the change");
        looks.tick().await;
    }
}

#[tokio::test]
async fn a_suspended_tenant_is_stopped_and_resumed_within_a_second_on_every_instance() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;
    let (_, other) = another_instance(suite.forever(), &[]).await;
    for placement in PLACEMENTS {
        let (tenant, bystander) = (suite.tenant(placement).await, suite.tenant(placement).await);
        // Tokens that every instance has seen, and one of each kind of person that none has.
        let seen = [tenant.owner(), tenant.owner().at(&other)];
        let unseen: Vec<Caller> = Role::ALL.iter().map(|role| tenant.caller(*role).at(&other)).collect();
        let bystanders = [bystander.owner(), bystander.owner().at(&other)];
        assert_eq!(statuses(&seen).await, [200, 200]);

        set_status(&operator, &tenant, TenantStatus::Suspended).await;
        let stopped = async || statuses(&seen).await == [401, 401] && statuses(&bystanders).await == [200, 200];
        felt_in_time("both instances stop", stopped).await;
        assert_eq!(statuses(&unseen).await, [401; 4]);

        set_status(&operator, &tenant, TenantStatus::Active).await;
        let served = async || statuses(&seen).await == [200, 200] && statuses(&bystanders).await == [200, 200];
        felt_in_time("both instances serve", served).await;
        assert_eq!(statuses(&unseen).await, [200; 4]);
    }
}

#[tokio::test]
async fn a_suspended_tenant_is_refused_for_every_method_with_the_one_answer() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;
    let tenant = suite.tenant(Placement::Pooled).await;
    let owner = tenant.owner();
    let (id, body) = (owner.project("a").await, json!({ "name": "b" }));
    let nobody = Caller { token: "nonsense".to_owned(), ..owner.clone() };
    set_status(&operator, &tenant, TenantStatus::Suspended).await;
    felt_in_time("it stops", async || statuses(std::slice::from_ref(&owner)).await == [401]).await;

    let expected = nobody.get("/api/v1/projects").await.expect(401).without_request_id();
    for (method, path) in [
        (Method::GET, format!("/api/v1/projects/{id}")),
        (Method::POST, "/api/v1/projects".to_owned()),
        (Method::PUT, format!("/api/v1/projects/{id}")),
        (Method::PATCH, format!("/api/v1/projects/{id}")),
        (Method::DELETE, format!("/api/v1/projects/{id}")),
    ] {
        let refused = owner.request(method, &path).json(&body).send().await.expect(401);
        assert_eq!(refused.without_request_id(), expected);
    }

    set_status(&operator, &tenant, TenantStatus::Active).await;
    felt_in_time("it goes on", async || statuses(std::slice::from_ref(&owner)).await == [200]).await;
    assert_eq!(owner.get(&format!("/api/v1/projects/{id}")).await.expect(200).json["name"], "a");
}

/// A person who belongs to a tenant, with a password.
struct Person {
    suite: &'static Suite,
    email: String,
}

const PASSWORD: &str = "correct horse battery";

impl Person {
    async fn of(suite: &'static Suite, tenant: &Tenant) -> Self {
        let passwords = Passwords::new(suite.settings.passwords()).unwrap();
        let hash = passwords.hash(&Password::parse(PASSWORD).unwrap()).await.unwrap();
        suite.services.registry.set_first_password(tenant.user(Role::Owner), &hash).await.unwrap();
        Self { suite, email: format!("owner@{}.example", tenant.tenant.slug) }
    }

    async fn log_in(&self, password: &str) -> Response {
        let body = json!({ "username": self.email, "password": password });
        self.suite.request(Method::POST, "/api/v1/auth/token").json(&body).send().await
    }

    async fn refresh(&self, token: &str) -> Response {
        let body = json!({ "refresh": token });
        self.suite.request(Method::POST, "/api/v1/auth/token/refresh").json(&body).send().await
    }
}

#[tokio::test]
async fn a_login_at_a_suspended_tenant_fails_like_any_other_and_works_again_later() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;
    let tenant = suite.tenant(Placement::Schema).await;
    let person = Person::of(suite.forever(), &tenant).await;
    person.log_in(PASSWORD).await.expect(200);

    set_status(&operator, &tenant, TenantStatus::Suspended).await;
    let refused = person.log_in(PASSWORD).await.expect(401);
    let wrong = person.log_in("another password").await.expect(401);
    set_status(&operator, &tenant, TenantStatus::Active).await;

    assert_eq!(refused.without_request_id(), wrong.without_request_id());
    person.log_in(PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_refresh_token_outlives_a_suspension() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;
    let tenant = suite.tenant(Placement::Pooled).await;
    let person = Person::of(suite.forever(), &tenant).await;
    let token = person.log_in(PASSWORD).await.expect(200).json["refresh"].as_str().unwrap().to_owned();

    set_status(&operator, &tenant, TenantStatus::Suspended).await;
    let refused = person.refresh(&token).await.expect(401);
    let nonsense = person.refresh("nonsense").await.expect(401);
    set_status(&operator, &tenant, TenantStatus::Active).await;
    let renewed = person.refresh(&token).await.expect(200);

    assert_eq!(refused.without_request_id(), nonsense.without_request_id());
    let access = renewed.json["access"].as_str().unwrap().to_owned();
    let owner = Caller { token: access, base: suite.base.clone() };
    felt_in_time("it is served", async || owner.get("/api/v1/projects").await.status == 200).await;
}

#[tokio::test]
async fn a_change_that_is_not_announced_would_go_unnoticed() {
    let suite = harness::suite().await;
    let own = OwnDatabase::served(&suite, "suspended_in_silence", &[]).await;
    let tenant = own.tenant(Placement::Pooled).await;
    let owner = tenant.owner();
    let admin = own.admin().await;
    // Also the announcement of its birth, which is repeated while an older transaction runs anywhere on the server.
    admin
        .batch_execute("alter table registry.tenants disable trigger note_tenant; delete from registry.changes")
        .await
        .unwrap();
    own.services.watch.poll_once().await.unwrap();
    owner.get("/api/v1/projects").await.expect(200);

    let changed = Instant::now();
    let id = tenant.tenant.id;
    let suspend = format!("update registry.tenants set status = 'suspended' where id = '{id}'");
    admin.batch_execute(&suspend).await.unwrap();

    // Whatever stops the tenant in the other tests is the announcement: without it, it goes on for longer than allowed.
    let mut served = Vec::new();
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    while changed.elapsed() < DEADLINE {
        served.push(owner.get("/api/v1/projects").await.status == 200);
        looks.tick().await;
    }
    // An instance that cannot poll for a second asks the database, as a busy machine may make it do now and then.
    assert!(served.iter().filter(|served| **served).count() > served.len() / 2, "{served:?}");
}
