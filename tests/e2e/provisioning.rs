//! How tenants come to be: once per slug, whole or not reachable, and continued after any failure.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_auth::Holder;
use tenantry_server::database::Urls;
use tenantry_server::{Services, operations};
use tenantry_tenancy::provisioning::{NewTenant, Step, TenantError, TenantRegistry, TenantStorage, provision};
use tenantry_tenancy::tenants::TenantSettings;
use tenantry_tenancy::{
    Email, Placement, Plan, Role, SessionId, Slug, StoreError, Tenant, TenantId, TenantStatus, UserId,
};
use uuid::Uuid;

use crate::harness::{self, Caller, PLACEMENTS, Suite, eventually, instance_at};
use crate::operators::{TENANTS, operator};

fn unique_slug() -> String {
    format!("p{}", Uuid::now_v7().simple())
}

fn new_tenant(plan: Plan, placement: Placement) -> NewTenant {
    let slug = unique_slug();
    let owner = Email::parse(&format!("owner@{slug}.example")).unwrap();
    NewTenant { slug: Slug::parse(&slug).unwrap(), plan, placement, owner }
}

fn body(new: &NewTenant) -> Value {
    json!({ "slug": new.slug, "plan": new.plan, "placement": new.placement, "owner_email": new.owner.as_str() })
}

/// A token of the tenant's owner, as if it had been issued before.
async fn token(suite: &Suite, tenant: TenantId, owner: &Email) -> Caller {
    let user = suite.services.registry.ensure_user(owner).await.unwrap();
    let holder = Holder::member(user, tenant, SessionId::generate(), Role::Owner);
    let token = suite.services.auth.issue_for(&holder, Duration::from_secs(600)).unwrap();
    Caller { token, base: suite.base.clone() }
}

#[tokio::test]
async fn the_plan_decides_the_placement_unless_one_is_named() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;
    for (plan, named, placement) in [
        ("free", None, "pooled"),
        ("standard", None, "pooled"),
        ("enterprise", None, "schema"),
        ("free", Some("schema"), "schema"),
        ("enterprise", Some("pooled"), "pooled"),
    ] {
        let slug = unique_slug();
        let mut body = json!({ "slug": slug, "plan": plan, "owner_email": "owner@placement.example" });
        if let Some(named) = named {
            body["placement"] = json!(named);
        }

        let created = operator.post(TENANTS, body).await.expect(201);

        let view = &created.json;
        assert_eq!(
            (&view["plan"], &view["placement"], &view["status"]),
            (&json!(plan), &json!(placement), &json!("active"))
        );
        let id = view["id"].as_str().unwrap();
        assert_eq!(created.header("location"), format!("{TENANTS}/{id}"));
        let schema = format!("t_{}", id.replace('-', ""));
        let query = "select count(*) from pg_namespace where nspname = $1";
        let schemas: i64 = suite.admin().await.query_one(query, &[&schema]).await.unwrap().get(0);
        assert_eq!(schemas, i64::from(placement == "schema"));
    }
}

#[tokio::test]
async fn a_tenant_asked_for_many_times_at_once_is_made_once() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;
    for placement in PLACEMENTS {
        let body = body(&new_tenant(Plan::Standard, placement));

        let answers = join_all((0..5).map(|_| operator.post(TENANTS, body.clone()))).await;
        let again = operator.post(TENANTS, body.clone()).await.expect(201).json;

        for answer in answers {
            assert_eq!(answer.expect(201).json, again);
        }
    }
}

#[tokio::test]
async fn a_slug_that_was_asked_for_differently_is_a_conflict() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;
    let original = body(&new_tenant(Plan::Standard, Placement::Pooled));
    let made = operator.post(TENANTS, original.clone()).await.expect(201).json;

    for (field, value) in [("plan", "free"), ("placement", "schema"), ("owner_email", "other@elsewhere.example")] {
        let mut different = original.clone();
        different[field] = json!(value);
        operator.post(TENANTS, different).await.expect_field(409, "slug");
    }

    assert_eq!(operator.post(TENANTS, original).await.expect(201).json, made);
}

