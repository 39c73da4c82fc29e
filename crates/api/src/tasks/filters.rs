//! What lists of tasks are asked for.

use serde::Deserialize;
use tenantry_tenancy::{Day, Limit, Moment, Position, Search, SortedQuery, TenantId, UserId};
use tenantry_work::projects::ProjectId;
use tenantry_work::tasks::{TaskOrder, TaskPriority, TaskQuery, TaskStatus};
use utoipa::IntoParams;

use crate::cursor::Cursors;
use crate::list::{List, Paging, spelled};
use crate::problem::ApiError;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    pub(crate) limit: Option<Limit>,
    /// Where the last page ended.
    pub(crate) cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    pub(crate) sort: Option<TaskOrder>,
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
    /// Only those due on this day or later.
    #[param(inline)]
    pub(crate) due_from: Option<Day>,
    /// Only those due on this day or earlier.
    #[param(inline)]
    pub(crate) due_to: Option<Day>,
    /// Only those changed at this moment or later.
    #[param(inline)]
    pub(crate) updated_since: Option<Moment>,
    /// Only those with words in title or description that begin like these.
    #[param(inline)]
    pub(crate) q: Option<Search>,
}

impl TaskFilter {
    /// The list that this filter makes.
    pub(crate) fn open<'a>(&self, cursors: &'a Cursors, tenant: TenantId) -> Result<TaskList<'a>, ApiError> {
        let paging = Paging { limit: self.limit, cursor: self.cursor.as_deref(), sort: self.sort };
        let filters = [
            spelled(self.project),
            spelled(self.status),
            spelled(self.priority),
            spelled(self.assignee),
            spelled(self.due_from),
            spelled(self.due_to),
            spelled(self.updated_since),
            spelled(self.q.as_ref()),
        ];
        List::open(cursors, tenant, format!("tasks?{}", filters.join("&")), &paging)
    }

    pub(crate) fn query(&self, page: SortedQuery<TaskOrder>) -> TaskQuery {
        TaskQuery {
            project: self.project,
            status: self.status,
            priority: self.priority,
            assignee: self.assignee,
            due_from: self.due_from,
            due_to: self.due_to,
            updated_since: self.updated_since,
            search: self.q.clone(),
            page,
        }
    }
}

type TaskList<'a> = List<'a, TaskOrder, Position>;

/// The same, where a status must be given.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<TaskOrder>,
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

impl From<StatusFilter> for TaskFilter {
    fn from(filter: StatusFilter) -> Self {
        let StatusFilter {
            limit,
            cursor,
            sort,
            project,
            status,
            priority,
            assignee,
            due_from,
            due_to,
            updated_since,
            q,
        } = filter;
        let status = Some(status);
        Self { limit, cursor, sort, project, status, priority, assignee, due_from, due_to, updated_since, q }
    }
}
