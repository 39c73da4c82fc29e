//! The vocabulary of every layer: who a tenant is, who may act in it, and how a page, an id or an error is spelled.
//!
//! Depends on nothing that does I/O, and everything else depends on it. Start reading at [`scope`]: a [`TenantScope`] is
//! the proof without which no query on tenant data compiles. Then [`tenants`] (what a tenant is and how one comes to be),
//! [`permissions`] and [`directory`] (what must be known before a tenant is).

pub mod access;
pub mod acting;
pub mod api_clients;
pub mod api_keys;
pub mod audit;
pub mod clock;
pub mod directory;
pub mod domains;
pub mod error;
pub mod expected;
pub mod id;
pub mod invitations;
#[doc(hidden)]
pub mod lists;
pub mod members;
pub mod memberships;
pub mod networks;
pub mod own_tenant;
pub mod page;
pub mod permissions;
pub mod provisioning;
pub mod roles;
#[doc(hidden)]
pub mod schema;
pub mod scope;
pub mod search;
pub mod services;
pub mod tenants;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod time;

pub use access::AccessTx;
pub use clock::{Clock, SystemClock};
pub use directory::{Change, Directory, Mark, Version};
pub use error::StoreError;
pub use expected::{Expected, Stale};
pub use id::{
    ActingGrantId, ApiClientId, ApiKeyId, AuditEventId, AuditedId, CredentialId, OperatorId, RequestId, RoleId,
    SessionId, TenantId, UserId,
};
pub use members::{Email, MemberRepo, Role};
pub use memberships::PersonName;
pub use networks::{Network, Networks};
pub use page::{Limit, Order, Page, PageQuery, Position, SortKey, SortedPage, SortedQuery};
pub use permissions::{Permission, PermissionSet, Requires};
pub use roles::{RoleGrant, RoleName};
pub use scope::{Actor, TenantScope};
pub use search::Search;
pub use services::ServiceName;
pub use tenants::{Placement, Plan, SchemaName, Slug, Tenant, TenantStatus};
pub use time::{Day, Moment};

#[cfg(feature = "schema")]
#[doc(hidden)]
pub use utoipa;
#[doc(hidden)]
pub use {serde, uuid};
