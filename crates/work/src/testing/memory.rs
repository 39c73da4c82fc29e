//! The work module's tables as maps.

mod documents;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::testing::{admits, check_free, finds, page};
use tenantry_tenancy::{Clock, MemberRepo, SortedPage, StoreError, UserId};

use crate::WorkTx;
use crate::blobs::{BlobId, BlobRepo};
use crate::documents::{Document, DocumentId, DocumentRepo};
use crate::projects::{NewProject, Project, ProjectChange, ProjectId, ProjectQuery, ProjectRepo, ProjectStatistics};
use crate::tasks::{NewTask, Task, TaskError, TaskId, TaskQuery, TaskRepo, TaskStatus};

/// The work of one tenant, in memory. It answers as Postgres does, except that a failure undoes nothing: whoever needs
/// that keeps a clone.
///
/// ```
/// use std::sync::Arc;
///
/// use tenantry_tenancy::{Expected, SystemClock, UserId};
/// use tenantry_work::WorkTx;
/// use tenantry_work::tasks::{self, NewTask, TaskStatus};
/// use tenantry_work::testing::{MANAGER, MemoryWork, new_project, new_task};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tasks::TaskError> {
/// let ada = UserId::generate();
/// let mut tx = MemoryWork::new(Arc::new(SystemClock)).with_member(ada);
/// let project = tx.projects().insert(&new_project()).await?;
/// let new = NewTask { assignee: Some(ada), ..new_task(project.id) };
///
/// let task = tasks::create(&mut tx, &SystemClock, &new).await?;
/// let task = tasks::complete(&mut tx, &SystemClock, MANAGER, task.id, &Expected::ANY).await?;
///
/// assert_eq!(task.status, TaskStatus::Done);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryWork {
    clock: Arc<dyn Clock>,
    projects: BTreeMap<ProjectId, Project>,
    tasks: BTreeMap<TaskId, Task>,
    documents: BTreeMap<DocumentId, Document>,
    blobs: BTreeMap<BlobId, documents::BlobRow>,
    members: BTreeSet<UserId>,
}

impl MemoryWork {
    /// No work and no members. The clock says when rows are made and changed.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            projects: BTreeMap::new(),
            tasks: BTreeMap::new(),
            documents: BTreeMap::new(),
            blobs: BTreeMap::new(),
            members: BTreeSet::new(),
        }
    }

    /// The same with one more member.
    #[must_use]
    pub fn with_member(mut self, user: UserId) -> Self {
        self.add_member(user);
        self
    }

    /// Makes a person a member.
    pub fn add_member(&mut self, user: UserId) {
        self.members.insert(user);
    }

    /// Makes a person a member no longer. Tasks keep them as their assignee.
    pub fn remove_member(&mut self, user: UserId) {
        self.members.remove(&user);
    }

    fn check_project(&self, id: ProjectId) -> Result<(), TaskError> {
        if self.projects.contains_key(&id) { Ok(()) } else { Err(TaskError::ProjectUnknown(id)) }
    }
}

impl WorkTx for MemoryWork {
    fn projects(&mut self) -> &mut dyn ProjectRepo {
        self
    }

    fn tasks(&mut self) -> &mut dyn TaskRepo {
        self
    }

    fn documents(&mut self) -> &mut dyn DocumentRepo {
        self
    }

    fn blobs(&mut self) -> &mut dyn BlobRepo {
        self
    }

    fn members(&mut self) -> &mut dyn MemberRepo {
        self
    }
}

#[async_trait]
impl ProjectRepo for MemoryWork {
    async fn find(&mut self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        Ok(self.projects.get(&id).cloned())
    }

    async fn find_for_update(&mut self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        ProjectRepo::find(self, id).await
    }

    async fn lock_existing(&mut self, ids: &BTreeSet<ProjectId>) -> Result<BTreeSet<ProjectId>, StoreError> {
        Ok(ids.iter().copied().filter(|id| self.projects.contains_key(id)).collect())
    }

    async fn list(&mut self, query: &ProjectQuery) -> Result<SortedPage<Project>, StoreError> {
        let matching = self.projects.values().filter(|project| {
            admits(query.status, project.status)
                && query.updated_since.is_none_or(|since| project.updated_at >= since.time())
                && finds(query.search.as_ref(), &[project.name.as_str(), project.description.as_str()])
        });
        let order = query.page.order;
        Ok(page(matching, &query.page, order.is_descending(), |project| order.position(project)))
    }

    async fn insert(&mut self, new: &NewProject) -> Result<Project, StoreError> {
        check_free(&self.projects, new.id)?;
        let now = self.clock.now();
        let NewProject { id, name, description, status } = new.clone();
        let project = Project { id, name, description, status, version: 1, created_at: now, updated_at: now };
        self.projects.insert(id, project.clone());
        Ok(project)
    }

    async fn insert_many(&mut self, new: &[NewProject]) -> Result<Vec<Project>, StoreError> {
        let mut made = Vec::new();
        for new in new {
            made.push(ProjectRepo::insert(self, new).await?);
        }
        Ok(made)
    }

    async fn update(&mut self, id: ProjectId, change: &ProjectChange) -> Result<Option<Project>, StoreError> {
        let Some(project) = self.projects.get_mut(&id) else { return Ok(None) };
        let ProjectChange { name, description, status } = change.clone();
        *project = Project {
            id,
            name: name.unwrap_or_else(|| project.name.clone()),
            description: description.unwrap_or_else(|| project.description.clone()),
            status: status.unwrap_or(project.status),
            version: project.version + 1,
            created_at: project.created_at,
            updated_at: self.clock.now(),
        };
        Ok(Some(project.clone()))
    }

