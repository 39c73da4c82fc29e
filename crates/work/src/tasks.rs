//! Tasks: what is to be done in a project, by whom and by when.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use tenantry_tenancy::{Clock, Page, PageQuery, StoreError, UserId, id, text, words};

use crate::WorkTx;
use crate::projects::{self, ProjectError, ProjectId};

id!(
    /// One task.
    TaskId
);
text!(
    /// What is to be done, in a line.
    TaskTitle,
    Line,
    255
);
text!(
    /// What is to be done, at length.
    TaskDescription,
    Paragraphs,
    10_000
);
words!(
    /// How far a task is.
    TaskStatus {
        /// Not begun.
        Todo = "todo",
        /// Begun.
        InProgress = "in_progress",
        /// Held up.
        Blocked = "blocked",
        /// Finished.
        Done = "done",
        /// Given up.
        Cancelled = "cancelled",
    }
);
words!(
    /// How much a task matters.
    TaskPriority {
        /// Can wait.
        Low = "low",
        /// Like most.
        Medium = "medium",
        /// Before others.
        High = "high",
        /// Before all others.
        Urgent = "urgent",
    }
);

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its identity.
    pub id: TaskId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// What is to be done, in a line.
    pub title: TaskTitle,
    /// What is to be done, at length.
    pub description: TaskDescription,
    /// How far it is.
    pub status: TaskStatus,
    /// How much it matters.
    pub priority: TaskPriority,
    /// The member who does it.
    pub assignee: Option<UserId>,
    /// The day it is due.
    pub due: Option<NaiveDate>,
    /// When it was finished; set exactly while the status is `done`.
    pub completed_at: Option<DateTime<Utc>>,
    /// How often it was changed, plus one.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A task to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// Its identity.
    pub id: TaskId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// What is to be done, in a line.
    pub title: TaskTitle,
    /// What is to be done, at length.
    pub description: TaskDescription,
    /// How far it is.
    pub status: TaskStatus,
    /// How much it matters.
    pub priority: TaskPriority,
    /// The member who does it.
    pub assignee: Option<UserId>,
    /// The day it is due.
    pub due: Option<NaiveDate>,
}

/// What to change about a task; `None` leaves a field as it is, `Some(None)` empties it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskChange {
    /// The project it belongs to.
    pub project: Option<ProjectId>,
    /// What is to be done, in a line.
    pub title: Option<TaskTitle>,
    /// What is to be done, at length.
    pub description: Option<TaskDescription>,
    /// How far it is.
    pub status: Option<TaskStatus>,
    /// How much it matters.
    pub priority: Option<TaskPriority>,
    /// The member who does it.
    pub assignee: Option<Option<UserId>>,
    /// The day it is due.
    pub due: Option<Option<NaiveDate>>,
}

/// Which tasks a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskQuery {
    /// Only those of this project.
    pub project: Option<ProjectId>,
    /// Only those that are this far.
    pub status: Option<TaskStatus>,
    /// Only those that matter this much.
    pub priority: Option<TaskPriority>,
    /// Only those this member does.
    pub assignee: Option<UserId>,
    /// Which page.
    pub page: PageQuery,
}

