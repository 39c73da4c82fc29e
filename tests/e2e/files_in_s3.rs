//! Documents whose content lies in S3, spoken to by its protocol.

use std::path::Path;

use chrono::Utc;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use reqwest::Method;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectsInput, DeleteObjectsOutput, GetObjectInput,
    GetObjectOutput, PutObjectInput, PutObjectOutput, UploadPartInput, UploadPartOutput,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result};
use serde_json::json;
use tenantry_tenancy::Placement;
use tokio::net::TcpListener;

use crate::harness::{Request, Response, Tenant, another_instance, apart, suite};

const ACCESS_KEY: &str = "tenantry";
const SECRET_KEY: &str = "the secret of the tests";

/// The server's own folder of a bucket. It makes names of files from those of buckets and objects, which must not be too long.
fn folder_of(bucket: &str) -> &str {
    &bucket[..bucket.len().min(12)]
}

/// Buckets with names of any length.
struct Buckets(s3s_fs::FileSystem);

macro_rules! in_their_folders {
    ($($operation:ident: $input:ident, $output:ident;)+) => {
        #[async_trait::async_trait]
        impl S3 for Buckets {
            $(
                async fn $operation(&self, mut req: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    req.input.bucket = folder_of(&req.input.bucket).to_owned();
                    self.0.$operation(req).await
                }
            )+
        }
    };
}

in_their_folders! {
    put_object: PutObjectInput, PutObjectOutput;
    get_object: GetObjectInput, GetObjectOutput;
    delete_objects: DeleteObjectsInput, DeleteObjectsOutput;
    create_multipart_upload: CreateMultipartUploadInput, CreateMultipartUploadOutput;
    upload_part: UploadPartInput, UploadPartOutput;
    complete_multipart_upload: CompleteMultipartUploadInput, CompleteMultipartUploadOutput;
    abort_multipart_upload: AbortMultipartUploadInput, AbortMultipartUploadOutput;
}

/// An S3 server on a folder; its address.
async fn s3(folder: &Path) -> String {
    let files = Buckets(s3s_fs::FileSystem::new(folder).unwrap());
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
    let documents = folder.join(folder_of(bucket)).join(tenant.tenant.id.to_string()).join("documents");
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
        std::fs::create_dir(folder.join(folder_of(&bucket))).unwrap();
        let owner = tenant.owner().at(&base);
        let project = owner.project("Moon").await;
        let created = owner.post("/api/v1/documents", json!({ "project": project, "title": "a" })).await.expect(201);
        let document = created.header("location").to_owned();
        let content = format!("{document}/content");

        // Small ones go in one piece, others in parts.
        owner.request(Method::PUT, &content).body("content").send().await.expect(200);
        assert_eq!(owner.get(&content).await.expect(200).text, "content");
        let large = "0123456789".repeat(700_000);
        owner.request(Method::PUT, &content).body(large.clone()).send().await.expect(200);
        assert_eq!(owner.get(&content).await.expect(200).text, large);
        let part = owner.request(Method::GET, &content).header("range", "bytes=-5").send().await.expect(206);
        assert_eq!(part.text, "56789");
        assert_eq!(objects(folder, &bucket, &tenant), 1);

        // Whoever holds a URL is served alike, wherever the bytes lie.
        let path =
            |made: &Response| format!("/files/{}", made.json["url"].as_str().unwrap().rsplit_once('/').unwrap().1);
        let terms = json!({ "size": large.len() });
        let to_put = path(&owner.post(&format!("{document}/upload-url"), terms).await.expect(200));
        let put = async |body: String| Request::new(&base, Method::PUT, &to_put).body(body).send().await;
        put(large[1..].to_owned()).await.expect(400);
        put(large.replace('0', "-")).await.expect(204);
        put(large.clone()).await.expect(409);
        let terms = json!({ "sha256": "0".repeat(64) });
        let refused = path(&owner.post(&format!("{document}/upload-url"), terms).await.expect(200));
        Request::new(&base, Method::PUT, &refused).body(large.clone()).send().await.expect_field(400, "body");
        let to_get = path(&owner.post(&format!("{document}/download-url"), json!({})).await.expect(200));
        let get = async || Request::new(&base, Method::GET, &to_get).header("range", "bytes=-5000000").send().await;
        assert_eq!(get().await.expect(206).text, large.replace('0', "-")[2_000_000..]);
        assert_eq!(objects(folder, &bucket, &tenant), 1);

        owner.delete(&document).await.expect(204);
        let (services, row) = (services.clone(), tenant.tenant.clone());
        let collected =
            apart(async move { services.collector().unwrap().collect(&row, Utc::now()).await.unwrap() }).await;
        assert_eq!((collected, objects(folder, &bucket, &tenant)), (0, 0), "all was deleted at once");
    }
}
