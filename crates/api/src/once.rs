//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a request that comes twice has one effect, and both
//! get the same answer.
//!
//! The answer is kept in the transaction of the effect: [`Store::write`] leaves the transaction open, and [`finish`], once
//! the answer is made, keeps it and commits. So there is an answer exactly when there is an effect, whatever is killed when.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Responder};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tenantry_app::{Claim, Fingerprint, HeldTx, KeyDigest, TenantStore, TenantTx};
use tenantry_auth::Sealer;
use tenantry_tenancy::{StoreError, TenantScope};

use crate::extract::Input;
use crate::openapi::Operation;
use crate::problem::ApiError;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Seals the answers that are kept.
pub(crate) struct AnswerSealer(pub(crate) Arc<Sealer>);

/// The tenant's store, for one request: what it writes is written once, however often the request comes with its key.
#[derive(Clone)]
pub(crate) struct Store {
    store: Data<TenantStore>,
    once: Option<Rc<Once>>,
}

/// A request that carries a key.
struct Once {
    key: String,
    req: HttpRequest,
}

/// What is done for a request and waits for its answer.
struct Done {
    key: KeyDigest,
    held: HeldTx,
}

/// What of a request with a key is remembered while it runs.
#[derive(Default)]
pub(crate) struct Running {
    done: RefCell<Option<Done>>,
    body: Cell<Option<[u8; 32]>>,
}

impl Input for Store {
    async fn read(req: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
        let store = Data::<TenantStore>::read(req, payload).await?;
        let once = match key(req)? {
            Some(key) => {
                req.extensions_mut().insert(Rc::new(Running::default()));
                Some(Rc::new(Once { key, req: req.clone() }))
            }
            None => None,
        };
        Ok(Self { store, once })
    }
}

impl Store {
    /// Runs `work` on a read-only view of the tenant's data.
    pub(crate) async fn read<T, E>(
        &self,
        scope: &TenantScope,
        work: impl AsyncFnOnce(&mut TenantTx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        self.store.read(scope, work).await
    }

    /// Runs `work` and commits if it succeeds. A request that comes again with its key is answered as it was the first time.
    pub(crate) async fn write<T, E>(
        &self,
        scope: &TenantScope,
        work: impl AsyncFnOnce(&mut TenantTx) -> Result<T, E>,
    ) -> Result<T, ApiError>
    where
        E: From<StoreError> + Into<ApiError>,
    {
        let Some(once) = &self.once else { return self.store.write(scope, work).await.map_err(Into::into) };
        let running = running(&once.req)?;
        if running.done.borrow().is_some() {
            return Err(ApiError::internal("a request with a key writes in one transaction"));
        }
        let (key, fingerprint) = (once.digest(scope), once.fingerprint(&running));
        let first = async |tx: &mut TenantTx| match tx.answers().claim(&key, &fingerprint).await? {
            Claim::First => work(tx).await.map_err(Into::into),
            Claim::Answered(of, answer) if of == fingerprint => Err(once.replay(scope, &key, &answer)),
            Claim::Answered(..) => Err(ApiError::key_reused()),
            Claim::InFlight => Err(ApiError::key_in_flight()),
        };
        let (value, held) = self.store.hold::<T, ApiError>(scope, first).await?;
        running.done.replace(Some(Done { key, held }));
        Ok(value)
    }
}

impl Once {
    /// The caller's own key: nobody meets another's.
    fn digest(&self, scope: &TenantScope) -> KeyDigest {
        Sha256::new()
            .chain_update(scope.actor().to_string())
            .chain_update([0])
            .chain_update(&self.key)
            .finalize()
            .into()
    }

    fn fingerprint(&self, running: &Running) -> Fingerprint {
        let if_match = self.req.headers().get("if-match").map(HeaderValue::as_bytes).unwrap_or_default();
        let parts = [
            self.req.method().as_str().as_bytes(),
            self.req.path().as_bytes(),
            self.req.query_string().as_bytes(),
            if_match,
        ];
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.update(running.body.get().unwrap_or_default());
        digest.finalize().into()
    }

