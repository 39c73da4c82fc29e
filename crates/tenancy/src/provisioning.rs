//! How a tenant comes to be, and how an operator stops and resumes one.
//!
//! Every step is idempotent and recorded once done: a run that was cut short is continued by asking for the same tenant
//! again, and until the last step the tenant is not active and so not reachable.

use async_trait::async_trait;

use crate::tenants::TenantSettings;
use crate::{Email, Placement, Plan, Slug, StoreError, Tenant, TenantId, TenantStatus, UserId, words};

words!(
    /// A step of provisioning, in order.
    Step {
        /// The schema exists (nothing to do for a pooled tenant).
        Storage = "storage",
        /// The schema has every migration.
        Migrate = "migrate",
        /// The owner is a member.
        Owner = "owner",
        /// Requests are served.
        Activate = "activate",
    }
);

/// The tenant somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTenant {
    /// Its name for people. Asking twice for one slug gives one tenant.
    pub slug: Slug,
    /// What it pays for.
    pub plan: Plan,
    /// Where its rows lie.
    pub placement: Placement,
    /// Who answers for it. Becomes a user if there is none with this address.
    pub owner: Email,
}

/// Why a tenant could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// Another tenant, with another plan, placement or owner, has the slug.
    #[error("a tenant named {0} already exists")]
    SlugTaken(Slug),
    /// No such tenant.
    #[error("tenant {0} does not exist")]
    NotFound(TenantId),
    /// The state cannot be left this way.
    #[error("a tenant that is {from} cannot become {to}")]
    Transition {
        /// The state it is in.
        from: TenantStatus,
        /// The state asked for.
        to: TenantStatus,
    },
    /// This process may not create schemas; the tenant stays in provisioning until one that may asks for it again.
    #[error("this process may not create storage")]
    NoStorage,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The registry of tenants, as the platform sees it.
#[async_trait]
pub trait TenantRegistry: Send + Sync {
    /// The tenant with this slug, made in state `provisioning` if there is none, and the steps it has behind it.
    ///
    /// Fails with [`TenantError::SlugTaken`] when one exists that was asked for differently.
    async fn register(&self, new: &NewTenant) -> Result<(Tenant, Vec<Step>), TenantError>;

    /// Remembers that a step is done.
    async fn record(&self, tenant: TenantId, step: Step) -> Result<(), StoreError>;

    /// Makes the person the tenant's owner.
    async fn add_owner(&self, tenant: TenantId, owner: &Email) -> Result<UserId, StoreError>;

    /// One tenant.
    async fn find(&self, id: TenantId) -> Result<Option<Tenant>, StoreError>;

    /// Up to `limit` tenants in the order of their slugs, those after `after`.
    async fn list(&self, after: Option<&Slug>, limit: usize) -> Result<Vec<Tenant>, StoreError>;

    /// Moves a tenant from one state to another; false when it was no longer in the first.
    async fn set_status(&self, id: TenantId, from: TenantStatus, to: TenantStatus) -> Result<bool, StoreError>;

    /// Replaces what the tenant set for itself; false when there is no such tenant.
    async fn set_settings(&self, id: TenantId, settings: &TenantSettings) -> Result<bool, StoreError>;
}

/// Makes the place where a tenant's rows lie. Only a process with the migrator's credentials has one.
#[async_trait]
pub trait TenantStorage: Send + Sync {
    /// Creates the tenant's schema if it has one of its own. Doing it twice changes nothing.
    async fn create(&self, tenant: &Tenant) -> Result<(), StoreError>;

    /// Brings the tenant's schema to the newest version.
    async fn migrate(&self, tenant: &Tenant) -> Result<(), StoreError>;
}

/// Makes the tenant, or continues where an earlier run stopped.
pub async fn provision(
    registry: &dyn TenantRegistry,
    storage: Option<&dyn TenantStorage>,
    new: &NewTenant,
) -> Result<Tenant, TenantError> {
    let (tenant, done) = registry.register(new).await?;
    for step in Step::ALL.iter().copied().filter(|step| !done.contains(step)) {
        take(step, registry, storage, &tenant, new).await?;
        registry.record(tenant.id, step).await?;
    }
    registry.find(tenant.id).await?.ok_or(TenantError::NotFound(tenant.id))
}

