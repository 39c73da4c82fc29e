//! The OpenAPI 3.1 document, put together from the table of routes and the types in the handlers' signatures.

mod examples;
mod schemas;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use actix_web::http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tenantry_tenancy::Permission;
use utoipa::openapi::path::ParameterIn;
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::problem::CODES;
use crate::routes::{Access, Routes};

/// The media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// What a caller must show.
pub(crate) enum Security {
    /// A credential of a tenant with this permission.
    Tenant(Permission),
    /// A person's login.
    Person,
    /// An operator's token.
    Operator,
}

/// The ways to show a credential of a tenant; any one of them will do.
static TENANTS: LazyLock<Value> = LazyLock::new(|| json!([{ "bearer": [] }, { "session": [] }, { "cookie": [] }]));

/// What the document says of one route, told by what its handler takes and gives.
pub(crate) struct Operation {
    id: String,
    tag: String,
    summary: &'static str,
    security: Option<Security>,
    parameters: Vec<Value>,
    body: Option<Value>,
    success: Value,
    success_status: StatusCode,
    errors: Vec<StatusCode>,
    /// The schemas of errors that are no problem documents.
    oauth_errors: Vec<(StatusCode, Value)>,
    /// Every schema that a body refers to, with its name; one may stand there more than once.
    schemas: Vec<(String, Value)>,
    /// Fields that this answer has, though others of its type may lack them.
    shown: Vec<&'static str>,
}

impl Operation {
    /// `handler` is the handler's full name: `tenantry_api::projects::list`.
    pub(crate) fn new(summary: &'static str, handler: &str) -> Self {
        let names: Vec<&str> = handler.split("::").skip(1).collect();
        Self {
            id: names.join("_"),
            tag: names.first().copied().unwrap_or_default().to_owned(),
            summary,
            security: None,
            parameters: Vec::new(),
            body: None,
            success: Value::Null,
            success_status: StatusCode::OK,
            errors: vec![StatusCode::BAD_REQUEST, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE],
            oauth_errors: Vec::new(),
            schemas: Vec::new(),
            shown: Vec::new(),
        }
    }

    pub(crate) fn secure(&mut self, security: Security) {
        self.errors.push(StatusCode::UNAUTHORIZED);
        if matches!(security, Security::Tenant(_) | Security::Person) {
            self.errors.push(StatusCode::FORBIDDEN);
        }
        self.security = Some(security);
    }

    pub(crate) fn body<T: ToSchema>(&mut self) {
        let schema = self.schema::<T>();
        self.body = Some(json!({ "required": true, "content": { "application/json": { "schema": schema } } }));
        self.errors.extend([
            StatusCode::CONFLICT,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ]);
    }

    /// A file, of whatever type.
    pub(crate) fn file_body(&mut self) {
        self.body = Some(json!({ "required": true, "content": { "*/*": {} } }));
        self.errors.extend([
            StatusCode::CONFLICT,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ]);
    }

    /// A form of the endpoints of OAuth, whose errors are those of RFC 6749.
    pub(crate) fn oauth_form<E: ToSchema>(&mut self, errors: &[StatusCode]) {
        let schema = self.schema::<E>();
        self.body = Some(json!({ "required": true, "content": { FORM: { "schema": { "type": "object" } } } }));
        self.errors.retain(|status| !errors.contains(status));
        self.errors.extend([StatusCode::REQUEST_TIMEOUT, StatusCode::PAYLOAD_TOO_LARGE]);
        self.oauth_errors = errors.iter().map(|status| (*status, schema.clone())).collect();
    }