    fn replay(&self, scope: &TenantScope, key: &KeyDigest, sealed: &[u8]) -> ApiError {
        let answer = sealer(&self.req)
            .and_then(|sealer| Answer::open(sealer, scope_of(scope.tenant().as_uuid().as_bytes(), key), sealed));
        match answer {
            Ok(answer) => ApiError::replayed(answer),
            Err(error) => error,
        }
    }
}

/// Keeps the answer with the effect, if the request carries a key and had one.
pub(crate) async fn finish<R>(req: &HttpRequest, handled: Result<R, ApiError>) -> Result<HttpResponse, ApiError>
where
    R: Responder<Body = BoxBody>,
{
    let done = running(req).ok().and_then(|running| running.done.take());
    let reply = match handled {
        Ok(reply) => reply,
        Err(error) => return error.into_replay().map(|answer| answer.response()),
    };
    let response = reply.respond_to(req);
    let Some(Done { key, held }) = done else { return Ok(response) };
    let tenant = held.tenant();
    let (answer, response) = Answer::of(response)?;
    let sealed = answer.seal(sealer(req)?, scope_of(tenant.as_uuid().as_bytes(), &key))?;
    held.commit(async |tx| tx.answers().keep(&key, &sealed).await).await?;
    Ok(response)
}

/// Remembers the body of a request with a key, the spelling of its JSON apart.
pub(crate) fn remember_body(req: &HttpRequest, body: &[u8]) {
    if let Ok(running) = running(req) {
        let canonical =
            serde_json::from_slice::<serde_json::Value>(body).ok().and_then(|value| serde_json::to_vec(&value).ok());
        running.body.set(Some(Sha256::digest(canonical.as_deref().unwrap_or(body)).into()));
    }
}

/// Describes the header and what it adds to an operation.
pub(crate) fn describe(operation: &mut Operation) {
    operation.header("Idempotency-Key", "Chosen by the caller, different for each request. The same request with the same key is answered as it was the first time, for 24 hours.");
    operation.fails(StatusCode::UNPROCESSABLE_ENTITY);
}

/// Whether a request with this method may carry a key.
pub(crate) fn takes_key(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PATCH)
}

/// What was answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn of(response: HttpResponse) -> Result<(Self, HttpResponse), ApiError> {
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers =
            headers.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect();
        let (head, body) = response.into_parts();
        let body: Bytes = body.try_into_bytes().map_err(|_| ApiError::internal("a streamed answer cannot be kept"))?;
        let answer = Self { status, headers, body: body.to_vec() };
        Ok((answer, head.set_body(BoxBody::new(body))))
    }

    fn seal(&self, sealer: &Sealer, belongs_to: Vec<u8>) -> Result<Vec<u8>, ApiError> {
        Ok(sealer.seal(&belongs_to, &serde_json::to_vec(self).map_err(ApiError::internal)?))
    }

    fn open(sealer: &Sealer, belongs_to: Vec<u8>, sealed: &[u8]) -> Result<Self, ApiError> {
        let opened = sealer.open(&belongs_to, sealed);
        let opened =
            opened.ok_or_else(|| ApiError::internal("a kept answer cannot be opened: another auth.sealing_key?"))?;
        serde_json::from_slice(&opened).map_err(ApiError::internal)
    }

    fn response(self) -> HttpResponse {
        let mut response = HttpResponse::build(StatusCode::from_u16(self.status).unwrap_or_default());
        for header in self.headers {
            response.insert_header(header);
        }
        response.insert_header((REPLAYED, HeaderValue::from_static("true")));
        response.body(self.body)
    }
}

fn scope_of(tenant: &[u8], key: &KeyDigest) -> Vec<u8> {
    [tenant, key].concat()
}

fn sealer(req: &HttpRequest) -> Result<&Sealer, ApiError> {
    req.app_data::<Data<AnswerSealer>>()
        .map(|sealer| &*sealer.0)
        .ok_or_else(|| ApiError::internal("there is no sealer of answers"))
}

fn running(req: &HttpRequest) -> Result<Rc<Running>, ApiError> {
    req.extensions().get::<Rc<Running>>().cloned().ok_or_else(|| ApiError::internal("the request carries no key"))
}

/// The key: a string as structured fields have it (RFC 8941), or as most clients send it, without quotes.
fn key(req: &HttpRequest) -> Result<Option<String>, ApiError> {
    if !takes_key(req.method()) {
        return Ok(None);
    }
    let invalid =
        || ApiError::invalid("idempotency-key", "invalid", "must be one text of 1 to 255 visible ASCII characters");
    let mut values = req.headers().get_all(KEY);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid());
    }
    let raw = value.to_str().map_err(|_| invalid())?.trim();
    let key = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    let is_plain = |byte: u8| (b'!'..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if (1..=255).contains(&key.len()) && key.bytes().all(is_plain) { Ok(Some(key.to_owned())) } else { Err(invalid()) }
}