async fn take(
    step: Step,
    registry: &dyn TenantRegistry,
    storage: Option<&dyn TenantStorage>,
    tenant: &Tenant,
    new: &NewTenant,
) -> Result<(), TenantError> {
    match step {
        // The shared schema is there before the first tenant is, and migrated as a whole.
        Step::Storage | Step::Migrate if tenant.placement == Placement::Pooled => {}
        Step::Storage => storage.ok_or(TenantError::NoStorage)?.create(tenant).await?,
        Step::Migrate => storage.ok_or(TenantError::NoStorage)?.migrate(tenant).await?,
        Step::Owner => {
            registry.add_owner(tenant.id, &new.owner).await?;
        }
        Step::Activate => {
            registry.set_status(tenant.id, TenantStatus::Provisioning, TenantStatus::Active).await?;
        }
    }
    Ok(())
}

/// Suspends or resumes a tenant. Asking for the state it is in changes nothing.
pub async fn set_status(registry: &dyn TenantRegistry, id: TenantId, to: TenantStatus) -> Result<Tenant, TenantError> {
    let from = registry.find(id).await?.ok_or(TenantError::NotFound(id))?.status;
    let allowed = matches!(
        (from, to),
        (TenantStatus::Active, TenantStatus::Suspended) | (TenantStatus::Suspended, TenantStatus::Active)
    );
    if allowed {
        registry.set_status(id, from, to).await?;
    }
    // Somebody else may have been quicker, to the same end or to another.
    let tenant = registry.find(id).await?.ok_or(TenantError::NotFound(id))?;
    if tenant.status == to { Ok(tenant) } else { Err(TenantError::Transition { from: tenant.status, to }) }
}