#[tokio::test]
async fn the_owner_logs_in_with_the_password_that_was_told_once() {
    let suite = harness::suite().await;
    for placement in PLACEMENTS {
        let new = new_tenant(Plan::Standard, placement);
        let (tenant, password) = operations::create_tenant(&suite.settings, &suite.services, &new).await.unwrap();
        let (again, no_password) = operations::create_tenant(&suite.settings, &suite.services, &new).await.unwrap();

        let login = json!({ "username": new.owner.as_str(), "password": password.unwrap() });
        let tokens = suite.request(Method::POST, "/api/v1/auth/token").json(&login).send().await.expect(200);

        assert_eq!((again, no_password), (tenant, None));
        let owner = Caller { token: tokens.json["access"].as_str().unwrap().to_owned(), base: suite.base.clone() };
        owner.project("first").await;
        let me = json!({ "token": owner.token });
        let verified = suite.request(Method::POST, "/api/v1/auth/token/verify").json(&me).send().await.expect(200);
        assert_eq!(verified.json["roles"], json!(["owner"]));
    }
}

#[tokio::test]
async fn a_person_who_owns_a_tenant_keeps_the_password_when_given_another() {
    let suite = harness::suite().await;
    let first = new_tenant(Plan::Free, Placement::Pooled);
    let second = NewTenant { owner: first.owner.clone(), ..new_tenant(Plan::Free, Placement::Pooled) };
    let (_, password) = operations::create_tenant(&suite.settings, &suite.services, &first).await.unwrap();

    let (_, no_password) = operations::create_tenant(&suite.settings, &suite.services, &second).await.unwrap();

    assert_eq!(no_password, None);
    for new in [first, second] {
        let login = json!({ "username": new.owner.as_str(), "password": password, "tenant": new.slug });
        suite.request(Method::POST, "/api/v1/auth/token").json(&login).send().await.expect(200);
    }
}

#[tokio::test]
async fn an_instance_that_may_not_make_schemas_leaves_it_to_one_that_may() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;
    let urls = Urls { migrator: None, admin: None, ..suite.urls.clone() };
    let (_, base) = instance_at(urls, &[]).await;
    let (pooled, schema) = (new_tenant(Plan::Free, Placement::Pooled), new_tenant(Plan::Free, Placement::Schema));

    operator.at(&base).post(TENANTS, body(&pooled)).await.expect(201);
    let refused = operator.at(&base).post(TENANTS, body(&schema)).await.expect(503);
    let made = operator.post(TENANTS, body(&schema)).await.expect(201);

    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(made.json["status"], "active");
}

/// Where a run is cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Nothing of the step was done.
    Before(Step),
    /// The step was done and that was not recorded.
    After(Step),
}

/// The real registry and storage, failing once as a crash would.
struct Failing<'a> {
    services: &'a Services,
    cut: Mutex<Option<Cut>>,
}

impl Failing<'_> {
    fn reach(&self, at: Cut) -> Result<(), StoreError> {
        match self.cut.lock().unwrap().take_if(|cut| *cut == at) {
            Some(_) => Err(StoreError::unavailable("cut short")),
            None => Ok(()),
        }
    }

    fn storage(&self) -> &dyn TenantStorage {
        self.services.storage.as_deref().unwrap()
    }
}

#[async_trait]
impl TenantRegistry for Failing<'_> {
    async fn register(&self, new: &NewTenant) -> Result<(Tenant, Vec<Step>), TenantError> {
        self.services.registry.register(new).await
    }

    async fn record(&self, tenant: TenantId, step: Step) -> Result<(), StoreError> {
        self.reach(Cut::After(step))?;
        self.services.registry.record(tenant, step).await
    }

    async fn add_owner(&self, tenant: TenantId, owner: &Email) -> Result<UserId, StoreError> {
        self.reach(Cut::Before(Step::Owner))?;
        self.services.registry.add_owner(tenant, owner).await
    }

    async fn find(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        self.services.registry.find(id).await
    }

    async fn list(&self, after: Option<&Slug>, limit: usize) -> Result<Vec<Tenant>, StoreError> {
        self.services.registry.list(after, limit).await
    }

    async fn set_status(&self, id: TenantId, from: TenantStatus, to: TenantStatus) -> Result<bool, StoreError> {
        self.reach(Cut::Before(Step::Activate))?;
        self.services.registry.set_status(id, from, to).await
    }

    async fn set_settings(&self, id: TenantId, settings: &TenantSettings) -> Result<bool, StoreError> {
        self.services.registry.set_settings(id, settings).await
    }
}