    /// Names the fields of a form, of which the first is needed, each with what it may hold.
    pub(crate) fn fields(&mut self, fields: &[(&'static str, &str)]) -> &mut Self {
        let schema = |example: &str| json!({ "type": "string", "examples": [example] });
        let properties: Map<String, Value> =
            fields.iter().map(|(name, text)| ((*name).to_owned(), schema(text))).collect();
        let required: Vec<&str> = fields.iter().map(|(name, _)| *name).take(1).collect();
        let schema = json!({ "type": "object", "required": required, "properties": properties });
        self.body = Some(json!({ "required": true, "content": { FORM: { "schema": schema } } }));
        self
    }

    /// Says that the answer has these fields, though others of its type may lack them.
    pub(crate) fn shows(&mut self, fields: &[&'static str]) -> &mut Self {
        self.shown.extend(fields);
        self
    }

    /// Adds an error that neither the handler's inputs nor its reply tell of.
    pub(crate) fn fails(&mut self, status: StatusCode) {
        self.errors.push(status);
    }

    pub(crate) fn path_id<T: PartialSchema>(&mut self) {
        self.path_parameter("id", &json!(T::schema()));
    }

    /// Adds the parameters of the path that no input has described: what is read otherwise is any text.
    pub(crate) fn path(&mut self, path: &str) {
        for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
            let is_it = |parameter: &Value| parameter["in"] == "path" && parameter["name"] == name;
            if !self.parameters.iter().any(is_it) {
                self.path_parameter(name, &json!({ "type": "string" }));
            }
        }
    }

    fn path_parameter(&mut self, name: &str, schema: &Value) {
        self.errors.push(StatusCode::NOT_FOUND);
        self.parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
    }

    /// Adds a header that may be sent.
    pub(crate) fn header(&mut self, name: &str, description: &str) {
        let schema = json!({ "type": "string" });
        self.parameters.push(
            json!({ "name": name, "in": "header", "required": false, "schema": schema, "description": description }),
        );
    }

    pub(crate) fn query<T: IntoParams>(&mut self) {
        let parameters = T::into_params(|| Some(ParameterIn::Query)).into_iter();
        self.parameters.extend(parameters.map(|parameter| {
            let mut parameter = json!(parameter);
            parameter.get_mut("schema").into_iter().for_each(drop_null);
            parameter
        }));
    }

    pub(crate) fn reply<T: ToSchema>(&mut self, status: StatusCode, headers: &[&str]) {
        let schema = self.schema::<T>();
        let headers: Map<String, Value> =
            headers.iter().map(|name| ((*name).to_owned(), json!({ "schema": { "type": "string" } }))).collect();
        let description = status.canonical_reason().unwrap_or_default();
        self.success = json!({ "description": description, "headers": headers, "content": { "application/json": { "schema": schema } } });
        self.success_status = status;
    }

    /// Adds forms that the success comes in for those who ask for them.
    pub(crate) fn also_replies(&mut self, media: &[&str]) {
        if let Some(content) = self.success.get_mut("content").and_then(Value::as_object_mut) {
            content.extend(media.iter().map(|media| ((*media).to_owned(), json!({ "schema": { "type": "string" } }))));
        }
    }

    /// A file, of whatever type.
    pub(crate) fn file_reply(&mut self) {
        self.success = json!({ "description": "OK", "content": { "*/*": {} } });
    }

    pub(crate) fn empty_reply(&mut self, status: StatusCode) {
        self.success = json!({ "description": status.canonical_reason().unwrap_or_default() });
        self.success_status = status;
    }

    /// A reference to the type's schema, which is kept with those it refers to.
    fn schema<T: ToSchema>(&mut self) -> Value {
        let mut found = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut found);
        self.schemas.extend(found.into_iter().map(|(name, schema)| (name, json!(schema))));
        json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
    }

    /// Adds an example to every body of this operation; tells the fields that lack one.
    fn add_examples(&self, operation: &mut Value, schemas: &BTreeMap<String, Value>) -> Vec<String> {
        let mut lacking = Vec::new();
        if let Some(content) = operation.pointer_mut("/requestBody/content") {
            lacking.extend(examples::add(content, schemas, None));
        }
        for response in operation["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
            if let Some(content) = response.get_mut("content") {
                lacking.extend(examples::add(content, schemas, Some(&self.shown)));
            }
        }
        lacking
    }

    fn document(&self) -> Value {
        let mut responses = Map::new();
        responses.insert(self.success_status.as_str().to_owned(), self.success.clone());
        for status in &self.errors {
            responses.insert(
                status.as_str().to_owned(),
                json!({ "$ref": format!("#/components/responses/{}", status.as_u16()) }),
            );
        }
        for (status, schema) in &self.oauth_errors {
            let description = status.canonical_reason().unwrap_or_default();
            let content = json!({ "application/json": { "schema": schema } });
            responses.insert(status.as_str().to_owned(), json!({ "description": description, "content": content }));
        }
        let (security, description) = match &self.security {
            None => (json!([]), "Needs no credential.".to_owned()),
            Some(Security::Tenant(permission)) => (TENANTS.clone(), format!("Needs the permission `{permission}`.")),
            Some(Security::Person) => {
                (TENANTS.clone(), "Needs a person who logged in; no key and no machine.".to_owned())
            }
            Some(Security::Operator) => (json!([{ "operator": [] }]), "Needs an operator's token.".to_owned()),
        };
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": description,
            "security": security,
            "parameters": self.parameters,
            "responses": responses,
        });
        if let (Some(body), Some(operation)) = (&self.body, operation.as_object_mut()) {
            operation.insert("requestBody".to_owned(), body.clone());
        }
        operation
    }
}

