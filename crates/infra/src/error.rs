//! What a database error means.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use tenantry_tenancy::StoreError;

/// A statement failed.
#[derive(Debug, thiserror::Error)]
#[error("a statement failed")]
pub(crate) struct PgError(#[from] DieselError);

impl PgError {
    /// Whether it is that this constraint was violated.
    pub(crate) fn is_of(&self, constraint: &str) -> bool {
        self.constraint() == Some(constraint)
    }

    /// The constraint that was violated.
    ///
    /// Taken from the driver's field or, on a distributed Postgres, which leaves it empty, from the message, where the
    /// name of a shard's constraint ends in the shard's number.
    fn constraint(&self) -> Option<&str> {
        let DieselError::DatabaseError(_, information) = &self.0 else { return None };
        information.constraint_name().or_else(|| constraint_in(information.message()))
    }
}

fn constraint_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("constraint \"")?;
    let (name, _) = rest.split_once('"')?;
    let shard =
        name.rsplit_once('_').filter(|(_, digits)| digits.len() >= 5 && digits.bytes().all(|b| b.is_ascii_digit()));
    Some(shard.map_or(name, |(name, _)| name))
}

impl From<PgError> for StoreError {
    fn from(error: PgError) -> Self {
        match &error.0 {
            DieselError::DatabaseError(kind, information) => match kind {
                DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => {
                    Self::Unavailable(error.into())
                }
                DatabaseErrorKind::SerializationFailure => Self::Conflict(error.into()),
                _ => meaning_of(information.message())(error.into()),
            },
            _ => Self::Internal(error.into()),
        }
    }
}

/// Tells by its text an error whose code the driver hides. The service's roles speak `lc_messages = C`.
fn meaning_of(message: &str) -> fn(Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    const UNAVAILABLE: [&str; 5] = [
        "terminating connection due to",
        "the database system is",
        "canceling statement due to statement timeout",
        "sorry, too many clients already",
        "remaining connection slots are reserved",
    ];
    const CONFLICT: [&str; 3] =
        ["deadlock detected", "canceling statement due to lock timeout", "could not obtain lock"];
    if UNAVAILABLE.iter().any(|text| message.starts_with(text)) {
        StoreError::Unavailable
    } else if CONFLICT.iter().any(|text| message.starts_with(text)) {
        StoreError::Conflict
    } else {
        StoreError::Internal
    }
}

/// Names what a violated constraint means, beside the statement that can violate it.
pub(crate) trait OnConstraint<T> {
    /// `meaning` if it was the constraint called `name`, otherwise the store's failure.
    fn on_constraint<E: From<StoreError>>(self, name: &str, meaning: impl FnOnce() -> E) -> Result<T, E>;
}

impl<T> OnConstraint<T> for Result<T, PgError> {
    fn on_constraint<E: From<StoreError>>(self, name: &str, meaning: impl FnOnce() -> E) -> Result<T, E> {
        self.map_err(|error| if error.constraint() == Some(name) { meaning() } else { StoreError::from(error).into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constraint_is_found_in_the_message_without_its_shard() {
        let message = |name: &str| format!("duplicate key value violates unique constraint \"{name}\"");

        assert_eq!(constraint_in(&message("tenants_slug_key")), Some("tenants_slug_key"));
        assert_eq!(constraint_in(&message("tenants_slug_key_102215")), Some("tenants_slug_key"));
        assert_eq!(constraint_in("something else"), None);
    }
}
