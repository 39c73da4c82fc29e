//! `/api/v1/projects`.

use actix_web::http::Method;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_tenancy::permissions::needs::{ReadProjects, ReadTasks, WriteProjects};
use tenantry_tenancy::{Day, Limit, Moment, Search, SortedQuery, UserId};
use tenantry_work::projects::{
    self, NewProject, Project, ProjectChange, ProjectDescription, ProjectError, ProjectId, ProjectName, ProjectOrder,
    ProjectQuery, ProjectStatistics, ProjectStatus,
};
use tenantry_work::tasks;
use tenantry_work::tasks::{TaskOrder, TaskPriority, TaskStatus};
use utoipa::{IntoParams, ToSchema};

use crate::conditions::{IfMatch, Versioned};
use crate::cursor::Cursors;
use crate::extract::{Body, Bulk, Can, PathId, Query, present};
use crate::list::{List, Paging, spelled};
use crate::listing::{Format, Listing};
use crate::once::Store;
use crate::problem::ApiError;
use crate::reply::{CreatedMany, CreatedResource, NoContent, Resource, Show};
use crate::routes::Routes;
use crate::tasks::{TaskFilter, TaskListing};

const PATH: &str = "/api/v1/projects";
const ONE: &str = "/api/v1/projects/{id}";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List projects", list);
    routes.tenant(Method::POST, PATH, "Create a project", create);
    routes.tenant(Method::POST, "/api/v1/projects/bulk", "Create up to 1,000 projects, all or none", create_many);
    routes.tenant(Method::GET, "/api/v1/projects/statistics", "Count projects and tasks by status", statistics);
    routes.tenant(Method::GET, ONE, "Show a project", show);
    routes.tenant(Method::PUT, ONE, "Replace a project", replace);
    routes.tenant(Method::PATCH, ONE, "Change some fields of a project", change);
    routes.tenant(Method::DELETE, ONE, "Delete a project with its tasks", delete);
    routes.tenant(Method::GET, "/api/v1/projects/{id}/tasks", "List the tasks of a project", list_tasks);
}

/// A project.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectView {
    id: ProjectId,
    name: ProjectName,
    description: ProjectDescription,
    status: ProjectStatus,
    /// Counts the changes made to it.
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Project> for ProjectView {
    fn from(project: Project) -> Self {
        let Project { id, name, description, status, version, created_at, updated_at } = project;
        Self { id, name, description, status, version, created_at, updated_at }
    }
}

impl Versioned for ProjectView {
    fn version(&self) -> i64 {
        self.version
    }
}

/// All that can be chosen about a project.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProjectBody {
    name: ProjectName,
    /// Empty if not given.
    #[serde(default)]
    description: Option<ProjectDescription>,
    /// `active` if not given.
    #[serde(default)]
    status: Option<ProjectStatus>,
}

impl ProjectBody {
    fn into_new(self) -> NewProject {
        NewProject {
            id: ProjectId::generate(),
            name: self.name,
            description: self.description.unwrap_or_default(),
            status: self.status.unwrap_or(ProjectStatus::Active),
        }
    }

    /// Replaces everything: what is not given becomes what it is for a new project.
    fn into_change(self) -> ProjectChange {
        let NewProject { name, description, status, .. } = self.into_new();
        ProjectChange { name: Some(name), description: Some(description), status: Some(status) }
    }
}

/// Some of what can be chosen about a project (JSON Merge Patch, RFC 7396).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProjectPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    name: Option<ProjectName>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    description: Option<ProjectDescription>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    status: Option<ProjectStatus>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ProjectFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<ProjectOrder>,
    /// Only those that stand like this.
    #[param(inline)]
    status: Option<ProjectStatus>,
    /// Only those changed at this moment or later.
    #[param(inline)]
    updated_since: Option<Moment>,
    /// Only those with words in name or description that begin like these.
    #[param(inline)]
    q: Option<Search>,
}

/// How many projects and tasks there are.
#[derive(Debug, Serialize, ToSchema)]
struct StatisticsView {
    projects: ProjectCounts,
    tasks: TaskCounts,
}

