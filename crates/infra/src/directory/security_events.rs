//! Security events, through the function of `migrations/registry/0010_security_events`.

use async_trait::async_trait;
use tenantry_auth::{SecurityEvent, SecurityEventStore};
use tenantry_tenancy::StoreError;

use super::PgDirectory;

mod registry {
    use diesel::sql_types::{Nullable, Text, Timestamptz, Uuid};

    #[diesel::declare_sql_function]
    extern "SQL" {
        #[sql_name = "registry.note_security_event"]
        fn note_security_event(
            event: Uuid,
            moment: Timestamptz,
            kind: Text,
            tenant: Nullable<Uuid>,
            actor: Nullable<Text>,
            address: Nullable<Text>,
            request: Uuid,
        ) -> Bool;
    }
}

#[async_trait]
impl SecurityEventStore for PgDirectory {
    async fn add(&self, event: &SecurityEvent) -> Result<(), StoreError> {
        let question = diesel::select(registry::note_security_event(
            event.id.as_uuid(),
            event.at,
            event.kind.as_str(),
            event.tenant.map(tenantry_tenancy::TenantId::as_uuid),
            event.actor.map(|actor| actor.to_string()),
            event.address.map(|address| address.to_string()),
            event.request.as_uuid(),
        ));
        self.pool.load::<_, bool, _>(question).await?;
        Ok(())
    }
}
