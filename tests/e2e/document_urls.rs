//! URLs by which whoever holds them sends or gets the content of a document, and nothing else.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tenancy::Role;

use crate::api_keys::Made;
use crate::auth::Person;
use crate::documents::{PATH, SHA256, blobs, collect, document, files, get as download, put as upload};
use crate::harness::{Caller, PLACEMENTS, Request, Response, Suite, Tenant, another_instance, eventually, suite};
use crate::operators::{TENANTS, operator};

const SECOND: Duration = Duration::from_secs(1);
/// Of `content`, as `Content-Digest` has it.
const DIGEST: &str = "sha-256=:7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M=:";

/// A URL that was just made.
struct Url {
    /// What it leads to, at whichever instance.
    path: String,
    view: Value,
}

impl Url {
    fn of(made: Response) -> Self {
        let view = made.expect(200).json;
        let (_, token) = view["url"].as_str().unwrap().split_once("/files/").unwrap();
        Self { path: format!("/files/{token}"), view }
    }

    async fn put(caller: &Caller, document: &str, terms: Value) -> Self {
        Self::of(caller.post(&format!("{document}/upload-url"), terms).await)
    }

    async fn get(caller: &Caller, document: &str) -> Self {
        Self::of(caller.post(&format!("{document}/download-url"), json!({})).await)
    }

    fn lifetime(&self) -> TimeDelta {
        self.view["expires_at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap() - Utc::now()
    }
}

async fn put(base: &str, url: &Url, body: impl Into<reqwest::Body>) -> Response {
    Request::new(base, Method::PUT, &url.path).body(body).send().await
}

async fn get(base: &str, url: &Url) -> Response {
    Request::new(base, Method::GET, &url.path).send().await
}

/// All of an answer but what names the request, the tenant and the hour.
fn face(answer: &Response) -> (u16, Vec<String>, String) {
    let aside = ["date", "x-request-id", "x-tenant-id", "connection"];
    let headers = answer.headers.iter().filter(|(name, _)| !aside.contains(&name.as_str()));
    let mut headers: Vec<String> = headers.map(|header| format!("{header:?}")).collect();
    headers.sort();
    (answer.status, headers, answer.without_request_id())
}

/// What there is to see of a file that does not exist.
async fn missing(suite: &Suite) -> (u16, Vec<String>, String) {
    let nothing = suite.request(Method::GET, "/files/nothing").send().await.expect(404);
    assert_eq!(nothing.json["detail"], "there is no such file");
    face(&nothing)
}

#[tokio::test]
async fn whoever_holds_the_url_sends_content_once_in_the_name_of_who_made_it() {
    let suite = suite().await;
    let (_, other) = another_instance(suite.forever(), &[]).await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let document = document(&tenant.owner()).await;
        let url = Url::put(&tenant.caller(Role::Member), &document, json!({ "content_type": "text/plain" })).await;
        assert_eq!(
            (&url.view["method"], &url.view["headers"]),
            (&json!("PUT"), &json!({ "Content-Type": "text/plain" }))
        );

        let sent = put(&other, &url, "content").await.expect(204);
        let again = put(&suite.base, &url, "other").await.expect(409);

        assert_eq!((sent.text.as_str(), sent.header("etag")), ("", format!("\"{SHA256}\"").as_str()));
        assert_eq!(sent.header("x-tenant-id"), "");
        assert_eq!(again.json["code"], "conflict");
        let has = download(&tenant.owner(), &document, &[]).await.expect(200);
        assert_eq!((has.text.as_str(), has.header("content-type")), ("content", "text/plain"));
        let audit = format!(
            "select actor from {}.audit_events where tenant_id = '{}' and resource = 'documents' and request_id = '{}'",
            tenant.tenant.schema(),
            tenant.tenant.id,
            sent.header("x-request-id")
        );
        let actor: String = suite.admin().await.query_one(&audit, &[]).await.unwrap().get(0);
        assert_eq!(actor, format!("user:{}", tenant.user(Role::Member)));
        collect(&suite, &tenant).await;
        assert_eq!((files(&tenant).len(), blobs(&suite, &tenant).await), (1, vec!["kept".to_owned()]));
    }
}

