//! A good request for every route, made from the table of routes and the OpenAPI document alone.
//!
//! So a new route is covered by every test that goes over all of them, the day it is registered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tenantry_api::{Access, RouteInfo};
use tenantry_auth::{
    Addition, NewBrowserSession, NewPasskey, PasskeyId, PasskeyName, PasskeyStore, Proof, PublicKey, SessionStore,
    SessionToken,
};
use tenantry_server::Services;
use tenantry_server::operations::create_operator;
use tenantry_tenancy::{Email, RequestId, Role, SessionId, TenantId, UserId};

use crate::harness::names::names;
use crate::harness::{Caller, Request, Suite, Tenant, apart};

/// The base point of Ed25519 (RFC 8032, section 5.1).
const ED25519_POINT: [u8; 32] = {
    let mut point = [0x66; 32];
    point[0] = 0x58;
    point
};

/// A request that its route accepts.
pub struct Example {
    pub route: RouteInfo,
    /// The path with ids of things that exist, and with the query that the route must have.
    pub path: String,
    /// What the route takes as its body, if it takes one.
    pub body: Option<Value>,
}

impl Example {
    pub fn method(&self) -> Method {
        self.route.method.parse().unwrap()
    }

    /// The path with one more parameter.
    pub fn path_with(&self, parameter: &str) -> String {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{separator}{parameter}", self.path)
    }

    pub fn send_to(&self, path: &str, caller: &Caller) -> Request {
        let request = caller.request(self.method(), path);
        match &self.body {
            Some(body) => request.json(body),
            None => request,
        }
    }
}

/// Makes examples in one tenant.
pub struct Examples {
    pub document: Value,
    pub owner: Caller,
    pub operator: Caller,
    services: Arc<Services>,
    tenant: TenantId,
    user: UserId,
}

impl Examples {
    pub async fn new(suite: &Suite, tenant: &Tenant) -> Self {
        Self {
            document: tenantry_api::openapi(),
            owner: tenant.owner(),
            operator: operator(suite).await,
            services: suite.services.clone(),
            tenant: tenant.tenant.id,
            user: tenant.user(Role::Owner),
        }
    }

    /// Who may call a route; of a public one, anybody.
    pub fn caller(&self, route: &RouteInfo) -> &Caller {
        match route.access {
            Access::Operator => &self.operator,
            Access::Public | Access::Person | Access::Tenant(_) => &self.owner,
        }
    }

    /// A request for every route.
    pub async fn all(&self) -> Vec<Example> {
        let mut examples = Vec::new();
        // The endpoints of OAuth have the shapes of RFC 6749; `oauth.rs` sees to them.
        for route in tenantry_api::routes().into_iter().filter(|it| !it.path.starts_with("/oauth/")) {
            examples.push(self.of(&route).await);
        }
        examples
    }

    /// A request for one route. What it names is made for it alone, so it may be deleted.
    pub async fn of(&self, route: &RouteInfo) -> Example {
        let mut path = route.path.to_owned();
        if let Some((collection, _)) = route.path.split_once("/{id}") {
            let id = match route.access {
                Access::Operator if matches!(collection, "/operator/v1/act-as" | "/operator/v1/service-tokens") => {
                    self.acting().await
                }
                Access::Operator => self.tenant.to_string(),
                Access::Public | Access::Person | Access::Tenant(_) => self.create(collection).await,
            };
            path = path.replace("{id}", &id);
            if matches!(route.path, "/api/v1/billing/invoices/{id}/pay" | "/api/v1/billing/invoices/{id}/void") {
                self.owner.post(&format!("{collection}/{id}/issue"), json!({})).await.expect(200);
            }
        }
        path = path.replace("{file}", "start.js");
        if path.ends_with("/files/{token}") {
            path = self.file(&route.method).await;
        }
        let needed = self.query_parameters(route).into_iter().filter(|it| it["required"] == true);
        for (place, parameter) in needed.enumerate() {
            let value = self.value(parameter["name"].as_str().unwrap(), &parameter["schema"]).await;
            let separator = if place == 0 { '?' } else { '&' };
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            path = format!("{path}{separator}{}={value}", parameter["name"].as_str().unwrap());
        }
        let body = match self.body_schema(route) {
            Some(schema) => Some(self.object(&schema).await),
            None => None,
        };
        Example { route: route.clone(), path, body }
    }

