//! `/api/v1/tasks`.

mod filters;

use actix_web::http::Method;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_app::TenantTx;
use tenantry_auth::Principal;
use tenantry_tenancy::permissions::needs::{ReadTasks, WriteTasks};
use tenantry_tenancy::{Clock, Day, Permission, UserId};
use tenantry_work::projects::ProjectId;
use tenantry_work::tasks::{
    self, Editor, NewTask, Task, TaskChange, TaskDescription, TaskError, TaskId, TaskOrder, TaskPriority, TaskStatus,
    TaskTitle,
};
use utoipa::ToSchema;

use crate::conditions::{IfMatch, Versioned};
use crate::cursor::Cursors;
use crate::extract::{Body, Bulk, Can, PathId, Query, of_items, present};
use crate::listing::{Format, Listing};
use crate::once::Store;
use crate::problem::ApiError;
use crate::reply::{CreatedMany, CreatedResource, NoContent, Resource};
use crate::routes::Routes;

use filters::StatusFilter;
pub(crate) use filters::TaskFilter;

/// A list of tasks, in the form asked for.
pub(crate) type TaskListing = Listing<ReadTasks, TaskOrder, Task, TaskView>;

const PATH: &str = "/api/v1/tasks";
const ONE: &str = "/api/v1/tasks/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List tasks", list);
    routes.tenant(Method::POST, PATH, "Create a task", create);
    routes.tenant(Method::POST, "/api/v1/tasks/bulk", "Create up to 1,000 tasks, all or none", create_many);
    routes.tenant(Method::GET, "/api/v1/tasks/by-status", "List the tasks that are this far", list_by_status);
    routes.tenant(Method::GET, ONE, "Show a task", show);
    routes.tenant(Method::PUT, ONE, "Replace a task", replace);
    routes.tenant(Method::PATCH, ONE, "Change some fields of a task", change);
    routes.tenant(Method::DELETE, ONE, "Delete a task", delete);
    routes.tenant(Method::POST, "/api/v1/tasks/{id}/complete", "Finish a task", complete);
}

/// A task.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskView {
    id: TaskId,
    project: ProjectId,
    title: TaskTitle,
    description: TaskDescription,
    status: TaskStatus,
    priority: TaskPriority,
    assignee: Option<UserId>,
    due: Option<Day>,
    /// When it was finished; set exactly while the status is `done`.
    #[schema(examples(json!(null)))]
    completed_at: Option<DateTime<Utc>>,
    /// The member who made it, if it was one.
    creator: Option<UserId>,
    /// Counts the changes made to it.
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl Versioned for TaskView {
    fn version(&self) -> i64 {
        self.version
    }
}

impl From<Task> for TaskView {
    fn from(task: Task) -> Self {
        Self {
            id: task.id,
            project: task.project,
            title: task.title,
            description: task.description,
            status: task.status,
            priority: task.priority,
            assignee: task.assignee,
            due: task.due,
            completed_at: task.completed_at,
            creator: task.creator,
            version: task.version,
            created_at: task.created_at,
            updated_at: task.updated_at,
        }
    }
}

/// All that can be chosen about a task.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TaskBody {
    project: ProjectId,
    title: TaskTitle,
    /// Empty if not given.
    #[serde(default)]
    description: Option<TaskDescription>,
    /// `todo` if not given.
    #[serde(default)]
    status: Option<TaskStatus>,
    /// `medium` if not given.
    #[serde(default)]
    priority: Option<TaskPriority>,
    /// A member of the tenant; nobody if not given.
    #[serde(default)]
    assignee: Option<UserId>,
    /// No day if not given.
    #[serde(default)]
    due: Option<Day>,
}

impl TaskBody {
    fn into_new(self, creator: Option<UserId>) -> NewTask {
        NewTask {
            id: TaskId::generate(),
            project: self.project,
            title: self.title,
            description: self.description.unwrap_or_default(),
            status: self.status.unwrap_or(TaskStatus::Todo),
            priority: self.priority.unwrap_or(TaskPriority::Medium),
            assignee: self.assignee,
            due: self.due,
            creator,
        }
    }

    /// Replaces everything: what is not given becomes what it is for a new task.
    fn into_change(self) -> TaskChange {
        let new = self.into_new(None);
        TaskChange {
            project: Some(new.project),
            title: Some(new.title),
            description: Some(new.description),
            status: Some(new.status),
            priority: Some(new.priority),
            assignee: Some(new.assignee),
            due: Some(new.due),
        }
    }
}

/// Some of what can be chosen about a task (JSON Merge Patch, RFC 7396): `null` empties `assignee` and `due`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TaskPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    project: Option<ProjectId>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    title: Option<TaskTitle>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    description: Option<TaskDescription>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    status: Option<TaskStatus>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    priority: Option<TaskPriority>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<UserId>)]
    assignee: Option<Option<UserId>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Day>)]
    due: Option<Option<Day>>,
}

impl From<TaskPatch> for TaskChange {
    fn from(patch: TaskPatch) -> Self {
        let TaskPatch { project, title, description, status, priority, assignee, due } = patch;
        Self { project, title, description, status, priority, assignee, due }
    }
}

