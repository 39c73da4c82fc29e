//! Tasks: what is to be done in a project, by whom and by when.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{
    Clock, Day, Expected, Moment, Position, Search, SortKey, SortedPage, SortedQuery, Stale, StoreError, UserId, id,
    text, words,
};

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

words!(
    /// In which order a list of tasks comes.
    #[derive(Default)]
    TaskOrder {
        /// The newest first.
        #[default]
        Newest = "-created_at",
        /// The oldest first.
        Oldest = "created_at",
        /// The one that is due first; those without a day come last.
        Due = "due",
        /// The other way round.
        DueDescending = "-due",
        /// The one longest unchanged first.
        Updated = "updated_at",
        /// The last changed first.
        LastUpdated = "-updated_at",
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
    pub due: Option<Day>,
    /// When it was finished; set exactly while the status is `done`.
    pub completed_at: Option<DateTime<Utc>>,
    /// The person who made it, if it was one.
    pub creator: Option<UserId>,
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
    pub due: Option<Day>,
    /// The person who makes it, if it is one.
    pub creator: Option<UserId>,
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
    pub due: Option<Option<Day>>,
}

/// Who changes tasks: everybody's, or only their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Editor {
    /// The person who acts, or whose key does.
    pub user: Option<UserId>,
    /// Whether they may change everybody's.
    pub manages: bool,
}

impl Editor {
    /// One's own tasks are those one made or is to do.
    pub fn may_change(&self, task: &Task) -> bool {
        let is_own = |user| task.creator == Some(user) || task.assignee == Some(user);
        self.manages || self.user.is_some_and(is_own)
    }
}

/// Which tasks a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskQuery {
    /// Only those of this project.
    pub project: Option<ProjectId>,
    /// Only those that are this far.
    pub status: Option<TaskStatus>,
    /// Only those that matter this much.
    pub priority: Option<TaskPriority>,
    /// Only those this member does.
    pub assignee: Option<UserId>,
    /// Only those due on this day or later.
    pub due_from: Option<Day>,
    /// Only those due on this day or earlier.
    pub due_to: Option<Day>,
    /// Only those changed at this moment or later.
    pub updated_since: Option<Moment>,
    /// Only those with these words in title or description.
    pub search: Option<Search>,
    /// Which page.
    pub page: SortedQuery<TaskOrder>,
}

impl TaskOrder {
    /// Where a task stands in this order.
    pub fn position(self, task: &Task) -> Position {
        let key = match self {
            Self::Newest | Self::Oldest => SortKey::Id,
            Self::Due | Self::DueDescending => SortKey::Day(task.due.unwrap_or(Day::MAX).day()),
            Self::Updated | Self::LastUpdated => SortKey::Time(task.updated_at),
        };
        Position { key, id: task.id.as_uuid() }
    }

    /// Whether it goes from the end to the beginning.
    pub fn is_descending(self) -> bool {
        matches!(self, Self::Newest | Self::DueDescending | Self::LastUpdated)
    }
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
    /// It is somebody else's.
    #[error("task {0} is somebody else's")]
    NotOwn(TaskId),
    /// The change was made from another version.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Some of several tasks cannot be made; each with its place among them.
    #[error("some of the tasks cannot be made")]
    Items(Vec<(usize, TaskError)>),
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
    async fn list(&mut self, query: &TaskQuery) -> Result<SortedPage<Task>, StoreError>;

    /// Stores a new task. Fails with [`TaskError::ProjectUnknown`] when the tenant has no such project.
    async fn insert(&mut self, new: &NewTask, completed_at: Option<DateTime<Utc>>) -> Result<Task, TaskError>;

    /// Stores new tasks, all in one statement, and tells them in the same order. Those that are done were finished at
    /// `now`. Whoever calls this has made sure that their projects exist and will go on to.
    async fn insert_many(&mut self, new: &[NewTask], now: DateTime<Utc>) -> Result<Vec<Task>, StoreError>;

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

/// Makes several tasks or, if one of them cannot be made, none.
pub async fn create_many(tx: &mut dyn WorkTx, clock: &dyn Clock, new: &[NewTask]) -> Result<Vec<Task>, TaskError> {
    let projects = tx.projects().lock_existing(&new.iter().map(|task| task.project).collect()).await?;
    let assignees: BTreeSet<UserId> = new.iter().filter_map(|task| task.assignee).collect();
    let mut strangers = BTreeSet::new();
    for user in assignees {
        if !tx.members().is_member(user).await? {
            strangers.insert(user);
        }
    }
    let fault = |task: &NewTask| match task.assignee {
        _ if !projects.contains(&task.project) => Some(TaskError::ProjectUnknown(task.project)),
        Some(user) if strangers.contains(&user) => Some(TaskError::AssigneeUnknown(user)),
        _ => None,
    };
    let faults: Vec<_> = new.iter().enumerate().filter_map(|(place, task)| Some((place, fault(task)?))).collect();
    if !faults.is_empty() {
        return Err(TaskError::Items(faults));
    }
    Ok(tx.tasks().insert_many(new, clock.now()).await?)
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
) -> Result<SortedPage<Task>, ProjectError> {
    projects::show(tx, project).await?;
    Ok(tx.tasks().list(&TaskQuery { project: Some(project), ..query.clone() }).await?)
}

/// Changes the fields given, if the task has the version expected. A change that leaves everything as it is counts as none.
pub async fn change(
    tx: &mut dyn WorkTx,
    clock: &dyn Clock,
    editor: Editor,
    id: TaskId,
    expected: &Expected,
    change: TaskChange,
) -> Result<Task, TaskError> {
    let task = own(tx, editor, id).await?;
    expected.admit(task.version)?;
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
pub async fn complete(
    tx: &mut dyn WorkTx,
    clock: &dyn Clock,
    editor: Editor,
    id: TaskId,
    expected: &Expected,
) -> Result<Task, TaskError> {
    let done = TaskChange { status: Some(TaskStatus::Done), ..TaskChange::default() };
    change(tx, clock, editor, id, expected, done).await
}

/// Deletes a task, if it has the version expected.
pub async fn delete(tx: &mut dyn WorkTx, editor: Editor, id: TaskId, expected: &Expected) -> Result<(), TaskError> {
    expected.admit(own(tx, editor, id).await?.version)?;
    if tx.tasks().delete(id).await? { Ok(()) } else { Err(TaskError::NotFound(id)) }
}

/// The task, locked, if it is the editor's to change.
async fn own(tx: &mut dyn WorkTx, editor: Editor, id: TaskId) -> Result<Task, TaskError> {
    let task = tx.tasks().find_for_update(id).await?.ok_or(TaskError::NotFound(id))?;
    if editor.may_change(&task) { Ok(task) } else { Err(TaskError::NotOwn(id)) }
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
mod tests;
