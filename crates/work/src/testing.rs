//! For tests: the module without a database, mocks of its repositories, and the contract that every store of it keeps.
//!
//! [`MemoryWork`] is for tests of rules, [`MockWork`] for tests of what is asked of a store and of its failures, and
//! [`contract`] holds the first to the same behaviour as Postgres.

pub mod contract;
mod memory;
mod mocks;

pub use memory::MemoryWork;
pub use mocks::{MockMemberRepo, MockWork};

pub use crate::blobs::MockBlobRepo;
pub use crate::documents::MockDocumentRepo;
use crate::documents::{DocumentId, DocumentTitle, NewDocument};
pub use crate::projects::MockProjectRepo;
use crate::projects::{NewProject, ProjectDescription, ProjectId, ProjectName, ProjectStatus};
pub use crate::tasks::MockTaskRepo;
use crate::tasks::{Editor, NewTask, TaskDescription, TaskId, TaskPriority, TaskStatus, TaskTitle};

/// Somebody who may change everybody's tasks.
pub const MANAGER: Editor = Editor { user: None, manages: true };

/// An active project to be made, for tests that do not care which.
pub fn new_project() -> NewProject {
    NewProject {
        id: ProjectId::generate(),
        name: ProjectName::parse("Moon landing").expect("a clean line"),
        description: ProjectDescription::parse("").expect("paragraphs may be empty"),
        status: ProjectStatus::Active,
    }
}

/// A task to be made, not begun and nobody's, for tests that do not care which.
pub fn new_task(project: ProjectId) -> NewTask {
    NewTask {
        id: TaskId::generate(),
        project,
        title: TaskTitle::parse("Build a rocket").expect("a clean line"),
        description: TaskDescription::parse("").expect("paragraphs may be empty"),
        status: TaskStatus::Todo,
        priority: TaskPriority::Medium,
        assignee: None,
        due: None,
        creator: None,
    }
}

/// A document to be made, for tests that do not care which.
pub fn new_document(project: ProjectId) -> NewDocument {
    NewDocument { id: DocumentId::generate(), project, title: DocumentTitle::parse("plan.pdf").expect("a clean line") }
}