#[async_trait]
impl TenantStorage for Failing<'_> {
    async fn create(&self, tenant: &Tenant) -> Result<(), StoreError> {
        self.reach(Cut::Before(Step::Storage))?;
        self.storage().create(tenant).await
    }

    async fn migrate(&self, tenant: &Tenant) -> Result<(), StoreError> {
        self.reach(Cut::Before(Step::Migrate))?;
        self.storage().migrate(tenant).await
    }
}

/// Cuts a run short, looks whether the tenant is out of reach, and lets the API continue.
async fn assert_continued(suite: &Suite, operator: &Caller, placement: Placement, cut: Cut) {
    let new = new_tenant(Plan::Standard, placement);
    let failing = Failing { services: &suite.services, cut: Mutex::new(Some(cut)) };

    let error = provision(&failing, Some(&failing), &new).await.unwrap_err();
    let (between, _) = suite.services.registry.register(&new).await.unwrap();
    let owner = token(suite, between.id, &new.owner).await;
    let early = owner.get("/api/v1/projects").await;
    let made = operator.post(TENANTS, body(&new)).await.expect(201);

    assert!(matches!(error, TenantError::Store(_)), "{placement} {cut:?}: {error}");
    if cut == Cut::After(Step::Activate) {
        early.expect(200);
    } else {
        assert_eq!(between.status, TenantStatus::Provisioning, "{placement} {cut:?}");
        early.expect(401);
    }
    assert_eq!((&made.json["id"], &made.json["status"]), (&json!(between.id), &json!("active")), "{placement} {cut:?}");
    let served = async || owner.get("/api/v1/projects").await.status == 200;
    eventually("the owner is let in", Duration::from_secs(1), served).await;
    owner.project("first").await;
    let (_, steps) = suite.services.registry.register(&new).await.unwrap();
    assert_eq!(steps.len(), Step::ALL.len(), "{placement} {cut:?}");
}

#[tokio::test]
async fn a_run_cut_short_at_any_step_is_out_of_reach_and_continued() {
    let suite = harness::suite().await;
    let operator = operator(&suite).await;
    let mut cuts = Vec::new();
    for placement in PLACEMENTS {
        for step in Step::ALL.iter().copied() {
            // There is no storage to make for a pooled tenant, so nothing that could fail.
            if placement == Placement::Schema || !matches!(step, Step::Storage | Step::Migrate) {
                cuts.push((placement, Cut::Before(step)));
            }
            cuts.push((placement, Cut::After(step)));
        }
    }

    let continued = cuts.iter().map(|(placement, cut)| assert_continued(&suite, &operator, *placement, *cut));

    join_all(continued).await;
    assert_eq!(cuts.len(), 14);
}

#[tokio::test]
async fn nobody_logs_in_at_a_tenant_that_is_half_made() {
    let suite = harness::suite().await;
    let new = new_tenant(Plan::Free, Placement::Pooled);
    let (_, password) = operations::create_tenant(&suite.settings, &suite.services, &new).await.unwrap();
    let login = json!({ "username": new.owner.as_str(), "password": password.unwrap(), "tenant": new.slug });
    let wrong = json!({ "username": new.owner.as_str(), "password": "not the password at all", "tenant": new.slug });
    let log_in = async |body: &Value| suite.request(Method::POST, "/api/v1/auth/token").json(body).send().await;
    log_in(&login).await.expect(200);
    let set_back = format!("update registry.tenants set status = 'provisioning' where slug = '{}'", new.slug);
    suite.admin().await.batch_execute(&set_back).await.unwrap();

    let refused = log_in(&login).await.expect(401);

    assert_eq!(refused.without_request_id(), log_in(&wrong).await.expect(401).without_request_id());
}