macro_rules! counts {
    ($(#[$meta:meta])* $name:ident of $kind:ident { $($field:ident = $variant:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Default, Serialize, ToSchema)]
        struct $name {
            total: i64,
            $($field: i64),+
        }

        impl From<Vec<($kind, i64)>> for $name {
            fn from(counts: Vec<($kind, i64)>) -> Self {
                let mut view = Self::default();
                for (kind, count) in counts {
                    view.total += count;
                    match kind {
                        $($kind::$variant => view.$field = count),+
                    }
                }
                view
            }
        }
    };
}

counts!(
    /// Projects by how they stand.
    ProjectCounts of ProjectStatus { active = Active, paused = Paused, completed = Completed, archived = Archived }
);
counts!(
    /// Tasks by how far they are.
    TaskCounts of TaskStatus { todo = Todo, in_progress = InProgress, blocked = Blocked, done = Done, cancelled = Cancelled }
);

impl From<ProjectStatistics> for StatisticsView {
    fn from(statistics: ProjectStatistics) -> Self {
        Self { projects: statistics.projects.into(), tasks: statistics.tasks.into() }
    }
}

async fn list(
    caller: Can<ReadProjects>,
    store: Store,
    cursors: Data<Cursors>,
    format: Format,
    Query(filter): Query<ProjectFilter>,
) -> Result<Listing<ReadProjects, ProjectOrder, Project, ProjectView>, ApiError> {
    let ProjectFilter { limit, cursor, sort, status, updated_since, q: search } = filter;
    let filters = [spelled(status), spelled(updated_since), spelled(search.as_ref())].join("&");
    let paging = Paging { limit, cursor: cursor.as_deref(), sort };
    let list = List::open(&cursors, caller.tenant(), format!("projects?{filters}"), &paging)?;
    let query = ProjectQuery { status, updated_since, search, page: SortedQuery::default() };
    let fetch = move |caller: Can<ReadProjects>, page| {
        let (store, query) = (store.clone(), ProjectQuery { page, ..query.clone() });
        async move { Ok(store.read(&caller, async |tx| tx.work().projects().list(&query).await).await?) }
    };
    Listing::of("projects", caller, format, list, fetch).await
}

async fn create(
    caller: Can<WriteProjects>,
    store: Store,
    Body(body): Body<ProjectBody>,
) -> Result<CreatedResource<ProjectView>, ApiError> {
    let new = body.into_new();
    let project = store.write(&caller, async |tx| tx.work().projects().insert(&new).await).await?;
    Ok(CreatedResource { location: format!("{PATH}/{}", project.id), view: project.into() })
}

async fn create_many(
    caller: Can<WriteProjects>,
    store: Store,
    Bulk(bodies): Bulk<ProjectBody>,
) -> Result<CreatedMany<ProjectView>, ApiError> {
    let new: Vec<NewProject> = bodies.into_iter().map(ProjectBody::into_new).collect();
    let projects = store.write(&caller, async |tx| tx.work().projects().insert_many(&new).await).await?;
    Ok(CreatedMany { data: projects.into_iter().map(ProjectView::from).collect() })
}

async fn statistics(caller: Can<ReadProjects>, store: Store) -> Result<Show<StatisticsView>, ApiError> {
    let statistics = store.read(&caller, async |tx| tx.work().projects().statistics().await).await?;
    Ok(Show(statistics.into()))
}

async fn show(
    caller: Can<ReadProjects>,
    store: Store,
    PathId(id): PathId<ProjectId>,
) -> Result<Resource<ProjectView>, ApiError> {
    let project = store.read(&caller, async |tx| projects::show(tx.work(), id).await).await?;
    Ok(Resource(project.into()))
}

async fn replace(
    caller: Can<WriteProjects>,
    store: Store,
    PathId(id): PathId<ProjectId>,
    IfMatch(expected): IfMatch,
    Body(body): Body<ProjectBody>,
) -> Result<Resource<ProjectView>, ApiError> {
    let change = body.into_change();
    let project = store.write(&caller, async |tx| projects::change(tx.work(), id, &expected, &change).await).await?;
    Ok(Resource(project.into()))
}

async fn change(
    caller: Can<WriteProjects>,
    store: Store,
    PathId(id): PathId<ProjectId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<ProjectPatch>,
) -> Result<Resource<ProjectView>, ApiError> {
    let ProjectPatch { name, description, status } = patch;
    let change = ProjectChange { name, description, status };
    let project = store.write(&caller, async |tx| projects::change(tx.work(), id, &expected, &change).await).await?;
    Ok(Resource(project.into()))
}

async fn delete(
    caller: Can<WriteProjects>,
    store: Store,
    PathId(id): PathId<ProjectId>,
    IfMatch(expected): IfMatch,
) -> Result<NoContent, ApiError> {
    store.write(&caller, async |tx| projects::delete(tx.work(), id, &expected).await).await?;
    Ok(NoContent)
}

async fn list_tasks(
    caller: Can<ReadTasks>,
    store: Store,
    cursors: Data<Cursors>,
    format: Format,
    PathId(id): PathId<ProjectId>,
    Query(filter): Query<ProjectTaskFilter>,
) -> Result<TaskListing, ApiError> {
    let filter = filter.of(id);
    let list = filter.open(&cursors, caller.tenant())?;
    let fetch = move |caller: Can<ReadTasks>, page| {
        let (store, query) = (store.clone(), filter.query(page));
        async move { Ok(store.read(&caller, async |tx| tasks::list_of_project(tx.work(), id, &query).await).await?) }
    };
    Listing::of("tasks", caller, format, list, fetch).await
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ProjectTaskFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<TaskOrder>,
    /// Only those that are this far.
    #[param(inline)]
    status: Option<TaskStatus>,
    /// Only those that matter this much.
    #[param(inline)]
    priority: Option<TaskPriority>,
    /// Only those this member does.
    #[param(inline)]
    assignee: Option<UserId>,
    /// Only those due on this day or later.
    #[param(inline)]
    due_from: Option<Day>,
    /// Only those due on this day or earlier.
    #[param(inline)]
    due_to: Option<Day>,
    /// Only those changed at this moment or later.
    #[param(inline)]
    updated_since: Option<Moment>,
    /// Only those with words in title or description that begin like these.
    #[param(inline)]
    q: Option<Search>,
}

impl ProjectTaskFilter {
    fn of(self, project: ProjectId) -> TaskFilter {
        let Self { limit, cursor, sort, status, priority, assignee, due_from, due_to, updated_since, q } = self;
        let project = Some(project);
        TaskFilter { limit, cursor, sort, project, status, priority, assignee, due_from, due_to, updated_since, q }
    }
}

impl From<ProjectError> for ApiError {
    fn from(error: ProjectError) -> Self {
        match error {
            ProjectError::NotFound(_) => Self::not_found("project"),
            ProjectError::Stale(stale) => stale.into(),
            ProjectError::Store(error) => error.into(),
        }
    }
}
