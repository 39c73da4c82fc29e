//! The unit of work over Postgres, without the service around it: what commits, what is undone, and who sees what.

mod connections;

use std::error::Error;
use std::time::Duration;

use tenantry_app::TenantStore;
use tenantry_infra::{PgTenantStore, Pool, PoolSettings};
use tenantry_tenancy::{Role, StoreError};
use tenantry_work::projects::{NewProject, ProjectError, ProjectId, ProjectName, ProjectQuery};
use tenantry_work::tasks::{TaskError, TaskQuery};
use tenantry_work::testing::{new_project, new_task};

use crate::harness::{PATIENCE, PLACEMENTS, Suite, connect, suite};

/// A store whose units of work all take turns on one connection.
fn store_of_one(suite: &Suite) -> (TenantStore, Pool) {
    store(suite, PATIENCE)
}

fn store(suite: &Suite, wait: Duration) -> (TenantStore, Pool) {
    let pool = Pool::new(&suite.urls.api, PoolSettings { size: 1, wait }).unwrap();
    (TenantStore::new(PgTenantStore::new(pool.clone())), pool)
}

/// An error and what caused it.
fn chain(error: &dyn Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", chain(cause))).unwrap_or_default();
    format!("{error}{cause}")
}

/// Whether the tenant has the project, asked by another connection.
async fn is_there(suite: &Suite, scope: &tenantry_tenancy::TenantScope, id: ProjectId) -> bool {
    let (store, _) = store_of_one(suite);
    store.read(scope, async |tx| tx.work().projects().find(id).await).await.unwrap().is_some()
}

#[tokio::test]
async fn what_succeeds_is_there_for_everybody() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let scope = suite.tenant(placement).await.scope();
        let (store, _) = store_of_one(&suite);
        let new = new_project();

        let made = store.write(&scope, async |tx| tx.work().projects().insert(&new).await).await;

        assert_eq!(made.unwrap().id, new.id);
        assert!(is_there(&suite, &scope, new.id).await);
    }
}

#[tokio::test]
async fn an_error_undoes_everything() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let scope = suite.tenant(placement).await.scope();
        let (store, _) = store_of_one(&suite);
        let new = new_project();

        let refused = store
            .write(&scope, async |tx| {
                tx.work().projects().insert(&new).await?;
                Err::<(), _>(ProjectError::NotFound(new.id))
            })
            .await;

        assert!(matches!(refused, Err(ProjectError::NotFound(id)) if id == new.id), "{refused:?}");
        assert!(!is_there(&suite, &scope, new.id).await);
    }
}

/// Postgres answers the COMMIT of a failed transaction with a quiet rollback; the caller must hear of it.
#[tokio::test]
async fn a_failed_statement_taken_for_a_success_is_not_acknowledged() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let scope = suite.tenant(placement).await.scope();
        let (store, _) = store_of_one(&suite);
        let new = new_project();

        let acknowledged = store
            .write(&scope, async |tx| {
                tx.work().projects().insert(&new).await?;
                let unknown = new_task(ProjectId::generate());
                let refused = tx.work().tasks().insert(&unknown, None).await;
                assert!(matches!(refused, Err(TaskError::ProjectUnknown(_))), "{refused:?}");
                Ok::<_, StoreError>(())
            })
            .await;

        assert!(matches!(acknowledged, Err(StoreError::Internal(_))), "{acknowledged:?}");
        assert!(!is_there(&suite, &scope, new.id).await);
    }
}

#[tokio::test]
async fn a_read_refuses_writes() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let scope = suite.tenant(placement).await.scope();
        let (store, _) = store_of_one(&suite);
        let new = new_project();

        // The first time a statement is prepared, the second time it is known.
        for _ in 0..2 {
            let insert = store.read(&scope, async |tx| tx.work().projects().insert(&new).await).await;
            let delete = store.read(&scope, async |tx| tx.work().projects().delete(new.id).await).await;

            for refused in [insert.map(|_| ()), delete.map(|_| ())] {
                assert!(chain(&refused.unwrap_err()).contains("read-only transaction"));
            }
        }
        let lock = store.read(&scope, async |tx| tx.work().tasks().find_for_update(new_task(new.id).id).await);
        assert!(chain(&lock.await.unwrap_err()).contains("read-only transaction"));
        assert!(!is_there(&suite, &scope, new.id).await);
    }
}

