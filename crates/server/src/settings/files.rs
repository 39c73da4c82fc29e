//! Where the content of documents is stored.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tenantry_infra::{Files, S3Settings};

use super::read_file;

/// Where files lie in development unless a setting says otherwise.
const DEVELOPMENT_FOLDER: &str = ".data/files";

/// Where the content of documents is stored.
#[expect(missing_docs, reason = "config/default.toml explains every setting")]
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    pub folder: String,
    pub max_bytes: usize,
    pub max_uploads: usize,
    pub url_seconds: u64,
    pub s3_bucket: String,
    pub s3_own_bucket_prefix: String,
    pub s3_endpoint: String,
    pub s3_region: String,
    pub s3_access_key_id: String,
    pub s3_secret_access_key_file: String,
}

impl FileSettings {
    /// The place that the settings name.
    pub fn open(&self) -> Result<Files> {
        if self.s3_bucket.is_empty() {
            let folder = if self.folder.is_empty() { DEVELOPMENT_FOLDER } else { &self.folder };
            return Files::on_disk(Path::new(folder)).context("files.folder cannot be used");
        }
        let secret = read_file("files.s3_secret_access_key_file", &self.s3_secret_access_key_file)?;
        let settings = S3Settings {
            bucket: self.s3_bucket.clone(),
            own_bucket_prefix: self.s3_own_bucket_prefix.clone(),
            endpoint: self.s3_endpoint.clone(),
            region: self.s3_region.clone(),
            access_key_id: self.s3_access_key_id.clone(),
            secret_access_key: secret.trim().to_owned(),
        };
        Files::in_s3(settings).context("files.s3_bucket cannot be used")
    }

    pub(super) fn check(&self, is_development: bool) -> Result<()> {
        ensure!(self.max_bytes >= 1024, "files.max_bytes must be at least 1024");
        ensure!((1..=10_000).contains(&self.max_uploads), "files.max_uploads must be from 1 to 10000");
        ensure!((1..=900).contains(&self.url_seconds), "files.url_seconds must be from 1 to 900");
        ensure!(
            is_development || !self.folder.is_empty() || !self.s3_bucket.is_empty(),
            "files.folder or files.s3_bucket must be set in production"
        );
        ensure!(
            is_development || self.s3_endpoint.is_empty() || self.s3_endpoint.starts_with("https://"),
            "files.s3_endpoint must begin with https://"
        );
        Ok(())
    }
}