/// Why an operation on tasks was refused.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// There is none with this id.
    #[error("task {0} does not exist")]
    NotFound(TaskId),
    /// The tenant has no such project.
    #[error("project {0} does not exist")]
    ProjectUnknown(ProjectId),
    /// The tenant has no such member.
    #[error("member {0} does not exist")]
    AssigneeUnknown(UserId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The tasks of the tenant whose transaction is open.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait TaskRepo: Send {
    /// One task.
    async fn find(&mut self, id: TaskId) -> Result<Option<Task>, StoreError>;

    /// One task, which nobody else changes until the transaction ends.
    async fn find_for_update(&mut self, id: TaskId) -> Result<Option<Task>, StoreError>;

    /// One page of tasks.
    async fn list(&mut self, query: &TaskQuery) -> Result<Page<Task>, StoreError>;

    /// Stores a new task. Fails with [`TaskError::ProjectUnknown`] when the tenant has no such project.
    async fn insert(&mut self, new: &NewTask, completed_at: Option<DateTime<Utc>>) -> Result<Task, TaskError>;

    /// Stores the task's fields, counts up its version and tells it as it is now.
    ///
    /// Fails with [`TaskError::ProjectUnknown`] when the tenant has no such project, and with [`TaskError::NotFound`]
    /// when it has no such task.
    async fn update(&mut self, task: &Task) -> Result<Task, TaskError>;

    /// Deletes a task; false when there is none.
    async fn delete(&mut self, id: TaskId) -> Result<bool, StoreError>;
}

/// Makes a task.
pub async fn create(tx: &mut dyn WorkTx, clock: &dyn Clock, new: &NewTask) -> Result<Task, TaskError> {
    check_assignee(tx, new.assignee).await?;
    let completed_at = (new.status == TaskStatus::Done).then(|| clock.now());
    tx.tasks().insert(new, completed_at).await
}

/// Shows one task.
pub async fn show(tx: &mut dyn WorkTx, id: TaskId) -> Result<Task, TaskError> {
    tx.tasks().find(id).await?.ok_or(TaskError::NotFound(id))
}

/// Lists the tasks of one project, which must exist.
pub async fn list_of_project(
    tx: &mut dyn WorkTx,
    project: ProjectId,
    query: &TaskQuery,
) -> Result<Page<Task>, ProjectError> {
    projects::show(tx, project).await?;
    Ok(tx.tasks().list(&TaskQuery { project: Some(project), ..*query }).await?)
}

/// Changes the fields given. A change that leaves everything as it is counts as none.
pub async fn change(tx: &mut dyn WorkTx, clock: &dyn Clock, id: TaskId, change: TaskChange) -> Result<Task, TaskError> {
    let task = tx.tasks().find_for_update(id).await?.ok_or(TaskError::NotFound(id))?;
    let changed = changed(clock, task.clone(), change);
    if changed == task {
        return Ok(task);
    }
    if changed.assignee != task.assignee {
        check_assignee(tx, changed.assignee).await?;
    }
    tx.tasks().update(&changed).await
}

/// Finishes a task. Finishing it twice changes nothing.
pub async fn complete(tx: &mut dyn WorkTx, clock: &dyn Clock, id: TaskId) -> Result<Task, TaskError> {
    change(tx, clock, id, TaskChange { status: Some(TaskStatus::Done), ..TaskChange::default() }).await
}

/// Deletes a task.
pub async fn delete(tx: &mut dyn WorkTx, id: TaskId) -> Result<(), TaskError> {
    if tx.tasks().delete(id).await? { Ok(()) } else { Err(TaskError::NotFound(id)) }
}

/// A person who is no member is answered the same whether they exist elsewhere or not at all.
async fn check_assignee(tx: &mut dyn WorkTx, assignee: Option<UserId>) -> Result<(), TaskError> {
    match assignee {
        Some(user) if !tx.members().is_member(user).await? => Err(TaskError::AssigneeUnknown(user)),
        _ => Ok(()),
    }
}

fn changed(clock: &dyn Clock, task: Task, change: TaskChange) -> Task {
    let status = change.status.unwrap_or(task.status);
    let completed_at = match status {
        TaskStatus::Done => task.completed_at.or_else(|| Some(clock.now())),
        _ => None,
    };
    Task {
        project: change.project.unwrap_or(task.project),
        title: change.title.unwrap_or(task.title),
        description: change.description.unwrap_or(task.description),
        status,
        priority: change.priority.unwrap_or(task.priority),
        assignee: change.assignee.unwrap_or(task.assignee),
        due: change.due.unwrap_or(task.due),
        completed_at,
        ..task
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tenantry_tenancy::clock::FixedClock;

    use super::*;
    use crate::testing::{MemoryWork, MockWork, new_project, new_task};

    const NOW: FixedClock = FixedClock(DateTime::UNIX_EPOCH);
    const LATER: FixedClock = FixedClock(DateTime::from_timestamp(86_400, 0).unwrap());

    #[tokio::test]
    async fn a_task_may_be_nobodys() {
        let (mut tx, project) = work().await;

        let task = create(&mut tx, &NOW, &new_task(project)).await.unwrap();

        assert_eq!((task.assignee, task.completed_at, task.version), (None, None, 1));
        assert_eq!(show(&mut tx, task.id).await.unwrap(), task);
    }

    #[tokio::test]
    async fn a_task_may_be_a_members() {
        let (mut tx, project) = work().await;
        let ada = UserId::generate();
        tx.add_member(ada);

        let task = create(&mut tx, &NOW, &NewTask { assignee: Some(ada), ..new_task(project) }).await.unwrap();

        assert_eq!(task.assignee, Some(ada));
    }

    #[tokio::test]
    async fn a_task_made_for_a_stranger_is_refused_and_not_stored() {
        let (mut tx, project) = work().await;
        let stranger = UserId::generate();
        let new = NewTask { assignee: Some(stranger), ..new_task(project) };

        let refused = create(&mut tx, &NOW, &new).await;

        assert!(matches!(refused, Err(TaskError::AssigneeUnknown(user)) if user == stranger), "{refused:?}");
        assert_eq!(tx.tasks().find(new.id).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_task_of_an_unknown_project_is_refused() {
        let (mut tx, _) = work().await;
        let unknown = ProjectId::generate();

        let refused = create(&mut tx, &NOW, &new_task(unknown)).await;

        assert!(matches!(refused, Err(TaskError::ProjectUnknown(id)) if id == unknown), "{refused:?}");
    }

    #[tokio::test]
    async fn a_task_made_done_is_completed_at_once() {
        let (mut tx, project) = work().await;

        let task = create(&mut tx, &NOW, &NewTask { status: TaskStatus::Done, ..new_task(project) }).await.unwrap();

        assert_eq!(task.completed_at, Some(NOW.0));
    }

    #[tokio::test]
    async fn completing_says_when() {
        let (mut tx, task) = work_with_task().await;

        let completed = complete(&mut tx, &LATER, task.id).await.unwrap();

        let expected = Task { status: TaskStatus::Done, completed_at: Some(LATER.0), version: 2, ..task };
        assert_eq!(completed, expected);
        assert_eq!(show(&mut tx, expected.id).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn completing_twice_changes_nothing() {
        let (mut tx, task) = work_with_task().await;
        let completed = complete(&mut tx, &NOW, task.id).await.unwrap();

        let again = complete(&mut tx, &LATER, task.id).await.unwrap();

        assert_eq!(again, completed);
        assert_eq!(show(&mut tx, task.id).await.unwrap(), completed);
    }

    #[tokio::test]
    async fn a_done_task_keeps_its_time_when_something_else_changes() {
        let (mut tx, task) = work_with_task().await;
        complete(&mut tx, &NOW, task.id).await.unwrap();
        let urgent = TaskChange { priority: Some(TaskPriority::Urgent), ..TaskChange::default() };

        let changed = change(&mut tx, &LATER, task.id, urgent).await.unwrap();

        assert_eq!((changed.completed_at, changed.version), (Some(NOW.0), 3));
    }

    #[tokio::test]
    async fn reopening_clears_when_it_was_completed() {
        for status in TaskStatus::ALL.iter().copied().filter(|status| *status != TaskStatus::Done) {
            let (mut tx, task) = work_with_task().await;
            complete(&mut tx, &NOW, task.id).await.unwrap();

            let reopened = change(&mut tx, &NOW, task.id, to_status(status)).await.unwrap();

            assert_eq!((reopened.status, reopened.completed_at), (status, None));
        }
    }

    #[tokio::test]
    async fn completing_after_reopening_says_the_later_time() {
        let (mut tx, task) = work_with_task().await;
        complete(&mut tx, &NOW, task.id).await.unwrap();
        change(&mut tx, &NOW, task.id, to_status(TaskStatus::Todo)).await.unwrap();

        let completed = complete(&mut tx, &LATER, task.id).await.unwrap();

        assert_eq!(completed.completed_at, Some(LATER.0));
    }

    #[tokio::test]
    async fn changing_nothing_keeps_the_version() {
        let (mut tx, task) = work_with_task().await;
        let same = TaskChange {
            project: Some(task.project),
            title: Some(task.title.clone()),
            description: Some(task.description.clone()),
            status: Some(task.status),
            priority: Some(task.priority),
            assignee: Some(task.assignee),
            due: Some(task.due),
        };

        for nothing in [TaskChange::default(), same] {
            assert_eq!(change(&mut tx, &LATER, task.id, nothing).await.unwrap(), task);
        }

        assert_eq!(show(&mut tx, task.id).await.unwrap(), task);
    }

    #[tokio::test]
    async fn a_change_sets_each_field_given_and_empties_what_is_given_empty() {
        let (mut tx, task) = work_with_task().await;
        let there = tx.projects().insert(&new_project()).await.unwrap().id;
        let (ada, due) = (UserId::generate(), NaiveDate::from_ymd_opt(2028, 2, 29));
        tx.add_member(ada);
        let (title, description) = (TaskTitle::parse("Land").unwrap(), TaskDescription::parse("softly").unwrap());
        let full = TaskChange {
            project: Some(there),
            title: Some(title.clone()),
            description: Some(description.clone()),
            status: Some(TaskStatus::Blocked),
            priority: Some(TaskPriority::High),
            assignee: Some(Some(ada)),
            due: Some(due),
        };
        let empty = TaskChange { assignee: Some(None), due: Some(None), ..TaskChange::default() };

        let filled = change(&mut tx, &NOW, task.id, full).await.unwrap();
        let emptied = change(&mut tx, &NOW, task.id, empty).await.unwrap();

        let (status, priority, assignee) = (TaskStatus::Blocked, TaskPriority::High, Some(ada));
        let expected = Task { project: there, title, description, status, priority, assignee, due, version: 2, ..task };
        assert_eq!(filled, expected);
        assert_eq!(emptied, Task { assignee: None, due: None, version: 3, ..expected });
    }

    #[tokio::test]
    async fn giving_a_task_to_a_stranger_is_refused() {
        let (mut tx, task) = work_with_task().await;
        let stranger = UserId::generate();
        let given = TaskChange { assignee: Some(Some(stranger)), ..TaskChange::default() };

        let refused = change(&mut tx, &NOW, task.id, given).await;

        assert!(matches!(refused, Err(TaskError::AssigneeUnknown(user)) if user == stranger), "{refused:?}");
        assert_eq!(show(&mut tx, task.id).await.unwrap(), task);
    }

    #[tokio::test]
    async fn a_task_of_somebody_who_left_can_still_be_completed() {
        let (mut tx, project) = work().await;
        let ada = UserId::generate();
        tx.add_member(ada);
        let task = create(&mut tx, &NOW, &NewTask { assignee: Some(ada), ..new_task(project) }).await.unwrap();
        tx.remove_member(ada);

        let completed = complete(&mut tx, &NOW, task.id).await.unwrap();

        assert_eq!((completed.status, completed.assignee), (TaskStatus::Done, Some(ada)));
    }

    #[tokio::test]
    async fn moving_a_task_to_an_unknown_project_is_refused() {
        let (mut tx, task) = work_with_task().await;
        let unknown = ProjectId::generate();
        let moved = TaskChange { project: Some(unknown), ..TaskChange::default() };

        let refused = change(&mut tx, &NOW, task.id, moved).await;

        assert!(matches!(refused, Err(TaskError::ProjectUnknown(id)) if id == unknown), "{refused:?}");
        assert_eq!(show(&mut tx, task.id).await.unwrap(), task);
    }

    #[tokio::test]
    async fn a_change_locks_the_task_it_reads() {
        let (_, task) = work_with_task().await;
        let (read, id) = (task.clone(), task.id);
        let mut tx = MockWork::default();
        tx.tasks.expect_find_for_update().once().returning(move |_| Ok(Some(read.clone())));
        tx.tasks.expect_update().once().returning(|task| Ok(task.clone()));

        let completed = complete(&mut tx, &NOW, id).await.unwrap();

        assert_eq!(completed, Task { status: TaskStatus::Done, completed_at: Some(NOW.0), ..task });
    }

    #[tokio::test]
    async fn a_missing_task_is_not_found() {
        let (mut tx, task) = work_with_task().await;
        delete(&mut tx, task.id).await.unwrap();

        let refused = [
            show(&mut tx, task.id).await.map(drop),
            change(&mut tx, &NOW, task.id, TaskChange::default()).await.map(drop),
            complete(&mut tx, &NOW, task.id).await.map(drop),
            delete(&mut tx, task.id).await,
        ];

        for result in refused {
            assert!(matches!(result, Err(TaskError::NotFound(missing)) if missing == task.id), "{result:?}");
        }
    }

    #[tokio::test]
    async fn the_tasks_of_a_deleted_project_are_gone() {
        let (mut tx, task) = work_with_task().await;

        projects::delete(&mut tx, task.project).await.unwrap();

        assert!(matches!(show(&mut tx, task.id).await, Err(TaskError::NotFound(_))));
    }

    #[tokio::test]
    async fn the_list_of_a_project_shows_its_tasks_only() {
        let (mut tx, task) = work_with_task().await;
        let elsewhere = tx.projects().insert(&new_project()).await.unwrap().id;
        tx.tasks().insert(&new_task(elsewhere), None).await.unwrap();
        let blocked = NewTask { status: TaskStatus::Blocked, ..new_task(task.project) };
        let blocked = tx.tasks().insert(&blocked, None).await.unwrap();
        let filter = TaskQuery { status: Some(TaskStatus::Blocked), project: Some(elsewhere), ..TaskQuery::default() };

        let all = list_of_project(&mut tx, task.project, &TaskQuery::default()).await.unwrap();
        let filtered = list_of_project(&mut tx, task.project, &filter).await.unwrap();

        assert_eq!(all.items, [blocked.clone(), task]);
        assert_eq!(filtered.items, [blocked]);
    }

    #[tokio::test]
    async fn the_list_of_a_missing_project_is_not_found() {
        let (mut tx, _) = work_with_task().await;
        let unknown = ProjectId::generate();

        let refused = list_of_project(&mut tx, unknown, &TaskQuery::default()).await;

        assert!(matches!(refused, Err(ProjectError::NotFound(id)) if id == unknown), "{refused:?}");
    }

    #[tokio::test]
    async fn a_failure_of_the_store_is_no_missing_task() {
        let mut tx = MockWork::default();
        tx.tasks.expect_find_for_update().once().returning(|_| Err(StoreError::unavailable("no route")));

        let refused = complete(&mut tx, &NOW, TaskId::generate()).await;

        assert!(matches!(refused, Err(TaskError::Store(StoreError::Unavailable(_)))), "{refused:?}");
    }

    #[test]
    fn a_status_and_a_priority_are_read_from_their_own_words_only() {
        for (status, word) in TaskStatus::ALL.iter().zip(["todo", "in_progress", "blocked", "done", "cancelled"]) {
            assert_eq!((word.parse(), status.as_str()), (Ok(*status), word));
        }
        for (priority, word) in TaskPriority::ALL.iter().zip(["low", "medium", "high", "urgent"]) {
            assert_eq!((word.parse(), priority.as_str()), (Ok(*priority), word));
        }
        for word in ["", "Done", "in-progress", "done "] {
            assert!(word.parse::<TaskStatus>().is_err() && word.parse::<TaskPriority>().is_err(), "{word:?}");
        }
    }

    /// A tenant with one project.
    async fn work() -> (MemoryWork, ProjectId) {
        let mut tx = MemoryWork::new(Arc::new(NOW));
        let project = tx.projects().insert(&new_project()).await.unwrap();
        (tx, project.id)
    }

    /// A tenant with one project, which has one task, which is not begun.
    async fn work_with_task() -> (MemoryWork, Task) {
        let (mut tx, project) = work().await;
        let task = tx.tasks().insert(&new_task(project), None).await.unwrap();
        (tx, task)
    }

    fn to_status(status: TaskStatus) -> TaskChange {
        TaskChange { status: Some(status), ..TaskChange::default() }
    }
}
