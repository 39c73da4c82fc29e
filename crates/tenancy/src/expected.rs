//! What a change expects of the thing it changes, so that nobody overwrites what they have not seen.

/// The versions that a change was made from (RFC 9110, section 13.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected(Option<Vec<i64>>);

/// The thing has another version by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has been changed since")]
pub struct Stale;

impl Expected {
    /// Any version will do.
    pub const ANY: Self = Self(None);

    /// One of these.
    pub const fn one_of(versions: Vec<i64>) -> Self {
        Self(Some(versions))
    }

    /// Whether any version will do.
    pub const fn is_any(&self) -> bool {
        self.0.is_none()
    }

    /// Refuses a version that is not expected.
    pub fn admit(&self, version: i64) -> Result<(), Stale> {
        match &self.0 {
            Some(versions) if !versions.contains(&version) => Err(Stale),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_admitted_by_the_versions_it_was_made_from() {
        assert_eq!(Expected::ANY.admit(7), Ok(()));
        assert_eq!(Expected::one_of(vec![6, 7]).admit(7), Ok(()));
        assert_eq!(Expected::one_of(vec![6]).admit(7), Err(Stale));
        assert_eq!(Expected::one_of(Vec::new()).admit(7), Err(Stale));
    }
}
