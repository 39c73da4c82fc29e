//! Projects: what tasks and documents belong to.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{Page, PageQuery, StoreError, id, text, words};

use crate::WorkTx;
use crate::tasks::TaskStatus;

id!(
    /// One project.
    ProjectId
);
text!(
    /// What a project is called. Two may share a name.
    ProjectName,
    Line,
    255
);
text!(
    /// What a project is about.
    ProjectDescription,
    Paragraphs,
    10_000
);
words!(
    /// How a project stands.
    ProjectStatus {
        /// Being worked on.
        Active = "active",
        /// Waiting.
        Paused = "paused",
        /// Finished.
        Completed = "completed",
        /// Put away.
        Archived = "archived",
    }
);

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its identity.
    pub id: ProjectId,
    /// What it is called.
    pub name: ProjectName,
    /// What it is about.
    pub description: ProjectDescription,
    /// How it stands.
    pub status: ProjectStatus,
    /// How often it was changed, plus one.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A project to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProject {
    /// Its identity.
    pub id: ProjectId,
    /// What it is called.
    pub name: ProjectName,
    /// What it is about.
    pub description: ProjectDescription,
    /// How it stands.
    pub status: ProjectStatus,
}

/// What to change about a project; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectChange {
    /// What it is called.
    pub name: Option<ProjectName>,
    /// What it is about.
    pub description: Option<ProjectDescription>,
    /// How it stands.
    pub status: Option<ProjectStatus>,
}

/// Which projects a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProjectQuery {
    /// Only those that stand like this.
    pub status: Option<ProjectStatus>,
    /// Which page.
    pub page: PageQuery,
}

/// How many projects and tasks a tenant has. Kinds without any are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectStatistics {
    /// Projects by how they stand.
    pub projects: Vec<(ProjectStatus, i64)>,
    /// Tasks of all projects by how far they are.
    pub tasks: Vec<(TaskStatus, i64)>,
}

/// Why an operation on projects was refused.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is none with this id.
    #[error("project {0} does not exist")]
    NotFound(ProjectId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The projects of the tenant whose transaction is open.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait ProjectRepo: Send {
    /// One project.
    async fn find(&mut self, id: ProjectId) -> Result<Option<Project>, StoreError>;

    /// One page of projects.
    async fn list(&mut self, query: &ProjectQuery) -> Result<Page<Project>, StoreError>;

    /// Stores a new project.
    async fn insert(&mut self, new: &NewProject) -> Result<Project, StoreError>;

    /// Changes the fields given, in one statement, and tells the project as it is now.
    async fn update(&mut self, id: ProjectId, change: &ProjectChange) -> Result<Option<Project>, StoreError>;

    /// Deletes a project with its tasks; false when there is none.
    async fn delete(&mut self, id: ProjectId) -> Result<bool, StoreError>;

    /// Counts projects and tasks.
    async fn statistics(&mut self) -> Result<ProjectStatistics, StoreError>;
}

/// Shows one project.
pub async fn show(tx: &mut dyn WorkTx, id: ProjectId) -> Result<Project, ProjectError> {
    tx.projects().find(id).await?.ok_or(ProjectError::NotFound(id))
}

/// Changes the fields given. An empty change changes nothing, not even the version.
pub async fn change(tx: &mut dyn WorkTx, id: ProjectId, change: &ProjectChange) -> Result<Project, ProjectError> {
    if *change == ProjectChange::default() {
        return show(tx, id).await;
    }
    tx.projects().update(id, change).await?.ok_or(ProjectError::NotFound(id))
}

/// Deletes a project with its tasks.
pub async fn delete(tx: &mut dyn WorkTx, id: ProjectId) -> Result<(), ProjectError> {
    if tx.projects().delete(id).await? { Ok(()) } else { Err(ProjectError::NotFound(id)) }
}