    async fn delete(&mut self, id: ProjectId) -> Result<bool, StoreError> {
        self.tasks.retain(|_, task| task.project != id);
        self.documents.retain(|_, document| document.project != id);
        Ok(self.projects.remove(&id).is_some())
    }

    async fn statistics(&mut self) -> Result<ProjectStatistics, StoreError> {
        Ok(ProjectStatistics {
            projects: count(self.projects.values().map(|project| project.status)),
            tasks: count(self.tasks.values().map(|task| task.status)),
        })
    }
}

#[async_trait]
impl TaskRepo for MemoryWork {
    async fn find(&mut self, id: TaskId) -> Result<Option<Task>, StoreError> {
        Ok(self.tasks.get(&id).cloned())
    }

    async fn find_for_update(&mut self, id: TaskId) -> Result<Option<Task>, StoreError> {
        Ok(self.tasks.get(&id).cloned())
    }

    async fn list(&mut self, query: &TaskQuery) -> Result<SortedPage<Task>, StoreError> {
        let matching = self.tasks.values().filter(|task| {
            admits(query.project, task.project)
                && admits(query.status, task.status)
                && admits(query.priority, task.priority)
                && query.assignee.is_none_or(|user| task.assignee == Some(user))
                && query.due_from.is_none_or(|day| task.due.is_some_and(|due| due >= day))
                && query.due_to.is_none_or(|day| task.due.is_some_and(|due| due <= day))
                && query.updated_since.is_none_or(|since| task.updated_at >= since.time())
                && finds(query.search.as_ref(), &[task.title.as_str(), task.description.as_str()])
        });
        let order = query.page.order;
        Ok(page(matching, &query.page, order.is_descending(), |task| order.position(task)))
    }

    async fn insert(&mut self, new: &NewTask, completed_at: Option<DateTime<Utc>>) -> Result<Task, TaskError> {
        check_free(&self.tasks, new.id)?;
        self.check_project(new.project)?;
        let now = self.clock.now();
        let NewTask { id, project, title, description, status, priority, assignee, due, creator } = new.clone();
        let task = Task {
            id,
            project,
            title,
            description,
            status,
            priority,
            assignee,
            due,
            completed_at,
            creator,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        self.tasks.insert(id, task.clone());
        Ok(task)
    }

    async fn insert_many(&mut self, new: &[NewTask], now: DateTime<Utc>) -> Result<Vec<Task>, StoreError> {
        let mut made = Vec::new();
        for new in new {
            let completed_at = (new.status == TaskStatus::Done).then_some(now);
            made.push(TaskRepo::insert(self, new, completed_at).await.map_err(StoreError::internal)?);
        }
        Ok(made)
    }

    async fn update(&mut self, task: &Task) -> Result<Task, TaskError> {
        let stored = self.tasks.get(&task.id).ok_or(TaskError::NotFound(task.id))?;
        let task = Task {
            version: stored.version + 1,
            created_at: stored.created_at,
            updated_at: self.clock.now(),
            ..task.clone()
        };
        self.check_project(task.project)?;
        self.tasks.insert(task.id, task.clone());
        Ok(task)
    }

    async fn delete(&mut self, id: TaskId) -> Result<bool, StoreError> {
        Ok(self.tasks.remove(&id).is_some())
    }
}

#[async_trait]
impl MemberRepo for MemoryWork {
    async fn is_member(&mut self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.members.contains(&user))
    }
}

/// Counts the kinds that occur, in their order.
fn count<K: Ord>(kinds: impl Iterator<Item = K>) -> Vec<(K, i64)> {
    let mut counts = BTreeMap::new();
    for kind in kinds {
        *counts.entry(kind).or_default() += 1;
    }
    counts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use tenantry_tenancy::clock::FixedClock;

    use super::*;
    use crate::projects::ProjectStatus;
    use crate::testing::{contract, new_project, new_task};

    /// A second passes with every look.
    struct Ticking(AtomicI64);

    impl Clock for Ticking {
        fn now(&self) -> DateTime<Utc> {
            DateTime::from_timestamp(self.0.fetch_add(1, Ordering::Relaxed), 0).unwrap()
        }
    }

    #[tokio::test]
    async fn the_contract_is_kept_in_a_fresh_tenant() {
        for (name, check) in contract::ALL {
            println!("{name}");
            let member = UserId::generate();
            let mut tx = MemoryWork::new(Arc::new(FixedClock(DateTime::UNIX_EPOCH))).with_member(member);

            check(&mut tx, member).await;
        }
    }

    #[tokio::test]
    async fn the_contract_is_kept_in_a_tenant_with_other_work() {
        let member = UserId::generate();
        let mut tx = MemoryWork::new(Arc::new(FixedClock(DateTime::UNIX_EPOCH))).with_member(member);

        for (name, check) in contract::ALL {
            println!("{name}");
            check(&mut tx, member).await;
        }
    }
    #[tokio::test]
    async fn the_clock_says_when_rows_are_made_and_changed() {
        let mut tx = MemoryWork::new(Arc::new(Ticking(AtomicI64::new(1))));
        let paused = ProjectChange { status: Some(ProjectStatus::Paused), ..ProjectChange::default() };

        let project = tx.projects().insert(&new_project()).await.unwrap();
        let project = tx.projects().update(project.id, &paused).await.unwrap().unwrap();
        let task = tx.tasks().insert(&new_task(project.id), None).await.unwrap();
        let task = tx.tasks().update(&task).await.unwrap();

        let times = [project.created_at, project.updated_at, task.created_at, task.updated_at];
        assert_eq!(times.map(|time| time.timestamp()), [1, 2, 3, 4]);
    }
}