#[tokio::test]
async fn whoever_holds_the_url_gets_what_its_maker_gets_until_there_is_other_content() {
    let suite = suite().await;
    let (_, other) = another_instance(suite.forever(), &[]).await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let (owner, viewer) = (tenant.owner(), tenant.caller(Role::Viewer));
        let document = document(&owner).await;
        upload(&owner, &document, "content").await.expect(200);
        let url = Url::get(&viewer, &document).await;
        assert_eq!(url.view["method"], "GET");

        for base in [&suite.base, &other] {
            assert_eq!(face(&get(base, &url).await.expect(200)), face(&download(&owner, &document, &[]).await));
            for (name, value, status, text) in [
                ("range", "bytes=2-4", 206, "nte"),
                ("range", "bytes=7-", 416, ""),
                ("if-none-match", &format!("\"{SHA256}\""), 304, ""),
                ("authorization", "Bearer nonsense", 200, "content"),
                ("cookie", "sid=nonsense", 200, "content"),
            ] {
                let answer = Request::new(base, Method::GET, &url.path).header(name, value).send().await;
                assert_eq!((answer.status, status == 416 || answer.text == text), (status, true), "{name}: {value}");
            }
        }
        // Another title is no other content.
        owner.patch(&document, json!({ "title": "other" })).await.expect(200);
        assert_eq!(get(&suite.base, &url).await.expect(200).text, "content");

        upload(&owner, &document, "new").await.expect(200);
        assert_eq!(face(&get(&other, &url).await), missing(&suite).await);
    }
}

#[tokio::test]
async fn a_url_is_made_by_who_may_do_so_themselves() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let (owner, viewer) = (tenant.owner(), tenant.caller(Role::Viewer));
    let document = document(&owner).await;
    let (to_put, to_get) = (format!("{document}/upload-url"), format!("{document}/download-url"));

    viewer.post(&to_put, json!({})).await.expect(403);
    assert_eq!(viewer.post(&to_get, json!({})).await.expect(404).json["detail"], "there is no such content");
    let key = Made::by(&owner, &["documents:read"]).await.key;
    key.post(&to_put, json!({})).await.expect(403);
    suite.request(Method::POST, &to_put).json(&json!({})).send().await.expect(401);
    upload(&owner, &document, "content").await.expect(200);
    let by_key = Url::get(&key, &document).await;
    assert_eq!(get(&suite.base, &by_key).await.expect(200).text, "content");
}

#[tokio::test]
async fn another_tenants_document_is_a_missing_one() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (owner, stranger) = (suite.tenant(placement).await.owner(), suite.tenant(placement).await.owner());
        let document = document(&owner).await;
        upload(&owner, &document, "content").await.expect(200);
        let missing = format!("{PATH}/{}", uuid::Uuid::now_v7());

        for url in ["upload-url", "download-url"] {
            let theirs = stranger.post(&format!("{document}/{url}"), json!({})).await.expect(404);
            let nobodys = stranger.post(&format!("{missing}/{url}"), json!({})).await.expect(404);
            assert_eq!(face(&theirs), face(&nobodys));
        }
    }
}

#[tokio::test]
async fn a_url_that_is_changed_anywhere_or_used_for_the_other_purpose_leads_nowhere() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[1]).await;
    let owner = tenant.owner();
    let document = document(&owner).await;
    upload(&owner, &document, "content").await.expect(200);
    let (to_put, to_get) = (Url::put(&owner, &document, json!({})).await, Url::get(&owner, &document).await);
    let (nowhere, name) = (missing(&suite).await, "/files/".len());

    for at in name..to_get.path.len() {
        let mut changed = to_get.path.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let answer = suite.request(Method::GET, &changed).send().await;
        assert_eq!(face(&answer), nowhere, "{}", at - name);
    }
    assert_eq!(face(&get(&suite.base, &to_put).await), nowhere);
    let stolen = put(&suite.base, &to_get, "stolen").await.expect(404);
    assert_eq!(stolen.json["detail"], "there is no such file");
    let token = &to_get.path[name..];
    let nobody = Caller { token: token.to_owned(), base: suite.base.clone() };
    nobody.get(&document).await.expect(401);
    assert_eq!(get(&suite.base, &to_get).await.expect(200).text, "content");
    collect(&suite, &tenant).await;
    assert_eq!((files(&tenant).len(), blobs(&suite, &tenant).await.len()), (1, 1));
}

#[tokio::test]
async fn a_url_dies_with_its_document_and_of_age() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let (aged, deleted) = (document(&owner).await, document(&owner).await);
    for document in [&aged, &deleted] {
        upload(&owner, document, "content").await.expect(200);
    }
    let made = owner.post(&format!("{aged}/download-url"), json!({ "expires_in": 1 })).await;
    let short = Url::of(made);
    let (to_put, to_get) = (Url::put(&owner, &deleted, json!({})).await, Url::get(&owner, &deleted).await);
    assert!(short.lifetime() <= TimeDelta::seconds(1));

    owner.delete(&deleted).await.expect(204);
    let nowhere = missing(&suite).await;
    assert_eq!(face(&get(&suite.base, &to_get).await), nowhere);
    assert_eq!(put(&suite.base, &to_put, "late").await.expect(404).json["detail"], "there is no such file");
    let aged = async || face(&get(&suite.base, &short).await) == nowhere;
    eventually("the URL expires", SECOND * 10, aged).await;
    collect(&suite, &tenant).await;
    assert_eq!(files(&tenant).len(), 1);
}