/// Every statement for the first time and often enough to get a generic plan, on one connection that belongs to another
/// tenant in another schema each time.
#[tokio::test]
async fn tenants_that_take_turns_on_one_connection_see_only_their_own() {
    let suite = suite().await;
    let (store, pool) = store_of_one(&suite);
    let mut tenants = Vec::new();
    for placement in PLACEMENTS.into_iter().chain(PLACEMENTS) {
        let tenant = suite.tenant(placement).await;
        let scope = tenant.scope();
        let project = NewProject { name: ProjectName::parse(scope.tenant().to_string()).unwrap(), ..new_project() };
        let task = new_task(project.id);
        let fill = store.write(&scope, async |tx| {
            tx.work().projects().insert(&project).await?;
            tx.work().tasks().insert(&task, None).await
        });
        fill.await.unwrap();
        tenants.push((tenant, scope, project, task));
    }

    for round in 0..8 {
        for (tenant, scope, project, task) in &tenants {
            let others = tenants.iter().filter(|(other, ..)| other.tenant.id != tenant.tenant.id);
            let look = store.read(scope, async |tx| {
                let projects = tx.work().projects().list(&ProjectQuery::default()).await?.items;
                let tasks = tx.work().tasks().list(&TaskQuery::default()).await?.items;
                let statistics = tx.work().projects().statistics().await?;
                for (other, _, project, task) in others.clone() {
                    assert_eq!(tx.work().projects().find(project.id).await?, None);
                    assert_eq!(tx.work().tasks().find(task.id).await?, None);
                    assert!(!tx.work().members().is_member(other.user(Role::Owner)).await?);
                }
                assert!(tx.work().members().is_member(tenant.user(Role::Owner)).await?);
                Ok::<_, StoreError>((projects, tasks, statistics))
            });
            let (projects, tasks, statistics) = look.await.unwrap();

            let names: Vec<&str> = projects.iter().map(|project| project.name.as_str()).collect();
            assert_eq!(names, [tenant.tenant.id.to_string()], "round {round}");
            assert_eq!(projects[0].id, project.id);
            assert_eq!(tasks.iter().map(|task| task.id).collect::<Vec<_>>(), [task.id]);
            assert_eq!((statistics.projects[0].1, statistics.tasks[0].1), (1, 1));
        }
    }
    assert_eq!(pool.open(), 1);
}

/// And writes: what one tenant changes in its turn is not the next one's.
#[tokio::test]
async fn writes_in_turns_change_only_their_own() {
    let suite = suite().await;
    let (store, _) = store_of_one(&suite);
    let mut scopes = Vec::new();
    for placement in PLACEMENTS.into_iter().chain(PLACEMENTS) {
        scopes.push(suite.tenant(placement).await.scope());
    }
    // One id in all of them.
    let shared = new_project();
    for scope in &scopes {
        store.write(scope, async |tx| tx.work().projects().insert(&shared).await).await.unwrap();
    }

    for scope in &scopes[1..] {
        let gone = store.write(scope, async |tx| tx.work().projects().delete(shared.id).await).await;
        let again = store.write(scope, async |tx| tx.work().projects().delete(shared.id).await).await;

        assert_eq!((gone.unwrap(), again.unwrap()), (true, false));
    }

    assert!(is_there(&suite, &scopes[0], shared.id).await);
}

#[tokio::test]
async fn a_unit_of_work_holds_one_connection_however_much_it_does() {
    let suite = suite().await;
    let scope = suite.tenant(PLACEMENTS[0]).await.scope();
    let (store, pool) = store(&suite, Duration::from_millis(50));

    let nested = store.write(&scope, async |tx| {
        for _ in 0..10 {
            tx.work().projects().insert(&new_project()).await?;
            tx.work().projects().list(&ProjectQuery::default()).await?;
        }
        assert_eq!(pool.open(), 1);
        let second = store.read(&scope, async |tx| tx.work().projects().statistics().await).await;
        assert!(matches!(second, Err(StoreError::Unavailable(_))), "{second:?}");
        Ok::<_, StoreError>(())
    });

    nested.await.unwrap();
}

/// S1: without a scope there is nothing, not even an empty answer; neither on a fresh connection nor on a used one.
#[tokio::test]
async fn outside_of_a_tenants_transaction_the_role_meets_an_error() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[1]).await;
    let client = connect(&suite.urls.api).await;
    let own = tenant.tenant.schema().to_string();
    let opening = tenantry_infra::statements::opening(&tenant.scope(), tenantry_app::Access::Read);

    for _ in 0..2 {
        for table in tenantry_infra::TENANT_TABLES {
            for schema in ["pooled", &own] {
                for statement in [
                    format!("select * from {schema}.{table}"),
                    format!("select count(*) from {schema}.{table}"),
                    format!("delete from {schema}.{table}"),
                ] {
                    assert!(client.query(&statement, &[]).await.is_err(), "{statement}");
                }
            }
        }
        for statement in [
            "insert into projects (id, name, description, status) values (gen_random_uuid(), 'x', '', 'active')",
            "update projects set name = 'x'",
            "select sec.is_member(gen_random_uuid())",
            "select * from registry.tenants",
            "select * from registry.tenant(gen_random_uuid())",
        ] {
            assert!(client.query(statement, &[]).await.is_err(), "{statement}");
        }
        // The control: inside one, the same is no error.
        client.batch_execute(&opening).await.unwrap();
        client.query("select * from projects", &[]).await.unwrap();
        client.batch_execute("commit").await.unwrap();
    }
}
