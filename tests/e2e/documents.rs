//! Documents: their content goes up and comes down, and nothing of it is ever forgotten.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{TimeDelta, Utc};
use futures_util::stream;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tenancy::Placement;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{Caller, PATIENCE, PLACEMENTS, Response, Suite, Tenant, apart, eventually, suite};
use crate::schemas::redacted;

pub const PATH: &str = "/api/v1/documents";
/// Of `content`.
pub const SHA256: &str = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";

/// A document without content.
pub async fn document(owner: &Caller) -> String {
    let project = owner.project("Moon").await;
    let created = owner.post(PATH, json!({ "project": project, "title": "plan é.txt" })).await.expect(201);
    created.header("location").to_owned()
}

pub async fn put(owner: &Caller, document: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = owner.request(Method::PUT, &format!("{document}/content")).header("content-type", "text/plain");
    request.body(body).send().await
}

pub async fn get(owner: &Caller, document: &str, headers: &[(&str, &str)]) -> Response {
    let request = owner.request(Method::GET, &format!("{document}/content"));
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send().await
}

/// The tenant's files on the disk.
pub fn files(tenant: &Tenant) -> Vec<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/files"));
    let documents = folder.join(tenant.tenant.id.to_string()).join("documents");
    let entries = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries(documents).flat_map(entries).collect()
}

/// Collects in the tenant as the background does.
pub async fn collect(suite: &Suite, tenant: &Tenant) {
    collect_in(suite, tenant, TimeDelta::zero()).await;
}

async fn collect_in(suite: &Suite, tenant: &Tenant, time: TimeDelta) {
    let (services, tenant) = (suite.services.clone(), tenant.tenant.clone());
    apart(async move { services.collector().unwrap().collect(&tenant, Utc::now() + time).await.unwrap() }).await;
}

pub async fn blobs(suite: &Suite, tenant: &Tenant) -> Vec<String> {
    let schema = tenant.tenant.schema();
    let rows = format!("select state from {schema}.blobs where tenant_id = '{}' order by state", tenant.tenant.id);
    let rows = suite.admin().await.query(&rows, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn content_comes_down_as_it_went_up() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let document = document(&owner).await;
        get(&owner, &document, &[]).await.expect(404);

        let uploaded = put(&owner, &document, "content").await.expect(200);

        let project = uploaded.json["project"].clone();
        let expected = json!({
            "id": "<uuid>", "project": project, "title": "plan é.txt", "content_type": "text/plain", "size": 7,
            "sha256": SHA256, "version": 2, "created_at": "<time>", "updated_at": "<time>",
        });
        assert_eq!(redacted(&uploaded.json), expected);
        let downloaded = get(&owner, &document, &[]).await.expect(200);
        assert_eq!(downloaded.text, "content");
        for (name, value) in [
            ("content-type", "text/plain"),
            ("content-length", "7"),
            ("content-disposition", "attachment; filename=\"plan _.txt\"; filename*=UTF-8''plan%20%C3%A9.txt"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "private, no-cache"),
            ("etag", &format!("\"{SHA256}\"")),
        ] {
            assert_eq!(downloaded.header(name), value, "{name}");
        }
    }
}

#[tokio::test]
async fn a_part_is_given_on_demand_and_nothing_to_who_has_it_all() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let document = document(&owner).await;
    put(&owner, &document, "content").await.expect(200);
    let tag = format!("\"{SHA256}\"");

    let part = get(&owner, &document, &[("range", "bytes=2-4"), ("if-range", &tag)]).await.expect(206);
    assert_eq!((part.text.as_str(), part.header("content-range")), ("nte", "bytes 2-4/7"));
    let end = get(&owner, &document, &[("range", "bytes=-2")]).await.expect(206);
    assert_eq!(end.text, "nt");
    let of_other = get(&owner, &document, &[("range", "bytes=2-4"), ("if-range", "\"other\"")]).await.expect(200);
    assert_eq!(of_other.text, "content");
    let beyond = get(&owner, &document, &[("range", "bytes=7-")]).await.expect(416);
    assert_eq!(beyond.header("content-range"), "bytes */7");
    let known = get(&owner, &document, &[("if-none-match", &tag)]).await.expect(304);
    assert_eq!((known.text.as_str(), known.header("etag")), ("", tag.as_str()));
}

