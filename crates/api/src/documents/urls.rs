//! `/api/v1/documents/{id}/upload-url` and `…/download-url`: addresses by which whoever holds them sends or gets one content
//! without a credential.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::web::Data;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use tenantry_auth::Authenticator;
use tenantry_tenancy::permissions::needs::{ReadDocuments, WriteDocuments};
use tenantry_tenancy::{Requires, json_schema, schema};
use tenantry_work::blobs::BlobId;
use tenantry_work::documents::{self, ContentType, DocumentId, Sha256};
use utoipa::ToSchema;

use crate::Limits;
use crate::extract::{Agreed, Body, Can, Input, PathId, present};
use crate::once::Store;
use crate::problem::ApiError;
use crate::reply::Show;
use crate::site::Site;

/// Where these addresses lead.
pub(super) const FILE: &str = "/files/{token}";

/// What the address of an upload is for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UploadPass {
    pub(super) document: DocumentId,
    /// What the document had when the address was made: an address is good once.
    pub(super) replaces: Option<BlobId>,
    pub(super) agreed: Agreed,
}

/// What the address of a download is for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DownloadPass {
    pub(super) document: DocumentId,
    /// The content that the document had when the address was made.
    pub(super) blob: BlobId,
}

/// For how long an address is asked: 1 to 900 seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seconds(Duration);

json_schema!(Seconds, schema::whole_number(1, 900));

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = u64::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("must be a whole number from 1 to 900");
        (1..=900).contains(&seconds).then(|| Self(Duration::from_secs(seconds))).ok_or_else(wrong)
    }
}

/// What the content must be; whatever is given is held to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadUrlBody {
    /// For how long the address is good, if the service allows as much; as long as it allows if not given.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    expires_in: Option<Seconds>,
    /// How many bytes.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    size: Option<u64>,
    /// Their digest.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    sha256: Option<Sha256>,
    /// What they are.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    content_type: Option<ContentType>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DownloadUrlBody {
    /// For how long the address is good, if the service allows as much; as long as it allows if not given.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    expires_in: Option<Seconds>,
}

/// Where content can be sent to, once, by whoever knows it.
#[derive(Serialize, ToSchema)]
pub(super) struct UploadUrlView {
    #[schema(examples("https://api.example.com/files/6Jt3m1r0yQm9rT4k"))]
    url: String,
    /// By which method.
    #[schema(examples("PUT"))]
    method: &'static str,
    /// With which headers.
    headers: BTreeMap<&'static str, String>,
    /// An upload must have begun by then.
    expires_at: DateTime<Utc>,
}

/// Where content can be got, by whoever knows it.
#[derive(Serialize, ToSchema)]
pub(super) struct DownloadUrlView {
    #[schema(examples("https://api.example.com/files/6Jt3m1r0yQm9rT4k"))]
    url: String,
    /// By which method.
    #[schema(examples("GET"))]
    method: &'static str,
    /// A download must have begun by then.
    expires_at: DateTime<Utc>,
}

pub(super) async fn make_upload_url(
    caller: Can<WriteDocuments>,
    store: Store,
    urls: Urls,
    PathId(document): PathId<DocumentId>,
    Body(body): Body<UploadUrlBody>,
) -> Result<Show<UploadUrlView>, ApiError> {
    let UploadUrlBody { expires_in, size, sha256, content_type } = body;
    urls.limit(size)?;
    let found = store.write(&caller, async |tx| documents::show(tx.work(), document).await).await?;
    let agreed = Agreed { size, sha256, content_type };
    let headers = headers(&agreed);
    let pass = UploadPass { document, replaces: found.content.map(|content| content.blob), agreed };
    let (url, expires_at) = urls.make(&caller, &pass, expires_in)?;
    Ok(Show(UploadUrlView { url, method: "PUT", headers, expires_at }))
}

pub(super) async fn make_download_url(
    caller: Can<ReadDocuments>,
    store: Store,
    urls: Urls,
    PathId(document): PathId<DocumentId>,
    Body(body): Body<DownloadUrlBody>,
) -> Result<Show<DownloadUrlView>, ApiError> {
    let (_, content) = store.write(&caller, async |tx| documents::content(tx.work(), document).await).await?;
    let pass = DownloadPass { document, blob: content.blob };
    let (url, expires_at) = urls.make(&caller, &pass, body.expires_in)?;
    Ok(Show(DownloadUrlView { url, method: "GET", expires_at }))
}

/// The headers that an upload must come with to be what was agreed on.
fn headers(agreed: &Agreed) -> BTreeMap<&'static str, String> {
    let digest = agreed.sha256.as_ref().map(|sha256| format!("sha-256=:{}:", STANDARD.encode(sha256.to_bytes())));
    let content_type = agreed.content_type.as_ref().map(|content_type| content_type.as_str().to_owned());
    let named = [("Content-Digest", digest), ("Content-Type", content_type)];
    named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Makes addresses.
pub(super) struct Urls {
    auth: Data<Authenticator>,
    site: Data<Site>,
    limits: Data<Limits>,
}

impl Input for Urls {
    async fn read(req: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
        Ok(Self {
            auth: Data::read(req, payload).await?,
            site: Data::read(req, payload).await?,
            limits: Data::read(req, payload).await?,
        })
    }
}

impl Urls {
    fn limit(&self, size: Option<u64>) -> Result<(), ApiError> {
        let limit = self.limits.upload_bytes;
        let is_too_large = size.is_some_and(|size| usize::try_from(size).map_or(true, |size| size > limit));
        if is_too_large {
            Err(ApiError::invalid("size", "invalid", format!("must be at most {limit}")))
        } else {
            Ok(())
        }
    }

    fn make<P: Requires>(
        &self,
        caller: &Can<P>,
        pass: &impl Serialize,
        asked: Option<Seconds>,
    ) -> Result<(String, DateTime<Utc>), ApiError> {
        let longest = self.limits.url_time;
        let lifetime = asked.map_or(longest, |seconds| seconds.0.min(longest));
        let made = self.auth.issue_pass(caller.principal(), P::PERMISSION, pass, lifetime);
        let made = made.map_err(|forbidden| ApiError::forbidden(forbidden.0))?;
        Ok((self.site.url(&FILE.replace("{token}", made.text.reveal())), made.expires_at))
    }
}
