//! Business logic of one's own on the work module: projects whose tasks are all finished are closed.
//!
//! It asks for a [`WorkTx`] and for nothing else. Here that is the repositories in memory and, in the tests, mocks; in a
//! service of yours it is your own store, or a `TenantTx` of `tenantry-app`.

use tenantry_tenancy::{Expected, Limit, StoreError};
use tenantry_work::WorkTx;
use tenantry_work::projects::{self, Project, ProjectChange, ProjectError, ProjectId, ProjectQuery, ProjectStatus};
use tenantry_work::tasks::{TaskQuery, TaskStatus};

/// What still has to be done.
const OPEN: [TaskStatus; 3] = [TaskStatus::Todo, TaskStatus::InProgress, TaskStatus::Blocked];

/// Why projects could not be closed.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// A project could not be changed: another change came first, or the store failed.
    #[error("a project cannot be completed")]
    Project(#[from] ProjectError),
    /// The store failed.
    #[error("the projects cannot be read")]
    Store(#[from] StoreError),
}

/// Completes every active project that has tasks, of which none is open. Tells which.
pub async fn close_finished(tx: &mut dyn WorkTx) -> Result<Vec<Project>, CloseError> {
    let mut query = ProjectQuery { status: Some(ProjectStatus::Active), ..ProjectQuery::default() };
    query.page.limit = Limit::LARGEST;
    let mut closed = Vec::new();
    loop {
        let page = tx.projects().list(&query).await?;
        for project in page.items {
            if is_finished(tx, project.id).await? {
                // Whoever changed the project since it was read may have had a reason to keep it open.
                let as_read = Expected::one_of(vec![project.version]);
                let completed = ProjectChange { status: Some(ProjectStatus::Completed), ..ProjectChange::default() };
                closed.push(projects::change(tx, project.id, &as_read, &completed).await?);
            }
        }
        query.page.after = page.next;
        if query.page.after.is_none() {
            return Ok(closed);
        }
    }
}

async fn is_finished(tx: &mut dyn WorkTx, project: ProjectId) -> Result<bool, StoreError> {
    for status in OPEN {
        if has_tasks(tx, project, Some(status)).await? {
            return Ok(false);
        }
    }
    has_tasks(tx, project, None).await
}

async fn has_tasks(tx: &mut dyn WorkTx, project: ProjectId, status: Option<TaskStatus>) -> Result<bool, StoreError> {
    let query = TaskQuery { project: Some(project), status, ..TaskQuery::default() };
    Ok(!tx.tasks().list(&query).await?.items.is_empty())
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::Arc;

    use chrono::DateTime;
    use mockall::predicate::eq;
    use tenantry_tenancy::SortedPage;
    use tenantry_tenancy::clock::FixedClock;
    use tenantry_work::projects::ProjectOrder;
    use tenantry_work::tasks::NewTask;
    use tenantry_work::testing::{MemoryWork, MockWork, new_project, new_task};

    use super::*;

    fn work() -> MemoryWork {
        MemoryWork::new(Arc::new(FixedClock(DateTime::UNIX_EPOCH)))
    }

    async fn project(tx: &mut dyn WorkTx, tasks: &[TaskStatus]) -> Project {
        let project = tx.projects().insert(&new_project()).await.unwrap();
        for status in tasks {
            let done = (*status == TaskStatus::Done).then_some(DateTime::UNIX_EPOCH);
            let task = NewTask { status: *status, ..new_task(project.id) };
            tx.tasks().insert(&task, done).await.unwrap();
        }
        project
    }

    #[tokio::test]
    async fn only_a_project_without_an_open_task_is_closed() {
        let mut tx = work();
        let finished = project(&mut tx, &[TaskStatus::Done, TaskStatus::Cancelled]).await;
        for open in OPEN {
            project(&mut tx, &[TaskStatus::Done, open]).await;
        }
        project(&mut tx, &[]).await;

        let closed = close_finished(&mut tx).await.unwrap();

        assert_eq!(closed, [Project { status: ProjectStatus::Completed, version: 2, ..finished }]);
        assert_eq!(close_finished(&mut tx).await.unwrap(), []);
    }

    #[tokio::test]
    async fn more_projects_than_a_page_has_are_all_closed() {
        let mut tx = work();
        for _ in 0..=Limit::MAX {
            project(&mut tx, &[TaskStatus::Done]).await;
        }

        assert_eq!(close_finished(&mut tx).await.unwrap().len(), usize::from(Limit::MAX) + 1);
    }

    #[tokio::test]
    async fn a_project_that_somebody_changed_meanwhile_is_left_as_it_is() {
        let mut stored = work();
        let read = project(&mut stored, &[TaskStatus::Done]).await;
        let tasks = stored.tasks().list(&TaskQuery::default()).await.unwrap();
        let (id, changed) = (read.id, Project { version: 2, ..read.clone() });
        let mut tx = MockWork::default();
        tx.projects
            .expect_list()
            .once()
            .return_once(|_| Ok(SortedPage::cut(vec![read], Limit::LARGEST, |it| ProjectOrder::Newest.position(it))));
        tx.tasks.expect_list().times(3).returning(|_| Ok(SortedPage::empty()));
        tx.tasks.expect_list().once().return_once(|_| Ok(tasks));
        tx.projects.expect_find_for_update().with(eq(id)).once().return_once(|_| Ok(Some(changed)));
        tx.projects.expect_update().never();

        let refused = close_finished(&mut tx).await;

        assert!(matches!(refused, Err(CloseError::Project(ProjectError::Stale(_)))), "{refused:?}");
    }

    #[tokio::test]
    async fn a_store_that_fails_closes_nothing() {
        let mut tx = MockWork::default();
        tx.projects.expect_list().once().returning(|_| Err(StoreError::unavailable("no route")));

        let refused = close_finished(&mut tx).await;

        assert!(matches!(refused, Err(CloseError::Store(StoreError::Unavailable(_)))), "{refused:?}");
    }

    /// What a package is built from, whoever asks for it.
    fn crates_of(package: &str) -> Vec<String> {
        let tree = ["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--package", package];
        let output = Command::new(env!("CARGO")).args(tree).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }

    #[test]
    fn neither_our_http_nor_our_sql_comes_along() {
        let heavy = |package: &str| {
            let crates = crates_of(package).into_iter();
            crates.filter(|name| ["actix", "diesel", "postgres", "hyper"].iter().any(|it| name.contains(it))).count()
        };

        assert_eq!(heavy("embed"), 0);
        assert!(heavy("tenantry-api") > 0 && heavy("tenantry-infra") > 0, "the look at the tree sees nothing");
    }
}