/// A query string cannot say `null`: what may be left out is not of two types.
fn drop_null(schema: &mut Value) {
    if let Some(kind) = schema.get_mut("type")
        && let Value::Array(types) = kind
    {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            *kind = only.clone();
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("oneOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [only] = choices.as_slice() {
            *schema = only.clone();
        }
    }
}

/// The whole document.
pub(crate) fn document(routes: &Routes) -> Value {
    assemble(routes).0
}

/// The whole document, and the fields that no example can be made of.
fn assemble(routes: &Routes) -> (Value, BTreeSet<String>) {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let (mut errors, mut lacking) = (BTreeSet::new(), BTreeSet::new());
    let schemas = schemas::of(routes);
    for entry in routes.entries() {
        let mut operation = entry.operation.document();
        lacking.extend(entry.operation.add_examples(&mut operation, &schemas));
        paths.entry(entry.path).or_default().insert(entry.method.as_str().to_lowercase(), operation);
        errors.extend(entry.operation.errors.iter().copied());
        debug_assert!(entry.method != Method::HEAD && entry.access == access(&entry.operation), "{}", entry.path);
    }
    let responses: Map<String, Value> =
        errors.into_iter().map(|status| (status.as_str().to_owned(), response(status))).collect();
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tenantry",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            "description": format!(
                "A tenant-isolated API. The tenant of a request is that of its credential; what belongs to another tenant \
                 answers like what does not exist. Every error is a problem document (RFC 9457) whose `code` is one of: {}.",
                CODES.iter().map(|(code, _)| format!("`{code}`")).collect::<Vec<_>>().join(", ")
            ),
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "securitySchemes": {
                "bearer": {
                    "type": "http", "scheme": "bearer",
                    "description": "An access token from `POST /api/v1/auth/token`, or an API key from `POST /api/v1/api-keys`.",
                },
                "session": {
                    "type": "apiKey", "in": "header", "name": "Authorization",
                    "description": "`Session <token>`, from a backend that keeps the token of `POST /api/v1/auth/session` for a browser.",
                },
                "cookie": {
                    "type": "apiKey", "in": "cookie", "name": "__Host-sid",
                    "description": "The cookie of `POST /api/v1/auth/session` (`sid` without https). A change must come from \
                        our own pages, which the browser says by `Sec-Fetch-Site` or `Origin`.",
                },
                "operator": {
                    "type": "http", "scheme": "bearer",
                    "description": "An operator's token from `tenantry-server create-operator`.",
                },
            },
        },
    });
    (document, lacking)
}

fn access(operation: &Operation) -> Access {
    match operation.security {
        None => Access::Public,
        Some(Security::Tenant(permission)) => Access::Tenant(permission),
        Some(Security::Person) => Access::Person,
        Some(Security::Operator) => Access::Operator,
    }
}

fn response(status: StatusCode) -> Value {
    let headers = match status {
        StatusCode::UNAUTHORIZED => json!({ "WWW-Authenticate": { "schema": { "type": "string" } } }),
        StatusCode::SERVICE_UNAVAILABLE => json!({ "Retry-After": { "schema": { "type": "integer" } } }),
        _ => json!({}),
    };
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    let examples: Map<String, Value> =
        examples::problem(status).map(|value| ("default".to_owned(), json!({ "value": value }))).into_iter().collect();
    json!({
        "description": status.canonical_reason().unwrap_or_default(),
        "headers": headers,
        "content": { "application/problem+json": { "schema": schema, "examples": examples } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_has_an_example() {
        let (document, lacking) = assemble(&crate::all());

        let told = "add them to openapi/examples.rs, or #[schema(examples(…))] to the field";
        assert_eq!(lacking, BTreeSet::new(), "{told}");
        for (status, response) in document["components"]["responses"].as_object().unwrap() {
            let example = &response["content"]["application/problem+json"]["examples"]["default"]["value"];
            assert_eq!(example["status"].to_string(), *status, "add one to openapi/examples.rs");
        }
    }
}