/// Replaces a tenant's settings.
pub async fn set_settings(
    registry: &dyn TenantRegistry,
    id: TenantId,
    settings: TenantSettings,
) -> Result<Tenant, TenantError> {
    registry.set_settings(id, &settings).await?;
    registry.find(id).await?.ok_or(TenantError::NotFound(id))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::Clock;
    use crate::tenants::DisplayName;

    /// A registry in memory whose storage breaks at one step, as a crash would.
    #[derive(Default)]
    struct Fake {
        tenants: Mutex<Vec<(Tenant, Email)>>,
        done: Mutex<Vec<Step>>,
        breaks_at: Mutex<Option<Step>>,
    }

    impl Fake {
        fn reach(&self, step: Step) -> Result<(), StoreError> {
            if self.breaks_at.lock().unwrap().take_if(|at| *at == step).is_some() {
                return Err(StoreError::unavailable("cut short"));
            }
            Ok(())
        }
    }

    #[async_trait]
    impl TenantRegistry for Fake {
        async fn register(&self, new: &NewTenant) -> Result<(Tenant, Vec<Step>), TenantError> {
            let mut tenants = self.tenants.lock().unwrap();
            if let Some((tenant, owner)) = tenants.iter().find(|(tenant, _)| tenant.slug == new.slug) {
                if (tenant.plan, tenant.placement, owner) != (new.plan, new.placement, &new.owner) {
                    return Err(TenantError::SlugTaken(new.slug.clone()));
                }
                return Ok((tenant.clone(), self.done.lock().unwrap().clone()));
            }
            let tenant = Tenant {
                id: TenantId::random(),
                slug: new.slug.clone(),
                plan: new.plan,
                placement: new.placement,
                status: TenantStatus::Provisioning,
                settings: Default::default(),
                created_at: crate::SystemClock.now(),
            };
            tenants.push((tenant.clone(), new.owner.clone()));
            Ok((tenant, Vec::new()))
        }

        async fn record(&self, _: TenantId, step: Step) -> Result<(), StoreError> {
            self.done.lock().unwrap().push(step);
            Ok(())
        }

        async fn add_owner(&self, _: TenantId, _: &Email) -> Result<UserId, StoreError> {
            self.reach(Step::Owner)?;
            Ok(UserId::generate())
        }

        async fn find(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
            Ok(self
                .tenants
                .lock()
                .unwrap()
                .iter()
                .find(|(tenant, _)| tenant.id == id)
                .map(|(tenant, _)| tenant.clone()))
        }

        async fn list(&self, _: Option<&Slug>, _: usize) -> Result<Vec<Tenant>, StoreError> {
            Ok(self.tenants.lock().unwrap().iter().map(|(tenant, _)| tenant.clone()).collect())
        }

        async fn set_status(&self, id: TenantId, from: TenantStatus, to: TenantStatus) -> Result<bool, StoreError> {
            self.reach(Step::Activate)?;
            let mut tenants = self.tenants.lock().unwrap();
            let found = tenants.iter_mut().find(|(tenant, _)| tenant.id == id && tenant.status == from);
            Ok(found.map(|(tenant, _)| tenant.status = to).is_some())
        }

        async fn set_settings(&self, id: TenantId, settings: &TenantSettings) -> Result<bool, StoreError> {
            let mut tenants = self.tenants.lock().unwrap();
            let found = tenants.iter_mut().find(|(tenant, _)| tenant.id == id);
            Ok(found.map(|(tenant, _)| tenant.settings = settings.clone()).is_some())
        }
    }

    #[async_trait]
    impl TenantStorage for Fake {
        async fn create(&self, _: &Tenant) -> Result<(), StoreError> {
            self.reach(Step::Storage)
        }

        async fn migrate(&self, _: &Tenant) -> Result<(), StoreError> {
            self.reach(Step::Migrate)
        }
    }

    fn acme(plan: Plan) -> NewTenant {
        NewTenant {
            slug: Slug::parse("acme").unwrap(),
            plan,
            placement: plan.placement(),
            owner: Email::parse("ada@acme.example").unwrap(),
        }
    }

    #[tokio::test]
    async fn a_run_cut_short_at_any_step_is_continued_and_not_reachable_before() {
        for step in Step::ALL {
            let fake = Fake { breaks_at: Mutex::new(Some(*step)), ..Fake::default() };

            let cut = provision(&fake, Some(&fake), &acme(Plan::Enterprise)).await;
            let between = fake.list(None, 1).await.unwrap().remove(0);
            let tenant = provision(&fake, Some(&fake), &acme(Plan::Enterprise)).await.unwrap();

            assert!(matches!(cut, Err(TenantError::Store(_))), "{step}");
            assert_eq!(between.status, TenantStatus::Provisioning, "{step}");
            assert_eq!((tenant.id, tenant.status), (between.id, TenantStatus::Active), "{step}");
            assert_eq!(*fake.done.lock().unwrap(), Step::ALL, "{step}");
        }
    }

    #[tokio::test]
    async fn asking_twice_gives_one_tenant_and_asking_differently_is_refused() {
        let fake = Fake::default();

        let first = provision(&fake, None, &acme(Plan::Free)).await.unwrap();
        let second = provision(&fake, None, &acme(Plan::Free)).await.unwrap();
        let other = provision(&fake, None, &acme(Plan::Standard)).await;

        assert_eq!(first, second);
        assert!(matches!(other, Err(TenantError::SlugTaken(_))));
    }

    #[tokio::test]
    async fn a_process_without_storage_leaves_a_schema_tenant_in_provisioning() {
        let fake = Fake::default();

        let refused = provision(&fake, None, &acme(Plan::Enterprise)).await;

        assert!(matches!(refused, Err(TenantError::NoStorage)));
        assert_eq!(fake.list(None, 1).await.unwrap()[0].status, TenantStatus::Provisioning);
    }

    #[tokio::test]
    async fn settings_are_replaced_as_a_whole() {
        let fake = Fake::default();
        let id = provision(&fake, None, &acme(Plan::Free)).await.unwrap().id;
        let settings =
            TenantSettings { display_name: Some(DisplayName::parse("Acme").unwrap()), ..TenantSettings::default() };

        let set = set_settings(&fake, id, settings.clone()).await.unwrap();
        let cleared = set_settings(&fake, id, TenantSettings::default()).await.unwrap();
        let missing = set_settings(&fake, TenantId::random(), settings.clone()).await;

        assert_eq!((set.settings, cleared.settings), (settings, TenantSettings::default()));
        assert!(matches!(missing, Err(TenantError::NotFound(_))));
    }

    #[tokio::test]
    async fn only_an_active_tenant_is_suspended_and_only_a_suspended_one_resumed() {
        let fake = Fake::default();
        let id = provision(&fake, None, &acme(Plan::Free)).await.unwrap().id;

        let suspended = set_status(&fake, id, TenantStatus::Suspended).await.unwrap();
        let again = set_status(&fake, id, TenantStatus::Suspended).await.unwrap();
        let back = set_status(&fake, id, TenantStatus::Provisioning).await;
        let resumed = set_status(&fake, id, TenantStatus::Active).await.unwrap();

        assert_eq!((suspended.status, again.status), (TenantStatus::Suspended, TenantStatus::Suspended));
        assert!(matches!(back, Err(TenantError::Transition { .. })));
        assert!(resumed.is_active());
    }
}
