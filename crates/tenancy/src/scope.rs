//! The proof that somebody may act inside one tenant.

use std::str::FromStr;

use crate::{ApiClientId, ApiKeyId, OperatorId, RequestId, SchemaName, ServiceName, TenantId, UserId};

/// Who acts, as the audit trail names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A member of the tenant.
    User(UserId),
    /// A member's key.
    ApiKey(ApiKeyId),
    /// A machine client of the tenant.
    ApiClient(ApiClientId),
    /// Another service of ours.
    Service(ServiceName),
    /// Somebody who runs the service, acting in the tenant for a stated reason.
    Operator(OperatorId),
    /// The service itself: seeds, jobs.
    System,
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::ApiKey(id) => write!(f, "api_key:{id}"),
            Self::ApiClient(id) => write!(f, "api_client:{id}"),
            Self::Service(name) => write!(f, "service:{name}"),
            Self::Operator(id) => write!(f, "operator:{id}"),
            Self::System => f.write_str("system"),
        }
    }
}

/// A text is not an actor as we write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an actor such as user:018f0c5e-7f6a-7cc0-8000-3f1d5c9b2a10")]
pub struct InvalidActor;

impl FromStr for Actor {
    type Err = InvalidActor;

    fn from_str(raw: &str) -> Result<Self, InvalidActor> {
        fn of<T: FromStr>(raw: &str, actor: impl FnOnce(T) -> Actor) -> Result<Actor, InvalidActor> {
            raw.parse().map(actor).map_err(|_| InvalidActor)
        }
        match raw.split_once(':') {
            Some(("user", id)) => of(id, Self::User),
            Some(("api_key", id)) => of(id, Self::ApiKey),
            Some(("api_client", id)) => of(id, Self::ApiClient),
            Some(("service", name)) => of(name, Self::Service),
            Some(("operator", id)) => of(id, Self::Operator),
            None if raw == "system" => Ok(Self::System),
            _ => Err(InvalidActor),
        }
    }
}

crate::json_schema!(
    Actor,
    crate::schema::pattern("^(system|(user|api_key|api_client|service|operator):[0-9a-z-]+)$", 50)
);

impl<'de> serde::Deserialize<'de> for Actor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        raw.parse().map_err(serde::de::Error::custom)
    }
}

/// The right to act in one tenant, for one request. Without one, no query on tenant data compiles.
///
/// It cannot be written down, only granted:
///
/// ```compile_fail,E0451
/// use tenantry_tenancy::{Actor, RequestId, SchemaName, TenantId, TenantScope};
/// # let (tenant, schema): (TenantId, SchemaName) = unimplemented!();
/// let forged = TenantScope { tenant, schema, actor: Actor::System, request: RequestId::generate() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantScope {
    tenant: TenantId,
    schema: SchemaName,
    actor: Actor,
    request: RequestId,
}

impl TenantScope {
    /// Grants the right. Only authorization and the job runner may call this: `cargo xtask check` refuses any other caller.
    pub const fn grant(tenant: TenantId, schema: SchemaName, actor: Actor, request: RequestId) -> Self {
        Self { tenant, schema, actor, request }
    }

    /// Whose data.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Where that data lies.
    pub const fn schema(&self) -> SchemaName {
        self.schema
    }

    /// Who acts.
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    /// On behalf of which request.
    pub const fn request(&self) -> RequestId {
        self.request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_read_back_as_it_is_written() {
        let actors = [
            Actor::User(UserId::generate()),
            Actor::ApiKey(ApiKeyId::generate()),
            Actor::ApiClient(ApiClientId::generate()),
            Actor::Service("billing-sync".parse().unwrap()),
            Actor::Operator(OperatorId::generate()),
            Actor::System,
        ];

        for actor in actors {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        for bad in ["", "user", "user:", "user:1", "root:1", "system:", "service:Billing", "service:a'b"] {
            assert_eq!(bad.parse::<Actor>(), Err(InvalidActor), "{bad}");
        }
    }
}
