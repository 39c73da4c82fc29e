//! Projects: what tasks and documents belong to.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tenantry_tenancy::{
    Expected, Moment, Position, Search, SortKey, SortedPage, SortedQuery, Stale, StoreError, id, text, words,
};

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

words!(
    /// In which order a list of projects comes.
    #[derive(Default)]
    ProjectOrder {
        /// The newest first.
        #[default]
        Newest = "-created_at",
        /// The oldest first.
        Oldest = "created_at",
        /// By name.
        Name = "name",
        /// By name, from the end of the alphabet.
        NameDescending = "-name",
        /// The one longest unchanged first.
        Updated = "updated_at",
        /// The last changed first.
        LastUpdated = "-updated_at",
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectQuery {
    /// Only those that stand like this.
    pub status: Option<ProjectStatus>,
    /// Only those changed at this moment or later.
    pub updated_since: Option<Moment>,
    /// Only those with these words in name or description.
    pub search: Option<Search>,
    /// Which page.
    pub page: SortedQuery<ProjectOrder>,
}

impl ProjectOrder {
    /// Where a project stands in this order.
    pub fn position(self, project: &Project) -> Position {
        let key = match self {
            Self::Newest | Self::Oldest => SortKey::Id,
            Self::Name | Self::NameDescending => SortKey::Text(project.name.as_str().to_owned()),
            Self::Updated | Self::LastUpdated => SortKey::Time(project.updated_at),
        };
        Position { key, id: project.id.as_uuid() }
    }

    /// Whether it goes from the end to the beginning.
    pub fn is_descending(self) -> bool {
        matches!(self, Self::Newest | Self::NameDescending | Self::LastUpdated)
    }
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
    /// The change was made from another version.
    #[error(transparent)]
    Stale(#[from] Stale),
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

    /// One project, which nobody else changes until the transaction ends.
    async fn find_for_update(&mut self, id: ProjectId) -> Result<Option<Project>, StoreError>;

    /// Which of these exist. They go on to until the transaction ends.
    async fn lock_existing(&mut self, ids: &BTreeSet<ProjectId>) -> Result<BTreeSet<ProjectId>, StoreError>;

    /// One page of projects.
    async fn list(&mut self, query: &ProjectQuery) -> Result<SortedPage<Project>, StoreError>;

    /// Stores a new project.
    async fn insert(&mut self, new: &NewProject) -> Result<Project, StoreError>;

    /// Stores new projects, all in one statement, and tells them in the same order.
    async fn insert_many(&mut self, new: &[NewProject]) -> Result<Vec<Project>, StoreError>;

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

/// Changes the fields given, if the project has the version expected. An empty change changes nothing, not even the version.
pub async fn change(
    tx: &mut dyn WorkTx,
    id: ProjectId,
    expected: &Expected,
    change: &ProjectChange,
) -> Result<Project, ProjectError> {
    admit(tx, id, expected).await?;
    if *change == ProjectChange::default() {
        return show(tx, id).await;
    }
    tx.projects().update(id, change).await?.ok_or(ProjectError::NotFound(id))
}

/// Deletes a project with its tasks, if it has the version expected.
pub async fn delete(tx: &mut dyn WorkTx, id: ProjectId, expected: &Expected) -> Result<(), ProjectError> {
    admit(tx, id, expected).await?;
    if tx.projects().delete(id).await? { Ok(()) } else { Err(ProjectError::NotFound(id)) }
}

/// Locks the project if its version matters, so that it is still the same when the change comes.
async fn admit(tx: &mut dyn WorkTx, id: ProjectId, expected: &Expected) -> Result<(), ProjectError> {
    if expected.is_any() {
        return Ok(());
    }
    let project = tx.projects().find_for_update(id).await?.ok_or(ProjectError::NotFound(id))?;
    Ok(expected.admit(project.version)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tenantry_tenancy::clock::FixedClock;
    use tenantry_tenancy::text::InvalidText;

    use super::*;
    use crate::testing::{MemoryWork, MockWork, new_project, new_task};

    #[tokio::test]
    async fn a_change_is_told_and_kept() {
        let mut tx = work();
        let project = tx.projects().insert(&new_project()).await.unwrap();
        let paused = ProjectChange { status: Some(ProjectStatus::Paused), ..ProjectChange::default() };

        let changed = change(&mut tx, project.id, &Expected::ANY, &paused).await.unwrap();

        assert_eq!(changed, Project { status: ProjectStatus::Paused, version: 2, ..project });
        assert_eq!(show(&mut tx, changed.id).await.unwrap(), changed);
    }

    #[tokio::test]
    async fn changing_nothing_keeps_the_version() {
        let mut tx = work();
        let project = tx.projects().insert(&new_project()).await.unwrap();

        let changed = change(&mut tx, project.id, &Expected::ANY, &ProjectChange::default()).await.unwrap();

        assert_eq!(changed, project);
        assert_eq!(show(&mut tx, project.id).await.unwrap().version, 1);
    }

    #[tokio::test]
    async fn a_missing_project_is_not_found() {
        let mut tx = work();
        let id = ProjectId::generate();
        let paused = ProjectChange { status: Some(ProjectStatus::Paused), ..ProjectChange::default() };

        let refused = [
            show(&mut tx, id).await.map(drop),
            change(&mut tx, id, &Expected::ANY, &ProjectChange::default()).await.map(drop),
            change(&mut tx, id, &Expected::ANY, &paused).await.map(drop),
            delete(&mut tx, id, &Expected::ANY).await,
        ];

        for result in refused {
            assert!(matches!(result, Err(ProjectError::NotFound(missing)) if missing == id), "{result:?}");
        }
    }

    #[tokio::test]
    async fn a_deleted_project_is_gone_with_its_tasks() {
        let mut tx = work();
        let project = tx.projects().insert(&new_project()).await.unwrap();
        let task = tx.tasks().insert(&new_task(project.id), None).await.unwrap();

        delete(&mut tx, project.id, &Expected::ANY).await.unwrap();

        assert!(matches!(show(&mut tx, project.id).await, Err(ProjectError::NotFound(_))));
        assert_eq!(tx.tasks().find(task.id).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_tenant_without_work_has_empty_statistics() {
        let statistics = work().projects().statistics().await.unwrap();

        assert_eq!(statistics, ProjectStatistics::default());
    }

    #[tokio::test]
    async fn a_change_made_from_another_version_changes_nothing() {
        let mut tx = work();
        let project = tx.projects().insert(&new_project()).await.unwrap();
        let paused = ProjectChange { status: Some(ProjectStatus::Paused), ..ProjectChange::default() };
        let (first, second) = (Expected::one_of(vec![1]), Expected::one_of(vec![2]));

        let changed = change(&mut tx, project.id, &first, &paused).await.unwrap();
        let stale = [
            change(&mut tx, project.id, &first, &paused).await.map(drop),
            change(&mut tx, project.id, &first, &ProjectChange::default()).await.map(drop),
            delete(&mut tx, project.id, &first).await,
        ];

        assert!(stale.iter().all(|it| matches!(it, Err(ProjectError::Stale(_)))), "{stale:?}");
        assert_eq!(show(&mut tx, project.id).await.unwrap(), changed);
        assert!(delete(&mut tx, project.id, &second).await.is_ok());
        let gone = change(&mut tx, project.id, &second, &paused).await;
        assert!(matches!(gone, Err(ProjectError::NotFound(_))), "{gone:?}");
    }

    #[tokio::test]
    async fn a_failure_of_the_store_is_no_missing_project() {
        let mut tx = MockWork::default();
        tx.projects.expect_find().once().returning(|_| Err(StoreError::unavailable("no route")));

        let refused = show(&mut tx, ProjectId::generate()).await;

        assert!(matches!(refused, Err(ProjectError::Store(StoreError::Unavailable(_)))), "{refused:?}");
    }

    #[test]
    fn a_name_is_one_line_and_a_description_may_be_empty() {
        assert_eq!(ProjectName::parse(" Moon ").map(ProjectName::into_string), Ok("Moon".to_owned()));
        assert_eq!(ProjectName::parse(" "), Err(InvalidText::Empty));
        assert_eq!(ProjectName::parse("a\nb"), Err(InvalidText::Control));
        assert_eq!(ProjectName::parse("a".repeat(256)), Err(InvalidText::TooLong(255)));
        assert_eq!(ProjectDescription::parse("").map(ProjectDescription::into_string), Ok(String::new()));
    }

    #[test]
    fn a_status_is_read_from_its_own_word_only() {
        for (status, word) in ProjectStatus::ALL.iter().zip(["active", "paused", "completed", "archived"]) {
            assert_eq!(word.parse(), Ok(*status));
            assert_eq!(status.to_string(), word);
        }
        for word in ["", "Active", " active", "done"] {
            assert!(word.parse::<ProjectStatus>().is_err(), "{word:?}");
        }
    }

    fn work() -> MemoryWork {
        MemoryWork::new(Arc::new(FixedClock(DateTime::UNIX_EPOCH)))
    }
}
