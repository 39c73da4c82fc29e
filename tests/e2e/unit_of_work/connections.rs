//! A connection that is not known to be clean is never used again.

use std::pin::pin;
use std::time::Duration;

use tenantry_app::TenantStore;
use tenantry_tenancy::{StoreError, TenantScope};
use tenantry_work::projects::{NewProject, ProjectChange, ProjectId, ProjectName};
use tenantry_work::testing::new_project;
use tokio_postgres::Client;

use super::{is_there, store_of_one};
use crate::harness::{PATIENCE, PLACEMENTS, Suite, Tenant, eventually, suite};

/// Before any of the timeouts of the role would end a session by itself.
const SOON: Duration = Duration::from_secs(4);

/// A tenant with a project whose row a superuser can lock, so that a unit of work stops in the middle.
struct Trap {
    scope: TenantScope,
    project: NewProject,
    locker: Client,
    watcher: Client,
    row: String,
}

impl Trap {
    async fn set(suite: &Suite, tenant: &Tenant, store: &TenantStore) -> Self {
        let (scope, project) = (tenant.scope(), new_project());
        store.write(&scope, async |tx| tx.work().projects().insert(&project).await).await.unwrap();
        let row = format!("{}.projects where id = '{}'", tenant.tenant.schema(), project.id);
        Self { scope, project, locker: suite.admin().await, watcher: suite.admin().await, row }
    }

    async fn close(&self) {
        self.locker.batch_execute(&format!("begin; select * from {} for update", self.row)).await.unwrap();
    }

    async fn open(&self) {
        self.locker.batch_execute("rollback").await.unwrap();
    }

    /// Renames the project; waits while the trap is closed.
    async fn rename(&self, store: &TenantStore, name: &str) -> Result<(), StoreError> {
        let change = ProjectChange { name: Some(ProjectName::parse(name).unwrap()), ..ProjectChange::default() };
        let id = self.project.id;
        store.write(&self.scope, async |tx| tx.work().projects().update(id, &change).await).await.map(|_| ())
    }

    /// The server's process that waits in the trap.
    async fn caught(&self) -> i32 {
        let locker: i32 = self.locker.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
        let waiting = "select pid from pg_stat_activity where $1 = any (pg_blocking_pids(pid))";
        let caught = async || self.watcher.query_opt(waiting, &[&locker]).await.unwrap();
        eventually("somebody waits for the row", PATIENCE, async || caught().await.is_some()).await;
        caught().await.unwrap().get(0)
    }

    /// The server's process behind the store's only connection.
    async fn pid(&self, store: &TenantStore) -> i32 {
        self.close().await;
        let (pid, renamed) = tokio::join!(
            async {
                let pid = self.caught().await;
                self.open().await;
                pid
            },
            self.rename(store, "Looked at"),
        );
        renamed.unwrap();
        pid
    }

    /// Whether the server's process is still there.
    async fn lives(&self, pid: i32) -> bool {
        let alive = "select from pg_stat_activity where pid = $1 and usename = 'tenantry_api'";
        self.watcher.query_opt(alive, &[&pid]).await.unwrap().is_some()
    }

    async fn name(&self) -> String {
        self.watcher.query_one(&format!("select name from {}", self.row), &[]).await.unwrap().get(0)
    }
}

/// The control of the tests below: a connection that was left clean is used again.
#[tokio::test]
async fn a_connection_that_was_left_clean_is_used_again() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (store, _) = store_of_one(&suite);
        let trap = Trap::set(&suite, &suite.tenant(placement).await, &store).await;
        let first = trap.pid(&store).await;

        let refused = store.write(&trap.scope, async |tx| {
            tx.work().projects().delete(trap.project.id).await?;
            Err::<(), _>(StoreError::internal("never mind"))
        });
        refused.await.unwrap_err();
        store.read(&trap.scope, async |tx| tx.work().projects().statistics().await).await.unwrap();

        assert_eq!(trap.pid(&store).await, first);
    }
}

#[tokio::test]
async fn a_unit_dropped_in_the_middle_of_a_statement_takes_its_connection_along() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (store, _) = store_of_one(&suite);
        let trap = Trap::set(&suite, &suite.tenant(placement).await, &store).await;
        trap.close().await;

        let caught = {
            let rename = pin!(trap.rename(&store, "Never"));
            tokio::select! {
                ended = rename => panic!("the lock did not hold: {ended:?}"),
                pid = trap.caught() => pid,
            }
        };

        // Postgres ends it while the row is still locked: the statement does not wait for its turn any more.
        eventually("the old session ends", SOON, async || !trap.lives(caught).await).await;
        trap.open().await;
        assert_ne!(trap.pid(&store).await, caught);
        assert_eq!(trap.name().await, "Looked at");
    }
}

#[tokio::test]
async fn a_unit_dropped_between_two_statements_takes_its_connection_along() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (store, _) = store_of_one(&suite);
        let trap = Trap::set(&suite, &suite.tenant(placement).await, &store).await;
        let before = trap.pid(&store).await;
        let new = new_project();

        {
            let (reached, reach) = tokio::sync::oneshot::channel();
            let unit = pin!(store.write(&trap.scope, async |tx| {
                tx.work().projects().insert(&new).await?;
                reached.send(()).unwrap();
                std::future::pending::<Result<(), StoreError>>().await
            }));
            tokio::select! {
                ended = unit => panic!("it has no end: {ended:?}"),
                reached = reach => reached.unwrap(),
            }
        }

        assert_ne!(trap.pid(&store).await, before);
        eventually("the old session ends", SOON, async || !trap.lives(before).await).await;
        assert!(!is_there(&suite, &trap.scope, new.id).await);
    }
}

#[tokio::test]
async fn a_panic_undoes_everything_and_takes_the_connection_along() {
    let suite = suite().await;
    let (store, _) = store_of_one(&suite);
    let trap = Trap::set(&suite, &suite.tenant(PLACEMENTS[0]).await, &store).await;
    let before = trap.pid(&store).await;
    let new = new_project();

    let unit = store.write(&trap.scope, async |tx| {
        tx.work().projects().insert(&new).await?;
        fail_hard(new.id)
    });
    let panicked = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(unit)).await;

    assert!(panicked.is_err());
    assert_ne!(trap.pid(&store).await, before);
    assert!(!is_there(&suite, &trap.scope, new.id).await);
}

fn fail_hard(id: ProjectId) -> Result<(), StoreError> {
    std::panic::resume_unwind(Box::new(id.to_string()))
}

#[tokio::test]
async fn a_commit_that_cannot_be_made_is_not_acknowledged() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (store, _) = store_of_one(&suite);
        let trap = Trap::set(&suite, &suite.tenant(placement).await, &store).await;
        let pid = trap.pid(&store).await;
        let new = new_project();

        let unit = store.write(&trap.scope, async |tx| {
            tx.work().projects().insert(&new).await?;
            trap.watcher.query_one("select pg_terminate_backend($1)", &[&pid]).await.unwrap();
            Ok::<_, StoreError>(())
        });
        let acknowledged = unit.await;

        assert!(matches!(acknowledged, Err(StoreError::Unavailable(_))), "{acknowledged:?}");
        assert!(!is_there(&suite, &trap.scope, new.id).await);
        // And the store is as good as before.
        assert_ne!(trap.pid(&store).await, pid);
    }
}
