//! Documents whose content lies in S3, spoken to by its protocol.

use std::path::Path;

use chrono::Utc;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use reqwest::Method;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use serde_json::json;
use tenantry_tenancy::Placement;
use tokio::net::TcpListener;

use crate::harness::{Tenant, another_instance, apart, suite};

const ACCESS_KEY: &str = "tenantry";
const SECRET_KEY: &str = "the secret of the tests";

/// An S3 server on a folder; its address.
async fn s3(folder: &Path) -> String {
    let files = s3s_fs::FileSystem::new(folder).unwrap();
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = service.build();
    apart(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        format!("http://{address}")
    })
    .await
}

/// The objects of a bucket.
fn objects(folder: &Path, bucket: &str, tenant: &Tenant) -> usize {
    let documents = folder.join(bucket).join(tenant.tenant.id.to_string()).join("documents");
    let entries = |folder| std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries(documents).flat_map(entries).filter(|path| path.is_file()).count()
}

#[tokio::test]
async fn content_lies_in_the_shared_bucket_or_in_the_tenants_own() {
    let suite = suite().await;
    let folder: &'static Path = Box::leak(Box::new(tempfile::tempdir().unwrap().keep()));
    let secret = folder.with_extension("secret");
    std::fs::write(&secret, SECRET_KEY).unwrap();
    let endpoint: &'static str = s3(folder).await.leak();
    let overrides: &'static [(&str, &str)] = Vec::leak(vec![
        ("TENANTRY_FILES__S3_BUCKET", "shared"),
        ("TENANTRY_FILES__S3_OWN_BUCKET_PREFIX", "own-"),
        ("TENANTRY_FILES__S3_ENDPOINT", endpoint),
        ("TENANTRY_FILES__S3_ACCESS_KEY_ID", ACCESS_KEY),
        ("TENANTRY_FILES__S3_SECRET_ACCESS_KEY_FILE", secret.to_str().unwrap().to_owned().leak()),
    ]);
    let (services, base) = another_instance(suite.forever(), overrides).await;

    for placement in [Placement::Pooled, Placement::Schema] {
        let tenant = suite.tenant(placement).await;
        let bucket = match placement {
            Placement::Pooled => "shared".to_owned(),
            Placement::Schema => format!("own-{}", tenant.tenant.id),
        };
        std::fs::create_dir(folder.join(&bucket)).unwrap();
        let owner = tenant.owner().at(&base);
        let project = owner.project("Moon").await;
        let created = owner.post("/api/v1/documents", json!({ "project": project, "title": "a" })).await.expect(201);
        let document = created.header("location").to_owned();
        let content = format!("{document}/content");

        // Small ones go in one piece, others in parts; this server cannot store parts under names as long as `own-…`.
        let times = if placement == Placement::Pooled { 700_000 } else { 1000 };
        owner.request(Method::PUT, &content).body("content").send().await.expect(200);
        assert_eq!(owner.get(&content).await.expect(200).text, "content");
        let large = "0123456789".repeat(times);
        owner.request(Method::PUT, &content).body(large.clone()).send().await.expect(200);
        assert_eq!(owner.get(&content).await.expect(200).text, large);
        let part = owner.request(Method::GET, &content).header("range", "bytes=-5").send().await.expect(206);
        assert_eq!(part.text, "56789");
        assert_eq!(objects(folder, &bucket, &tenant), 2);

        owner.delete(&document).await.expect(204);
        let (services, row) = (services.clone(), tenant.tenant.clone());
        let collected =
            apart(async move { services.collector().unwrap().collect(&row, Utc::now()).await.unwrap() }).await;
        assert_eq!((collected, objects(folder, &bucket, &tenant)), (2, 0));
    }
}
