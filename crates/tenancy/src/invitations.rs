//! People who were asked to join a tenant and have not answered yet.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::memberships::{self, Administrator, MembershipError};
use crate::{AccessTx, Email, Page, PageQuery, RoleName, StoreError, id};

id!(
    /// One invitation.
    InvitationId
);

/// How long nobody is sent another mail.
const PAUSE: TimeDelta = TimeDelta::seconds(60);
/// How many invitations of a tenant may wait for an answer.
const UNANSWERED: i64 = 200;

/// Somebody who was asked to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Its identity.
    pub id: InvitationId,
    /// Who was asked.
    pub email: Email,
    /// As what.
    pub role: RoleName,
    /// Until when they can answer.
    pub expires_at: DateTime<Utc>,
    /// When they were asked.
    pub created_at: DateTime<Utc>,
}

/// Somebody to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvitation {
    /// Its identity.
    pub id: InvitationId,
    /// Who is asked.
    pub email: Email,
    /// As what.
    pub role: RoleName,
    /// The SHA-256 of the token in the mail.
    pub digest: [u8; 32],
    /// When.
    pub created_at: DateTime<Utc>,
    /// Until when they can answer.
    pub expires_at: DateTime<Utc>,
}

/// The invitations of the tenant whose transaction is open.
#[async_trait]
pub trait InvitationRepo: Send {
    /// One page of invitations.
    async fn list(&mut self, page: &PageQuery) -> Result<Page<Invitation>, StoreError>;

    /// When this address was invited, if it was.
    async fn invited_at(&mut self, email: &Email) -> Result<Option<DateTime<Utc>>, StoreError>;

    /// How many invitations can be answered after `now`. Until the transaction ends no other can add one.
    async fn count_for_insert(&mut self, now: DateTime<Utc>) -> Result<i64, StoreError>;

    /// Stores an invitation in place of one to the same address that was sent before `pause`.
    ///
    /// Fails with [`MembershipError::JustInvited`] when there is one that was sent since, however short a time ago.
    async fn replace(&mut self, new: &NewInvitation, pause: DateTime<Utc>) -> Result<Invitation, MembershipError>;

    /// Deletes an invitation; false when there is none.
    async fn delete(&mut self, id: InvitationId) -> Result<bool, StoreError>;
}

/// Asks somebody to join. Whether they have an account, or belong to the tenant already, is not told.
pub async fn invite(
    tx: &mut dyn AccessTx,
    by: Administrator,
    new: &NewInvitation,
) -> Result<Invitation, MembershipError> {
    memberships::check_gift(tx.memberships(), by, &new.role).await?;
    let pause = new.created_at - PAUSE;
    match tx.invitations().invited_at(&new.email).await? {
        Some(before) if before > pause => return Err(MembershipError::JustInvited),
        Some(_) => {}
        None if tx.invitations().count_for_insert(new.created_at).await? >= UNANSWERED => {
            return Err(MembershipError::TooManyInvited);
        }
        None => {}
    }
    tx.invitations().replace(new, pause).await
}
