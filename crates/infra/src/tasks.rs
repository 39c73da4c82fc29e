//! Tasks in Postgres.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use tenantry_tenancy::{Day, Page, Position, Search, SortKey, SortedPage, StoreError, UserId};
use tenantry_work::projects::ProjectId;
use tenantry_work::tasks::{
    NewTask, Task, TaskDescription, TaskError, TaskId, TaskOrder, TaskQuery, TaskRepo, TaskStatus, TaskTitle,
};
use uuid::Uuid;

use crate::error::OnConstraint;
use crate::lists::sorted;
use crate::rows::{parsed, trusted};
use crate::schema::tasks;
use crate::tenant_tx::PgTenantTx;

/// Says that the tenant has no such project; it speaks for other tenants' projects and for missing ones alike.
const PROJECT_KEY: &str = "tasks_project_fkey";

#[derive(Queryable, Selectable)]
#[diesel(table_name = tasks, check_for_backend(diesel::pg::Pg))]
struct TaskRow {
    id: Uuid,
    project_id: Uuid,
    title: String,
    description: String,
    status: String,
    priority: String,
    assignee_id: Option<Uuid>,
    due: Option<NaiveDate>,
    completed_at: Option<DateTime<Utc>>,
    created_by: Option<Uuid>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<TaskRow> for Task {
    type Error = StoreError;

    fn try_from(row: TaskRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: TaskId::from_uuid(row.id),
            project: ProjectId::from_uuid(row.project_id),
            title: trusted(TaskTitle::parse(row.title))?,
            description: trusted(TaskDescription::parse(row.description))?,
            status: parsed(&row.status)?,
            priority: parsed(&row.priority)?,
            assignee: row.assignee_id.map(UserId::from_uuid),
            due: trusted(row.due.map(Day::new).transpose())?,
            completed_at: row.completed_at,
            creator: row.created_by.map(UserId::from_uuid),
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// The columns that are written: at an insert and at an update.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = tasks, treat_none_as_null = true, treat_none_as_default_value = false)]
struct TaskColumns<'a> {
    project_id: Uuid,
    title: &'a str,
    description: &'a str,
    status: &'a str,
    priority: &'a str,
    assignee_id: Option<Uuid>,
    due: Option<NaiveDate>,
    completed_at: Option<DateTime<Utc>>,
}

#[async_trait]
impl TaskRepo for PgTenantTx {
    async fn find(&mut self, id: TaskId) -> Result<Option<Task>, StoreError> {
        let query = self.rows_of(tasks::table).filter(tasks::id.eq(id.as_uuid())).select(TaskRow::as_select());
        self.load_one(query).await?.map(Task::try_from).transpose()
    }

    async fn find_for_update(&mut self, id: TaskId) -> Result<Option<Task>, StoreError> {
        let query =
            self.rows_of(tasks::table).filter(tasks::id.eq(id.as_uuid())).select(TaskRow::as_select()).for_update();
        self.load_one(query).await?.map(Task::try_from).transpose()
    }

    async fn list(&mut self, query: &TaskQuery) -> Result<SortedPage<Task>, StoreError> {
        let page = query.page.clone();
        let mut rows =
            self.rows_of(tasks::table).select(TaskRow::as_select()).limit(page.limit.get() as i64 + 1).into_boxed();
        if let Some(project) = query.project {
            rows = rows.filter(tasks::project_id.eq(project.as_uuid()));
        }
        if let Some(status) = query.status {
            rows = rows.filter(tasks::status.eq(status.as_str()));
        }
        if let Some(priority) = query.priority {
            rows = rows.filter(tasks::priority.eq(priority.as_str()));
        }
        if let Some(assignee) = query.assignee {
            rows = rows.filter(tasks::assignee_id.eq(assignee.as_uuid()));
        }
        if let Some(day) = query.due_from {
            // Those without a day stand behind all days in `due_order`, and are not asked for.
            rows = rows.filter(tasks::due_order.ge(day.day())).filter(tasks::due.is_not_null());
        }
        if let Some(day) = query.due_to {
            rows = rows.filter(tasks::due_order.le(day.day())).filter(tasks::due.is_not_null());
        }
        if let Some(since) = query.updated_since {
            rows = rows.filter(tasks::updated_at.ge(since.time()));
        }
        for word in query.search.iter().flat_map(Search::words) {
            rows = rows.filter(tasks::id.eq_any(self.rows_with_word("tasks", word)));
        }
        let after = page.after;
        let rows = match page.order {
            TaskOrder::Newest => sorted!(rows, after, tasks, id, desc),
            TaskOrder::Oldest => sorted!(rows, after, tasks, id, asc),
            TaskOrder::Due => sorted!(rows, after, tasks, due_order: Day, asc),
            TaskOrder::DueDescending => sorted!(rows, after, tasks, due_order: Day, desc),
            TaskOrder::Updated => sorted!(rows, after, tasks, updated_at: Time, asc),
            TaskOrder::LastUpdated => sorted!(rows, after, tasks, updated_at: Time, desc),
        };
        let items = self.load(rows).await?.into_iter().map(Task::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit, |task| page.order.position(task)))
    }

    async fn insert(&mut self, new: &NewTask, completed_at: Option<DateTime<Utc>>) -> Result<Task, TaskError> {
        let insert = diesel::insert_into(tasks::table)
            .values((
                tasks::id.eq(new.id.as_uuid()),
                tasks::created_by.eq(new.creator.map(UserId::as_uuid)),
                columns(new, completed_at),
            ))
            .returning(TaskRow::as_returning());
        let row: Option<TaskRow> =
            self.load_one(insert).await.on_constraint(PROJECT_KEY, || TaskError::ProjectUnknown(new.project))?;
        Ok(row.ok_or_else(|| StoreError::internal("an insert returned nothing"))?.try_into()?)
    }

    async fn insert_many(&mut self, new: &[NewTask], now: DateTime<Utc>) -> Result<Vec<Task>, StoreError> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let rows = new.iter().map(|new| {
            let completed_at = (new.status == TaskStatus::Done).then_some(now);
            (
                tasks::id.eq(new.id.as_uuid()),
                tasks::created_by.eq(new.creator.map(UserId::as_uuid)),
                columns(new, completed_at),
            )
        });
        let rows: Vec<_> = rows.collect();
        let insert = diesel::insert_into(tasks::table).values(rows).returning(TaskRow::as_returning());
        self.load(insert).await?.into_iter().map(Task::try_from).collect()
    }

