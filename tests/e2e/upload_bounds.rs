//! Uploads that come slowly, in great number or for nothing: they hold no more than their share.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::documents::{blobs, document, files, get, put};
use crate::harness::{Caller, PATIENCE, PLACEMENTS, Suite, Tenant, another_instance, eventually, suite};

/// Takes two uploads at once, from senders who take their time.
const FEW: &[(&str, &str)] = &[("TENANTRY_FILES__MAX_UPLOADS", "2"), ("TENANTRY_HTTP__BODY_SECONDS", "30")];

/// An upload that has begun and waits for its last byte.
struct Slow(TcpStream);

impl Slow {
    async fn begin(suite: &Suite, tenant: &Tenant, caller: &Caller, document: &str, header: &str) -> Self {
        let mut socket = TcpStream::connect(caller.base.strip_prefix("http://").unwrap()).await.unwrap();
        let head = format!(
            "PUT {document}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 2\r\n\
             Connection: close\r\n{header}\r\nx",
            caller.token
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let has_begun = async || blobs(suite, tenant).await.contains(&"expected".to_owned());
        eventually("the upload has begun", PATIENCE, has_begun).await;
        Self(socket)
    }

    /// Sends the last byte and tells the status.
    async fn end(mut self) -> u16 {
        self.0.write_all(b"x").await.unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn a_document_takes_one_upload_at_a_time_and_a_tenant_half_of_all() {
    let suite = suite().await;
    let (_, few) = another_instance(suite.forever(), FEW).await;
    let tenants = [suite.tenant(PLACEMENTS[0]).await, suite.tenant(PLACEMENTS[1]).await];
    let [owner, other] = [tenants[0].owner().at(&few), tenants[1].owner().at(&few)];
    let (first, second, others) = (document(&owner).await, document(&owner).await, document(&other).await);

    let slow = Slow::begin(&suite, &tenants[0], &owner, &first, "").await;
    put(&owner, &first, "content").await.expect_field(409, "body");
    let full = put(&owner, &second, "content").await.expect(503);
    assert_eq!(full.header("retry-after"), "5");
    let slow_too = Slow::begin(&suite, &tenants[1], &other, &others, "").await;
    let third = suite.tenant(PLACEMENTS[0]).await.owner().at(&few);
    let thirds = document(&third).await;
    put(&third, &thirds, "content").await.expect(503);
    assert_eq!(slow.end().await, 200);

    put(&third, &thirds, "content").await.expect(200);
    drop(slow_too);
    eventually("a place is free again", PATIENCE, async || put(&other, &others, "content").await.status == 200).await;
}

#[tokio::test]
async fn what_loses_is_replaced_or_deleted_leaves_no_byte() {
    let suite = suite().await;
    let (_, few) = another_instance(suite.forever(), FEW).await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner().at(&few);
        let document = document(&owner).await;
        let left = async || (files(&tenant).len(), blobs(&suite, &tenant).await.len());

        let slow = Slow::begin(&suite, &tenant, &owner, &document, "If-Match: \"1\"\r\n").await;
        owner.patch(&document, json!({ "title": "other" })).await.expect(200);
        assert_eq!((slow.end().await, left().await), (412, (0, 0)));
        let wrong = owner.request(Method::PUT, &format!("{document}/content")).body("content");
        let digest = format!("sha-256=:{}=:", "A".repeat(43));
        wrong.header("content-digest", &digest).send().await.expect_field(400, "Content-Digest");
        assert_eq!(left().await, (0, 0));

        put(&owner, &document, "old").await.expect(200);
        put(&owner, &document, "new").await.expect(200);
        assert_eq!((get(&owner, &document, &[]).await.text.as_str(), left().await), ("new", (1, 1)));
        owner.delete(&document).await.expect(204);
        assert_eq!(left().await, (0, 0));
    }
}
