//! The application: one unit of work in which the repositories of all modules meet.
//!
//! May use `tenancy` and the modules. Start reading at [`TenantStore`]: its `read` and `write` are the only way to a
//! tenant's data.

mod answers;
mod dns;
mod files;
mod mail;
mod store;

pub use answers::{AnswerRepo, Claim, Fingerprint, KeyDigest};
pub use dns::{DnsError, TxtResolver};
pub use files::{CollectError, FileError, FileKey, FileStore, FileStream, FileWriter, collect};
pub use mail::{Mail, Mailer};
pub use store::{Access, HeldTx, TenantStore, TenantStorePort, TenantTx, TenantTxPort};
