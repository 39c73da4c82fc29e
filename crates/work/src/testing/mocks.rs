//! Repositories that answer what a test tells them to.

use async_trait::async_trait;
use tenantry_tenancy::{MemberRepo, StoreError, UserId};

use crate::WorkTx;
use crate::blobs::{BlobRepo, MockBlobRepo};
use crate::documents::{DocumentRepo, MockDocumentRepo};
use crate::projects::{MockProjectRepo, ProjectRepo};
use crate::tasks::{MockTaskRepo, TaskRepo};

mockall::mock! {
    /// Members who are whoever the test says.
    pub MemberRepo {}

    #[async_trait]
    impl MemberRepo for MemberRepo {
        async fn is_member(&mut self, user: UserId) -> Result<bool, StoreError>;
    }
}

/// A transaction of mocks, for a test of what is asked of the store and of what becomes of its failures. A call that was
/// not expected panics.
///
/// ```
/// use mockall::predicate::eq;
/// use tenantry_tenancy::Expected;
/// use tenantry_work::projects::{self, ProjectError, ProjectId};
/// use tenantry_work::testing::MockWork;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let id = ProjectId::generate();
/// let mut tx = MockWork::default();
/// tx.projects.expect_delete().with(eq(id)).once().returning(|_| Ok(false));
///
/// let refused = projects::delete(&mut tx, id, &Expected::ANY).await;
///
/// assert!(matches!(refused, Err(ProjectError::NotFound(missing)) if missing == id));
/// # }
/// ```
#[derive(Default)]
pub struct MockWork {
    /// The tenant's projects.
    pub projects: MockProjectRepo,
    /// The tenant's tasks.
    pub tasks: MockTaskRepo,
    /// The tenant's documents.
    pub documents: MockDocumentRepo,
    /// Where their content lies.
    pub blobs: MockBlobRepo,
    /// The tenant's members.
    pub members: MockMemberRepo,
}

impl WorkTx for MockWork {
    fn projects(&mut self) -> &mut dyn ProjectRepo {
        &mut self.projects
    }

    fn tasks(&mut self) -> &mut dyn TaskRepo {
        &mut self.tasks
    }

    fn documents(&mut self) -> &mut dyn DocumentRepo {
        &mut self.documents
    }

    fn blobs(&mut self) -> &mut dyn BlobRepo {
        &mut self.blobs
    }

    fn members(&mut self) -> &mut dyn MemberRepo {
        &mut self.members
    }
}