    async fn update(&mut self, task: &Task) -> Result<Task, TaskError> {
        let columns = TaskColumns {
            project_id: task.project.as_uuid(),
            title: task.title.as_str(),
            description: task.description.as_str(),
            status: task.status.as_str(),
            priority: task.priority.as_str(),
            assignee_id: task.assignee.map(UserId::as_uuid),
            due: task.due.map(Day::day),
            completed_at: task.completed_at,
        };
        let update = diesel::update(self.rows_of(tasks::table).filter(tasks::id.eq(task.id.as_uuid())))
            .set(columns)
            .returning(TaskRow::as_returning());
        let row: Option<TaskRow> =
            self.load_one(update).await.on_constraint(PROJECT_KEY, || TaskError::ProjectUnknown(task.project))?;
        Ok(row.ok_or(TaskError::NotFound(task.id))?.try_into()?)
    }

    async fn delete(&mut self, id: TaskId) -> Result<bool, StoreError> {
        let delete = diesel::delete(self.rows_of(tasks::table).filter(tasks::id.eq(id.as_uuid())));
        Ok(self.execute(delete).await? > 0)
    }
}

fn columns(new: &NewTask, completed_at: Option<DateTime<Utc>>) -> TaskColumns<'_> {
    TaskColumns {
        project_id: new.project.as_uuid(),
        title: new.title.as_str(),
        description: new.description.as_str(),
        status: new.status.as_str(),
        priority: new.priority.as_str(),
        assignee_id: new.assignee.map(UserId::as_uuid),
        due: new.due.map(Day::day),
        completed_at,
    }
}
