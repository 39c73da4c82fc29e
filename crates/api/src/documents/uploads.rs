//! How many uploads run at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::web::Data;
use tenantry_tenancy::TenantId;
use tenantry_work::documents::DocumentId;

use crate::problem::ApiError;

/// The uploads that run in this process. Each holds megabytes in memory, for as long as its sender takes.
#[derive(Debug)]
pub struct Uploads {
    most: usize,
    running: Mutex<Vec<(TenantId, DocumentId)>>,
}

impl Uploads {
    /// Admits so many at once, of which one tenant has half at the most.
    pub const fn new(most: usize) -> Self {
        Self { most, running: Mutex::new(Vec::new()) }
    }

    /// A place for an upload into a document into which no other runs.
    pub(super) fn begin(uploads: &Data<Self>, tenant: TenantId, document: DocumentId) -> Result<Place, ApiError> {
        let mut running = uploads.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.contains(&(tenant, document)) {
            return Err(ApiError::conflict("body", "cannot be taken: another upload of this document is under way"));
        }
        let of_tenant = running.iter().filter(|(of, _)| *of == tenant).count();
        if running.len() >= uploads.most || of_tenant >= uploads.most.div_ceil(2) {
            return Err(ApiError::unavailable("as many uploads run as may", Duration::from_secs(5)));
        }
        running.push((tenant, document));
        Ok(Place { uploads: uploads.clone(), tenant, document })
    }
}

/// One upload's place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    uploads: Data<Uploads>,
    tenant: TenantId,
    document: DocumentId,
}

impl Place {
    /// Into what it uploads.
    pub(super) const fn document(&self) -> DocumentId {
        self.document
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut running = self.uploads.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|place| *place != (self.tenant, self.document));
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;

    use super::*;

    #[test]
    fn uploads_have_places_and_one_tenant_takes_half_of_them_at_the_most() {
        let uploads = Data::new(Uploads::new(3));
        let (tenant, other, third) = (TenantId::random(), TenantId::random(), TenantId::random());
        let begin = |tenant| Uploads::begin(&uploads, tenant, DocumentId::generate());
        let status = |refused: Result<Place, ApiError>| refused.unwrap_err().status;

        let mut places = vec![begin(tenant).unwrap(), begin(tenant).unwrap()];
        assert_eq!(status(begin(tenant)), StatusCode::SERVICE_UNAVAILABLE);
        places.push(begin(other).unwrap());
        assert_eq!(status(begin(third)), StatusCode::SERVICE_UNAVAILABLE);

        places.remove(0);
        begin(third).unwrap();
    }

    #[test]
    fn one_upload_runs_into_a_document() {
        let uploads = Data::new(Uploads::new(8));
        let (tenant, document) = (TenantId::random(), DocumentId::generate());
        let first = Uploads::begin(&uploads, tenant, document).unwrap();

        let second = Uploads::begin(&uploads, tenant, document).unwrap_err();
        let stranger = Uploads::begin(&uploads, TenantId::random(), document);

        assert_eq!(second.status, StatusCode::CONFLICT);
        assert!(stranger.is_ok(), "another tenant learns nothing of it");
        drop(first);
        Uploads::begin(&uploads, tenant, document).unwrap();
    }
}