#[tokio::test]
async fn another_tenants_content_is_a_missing_one() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (tenant, stranger) = (suite.tenant(placement).await, suite.tenant(placement).await.owner());
        let owner = tenant.owner();
        let document = document(&owner).await;
        put(&owner, &document, "content").await.expect(200);
        let missing = format!("{PATH}/{}", uuid::Uuid::now_v7());

        for path in [&document, &missing] {
            assert_eq!(get(&stranger, path, &[]).await.expect(404).json["detail"], "there is no such document");
            assert_eq!(put(&stranger, path, "stolen").await.expect(404).json["detail"], "there is no such document");
        }

        assert_eq!(get(&owner, &document, &[]).await.expect(200).text, "content");
        assert_eq!(files(&tenant).len(), 1);
    }
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_behind() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let document = document(&owner).await;
        let content = format!("{document}/content");
        let wrong = format!("sha-256=:{}:", STANDARD.encode([7; 32]));
        let chunks = (0..9).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1024 * 1024]));

        let digest = owner.request(Method::PUT, &content).header("content-digest", &wrong).body("content");
        digest.send().await.expect_field(400, "Content-Digest");
        let kind = owner.request(Method::PUT, &content).header("content-type", "nonsense").body("content");
        kind.send().await.expect_field(400, "Content-Type");
        put(&owner, &document, vec![b'x'; 8 * 1024 * 1024 + 1]).await.expect(413);
        put(&owner, &document, reqwest::Body::wrap_stream(stream::iter(chunks))).await.expect(413);
        let stale = owner.request(Method::PUT, &content).header("if-match", "\"7\"").body("content");
        stale.send().await.expect(412);

        collect(&suite, &tenant).await;
        get(&owner, &document, &[]).await.expect(404);
        assert_eq!((files(&tenant), blobs(&suite, &tenant).await), (vec![], vec![]));
    }
}

#[tokio::test]
async fn content_that_is_replaced_or_whose_project_is_gone_is_collected() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let document = document(&owner).await;
        put(&owner, &document, "old").await.expect(200);
        let large = vec![b'x'; 6 * 1024 * 1024];
        let project = put(&owner, &document, large).await.expect(200).json["project"].as_str().unwrap().to_owned();

        collect(&suite, &tenant).await;
        assert_eq!((files(&tenant).len(), blobs(&suite, &tenant).await), (1, vec!["kept".to_owned()]));
        assert_eq!(get(&owner, &document, &[]).await.expect(200).text.len(), 6 * 1024 * 1024);

        owner.delete(&format!("/api/v1/projects/{project}")).await.expect(204);
        collect(&suite, &tenant).await;
        assert_eq!((files(&tenant), blobs(&suite, &tenant).await), (vec![], vec![]));
    }
}

#[tokio::test]
async fn an_upload_that_is_cut_off_is_collected_after_an_hour_and_not_before() {
    let suite = suite().await;
    let tenant = suite.tenant(Placement::Pooled).await;
    let owner = tenant.owner();
    let document = document(&owner).await;
    let address = suite.base.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT {document}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 8000000\r\n\r\n",
        owner.token
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&vec![b'x'; 6 * 1024 * 1024]).await.unwrap();
    eventually("bytes are on the disk", PATIENCE, async || !files(&tenant).is_empty()).await;
    collect(&suite, &tenant).await;
    assert_eq!(blobs(&suite, &tenant).await, ["expected"]);

    // A killed process leaves its part of a file; one that lives removes it.
    let left = files(&tenant);
    drop(socket);
    eventually("the upload is given up", Duration::from_secs(10), async || files(&tenant).is_empty()).await;
    std::fs::write(&left[0], "left by a killed process").unwrap();
    collect_in(&suite, &tenant, TimeDelta::minutes(61)).await;

    assert_eq!((files(&tenant), blobs(&suite, &tenant).await), (vec![], vec![]));
    get(&owner, &document, &[]).await.expect(404);
}

#[tokio::test]
async fn documents_are_listed_changed_and_deleted() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let (document, other) = (document(&owner).await, document(&owner).await);
    let shown = owner.get(&document).await.expect(200);
    let project = shown.json["project"].as_str().unwrap();

    let listed = owner.get(&format!("{PATH}?project={project}")).await.expect(200);
    assert_eq!(listed.json["data"], json!([shown.json]));
    let renamed = owner.patch(&document, json!({ "title": "b.txt" })).await.expect(200);
    assert_eq!((&renamed.json["title"], renamed.header("etag")), (&Value::from("b.txt"), "\"2\""));
    let nowhere = json!({ "project": uuid::Uuid::now_v7(), "title": "c" });
    owner.put(&document, nowhere).await.expect_field(400, "project");
    owner.delete(&document).await.expect(204);
    owner.get(&document).await.expect(404);
    owner.get(&other).await.expect(200);
}
