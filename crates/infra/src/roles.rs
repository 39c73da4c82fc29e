//! The roles that the open transaction's tenant defined.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use tenantry_tenancy::roles::custom::{
    CustomRole, MAX_ROLES, NewRole, RoleChange, RoleDescription, RoleError, RoleRepo,
};
use tenantry_tenancy::{PermissionSet, RoleId, RoleName, StoreError};
use uuid::Uuid;

use crate::error::OnConstraint;
use crate::rows::trusted;
use crate::schema::roles;
use crate::tenant_tx::PgTenantTx;

const NAME_KEY: &str = "roles_name_key";
const MEMBERS_KEY: &str = "memberships_role_fkey";

#[derive(Queryable, Selectable)]
#[diesel(table_name = roles, check_for_backend(diesel::pg::Pg))]
struct RoleRow {
    id: Uuid,
    name: String,
    description: String,
    permissions: Vec<String>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<RoleRow> for CustomRole {
    type Error = StoreError;

    fn try_from(row: RoleRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: RoleId::from_uuid(row.id),
            name: trusted(RoleName::parse(&row.name))?,
            description: trusted(RoleDescription::parse(row.description))?,
            permissions: PermissionSet::known_of(row.permissions.iter().map(String::as_str)),
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = roles)]
struct RoleChangeRow<'a> {
    description: Option<&'a str>,
    permissions: Option<Vec<String>>,
}

#[async_trait]
impl RoleRepo for PgTenantTx {
    async fn find(&mut self, id: RoleId) -> Result<Option<CustomRole>, StoreError> {
        let query = self.rows_of(roles::table).filter(roles::id.eq(id.as_uuid())).select(RoleRow::as_select());
        self.load_one(query).await?.map(CustomRole::try_from).transpose()
    }

    async fn find_for_update(&mut self, id: RoleId) -> Result<Option<CustomRole>, StoreError> {
        let query =
            self.rows_of(roles::table).filter(roles::id.eq(id.as_uuid())).select(RoleRow::as_select()).for_update();
        self.load_one(query).await?.map(CustomRole::try_from).transpose()
    }

    async fn list(&mut self) -> Result<Vec<CustomRole>, StoreError> {
        let query =
            self.rows_of(roles::table).select(RoleRow::as_select()).order(roles::name.asc()).limit(MAX_ROLES as i64);
        self.load(query).await?.into_iter().map(CustomRole::try_from).collect()
    }

    async fn count_for_insert(&mut self) -> Result<usize, StoreError> {
        self.one_at_a_time().await?;
        let count: Option<i64> = self.load_one(self.rows_of(roles::table).count()).await?;
        trusted(usize::try_from(count.unwrap_or(0)))
    }

    async fn insert(&mut self, new: &NewRole) -> Result<CustomRole, RoleError> {
        let insert = diesel::insert_into(roles::table)
            .values((
                roles::id.eq(new.id.as_uuid()),
                roles::name.eq(new.name.as_str()),
                roles::description.eq(new.description.as_str()),
                roles::permissions.eq(new.permissions.to_scopes()),
            ))
            .returning(RoleRow::as_returning());
        let row: Option<RoleRow> =
            self.load_one(insert).await.on_constraint(NAME_KEY, || RoleError::NameTaken(new.name.clone()))?;
        Ok(row.ok_or_else(|| StoreError::internal("an insert returned nothing"))?.try_into()?)
    }

    async fn update(&mut self, id: RoleId, change: &RoleChange) -> Result<Option<CustomRole>, StoreError> {
        let row = RoleChangeRow {
            description: change.description.as_ref().map(RoleDescription::as_str),
            permissions: change.permissions.map(PermissionSet::to_scopes),
        };
        let update = diesel::update(self.rows_of(roles::table).filter(roles::id.eq(id.as_uuid())))
            .set(row)
            .returning(RoleRow::as_returning());
        self.load_one(update).await?.map(CustomRole::try_from).transpose()
    }

    async fn delete(&mut self, id: RoleId) -> Result<bool, RoleError> {
        let delete = diesel::delete(self.rows_of(roles::table).filter(roles::id.eq(id.as_uuid())));
        Ok(self.execute(delete).await.on_constraint(MEMBERS_KEY, || RoleError::InUse(id))? > 0)
    }
}
