//! `/api/v1/tasks`.

use actix_web::http::Method;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_app::TenantStore;
use tenantry_auth::Principal;
use tenantry_tenancy::permissions::needs::{ReadTasks, WriteTasks};
use tenantry_tenancy::{Clock, Limit, Order, PageQuery, Permission, TenantId, UserId};
use tenantry_work::projects::ProjectId;
use tenantry_work::tasks::{
    self, DueDate, Editor, NewTask, Task, TaskChange, TaskDescription, TaskError, TaskId, TaskPriority, TaskQuery,
    TaskStatus, TaskTitle,
};
use utoipa::{IntoParams, ToSchema};

use crate::cursor::Cursors;
use crate::extract::{Body, Can, PathId, Query, present};
use crate::list::{List, PageView, Paging};
use crate::problem::ApiError;
use crate::reply::{Created, Gone, Show};
use crate::routes::Routes;

const PATH: &str = "/api/v1/tasks";
const ONE: &str = "/api/v1/tasks/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List tasks", list);
    routes.tenant(Method::POST, PATH, "Create a task", create);
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
    due: Option<DueDate>,
    /// When it was finished; set exactly while the status is `done`.
    completed_at: Option<DateTime<Utc>>,
    /// The member who made it, if it was one.
    creator: Option<UserId>,
    /// Counts the changes made to it.
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
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
    due: Option<DueDate>,
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
    #[schema(value_type = Option<DueDate>)]
    due: Option<Option<DueDate>>,
}

impl From<TaskPatch> for TaskChange {
    fn from(patch: TaskPatch) -> Self {
        let TaskPatch { project, title, description, status, priority, assignee, due } = patch;
        Self { project, title, description, status, priority, assignee, due }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskFilter {
    /// How many at the most.
    #[param(inline)]
    pub(crate) limit: Option<Limit>,
    /// Where the last page ended.
    pub(crate) cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    pub(crate) sort: Option<Order>,
    /// Only those of this project.
    #[param(inline)]
    pub(crate) project: Option<ProjectId>,
    /// Only those that are this far.
    #[param(inline)]
    pub(crate) status: Option<TaskStatus>,
    /// Only those that matter this much.
    #[param(inline)]
    pub(crate) priority: Option<TaskPriority>,
    /// Only those this member does.
    #[param(inline)]
    pub(crate) assignee: Option<UserId>,
}

impl TaskFilter {
    /// The list that this filter makes.
    pub(crate) fn open<'a>(&self, cursors: &'a Cursors, tenant: TenantId) -> Result<List<'a>, ApiError> {
        let paging = Paging { limit: self.limit, cursor: self.cursor.as_deref(), sort: self.sort };
        let (status, priority) = (self.status, self.priority);
        let name = format!(
            "tasks?project={}&status={}&priority={}&assignee={}",
            self.project.map(|id| id.to_string()).unwrap_or_default(),
            status.map_or("", TaskStatus::as_str),
            priority.map_or("", TaskPriority::as_str),
            self.assignee.map(|id| id.to_string()).unwrap_or_default(),
        );
        List::open(cursors, tenant, name, &paging)
    }

    pub(crate) fn query(&self, page: PageQuery) -> TaskQuery {
        TaskQuery { project: self.project, status: self.status, priority: self.priority, assignee: self.assignee, page }
    }
}

/// The same, where a status must be given.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct StatusFilter {
    /// How many at the most.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<Order>,
    /// Only those of this project.
    #[param(inline)]
    project: Option<ProjectId>,
    /// Only those that are this far.
    #[param(inline)]
    status: TaskStatus,
    /// Only those that matter this much.
    #[param(inline)]
    priority: Option<TaskPriority>,
    /// Only those this member does.
    #[param(inline)]
    assignee: Option<UserId>,
}

impl From<StatusFilter> for TaskFilter {
    fn from(filter: StatusFilter) -> Self {
        let StatusFilter { limit, cursor, sort, project, status, priority, assignee } = filter;
        Self { limit, cursor, sort, project, status: Some(status), priority, assignee }
    }
}

async fn list(
    caller: Can<ReadTasks>,
    store: Data<TenantStore>,
    cursors: Data<Cursors>,
    Query(filter): Query<TaskFilter>,
) -> Result<PageView<TaskView>, ApiError> {
    let list = filter.open(&cursors, caller.tenant())?;
    let query = filter.query(list.page);
    let page = store.read(&caller, async |tx| tx.work().tasks().list(&query).await).await?;
    Ok(list.view(page))
}

async fn list_by_status(
    caller: Can<ReadTasks>,
    store: Data<TenantStore>,
    cursors: Data<Cursors>,
    Query(filter): Query<StatusFilter>,
) -> Result<PageView<TaskView>, ApiError> {
    list(caller, store, cursors, Query(filter.into())).await
}

async fn create(
    caller: Can<WriteTasks>,
    store: Data<TenantStore>,
    clock: Data<dyn Clock>,
    Body(body): Body<TaskBody>,
) -> Result<Created<TaskView>, ApiError> {
    let new = body.into_new(caller.principal().user());
    let task = store.write(&caller, async |tx| tasks::create(tx.work(), &**clock, &new).await).await?;
    Ok(Created { location: format!("{PATH}/{}", task.id), view: task.into() })
}

async fn show(
    caller: Can<ReadTasks>,
    store: Data<TenantStore>,
    PathId(id): PathId<TaskId>,
) -> Result<Show<TaskView>, ApiError> {
    let task = store.read(&caller, async |tx| tasks::show(tx.work(), id).await).await?;
    Ok(Show(task.into()))
}

async fn replace(
    caller: Can<WriteTasks>,
    store: Data<TenantStore>,
    clock: Data<dyn Clock>,
    PathId(id): PathId<TaskId>,
    Body(body): Body<TaskBody>,
) -> Result<Show<TaskView>, ApiError> {
    let (editor, change) = (editor(caller.principal()), body.into_change());
    let task = store.write(&caller, async |tx| tasks::change(tx.work(), &**clock, editor, id, change).await).await?;
    Ok(Show(task.into()))
}

async fn change(
    caller: Can<WriteTasks>,
    store: Data<TenantStore>,
    clock: Data<dyn Clock>,
    PathId(id): PathId<TaskId>,
    Body(patch): Body<TaskPatch>,
) -> Result<Show<TaskView>, ApiError> {
    let (editor, change) = (editor(caller.principal()), patch.into());
    let task = store.write(&caller, async |tx| tasks::change(tx.work(), &**clock, editor, id, change).await).await?;
    Ok(Show(task.into()))
}

async fn delete(
    caller: Can<WriteTasks>,
    store: Data<TenantStore>,
    PathId(id): PathId<TaskId>,
) -> Result<Gone, ApiError> {
    let editor = editor(caller.principal());
    store.write(&caller, async |tx| tasks::delete(tx.work(), editor, id).await).await?;
    Ok(Gone)
}

async fn complete(
    caller: Can<WriteTasks>,
    store: Data<TenantStore>,
    clock: Data<dyn Clock>,
    PathId(id): PathId<TaskId>,
) -> Result<Show<TaskView>, ApiError> {
    let editor = editor(caller.principal());
    let task = store.write(&caller, async |tx| tasks::complete(tx.work(), &**clock, editor, id).await).await?;
    Ok(Show(task.into()))
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
            TaskError::NotOwn(_) => Self::forbidden(Permission::ManageTasks),
            TaskError::Store(error) => error.into(),
        }
    }
}
