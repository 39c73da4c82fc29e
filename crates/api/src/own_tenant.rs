//! `/api/v1/tenant`: the caller's own tenant.

use actix_web::http::Method;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use tenantry_tenancy::own_tenant::{self, OwnTenant, OwnTenantError};
use tenantry_tenancy::permissions::needs::{ReadTenant, WriteTenant};
use tenantry_tenancy::tenants::TenantSettings;
use tenantry_tenancy::{Plan, Slug, TenantId, TenantStatus};
use utoipa::ToSchema;

use crate::conditions::{IfMatch, Versioned};
use crate::extract::{Body, Can};
use crate::once::Store;
use crate::problem::ApiError;
use crate::reply::Resource;
use crate::routes::Routes;

const PATH: &str = "/api/v1/tenant";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "Show the caller's tenant", show);
    routes.tenant(Method::PATCH, PATH, "Change some of the tenant's settings", change);
}

/// The caller's tenant.
#[derive(Debug, Serialize, ToSchema)]
struct OwnTenantView {
    id: TenantId,
    slug: Slug,
    plan: Plan,
    status: TenantStatus,
    settings: TenantSettings,
    /// Counts the changes made to it.
    version: i64,
}

impl From<OwnTenant> for OwnTenantView {
    fn from(own: OwnTenant) -> Self {
        let OwnTenant { tenant, version } = own;
        Self {
            id: tenant.id,
            slug: tenant.slug,
            plan: tenant.plan,
            status: tenant.status,
            settings: tenant.settings,
            version,
        }
    }
}

impl Versioned for OwnTenantView {
    fn version(&self) -> i64 {
        self.version
    }
}

/// What is to change about the tenant (JSON Merge Patch, RFC 7396).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OwnTenantPatch {
    /// Only those given change; `null` empties one that may be empty.
    #[schema(value_type = TenantSettings)]
    settings: SettingsPatch,
}

/// Settings, of which those count that were given.
#[derive(Debug)]
struct SettingsPatch {
    given: Vec<String>,
    settings: TenantSettings,
}

impl SettingsPatch {
    fn merge(&self, current: &TenantSettings) -> TenantSettings {
        let (mut merged, patch) = (object(current), object(&self.settings));
        for name in &self.given {
            match patch.get(name) {
                Some(value) => merged.insert(name.clone(), value.clone()),
                None => merged.remove(name),
            };
        }
        serde_json::from_value(Value::Object(merged)).expect("settings that were read are settings")
    }
}

/// Settings as JSON: one that is as it is by itself is left out.
fn object(settings: &TenantSettings) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

impl<'de> Deserialize<'de> for SettingsPatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Settings;

        impl<'de> Visitor<'de> for Settings {
            type Value = SettingsPatch;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SettingsPatch, A::Error> {
                let mut given = Vec::new();
                let named = Named { map, names: &mut given };
                let settings = TenantSettings::deserialize(MapAccessDeserializer::new(named))?;
                Ok(SettingsPatch { given, settings })
            }
        }

        deserializer.deserialize_map(Settings)
    }
}

/// A map whose names are remembered.
struct Named<'n, A> {
    map: A,
    names: &'n mut Vec<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Named<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(name) = self.map.next_key::<String>()? else { return Ok(None) };
        self.names.push(name.clone());
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

async fn show(caller: Can<ReadTenant>, store: Store) -> Result<Resource<OwnTenantView>, ApiError> {
    let own = store.read(&caller, async |tx| tx.access().own_tenant().show().await).await?;
    Ok(Resource(own.into()))
}

async fn change(
    caller: Can<WriteTenant>,
    store: Store,
    IfMatch(expected): IfMatch,
    Body(patch): Body<OwnTenantPatch>,
) -> Result<Resource<OwnTenantView>, ApiError> {
    let merge = |current: &TenantSettings| patch.settings.merge(current);
    let own = store
        .write(&caller, async |tx| own_tenant::change_settings(tx.access().own_tenant(), &expected, merge).await)
        .await?;
    Ok(Resource(own.into()))
}

impl From<OwnTenantError> for ApiError {
    fn from(error: OwnTenantError) -> Self {
        match error {
            OwnTenantError::Stale(stale) => stale.into(),
            OwnTenantError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(current: Value, patch: Value) -> Value {
        let current: TenantSettings = serde_json::from_value(current).unwrap();
        let patch: SettingsPatch = serde_json::from_value(patch).unwrap();
        json!(patch.merge(&current))
    }

    #[test]
    fn only_the_settings_given_change() {
        let current = json!({ "display_name": "Acme", "require_if_match": true });

        assert_eq!(merged(current.clone(), json!({})), current);
        assert_eq!(
            merged(current.clone(), json!({ "display_name": "Emca" })),
            json!({ "display_name": "Emca", "require_if_match": true })
        );
        assert_eq!(merged(current.clone(), json!({ "display_name": null })), json!({ "require_if_match": true }));
        assert_eq!(merged(current, json!({ "require_if_match": false })), json!({ "display_name": "Acme" }));
    }
}
