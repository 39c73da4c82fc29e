//! From a row's texts to the types that prove them.

use std::error::Error;
use std::str::FromStr;

use tenantry_tenancy::StoreError;

/// What the database's constraints have checked; a row that fails all the same is a defect.
pub(crate) fn trusted<T>(checked: Result<T, impl Error + Send + Sync + 'static>) -> Result<T, StoreError> {
    checked.map_err(StoreError::internal)
}

/// A word of a closed set.
pub(crate) fn parsed<T: FromStr<Err: Error + Send + Sync + 'static>>(word: &str) -> Result<T, StoreError> {
    trusted(word.parse())
}
