//! The invitations of the open transaction's tenant.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use tenantry_tenancy::invitations::{Invitation, InvitationId, InvitationRepo, NewInvitation};
use tenantry_tenancy::memberships::MembershipError;
use tenantry_tenancy::{Email, Page, PageQuery, RoleName, StoreError};
use uuid::Uuid;

use crate::error::OnConstraint;
use crate::lists::by_id;
use crate::rows::trusted;
use crate::schema::invitations;
use crate::tenant_tx::PgTenantTx;

/// An address is invited once.
const EMAIL_KEY: &str = "invitations_email_key";

#[derive(Queryable, Selectable)]
#[diesel(table_name = invitations, check_for_backend(diesel::pg::Pg))]
struct InvitationRow {
    id: Uuid,
    email: String,
    role: String,
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
}

impl TryFrom<InvitationRow> for Invitation {
    type Error = StoreError;

    fn try_from(row: InvitationRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: InvitationId::from_uuid(row.id),
            email: trusted(Email::parse(&row.email))?,
            role: trusted(RoleName::parse(&row.role))?,
            expires_at: row.expires_at,
            created_at: row.created_at,
        })
    }
}

#[async_trait]
impl InvitationRepo for PgTenantTx {
    async fn list(&mut self, page: &PageQuery) -> Result<Page<Invitation>, StoreError> {
        let rows = self.rows_of(invitations::table).select(InvitationRow::as_select()).into_boxed();
        let rows = self.load(by_id!(rows, page, invitations::id)).await?;
        let items = rows.into_iter().map(Invitation::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit, |invitation| invitation.id.as_uuid()))
    }

    async fn invited_at(&mut self, email: &Email) -> Result<Option<DateTime<Utc>>, StoreError> {
        let former = self.rows_of(invitations::table).filter(invitations::email.eq(email.as_str()));
        Ok(self.load_one(former.select(invitations::created_at)).await?)
    }

    async fn count_for_insert(&mut self, now: DateTime<Utc>) -> Result<i64, StoreError> {
        self.one_at_a_time().await?;
        let unanswered = self.rows_of(invitations::table).filter(invitations::expires_at.gt(now));
        Ok(self.load_one(unanswered.select(count_star())).await?.unwrap_or_default())
    }

    async fn replace(&mut self, new: &NewInvitation, pause: DateTime<Utc>) -> Result<Invitation, MembershipError> {
        // Another may have come in between; it stays, and the insert meets it.
        let former = self.rows_of(invitations::table).filter(invitations::email.eq(new.email.as_str()));
        let former = former.filter(invitations::created_at.le(pause));
        self.execute(diesel::delete(former)).await.map_err(StoreError::from)?;
        let insert = diesel::insert_into(invitations::table)
            .values((
                invitations::id.eq(new.id.as_uuid()),
                invitations::email.eq(new.email.as_str()),
                invitations::role.eq(new.role.as_str()),
                invitations::digest.eq(new.digest.as_slice()),
                invitations::expires_at.eq(new.expires_at),
            ))
            .returning(InvitationRow::as_returning());
        let inserted = self.load_one(insert).await.on_constraint(EMAIL_KEY, || MembershipError::JustInvited)?;
        Ok(inserted.ok_or_else(|| StoreError::internal("an insert returned nothing"))?.try_into()?)
    }

    async fn delete(&mut self, id: InvitationId) -> Result<bool, StoreError> {
        let delete = diesel::delete(self.rows_of(invitations::table).filter(invitations::id.eq(id.as_uuid())));
        Ok(self.execute(delete).await? > 0)
    }
}
