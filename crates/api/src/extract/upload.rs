//! A file as a body, taken as it comes: bounded in bytes and in the time between two of them, never whole in memory.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::Data;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256 as Hasher};
use tenantry_app::FileWriter;
use tenantry_work::documents::{ContentType, Sha256};
use tokio::time::timeout;

use super::{Input, body};
use crate::Limits;
use crate::openapi::Operation;
use crate::problem::ApiError;

/// A file on its way.
pub(crate) struct Upload {
    content_type: Option<ContentType>,
    digest: Option<[u8; 32]>,
    length: Option<usize>,
    agreed: Agreed,
    payload: Payload,
    limits: Limits,
}

/// What was agreed on before a file is sent.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Agreed {
    /// How many bytes it has.
    pub(crate) size: Option<u64>,
    /// Their digest.
    pub(crate) sha256: Option<Sha256>,
    /// What they are.
    pub(crate) content_type: Option<ContentType>,
}

/// What has arrived.
pub(crate) struct Arrived {
    pub(crate) size: u64,
    pub(crate) sha256: [u8; 32],
}

impl Input for Upload {
    const READS_BODY: bool = true;
    const STREAMS_BODY: bool = true;

    async fn read(req: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
        let limits = req.app_data::<Data<Limits>>().map_or_else(Limits::default, |limits| ***limits);
        let headers = req.headers();
        if headers.contains_key(CONTENT_ENCODING) {
            let detail = "a body must come without Content-Encoding";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > limits.upload_bytes) {
            return Err(body::too_large(limits.upload_bytes));
        }
        let (content_type, digest) = (content_type(headers)?, digest(headers)?);
        Ok(Self { content_type, digest, length, agreed: Agreed::default(), payload: payload.take(), limits })
    }

    fn describe(operation: &mut Operation) {
        operation.header("Content-Digest", "The file's digest, as `sha-256=:<base64>:` (RFC 9530).");
        operation.file_body();
    }
}

impl Upload {
    /// What it is, as its sender says.
    pub(crate) fn content_type(&self) -> ContentType {
        self.content_type.clone().unwrap_or_default()
    }

    /// The same if it is, as far as its sender says, what was agreed on; the rest is seen when it comes.
    pub(crate) fn held_to(self, agreed: Agreed) -> Result<Self, ApiError> {
        if self.length.is_some_and(|length| agreed.size.is_some_and(|size| size != length as u64)) {
            return Err(another_size(agreed.size));
        }
        let content_type = match (self.content_type, &agreed.content_type) {
            (Some(sent), Some(agreed)) if sent != *agreed => {
                let message = format!("must be {}", agreed.as_str());
                return Err(ApiError::invalid("Content-Type", "mismatch", message));
            }
            (sent, agreed) => sent.or_else(|| agreed.clone()),
        };
        Ok(Self { content_type, agreed, ..self })
    }

    /// Takes the whole file. What was written of one that is refused must be thrown away.
    pub(crate) async fn copy_to(mut self, writer: &mut dyn FileWriter) -> Result<Arrived, ApiError> {
        let (mut size, mut hasher) = (0, Hasher::new());
        while let Some(chunk) = timeout(self.limits.body_time, self.payload.next()).await.map_err(|_| self.idle())? {
            let chunk = chunk.map_err(|_| ApiError::invalid("body", "incomplete", "did not arrive whole"))?;
            size += chunk.len();
            if size > self.limits.upload_bytes {
                return Err(body::too_large(self.limits.upload_bytes));
            }
            if self.agreed.size.is_some_and(|agreed| size as u64 > agreed) {
                return Err(another_size(self.agreed.size));
            }
            hasher.update(&chunk);
            writer.write(chunk).await?;
        }
        let sha256: [u8; 32] = hasher.finalize().into();
        if self.digest.is_some_and(|digest| digest != sha256) {
            return Err(ApiError::invalid("Content-Digest", "mismatch", "is not that of the body"));
        }
        if self.agreed.size.is_some_and(|agreed| size as u64 != agreed) {
            return Err(another_size(self.agreed.size));
        }
        if self.agreed.sha256.as_ref().is_some_and(|agreed| *agreed != Sha256::new(sha256)) {
            return Err(ApiError::invalid("body", "digest", "is not what was agreed on"));
        }
        Ok(Arrived { size: size as u64, sha256 })
    }

    fn idle(&self) -> ApiError {
        let detail = format!("nothing of the body came for {} seconds", self.limits.body_time.as_secs());
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail)
    }
}

fn another_size(agreed: Option<u64>) -> ApiError {
    ApiError::invalid("body", "size", format!("must have {} bytes, as was agreed on", agreed.unwrap_or_default()))
}

fn content_type(headers: &HeaderMap) -> Result<Option<ContentType>, ApiError> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    ContentType::parse(value.to_str().unwrap_or_default())
        .map(Some)
        .map_err(|error| ApiError::invalid("Content-Type", "invalid", error.to_string()))
}

/// The SHA-256 among the digests given; other algorithms are not ours to judge.
fn digest(headers: &HeaderMap) -> Result<Option<[u8; 32]>, ApiError> {
    let invalid = || ApiError::invalid("Content-Digest", "invalid", "must be like sha-256=:<base64>:");
    for value in headers.get_all("content-digest") {
        for member in value.to_str().map_err(|_| invalid())?.split(',') {
            let Some(encoded) = member.trim().strip_prefix("sha-256=") else { continue };
            let encoded = encoded.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')).ok_or_else(invalid)?;
            let bytes = STANDARD.decode(encoded).map_err(|_| invalid())?;
            return Ok(Some(bytes.try_into().map_err(|_| invalid())?));
        }
    }
    Ok(None)
}
