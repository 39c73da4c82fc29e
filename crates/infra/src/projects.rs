//! Projects in Postgres.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use tenantry_tenancy::{Page, Position, Search, SortKey, SortedPage, StoreError};
use tenantry_work::projects::{
    NewProject, Project, ProjectChange, ProjectDescription, ProjectId, ProjectName, ProjectOrder, ProjectQuery,
    ProjectRepo, ProjectStatistics,
};
use uuid::Uuid;

use crate::lists::sorted;
use crate::rows::{parsed, trusted};
use crate::schema::{projects, tasks};
use crate::tenant_tx::PgTenantTx;

#[derive(Queryable, Selectable)]
#[diesel(table_name = projects, check_for_backend(diesel::pg::Pg))]
struct ProjectRow {
    id: Uuid,
    name: String,
    description: String,
    status: String,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<ProjectRow> for Project {
    type Error = StoreError;

    fn try_from(row: ProjectRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: ProjectId::from_uuid(row.id),
            name: trusted(ProjectName::parse(row.name))?,
            description: trusted(ProjectDescription::parse(row.description))?,
            status: parsed(&row.status)?,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

// Not "default": a statement with a DEFAULT that depends on its values is prepared anew each time.
#[derive(Insertable)]
#[diesel(table_name = projects, treat_none_as_default_value = false)]
struct NewProjectRow<'a> {
    id: Uuid,
    name: &'a str,
    description: &'a str,
    status: &'a str,
}

#[derive(AsChangeset)]
#[diesel(table_name = projects)]
struct ProjectChangeRow<'a> {
    name: Option<&'a str>,
    description: Option<&'a str>,
    status: Option<&'a str>,
}

#[async_trait]
impl ProjectRepo for PgTenantTx {
    async fn find(&mut self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        let query = self.rows_of(projects::table).filter(projects::id.eq(id.as_uuid())).select(ProjectRow::as_select());
        self.load_one(query).await?.map(Project::try_from).transpose()
    }

    async fn find_for_update(&mut self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        let row = self.rows_of(projects::table).filter(projects::id.eq(id.as_uuid()));
        self.load_one(row.select(ProjectRow::as_select()).for_update()).await?.map(Project::try_from).transpose()
    }

    async fn lock_existing(&mut self, ids: &BTreeSet<ProjectId>) -> Result<BTreeSet<ProjectId>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let query = self.rows_of(projects::table).filter(projects::id.eq_any(ids)).select(projects::id).for_key_share();
        Ok(self.load(query).await?.into_iter().map(ProjectId::from_uuid).collect())
    }

    async fn list(&mut self, query: &ProjectQuery) -> Result<SortedPage<Project>, StoreError> {
        let ProjectQuery { status, updated_since, search, page } = query.clone();
        let limit = page.limit.get() as i64 + 1;
        let rows = if (status, updated_since, &search, page.order) == (None, None, &None, ProjectOrder::Newest) {
            // What nearly everybody asks for; a query of one shape needs no building.
            let before = page.after.map_or(Uuid::max(), |at| at.id);
            let rows = self.rows_of(projects::table).select(ProjectRow::as_select()).limit(limit);
            self.load(rows.filter(projects::id.lt(before)).order(projects::id.desc())).await?
        } else {
            let mut rows = self.rows_of(projects::table).select(ProjectRow::as_select()).limit(limit).into_boxed();
            if let Some(status) = status {
                rows = rows.filter(projects::status.eq(status.as_str()));
            }
            if let Some(since) = updated_since {
                rows = rows.filter(projects::updated_at.ge(since.time()));
            }
            for word in search.iter().flat_map(Search::words) {
                rows = rows.filter(projects::id.eq_any(self.rows_with_word("projects", word)));
            }
            let after = page.after;
            let rows = match page.order {
                ProjectOrder::Newest => sorted!(rows, after, projects, id, desc),
                ProjectOrder::Oldest => sorted!(rows, after, projects, id, asc),
                ProjectOrder::Name => sorted!(rows, after, projects, name: Text, asc),
                ProjectOrder::NameDescending => sorted!(rows, after, projects, name: Text, desc),
                ProjectOrder::Updated => sorted!(rows, after, projects, updated_at: Time, asc),
                ProjectOrder::LastUpdated => sorted!(rows, after, projects, updated_at: Time, desc),
            };
            self.load(rows).await?
        };
        let items = rows.into_iter().map(Project::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit, |project| page.order.position(project)))
    }

    async fn insert(&mut self, new: &NewProject) -> Result<Project, StoreError> {
        let insert = diesel::insert_into(projects::table).values(columns(new)).returning(ProjectRow::as_returning());
        self.load_one(insert).await?.ok_or_else(|| StoreError::internal("an insert returned nothing"))?.try_into()
    }

    async fn insert_many(&mut self, new: &[NewProject]) -> Result<Vec<Project>, StoreError> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<_> = new.iter().map(columns).collect();
        let insert = diesel::insert_into(projects::table).values(rows).returning(ProjectRow::as_returning());
        self.load(insert).await?.into_iter().map(Project::try_from).collect()
    }

    async fn update(&mut self, id: ProjectId, change: &ProjectChange) -> Result<Option<Project>, StoreError> {
        let row = ProjectChangeRow {
            name: change.name.as_ref().map(ProjectName::as_str),
            description: change.description.as_ref().map(ProjectDescription::as_str),
            status: change.status.map(|status| status.as_str()),
        };
        let update = diesel::update(self.rows_of(projects::table).filter(projects::id.eq(id.as_uuid())))
            .set(row)
            .returning(ProjectRow::as_returning());
        self.load_one(update).await?.map(Project::try_from).transpose()
    }

    async fn delete(&mut self, id: ProjectId) -> Result<bool, StoreError> {
        let delete = diesel::delete(self.rows_of(projects::table).filter(projects::id.eq(id.as_uuid())));
        Ok(self.execute(delete).await? > 0)
    }

    async fn statistics(&mut self) -> Result<ProjectStatistics, StoreError> {
        let by_status =
            self.rows_of(projects::table).group_by(projects::status).select((projects::status, count_star()));
        let projects: Vec<(String, i64)> = self.load(by_status).await?;
        let by_status = self.rows_of(tasks::table).group_by(tasks::status).select((tasks::status, count_star()));
        let tasks: Vec<(String, i64)> = self.load(by_status).await?;
        Ok(ProjectStatistics { projects: counted(projects)?, tasks: counted(tasks)? })
    }
}

fn columns(new: &NewProject) -> NewProjectRow<'_> {
    NewProjectRow {
        id: new.id.as_uuid(),
        name: new.name.as_str(),
        description: new.description.as_str(),
        status: new.status.as_str(),
    }
}

/// Counts in the order of their kinds.
fn counted<K: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static> + Ord>(
    counts: Vec<(String, i64)>,
) -> Result<Vec<(K, i64)>, StoreError> {
    let mut counts = counts
        .into_iter()
        .map(|(kind, count)| Ok((parsed(&kind)?, count)))
        .collect::<Result<Vec<(K, i64)>, StoreError>>()?;
    counts.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(counts)
}
