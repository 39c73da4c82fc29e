//! Projects, tasks and documents: what they are, the rules they keep, and what is asked of whoever stores them.
//!
//! May use `tenancy` only: no HTTP, no SQL, no other module. Start reading at [`projects`]; [`WorkTx`] is the module's
//! share of an open transaction. With the feature `testing`, in-memory repositories and mocks come along for people who
//! embed the module in code of their own.

pub mod blobs;
pub mod documents;
pub mod projects;
pub mod tasks;
#[cfg(feature = "testing")]
pub mod testing;

use tenantry_tenancy::MemberRepo;

/// The work module's share of one open transaction of one tenant.
pub trait WorkTx: Send {
    /// The tenant's projects.
    fn projects(&mut self) -> &mut dyn projects::ProjectRepo;

    /// The tenant's tasks.
    fn tasks(&mut self) -> &mut dyn tasks::TaskRepo;

    /// The tenant's documents.
    fn documents(&mut self) -> &mut dyn documents::DocumentRepo;

    /// Where the content of the tenant's documents lies.
    fn blobs(&mut self) -> &mut dyn blobs::BlobRepo;

    /// The tenant's members.
    fn members(&mut self) -> &mut dyn MemberRepo;
}
