//! The first message of every tenant transaction: whose it is.
//!
//! The one place where text is formatted into a simple message, and only typed values go in: UUIDs, our own schema names
//! and fixed words, none of which can hold a quote. On a distributed Postgres each setting would be a message of its own.

use std::fmt::Write;

use tenantry_app::Access;
use tenantry_tenancy::{SchemaName, TenantScope};

/// Begins a transaction and binds it to the tenant of `scope`. `pooled` is the role's own search path.
pub(crate) fn opening(scope: &TenantScope, access: Access) -> String {
    let mut message = String::with_capacity(256);
    let begin = match access {
        Access::Read => "BEGIN READ ONLY",
        Access::Write | Access::WriteAtOnce => "BEGIN",
    };
    let tenant = scope.tenant();
    // Writing to a String cannot fail.
    let _ = write!(message, "{begin};SET LOCAL app.tenant='{tenant}'");
    if let own @ SchemaName::Own(_) = scope.schema() {
        let _ = write!(message, ";SET LOCAL search_path={own}");
    }
    if access != Access::Read {
        let (actor, request) = (scope.actor(), scope.request());
        let _ = write!(message, ";SET LOCAL app.actor='{actor}';SET LOCAL app.request='{request}'");
    }
    if access == Access::WriteAtOnce {
        message.push_str(";SET LOCAL lock_timeout='1s'");
    }
    message
}

#[cfg(test)]
mod tests {
    use tenantry_tenancy::{Actor, RequestId, TenantId};

    use super::*;

    #[test]
    fn a_read_of_a_pooled_tenant_names_the_tenant_and_nothing_else() {
        let tenant = TenantId::random();
        let scope = TenantScope::grant(tenant, SchemaName::Pooled, Actor::System, RequestId::generate());

        assert_eq!(opening(&scope, Access::Read), format!("BEGIN READ ONLY;SET LOCAL app.tenant='{tenant}'"));
    }

    #[test]
    fn a_write_of_a_tenant_with_its_own_schema_names_schema_actor_and_request() {
        let (tenant, request) = (TenantId::random(), RequestId::generate());
        let schema = format!("t_{}", tenant.as_uuid().simple());
        let scope = TenantScope::grant(tenant, SchemaName::Own(tenant), Actor::System, request);

        assert_eq!(
            opening(&scope, Access::Write),
            format!(
                "BEGIN;SET LOCAL app.tenant='{tenant}';SET LOCAL search_path={schema};\
                 SET LOCAL app.actor='system';SET LOCAL app.request='{request}'"
            )
        );
    }
}
