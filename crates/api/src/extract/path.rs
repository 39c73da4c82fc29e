//! The id in a path.

use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use tenantry_tenancy::id::InvalidId;
use utoipa::PartialSchema;

use super::Input;
use crate::openapi::Operation;
use crate::problem::ApiError;

/// The `{id}` of the path.
pub(crate) struct PathId<T>(pub(crate) T);

impl<T: FromStr<Err = InvalidId> + PartialSchema + 'static> Input for PathId<T> {
    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        let id = req.match_info().get("id").unwrap_or_default();
        id.parse().map(Self).map_err(|error: InvalidId| ApiError::invalid("id", "invalid", error.to_string()))
    }

    fn describe(operation: &mut Operation) {
        operation.path_id::<T>();
    }
}
