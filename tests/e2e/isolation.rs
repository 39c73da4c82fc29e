//! Nothing of another tenant can be told from what does not exist, and nobody without a credential gets anywhere.
//!
//! The tables of attacks come from the router: a new route is attacked, or fails these tests until it can be.

mod credentials;
mod references;
mod strangers;

use reqwest::Method;
use serde_json::Value;
use tenantry_infra::{SHARED_TABLES, TENANT_TABLES};
use tokio_postgres::Client;

use crate::harness::{Caller, Response, Tenant};

/// A tenant's project with a task in it.
struct World {
    project: String,
    task: String,
}

impl World {
    async fn of(caller: &Caller) -> Self {
        let project = caller.project("A project").await;
        let task = caller.task(&project, "A task").await;
        Self { project, task }
    }
}

/// Every row of a tenant, as a superuser sees them.
pub async fn rows(admin: &Client, tenant: &Tenant) -> String {
    let mut all = String::new();
    let (id, schema) = (tenant.tenant.id, tenant.tenant.schema());
    for table in TENANT_TABLES {
        let rows = format!(
            "select coalesce(jsonb_agg(t order by t::text), '[]')::text from {schema}.{table} t where tenant_id = '{id}'"
        );
        all += admin.query_one(&rows, &[]).await.unwrap().get(0);
    }
    let shared = SHARED_TABLES.iter().map(|table| (*table, "tenant_id")).chain([("tenants", "id")]);
    for (table, column) in shared {
        let rows = format!(
            "select coalesce(jsonb_agg(t order by t::text), '[]')::text from registry.{table} t where {column} = '{id}'"
        );
        all += admin.query_one(&rows, &[]).await.unwrap().get(0);
    }
    all
}

/// All that a caller can see of an answer, save for when it was given and whether the connection stays open, which depends
/// on how much of the body had arrived by then.
fn seen(response: &Response) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = response
        .headers
        .iter()
        .filter(|(name, _)| *name != "date" && *name != "connection")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (response.status, headers, response.text.clone())
}

/// Sends a request that has the same id as every other, so that nothing in its answer differs for being another request.
async fn ask(caller: &Caller, method: &Method, path: &str, body: Option<&Value>) -> Response {
    let request = caller.request(method.clone(), path).header("x-request-id", "018f0c5e-7f6a-7cc0-8000-3f1d5c9b2a10");
    match body {
        Some(body) => request.json(body).send().await,
        None => request.send().await,
    }
}