#[tokio::test]
async fn a_url_is_good_as_long_as_was_asked_and_is_allowed() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let document = document(&owner).await;
    let (_, strict) = another_instance(suite.forever(), &[("TENANTRY_FILES__URL_SECONDS", "60")]).await;
    let lifetime = async |base: &str, terms| Url::put(&owner.at(base), &document, terms).await.lifetime().num_seconds();

    assert!((890..=900).contains(&lifetime(&suite.base, json!({})).await));
    assert!((290..=300).contains(&lifetime(&suite.base, json!({ "expires_in": 300 })).await));
    for terms in [json!({}), json!({ "expires_in": 900 })] {
        assert!((50..=60).contains(&lifetime(&strict, terms).await));
    }
    for wrong in [json!(0), json!(901), json!(-1), json!("60"), json!(null)] {
        let path = format!("{document}/upload-url");
        owner.post(&path, json!({ "expires_in": wrong })).await.expect_field(400, "expires_in");
    }
}

#[tokio::test]
async fn the_same_request_with_the_same_key_gets_the_same_url() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let path = format!("{}/upload-url", document(&owner).await);
    let with_key = async || {
        let request = owner.request(Method::POST, &path).header("idempotency-key", "one").json(&json!({}));
        request.send().await.expect(200).json
    };

    assert_eq!(with_key().await, with_key().await);
    let others = [owner.post(&path, json!({})).await.json, owner.post(&path, json!({})).await.json];
    assert_ne!(others[0]["url"], others[1]["url"]);
}

#[tokio::test]
async fn content_is_held_to_what_was_agreed_on_and_nothing_is_left_of_other() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let document = document(&owner).await;
        let terms = json!({ "size": 7, "sha256": SHA256, "content_type": "text/plain" });
        let url = Url::put(&owner, &document, terms).await;
        assert_eq!(url.view["headers"], json!({ "Content-Digest": DIGEST, "Content-Type": "text/plain" }));
        let streamed = |text: &'static str| {
            reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(text)]))
        };

        put(&suite.base, &url, "longer than that").await.expect_field(400, "body");
        put(&suite.base, &url, "short").await.expect_field(400, "body");
        put(&suite.base, &url, streamed("longer than that")).await.expect_field(400, "body");
        put(&suite.base, &url, streamed("short")).await.expect_field(400, "body");
        let other = put(&suite.base, &url, "content".replace('t', "T")).await.expect_field(400, "body");
        assert_eq!(other.json["errors"][0]["code"], "digest");
        let kind = Request::new(&suite.base, Method::PUT, &url.path).header("content-type", "text/html");
        kind.body("content").send().await.expect_field(400, "Content-Type");
        let unbound = Url::put(&owner, &document, json!({})).await;
        put(&suite.base, &unbound, vec![b'x'; 8 * 1024 * 1024 + 1]).await.expect(413);
        collect(&suite, &tenant).await;
        download(&owner, &document, &[]).await.expect(404);
        assert_eq!((files(&tenant), blobs(&suite, &tenant).await), (vec![], vec![]));

        // What failed may be tried again.
        let told = url.view["headers"].as_object().unwrap();
        let right = told.iter().fold(Request::new(&suite.base, Method::PUT, &url.path), |request, (name, value)| {
            request.header(name, value.as_str().unwrap())
        });
        right.body("content").send().await.expect(204);
        assert_eq!(download(&owner, &document, &[]).await.expect(200).header("content-type"), "text/plain");
    }
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let path = format!("{}/upload-url", document(&owner).await);
    for (field, value) in [
        ("size", json!(8 * 1024 * 1024 + 1)),
        ("size", json!(-1)),
        ("sha256", json!("ED")),
        ("content_type", json!("text")),
        ("disposition", json!("inline")),
    ] {
        owner.post(&path, json!({ field: value })).await.expect_field(400, field);
    }
}

