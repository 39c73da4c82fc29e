//! The registry of tenants, as the role `tenantry_platform`.

mod events;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use diesel::upsert::excluded;
use tenantry_auth::{PasswordHash, TokenDigest};
use tenantry_tenancy::provisioning::{NewTenant, Step, TenantError, TenantRegistry};
use tenantry_tenancy::tenants::TenantSettings;
use tenantry_tenancy::{Email, OperatorId, Role, Slug, StoreError, Tenant, TenantId, TenantStatus, UserId};
use uuid::Uuid;

use crate::connection::Pool;
use crate::rows::{parsed, trusted};
use crate::schema::{
    api_client_sessions, changes, invitations, memberships, operators, provisioning_steps, security_events, sessions,
    signups, tenants, users,
};

#[diesel::declare_sql_function]
extern "SQL" {
    #[sql_name = "registry.forget_used_tokens"]
    fn forget_used_tokens(before: Timestamptz) -> Bool;
}

/// The registry in Postgres.
pub struct PgRegistry {
    pub(crate) pool: Pool,
}

impl PgRegistry {
    /// Uses connections of the role `tenantry_platform`.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// The person with this address, made if there is none.
    pub async fn ensure_user(&self, email: &Email) -> Result<UserId, StoreError> {
        let insert = diesel::insert_into(users::table)
            .values((users::id.eq(UserId::generate().as_uuid()), users::email.eq(email.as_str())))
            .on_conflict_do_nothing();
        self.pool.execute(insert).await?;
        let find = users::table.filter(users::email.eq(email.as_str())).select(users::id);
        only(self.pool.load(find).await?).map(UserId::from_uuid)
    }

    /// Makes the person a member, or changes what they are.
    pub async fn ensure_member(&self, tenant: TenantId, user: UserId, role: Role) -> Result<(), StoreError> {
        let insert = diesel::insert_into(memberships::table)
            .values((
                memberships::tenant_id.eq(tenant.as_uuid()),
                memberships::user_id.eq(user.as_uuid()),
                memberships::role.eq(role.as_str()),
            ))
            .on_conflict((memberships::tenant_id, memberships::user_id))
            .do_update()
            .set(memberships::role.eq(excluded(memberships::role)));
        self.pool.execute(insert).await?;
        Ok(())
    }

    /// Gives the person a password if they have none; false when they have.
    pub async fn set_first_password(&self, user: UserId, hash: &PasswordHash) -> Result<bool, StoreError> {
        let update =
            diesel::update(users::table.filter(users::id.eq(user.as_uuid())).filter(users::password_hash.is_null()))
                .set((users::password_hash.eq(hash.as_str()), users::updated_at.eq(now)));
        Ok(self.pool.execute(update).await? > 0)
    }

    /// Makes an operator, or gives an existing one a new token in place of the old.
    pub async fn ensure_operator(
        &self,
        email: &Email,
        digest: &TokenDigest,
        expires_at: DateTime<Utc>,
    ) -> Result<OperatorId, StoreError> {
        let insert = diesel::insert_into(operators::table)
            .values((
                operators::id.eq(OperatorId::generate().as_uuid()),
                operators::email.eq(email.as_str()),
                operators::token_digest.eq(digest.as_bytes().as_slice()),
                operators::expires_at.eq(expires_at),
            ))
            .on_conflict(operators::email)
            .do_update()
            .set((
                operators::token_digest.eq(excluded(operators::token_digest)),
                operators::expires_at.eq(excluded(operators::expires_at)),
            ))
            .returning(operators::id);
        only(self.pool.load(insert).await?).map(OperatorId::from_uuid)
    }

    /// The tenant of this slug, in whatever state.
    pub async fn find_by_slug(&self, slug: &Slug) -> Result<Option<Tenant>, StoreError> {
        let find = tenants::table.filter(tenants::slug.eq(slug.as_str())).select(TenantRow::as_select());
        self.pool.load::<_, TenantRow, _>(find).await?.pop().map(Tenant::try_from).transpose()
    }

    /// Whether there is any tenant.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.list(None, 1).await?.is_empty())
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let ping = diesel::select(1.into_sql::<diesel::sql_types::Integer>());
        self.pool.load::<_, i32, _>(ping).await?;
        Ok(())
    }

    /// Forgets sessions that ended and refresh tokens that were used a day ago, invitations unanswered and sign-ups unconfirmed
    /// for long, security events of ninety days, and changes that every instance has seen: those of three.
    pub async fn prune(&self, moment: DateTime<Utc>) -> Result<(), StoreError> {
        let ended = sessions::table.filter(sessions::ends_at.lt(moment - TimeDelta::days(1)));
        self.pool.execute(diesel::delete(ended)).await?;
        let unanswered = invitations::table.filter(invitations::expires_at.lt(moment - TimeDelta::days(30)));
        self.pool.execute(diesel::delete(unanswered)).await?;
        let unconfirmed = signups::table.filter(signups::expires_at.lt(moment));
        self.pool.execute(diesel::delete(unconfirmed)).await?;
        let told = security_events::table.filter(security_events::at.lt(moment - TimeDelta::days(90)));
        self.pool.execute(diesel::delete(told)).await?;
        let ended = api_client_sessions::table.filter(api_client_sessions::ends_at.lt(moment - TimeDelta::days(1)));
        self.pool.execute(diesel::delete(ended)).await?;
        let used = diesel::select(forget_used_tokens(moment - TimeDelta::days(1)));
        self.pool.load::<_, bool, _>(used).await?;
        let seen = changes::table.filter(changes::at.lt(moment - TimeDelta::days(3)));
        self.pool.execute(diesel::delete(seen)).await?;
        Ok(())
    }
}