async fn list(
    caller: Can<ReadTasks>,
    store: Store,
    cursors: Data<Cursors>,
    format: Format,
    Query(filter): Query<TaskFilter>,
) -> Result<TaskListing, ApiError> {
    let list = filter.open(&cursors, caller.tenant())?;
    let fetch = move |caller: Can<ReadTasks>, page| {
        let (store, query) = (store.clone(), filter.query(page));
        async move { Ok(store.read(&caller, async |tx| tx.work().tasks().list(&query).await).await?) }
    };
    Listing::of("tasks", caller, format, list, fetch).await
}

async fn list_by_status(
    caller: Can<ReadTasks>,
    store: Store,
    cursors: Data<Cursors>,
    format: Format,
    Query(filter): Query<StatusFilter>,
) -> Result<TaskListing, ApiError> {
    list(caller, store, cursors, format, Query(filter.into())).await
}

async fn create(
    caller: Can<WriteTasks>,
    store: Store,
    clock: Data<dyn Clock>,
    Body(body): Body<TaskBody>,
) -> Result<CreatedResource<TaskView>, ApiError> {
    let new = body.into_new(caller.principal().user());
    let task = store.write(&caller, async |tx| tasks::create(tx.work(), &**clock, &new).await).await?;
    Ok(CreatedResource { location: format!("{PATH}/{}", task.id), view: task.into() })
}

async fn create_many(
    caller: Can<WriteTasks>,
    store: Store,
    clock: Data<dyn Clock>,
    Bulk(bodies): Bulk<TaskBody>,
) -> Result<CreatedMany<TaskView>, ApiError> {
    let creator = caller.principal().user();
    let new: Vec<NewTask> = bodies.into_iter().map(|body| body.into_new(creator)).collect();
    let tasks = store.write(&caller, async |tx| tasks::create_many(tx.work(), &**clock, &new).await).await?;
    Ok(CreatedMany { data: tasks.into_iter().map(TaskView::from).collect() })
}

async fn show(
    caller: Can<ReadTasks>,
    store: Store,
    PathId(id): PathId<TaskId>,
) -> Result<Resource<TaskView>, ApiError> {
    let task = store.read(&caller, async |tx| tasks::show(tx.work(), id).await).await?;
    Ok(Resource(task.into()))
}

async fn replace(
    caller: Can<WriteTasks>,
    store: Store,
    clock: Data<dyn Clock>,
    PathId(id): PathId<TaskId>,
    IfMatch(expected): IfMatch,
    Body(body): Body<TaskBody>,
) -> Result<Resource<TaskView>, ApiError> {
    let (editor, change) = (editor(caller.principal()), body.into_change());
    let changing = async |tx: &mut TenantTx| tasks::change(tx.work(), &**clock, editor, id, &expected, change).await;
    let task = store.write(&caller, changing).await?;
    Ok(Resource(task.into()))
}

async fn change(
    caller: Can<WriteTasks>,
    store: Store,
    clock: Data<dyn Clock>,
    PathId(id): PathId<TaskId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<TaskPatch>,
) -> Result<Resource<TaskView>, ApiError> {
    let (editor, change) = (editor(caller.principal()), patch.into());
    let changing = async |tx: &mut TenantTx| tasks::change(tx.work(), &**clock, editor, id, &expected, change).await;
    let task = store.write(&caller, changing).await?;
    Ok(Resource(task.into()))
}

async fn delete(
    caller: Can<WriteTasks>,
    store: Store,
    PathId(id): PathId<TaskId>,
    IfMatch(expected): IfMatch,
) -> Result<NoContent, ApiError> {
    let editor = editor(caller.principal());
    store.write(&caller, async |tx| tasks::delete(tx.work(), editor, id, &expected).await).await?;
    Ok(NoContent)
}

async fn complete(
    caller: Can<WriteTasks>,
    store: Store,
    clock: Data<dyn Clock>,
    PathId(id): PathId<TaskId>,
    IfMatch(expected): IfMatch,
) -> Result<Resource<TaskView>, ApiError> {
    let editor = editor(caller.principal());
    let completing = async |tx: &mut TenantTx| tasks::complete(tx.work(), &**clock, editor, id, &expected).await;
    let task = store.write(&caller, completing).await?;
    Ok(Resource(task.into()))
}

/// A member changes their own tasks; a machine has none.
fn editor(caller: &Principal) -> Editor {
    Editor { user: caller.user(), manages: caller.permissions().contains(Permission::ManageTasks) }
}

impl From<TaskError> for ApiError {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::NotFound(_) => Self::not_found("task"),
            TaskError::ProjectUnknown(_) => Self::invalid("project", "unknown", "there is no such project"),
            TaskError::AssigneeUnknown(_) => Self::invalid("assignee", "unknown", "there is no such member"),
            TaskError::Items(faults) => {
                of_items(faults.into_iter().map(|(place, fault)| (place, fault.into())).collect())
            }
            TaskError::Stale(stale) => stale.into(),
            TaskError::NotOwn(_) => Self::forbidden(Permission::ManageTasks),
            TaskError::Store(error) => error.into(),
        }
    }
}
