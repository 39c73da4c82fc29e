//! Who belongs to the open transaction's tenant, and as what.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use tenantry_tenancy::memberships::{Membership, MembershipError, MembershipRepo, PersonName};
use tenantry_tenancy::{Email, Page, PageQuery, Role, RoleGrant, RoleName, StoreError, UserId};
use uuid::Uuid;

use crate::error::OnConstraint;
use crate::lists::by_id;
use crate::rows::trusted;
use crate::schema::{memberships, roles};
use crate::tenant_tx::PgTenantTx;

/// A member's role that is the tenant's own must exist.
const ROLE_KEY: &str = "memberships_role_fkey";

mod sec {
    use diesel::sql_types::Uuid;

    #[diesel::declare_sql_function]
    extern "SQL" {
        /// The address of a member of the open transaction's tenant.
        #[sql_name = "sec.email_of"]
        fn email_of(member: Uuid) -> Nullable<Text>;

        /// What a member of the open transaction's tenant calls themselves.
        #[sql_name = "sec.name_of"]
        fn name_of(member: Uuid) -> Nullable<Text>;
    }
}

/// A membership with what is told of its person.
#[derive(Queryable)]
struct MembershipRow {
    user_id: Uuid,
    email: Option<String>,
    name: Option<String>,
    role: String,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

type Columns = (
    memberships::user_id,
    sec::email_of<memberships::user_id>,
    sec::name_of<memberships::user_id>,
    memberships::role,
    memberships::version,
    memberships::created_at,
    memberships::updated_at,
);

fn columns() -> Columns {
    (
        memberships::user_id,
        sec::email_of(memberships::user_id),
        sec::name_of(memberships::user_id),
        memberships::role,
        memberships::version,
        memberships::created_at,
        memberships::updated_at,
    )
}

impl TryFrom<MembershipRow> for Membership {
    type Error = StoreError;

    fn try_from(row: MembershipRow) -> Result<Self, StoreError> {
        let email = row.email.ok_or_else(|| StoreError::internal("a member is somebody with an address"))?;
        Ok(Self {
            user: UserId::from_uuid(row.user_id),
            email: trusted(Email::parse(&email))?,
            name: row.name.map(PersonName::parse).transpose().map_err(StoreError::internal)?,
            role: trusted(RoleName::parse(&row.role))?,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

#[async_trait]
impl MembershipRepo for PgTenantTx {
    async fn find(&mut self, user: UserId) -> Result<Option<Membership>, StoreError> {
        let query = self.rows_of(memberships::table).filter(memberships::user_id.eq(user.as_uuid())).select(columns());
        self.load_one::<_, MembershipRow, _>(query).await?.map(Membership::try_from).transpose()
    }

    async fn list(&mut self, page: &PageQuery) -> Result<Page<Membership>, StoreError> {
        let rows = self.rows_of(memberships::table).select(columns()).into_boxed();
        let rows = by_id!(rows, page, memberships::user_id);
        let rows: Vec<MembershipRow> = self.load(rows).await?;
        let items = rows.into_iter().map(Membership::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit, |member| member.user.as_uuid()))
    }

    async fn lock(&mut self, user: UserId) -> Result<(), StoreError> {
        let rows = self
            .rows_of(memberships::table)
            .filter(memberships::role.eq(Role::Owner.as_str()).or(memberships::user_id.eq(user.as_uuid())))
            .select(memberships::user_id)
            // In one order: two who do this at once do not wait for each other.
            .order(memberships::user_id)
            .for_update();
        self.load::<_, Uuid, _>(rows).await?;
        Ok(())
    }

    async fn owners(&mut self) -> Result<Vec<UserId>, StoreError> {
        let owners = self
            .rows_of(memberships::table)
            .filter(memberships::role.eq(Role::Owner.as_str()))
            .select(memberships::user_id)
            .order(memberships::user_id);
        Ok(self.load(owners).await?.into_iter().map(UserId::from_uuid).collect())
    }

    async fn grant(&mut self, role: &RoleName) -> Result<Option<RoleGrant>, StoreError> {
        if let Some(built_in) = role.built_in() {
            return Ok(Some(built_in.into()));
        }
        let query = self.rows_of(roles::table).filter(roles::name.eq(role.as_str())).select(roles::permissions);
        let permissions: Option<Vec<String>> = self.load_one(query).await?;
        permissions.map(|words| trusted(RoleGrant::of(role.clone(), Some(&words)))).transpose()
    }

    async fn set_role(&mut self, user: UserId, role: &RoleName) -> Result<Membership, MembershipError> {
        let update = diesel::update(self.rows_of(memberships::table).filter(memberships::user_id.eq(user.as_uuid())))
            .set(memberships::role.eq(role.as_str()));
        let updated =
            self.execute(update).await.on_constraint(ROLE_KEY, || MembershipError::RoleUnknown(role.clone()))?;
        if updated == 0 {
            return Err(MembershipError::NotFound(user));
        }
        MembershipRepo::find(self, user).await?.ok_or(MembershipError::NotFound(user))
    }

    async fn delete(&mut self, user: UserId) -> Result<bool, StoreError> {
        let delete = diesel::delete(self.rows_of(memberships::table).filter(memberships::user_id.eq(user.as_uuid())));
        Ok(self.execute(delete).await? > 0)
    }
}