/// A tenant as the registry's table and the directory's function tell it.
#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = tenants, check_for_backend(diesel::pg::Pg))]
pub(crate) struct TenantRow {
    id: Uuid,
    slug: String,
    plan: String,
    placement: String,
    status: String,
    settings: serde_json::Value,
    created_at: DateTime<Utc>,
}

impl TryFrom<TenantRow> for Tenant {
    type Error = StoreError;

    fn try_from(row: TenantRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: TenantId::from_uuid(row.id),
            slug: trusted(Slug::parse(&row.slug))?,
            plan: parsed(&row.plan)?,
            placement: parsed(&row.placement)?,
            status: parsed(&row.status)?,
            settings: trusted(serde_json::from_value(row.settings))?,
            created_at: row.created_at,
        })
    }
}

#[async_trait]
impl TenantRegistry for PgRegistry {
    async fn register(&self, new: &NewTenant) -> Result<(Tenant, Vec<Step>), TenantError> {
        let insert = diesel::insert_into(tenants::table)
            .values((
                tenants::id.eq(TenantId::random().as_uuid()),
                tenants::slug.eq(new.slug.as_str()),
                tenants::plan.eq(new.plan.as_str()),
                tenants::placement.eq(new.placement.as_str()),
                tenants::status.eq(TenantStatus::Provisioning.as_str()),
                tenants::owner_email.eq(new.owner.as_str()),
            ))
            .on_conflict_do_nothing();
        self.pool.execute(insert).await?;

        let find = tenants::table
            .filter(tenants::slug.eq(new.slug.as_str()))
            .select((TenantRow::as_select(), tenants::owner_email));
        let (row, owner): (TenantRow, String) = only(self.pool.load(find).await?)?;
        let tenant = Tenant::try_from(row)?;
        if (tenant.plan, tenant.placement, owner.as_str()) != (new.plan, new.placement, new.owner.as_str()) {
            return Err(TenantError::SlugTaken(new.slug.clone()));
        }

        let done = provisioning_steps::table
            .filter(provisioning_steps::tenant_id.eq(tenant.id.as_uuid()))
            .select(provisioning_steps::step);
        let done: Vec<String> = self.pool.load(done).await?;
        let done = done.iter().map(|step| parsed(step)).collect::<Result<Vec<Step>, _>>()?;
        Ok((tenant, done))
    }

    async fn record(&self, tenant: TenantId, step: Step) -> Result<(), StoreError> {
        let insert = diesel::insert_into(provisioning_steps::table)
            .values((provisioning_steps::tenant_id.eq(tenant.as_uuid()), provisioning_steps::step.eq(step.as_str())))
            .on_conflict_do_nothing();
        self.pool.execute(insert).await?;
        Ok(())
    }

    async fn add_owner(&self, tenant: TenantId, owner: &Email) -> Result<UserId, StoreError> {
        let user = self.ensure_user(owner).await?;
        self.ensure_member(tenant, user, Role::Owner).await?;
        Ok(user)
    }

    async fn find(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let find = tenants::table.filter(tenants::id.eq(id.as_uuid())).select(TenantRow::as_select());
        let row = self.pool.load::<_, TenantRow, _>(find).await?.pop();
        row.map(Tenant::try_from).transpose()
    }

    async fn list(&self, after: Option<&Slug>, limit: usize) -> Result<Vec<Tenant>, StoreError> {
        let list = tenants::table
            .filter(tenants::slug.gt(after.map_or("", Slug::as_str)))
            .select(TenantRow::as_select())
            .order(tenants::slug)
            .limit(trusted(i64::try_from(limit))?);
        let rows: Vec<TenantRow> = self.pool.load(list).await?;
        rows.into_iter().map(Tenant::try_from).collect()
    }

    async fn set_status(&self, id: TenantId, from: TenantStatus, to: TenantStatus) -> Result<bool, StoreError> {
        let row = tenants::table.filter(tenants::id.eq(id.as_uuid())).filter(tenants::status.eq(from.as_str()));
        let update = diesel::update(row).set((tenants::status.eq(to.as_str()), tenants::updated_at.eq(now)));
        Ok(self.pool.execute(update).await? > 0)
    }

    async fn set_settings(&self, id: TenantId, settings: &TenantSettings) -> Result<bool, StoreError> {
        let settings = trusted(serde_json::to_value(settings))?;
        let update = diesel::update(tenants::table.filter(tenants::id.eq(id.as_uuid())))
            .set((tenants::settings.eq(settings), tenants::updated_at.eq(now)));
        Ok(self.pool.execute(update).await? > 0)
    }
}

/// The row of a query that has exactly one.
fn only<T>(mut rows: Vec<T>) -> Result<T, StoreError> {
    rows.pop().ok_or_else(|| StoreError::internal("a row that must be there is missing"))
}