    /// What the document says of a route.
    pub fn operation(&self, route: &RouteInfo) -> &Value {
        &self.document["paths"][route.path][route.method.to_lowercase()]
    }

    /// The query parameters of a route.
    pub fn query_parameters(&self, route: &RouteInfo) -> Vec<Value> {
        let parameters = self.operation(route)["parameters"].as_array().unwrap();
        parameters.iter().filter(|it| it["in"] == "query").cloned().collect()
    }

    /// The schema of what a route takes as its body.
    pub fn body_schema(&self, route: &RouteInfo) -> Option<Value> {
        let body = self.operation(route).get("requestBody")?;
        Some(self.resolved(body.pointer("/content/application~1json/schema")?))
    }

    /// A schema, followed to where it is written; what may be null is what it is otherwise.
    pub fn resolved(&self, schema: &Value) -> Value {
        let mut schema = schema.clone();
        if let Some(choices) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
            schema = choices.iter().find(|it| it["type"] != "null").unwrap().clone();
        }
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.resolved(self.document.pointer(reference.trim_start_matches('#')).unwrap()),
            None => schema,
        }
    }

    /// Makes something that a collection has, and tells its id.
    async fn create(&self, collection: &str) -> String {
        let (services, tenant) = (self.services.clone(), self.tenant);
        match collection {
            "/api/v1/members" => {
                let email = Email::parse(&format!("{}@example.com", unique())).unwrap();
                let user = apart(async move {
                    let user = services.registry.ensure_user(&email).await.unwrap();
                    services.registry.ensure_member(tenant, user, Role::Member).await.unwrap();
                    user
                });
                return user.await.to_string();
            }
            "/api/v1/me/sessions" => {
                // With their first factor a person's other sessions would end.
                Box::pin(self.create("/api/v1/me/passkeys")).await;
                let (session, now) = (SessionId::generate(), Utc::now());
                let (digest, ends_at) = (SessionToken::generate().digest(), now + TimeDelta::days(1));
                let proof = Proof { password_hash: None, second_factor: true };
                let new = NewBrowserSession { session, user: self.user, tenant, digest, now, ends_at, proof };
                apart(async move { services.directory.open(&new).await.unwrap().unwrap() }).await;
                return session.to_string();
            }
            "/api/v1/me/passkeys" => {
                let (id, user) = (PasskeyId::generate(), self.user);
                // As short as a credential can be that is another each time, and any point of the curve.
                let (credential, key) =
                    (id.as_uuid().as_bytes().to_vec(), PublicKey::from_bytes(&ED25519_POINT).unwrap());
                let (name, now, request) =
                    (PasskeyName::parse("example".to_owned()).unwrap(), Utc::now(), RequestId::generate());
                let (session, proven) = (SessionId::generate(), true);
                let new = NewPasskey { id, user, credential, key, counter: 0, name, session, proven, now, request };
                let added = apart(async move { services.directory.add_passkey(&new).await }).await.unwrap();
                assert_eq!(added, Addition::Added);
                return id.to_string();
            }
            _ => {}
        }
        let route = RouteInfo {
            method: "POST".to_owned(),
            path: tenantry_api::routes().into_iter().find(|it| it.path == collection).unwrap().path,
            access: Access::Public,
        };
        let schema = self.body_schema(&route).unwrap();
        let body = Box::pin(self.object(&schema)).await;
        let made = self.owner.post(collection, body).await.expect(201).json;
        if let (Some(name), Some(text)) = (made["record_name"].as_str(), made["record_text"].as_str()) {
            names().set(name, text);
        }
        if collection == "/api/v1/documents" {
            let content = format!("{}/content", made_path(collection, &made));
            self.owner.request(Method::PUT, &content).body("content").send().await.expect(200);
        }
        made["id"].as_str().unwrap().to_owned()
    }

    /// The path by which whoever knows it gets or puts the content of a document.
    async fn file(&self, method: &str) -> String {
        let url = if method == "PUT" { "upload-url" } else { "download-url" };
        let document = self.create("/api/v1/documents").await;
        let made = self.owner.post(&format!("/api/v1/documents/{document}/{url}"), json!({})).await.expect(200).json;
        let (_, token) = made["url"].as_str().unwrap().rsplit_once('/').unwrap();
        format!("/files/{token}")
    }

    /// The right of the operator to act in the tenant.
    async fn acting(&self) -> String {
        let path = format!("/operator/v1/tenants/{}/act-as", self.tenant);
        let body = json!({ "reason": "an example of acting", "minutes": 5 });
        self.operator.post(&path, body).await.expect(201).json["id"].as_str().unwrap().to_owned()
    }

    async fn object(&self, schema: &Value) -> Value {
        let mut object = Map::new();
        for (name, schema) in schema["properties"].as_object().unwrap() {
            object.insert(name.clone(), self.value(name, schema).await);
        }
        object.into()
    }

    /// A value that fits a schema; an id is one of something that was made for it.
    pub async fn value(&self, name: &str, schema: &Value) -> Value {
        let schema = self.resolved(schema);
        if let Some(words) = schema["enum"].as_array() {
            return words[0].clone();
        }
        if let Some(items) = schema.get("items") {
            return json!([Box::pin(self.value(name, items)).await]);
        }
        // What may be null is what it is otherwise.
        let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
        let kind = types.iter().filter_map(Value::as_str).find(|it| *it != "null");
        match (schema["format"].as_str(), kind) {
            _ if name == "sha256" => json!("5".repeat(64)),
            _ if name == "content_type" => json!("text/plain"),
            _ if name == "currency" => json!("EUR"),
            _ if name == "series" => json!("A"),
            (_, Some("string")) if name == "quantity" => json!("1"),
            _ if name == "role" => json!("viewer"),
            // The shortest age would end the keys of other examples.
            _ if name == "api_key_max_age_days" => json!(3650),
            _ if name == "service" => json!("an-example"),
            _ if name == "reason" => json!(format!("reason {}", unique())),
            (Some("uuid"), _) if name == "assignee" => json!(self.user),
            (Some("uuid"), _) if name == "row_id" => json!(self.create("/api/v1/projects").await),
            (Some("uuid"), _) => {
                // Of whatever module it is.
                let end = format!("/{name}s");
                let collection = tenantry_api::routes().into_iter().find(|it| it.path.ends_with(&end)).unwrap().path;
                json!(self.create(collection).await)
            }
            (Some("date"), _) => json!("2028-02-29"),
            (Some("date-time"), _) => json!(Utc::now() + TimeDelta::days(30)),
            (Some("cidr"), _) => json!("203.0.113.0/24"),
            (Some("hostname"), _) => json!(format!("{}.example", unique())),
            (Some("email"), _) => json!(format!("{}@example.com", unique())),
            // Long enough for one that is set.
            (Some("password"), _) => json!(format!("a password of {}", unique())),
            (_, Some("object")) => Box::pin(self.object(&schema)).await,
            (_, Some("integer")) => json!(1),
            (_, Some("boolean")) => json!(false),
            _ => json!(unique()),
        }
    }
}

/// Somebody who runs the service.
pub async fn operator(suite: &Suite) -> Caller {
    let email = Email::parse(&format!("{}@operators.example", unique())).unwrap();
    let expires_at = Utc::now() + TimeDelta::hours(1);
    let services = suite.services.clone();
    let (_, token) = apart(async move { create_operator(&services, &email, expires_at).await }).await.unwrap();
    Caller { token: token.reveal().to_owned(), base: suite.base.clone() }
}

fn made_path(collection: &str, made: &Value) -> String {
    format!("{collection}/{}", made["id"].as_str().unwrap())
}

fn unique() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("example-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
