//! The members of the open transaction's tenant.

use async_trait::async_trait;
use tenantry_tenancy::{MemberRepo, StoreError, UserId};

use crate::tenant_tx::PgTenantTx;

mod sec {
    use diesel::sql_types::Uuid;

    #[diesel::declare_sql_function]
    extern "SQL" {
        /// Whether the person belongs to the tenant of the open transaction.
        #[sql_name = "sec.is_member"]
        fn is_member(user: Uuid) -> Bool;
    }
}

#[async_trait]
impl MemberRepo for PgTenantTx {
    async fn is_member(&mut self, user: UserId) -> Result<bool, StoreError> {
        let query = diesel::select(sec::is_member(user.as_uuid()));
        Ok(self.load_one(query).await?.unwrap_or(false))
    }
}