#[tokio::test]
async fn of_many_uploads_at_once_by_one_url_one_is_kept() {
    let suite = suite().await;
    let (_, other) = another_instance(suite.forever(), &[]).await;
    let tenant = suite.tenant(PLACEMENTS[1]).await;
    let owner = tenant.owner();
    let document = document(&owner).await;
    let url = Url::put(&owner, &document, json!({})).await;

    let uploads = (0..8).map(async |place| {
        let base = if place % 2 == 0 { &suite.base } else { &other };
        put(base, &url, place.to_string()).await.status
    });
    let statuses = join_all(uploads).await;

    let kept: Vec<usize> = (0..8).filter(|place| statuses[*place] == 204).collect();
    assert!(statuses.iter().all(|status| matches!(status, 204 | 409)), "{statuses:?}");
    assert_eq!(kept.len(), 1, "{statuses:?}");
    assert_eq!(download(&owner, &document, &[]).await.expect(200).text, kept[0].to_string());
    collect(&suite, &tenant).await;
    assert_eq!(files(&tenant).len(), 1);
}

/// Whether both URLs lead nowhere at an instance. The content must not change by it.
async fn are_dead(base: &str, to_put: &Url, to_get: &Url) -> bool {
    get(base, to_get).await.status == 404 && put(base, to_put, "").await.status == 404
}

async fn both(caller: &Caller, document: &str) -> (Url, Url) {
    (Url::put(caller, document, json!({ "size": 0, "sha256": "0".repeat(64) })).await, Url::get(caller, document).await)
}

#[tokio::test]
async fn a_suspended_tenants_urls_lead_nowhere() {
    let suite = suite().await;
    let operator = operator(&suite).await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let document = document(&owner).await;
        upload(&owner, &document, "content").await.expect(200);
        let (to_put, to_get) = both(&owner, &document).await;
        let path = format!("{TENANTS}/{}", tenant.tenant.id);

        operator.patch(&path, json!({ "status": "suspended" })).await.expect(200);
        eventually("they are dead", SECOND, async || are_dead(&suite.base, &to_put, &to_get).await).await;
        assert_eq!(face(&get(&suite.base, &to_get).await), missing(&suite).await);

        operator.patch(&path, json!({ "status": "active" })).await.expect(200);
        eventually("it is back", SECOND, async || get(&suite.base, &to_get).await.status == 200).await;
    }
}

#[tokio::test]
async fn urls_die_at_once_with_the_right_of_who_made_them() {
    let suite = suite().await;
    let (_, other) = another_instance(suite.forever(), &[]).await;
    let logged_in = async |tenant: &Tenant, role| {
        let tokens = Person::new(&suite, tenant, role).await.log_in(&suite).await.expect(200);
        Caller { token: tokens.json["access"].as_str().unwrap().to_owned(), base: suite.base.clone() }
    };
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let document = document(&owner).await;
        upload(&owner, &document, "content").await.expect(200);
        let (member, admin) = (logged_in(&tenant, Role::Member).await, logged_in(&tenant, Role::Admin).await);
        let key = Made::by(&owner, &["documents:read", "documents:write"]).await;
        let removed = both(&admin, &document).await;
        let demoted = both(&member, &document).await;
        let revoked = both(&key.key, &document).await;
        let living = both(&owner, &document).await;

        let one = |role| format!("/api/v1/members/{}", tenant.user(role));
        owner.delete(&one(Role::Admin)).await.expect(204);
        owner.patch(&one(Role::Member), json!({ "role": "viewer" })).await.expect(200);
        owner.delete(&key.path()).await.expect(204);

        for (to_put, to_get) in [&removed, &demoted, &revoked] {
            for base in [&suite.base, &other] {
                eventually("they are dead", SECOND, async || are_dead(base, to_put, to_get).await).await;
            }
        }
        assert_eq!(get(&other, &living.1).await.expect(200).text, "content");
    }
}

#[tokio::test]
async fn a_url_is_of_its_tenants_hosts_and_everybodys_and_of_no_other() {
    let suite = suite().await;
    let (_, base) = another_instance(suite.forever(), &[("TENANTRY_HTTP__BASE_DOMAIN", "api.example.com")]).await;
    let (tenant, stranger) = (suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await);
    let owner = tenant.owner();
    let document = document(&owner).await;
    upload(&owner, &document, "content").await.expect(200);
    let url = Url::get(&owner, &document).await;
    let at = async |host: String| Request::new(&base, Method::GET, &url.path).header("host", &host).send().await;
    let public_url = suite.settings.http.public_url.trim_end_matches('/');
    assert_eq!(url.view["url"].as_str().unwrap(), format!("{public_url}{}", url.path));

    at(format!("{}.api.example.com", tenant.tenant.slug)).await.expect(200);
    at("api.example.com".to_owned()).await.expect(200);

    for host in [format!("{}.api.example.com", stranger.tenant.slug), "no.such.api.example.com".to_owned()] {
        assert_eq!(face(&at(host).await), missing(&suite).await);
    }
}
