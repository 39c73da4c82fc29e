//! Who belongs to a tenant and as what: what its administrators see and change.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Email, Expected, Page, PageQuery, Permission, PermissionSet, Role, RoleGrant, RoleName, Stale, StoreError, UserId,
};

crate::text!(
    /// What a person calls themselves.
    PersonName,
    Line,
    120
);

/// A person in a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The person.
    pub user: UserId,
    /// Their address.
    pub email: Email,
    /// What they call themselves, if they have said.
    pub name: Option<PersonName>,
    /// As what.
    pub role: RoleName,
    /// How often the membership was changed, plus one.
    pub version: i64,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Who administers: nobody gives what they do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Administrator {
    /// Whether they answer for the tenant.
    pub is_owner: bool,
    /// What they may do themselves.
    pub permissions: PermissionSet,
}

/// Why an operation on memberships was refused.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// The person is no member.
    #[error("{0} is not a member")]
    NotFound(UserId),
    /// The tenant has no such role.
    #[error("there is no role {0}")]
    RoleUnknown(RoleName),
    /// The role allows more than whoever gives it has.
    #[error("the role allows {0}, which you may not do yourself")]
    Exceeds(Permission),
    /// The member may do more than whoever would change or remove them.
    #[error("the member may do {0}, which you may not do yourself")]
    Outranked(Permission),
    /// Somebody who is none would make or unmake an owner.
    #[error("only an owner makes or unmakes an owner")]
    OwnersOnly,
    /// Nobody would answer for the tenant any more.
    #[error("a tenant must have an owner")]
    LastOwner,
    /// They got a mail a moment ago.
    #[error("was invited less than a minute ago")]
    JustInvited,
    /// The tenant waits for too many answers.
    #[error("there are too many invitations that were not answered")]
    TooManyInvited,
    /// The change was made from another version.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The memberships of the tenant whose transaction is open.
#[async_trait]
pub trait MembershipRepo: Send {
    /// One member.
    async fn find(&mut self, user: UserId) -> Result<Option<Membership>, StoreError>;

    /// One page of members, in the order of their ids.
    async fn list(&mut self, page: &PageQuery) -> Result<Page<Membership>, StoreError>;

    /// Nobody else changes this member or an owner until the transaction ends.
    async fn lock(&mut self, user: UserId) -> Result<(), StoreError>;

    /// The owners.
    async fn owners(&mut self) -> Result<Vec<UserId>, StoreError>;

    /// What a role of the tenant allows, a built-in one or its own; `None` if it has no such role.
    async fn grant(&mut self, role: &RoleName) -> Result<Option<RoleGrant>, StoreError>;

    /// Gives a member another role.
    ///
    /// Fails with [`MembershipError::NotFound`] when the person is no member, and with [`MembershipError::RoleUnknown`] when
    /// the tenant has no such role.
    async fn set_role(&mut self, user: UserId, role: &RoleName) -> Result<Membership, MembershipError>;

    /// Ends a membership with all that hangs on it: sessions, keys. False when the person is no member.
    async fn delete(&mut self, user: UserId) -> Result<bool, StoreError>;
}

/// Shows one member.
pub async fn show(memberships: &mut dyn MembershipRepo, user: UserId) -> Result<Membership, MembershipError> {
    memberships.find(user).await?.ok_or(MembershipError::NotFound(user))
}

/// Gives a member another role.
pub async fn change_role(
    memberships: &mut dyn MembershipRepo,
    by: Administrator,
    user: UserId,
    expected: &Expected,
    role: &RoleName,
) -> Result<Membership, MembershipError> {
    let member = locked(memberships, user).await?;
    expected.admit(member.version)?;
    check_gift(memberships, by, role).await?;
    if member.role == *role {
        return Ok(member);
    }
    check_loss(memberships, by, &member).await?;
    memberships.set_role(user, role).await
}

/// Ends a membership.
pub async fn remove(
    memberships: &mut dyn MembershipRepo,
    by: Administrator,
    user: UserId,
    expected: &Expected,
) -> Result<(), MembershipError> {
    let member = locked(memberships, user).await?;
    expected.admit(member.version)?;
    check_loss(memberships, by, &member).await?;
    if memberships.delete(user).await? { Ok(()) } else { Err(MembershipError::NotFound(user)) }
}

/// Whether `by` may give this role to somebody; tells what it allows.
pub async fn check_gift(
    memberships: &mut dyn MembershipRepo,
    by: Administrator,
    role: &RoleName,
) -> Result<RoleGrant, MembershipError> {
    let grant = memberships.grant(role).await?.ok_or_else(|| MembershipError::RoleUnknown(role.clone()))?;
    if *role == Role::Owner && !by.is_owner {
        return Err(MembershipError::OwnersOnly);
    }
    match grant.permissions.iter().find(|permission| !by.permissions.contains(*permission)) {
        Some(excess) => Err(MembershipError::Exceeds(excess)),
        None => Ok(grant),
    }
}

/// A member as they are once nobody else changes them: somebody who becomes an owner meanwhile is seen as one, and two who
/// demote each other at once cannot both succeed.
async fn locked(memberships: &mut dyn MembershipRepo, user: UserId) -> Result<Membership, MembershipError> {
    memberships.lock(user).await?;
    show(memberships, user).await
}

/// Whether `by` may take the member's role away: nobody takes what they do not have. The owners are locked.
async fn check_loss(
    memberships: &mut dyn MembershipRepo,
    by: Administrator,
    member: &Membership,
) -> Result<(), MembershipError> {
    if member.role != Role::Owner {
        let held = memberships.grant(&member.role).await?.map_or(PermissionSet::NONE, |grant| grant.permissions);
        let excess = held.iter().find(|permission| !by.permissions.contains(*permission));
        return excess.map_or(Ok(()), |excess| Err(MembershipError::Outranked(excess)));
    }
    if !by.is_owner {
        return Err(MembershipError::OwnersOnly);
    }
    let owners = memberships.owners().await?;
    if owners.iter().any(|owner| *owner != member.user) { Ok(()) } else { Err(MembershipError::LastOwner) }
}

#[cfg(test)]
mod tests;
