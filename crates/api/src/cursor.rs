//! Cursors: where a list goes on, sealed so that nobody can make one or carry one elsewhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tenantry_tenancy::TenantId;
use uuid::Uuid;

use crate::problem::ApiError;

const ID: usize = 16;
const MAC: usize = 16;

/// Seals cursors with a key that every instance shares.
#[derive(Clone)]
pub struct Cursors(Hmac<Sha256>);

impl Cursors {
    /// Uses a secret key of any length; 32 random bytes are right.
    pub fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    /// A cursor behind the item `after` of one list: one tenant's, with one filter and order, which `list` spells out.
    pub(crate) fn seal(&self, tenant: TenantId, list: &str, after: Uuid) -> String {
        let mut bytes = [0; ID + MAC];
        let (id, mac) = bytes.split_at_mut(ID);
        id.copy_from_slice(after.as_bytes());
        mac.copy_from_slice(self.mac(tenant, list, after).finalize().into_bytes().split_at(MAC).0);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor of this list.
    pub(crate) fn open(&self, tenant: TenantId, list: &str, cursor: &str) -> Result<Uuid, ApiError> {
        let invalid = || ApiError::invalid("cursor", "invalid", "is not a cursor of this list");
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
        let (id, mac) = bytes.split_at_checked(ID).ok_or_else(invalid)?;
        let after = Uuid::from_slice(id).map_err(|_| invalid())?;
        if mac.len() != MAC {
            return Err(invalid());
        }
        self.mac(tenant, list, after).verify_truncated_left(mac).map_err(|_| invalid())?;
        Ok(after)
    }

    fn mac(&self, tenant: TenantId, list: &str, after: Uuid) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        // The first two have a fixed length, so the parts cannot run into each other.
        mac.update(tenant.as_uuid().as_bytes());
        mac.update(after.as_bytes());
        mac.update(list.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let cursors = Cursors::new(&[7; 32]);
        let (tenant, after) = (TenantId::random(), Uuid::now_v7());

        let cursor = cursors.seal(tenant, "projects?status=active", after);

        assert_eq!(cursors.open(tenant, "projects?status=active", &cursor).unwrap(), after);
        assert!(cursors.open(tenant, "projects?status=paused", &cursor).is_err());
        assert!(cursors.open(TenantId::random(), "projects?status=active", &cursor).is_err());
        assert!(Cursors::new(&[8; 32]).open(tenant, "projects?status=active", &cursor).is_err());
    }

    #[test]
    fn a_damaged_cursor_is_refused() {
        let cursors = Cursors::new(&[7; 32]);
        let tenant = TenantId::random();
        let cursor = cursors.seal(tenant, "projects", Uuid::now_v7());
        let mut damaged = cursor.clone().into_bytes();
        damaged[0] = if damaged[0] == b'A' { b'B' } else { b'A' };

        for bad in [
            "",
            "x",
            "!!!!",
            &cursor[1..],
            &cursor[..22],
            &format!("{cursor}A"),
            std::str::from_utf8(&damaged).unwrap(),
        ] {
            assert!(cursors.open(tenant, "projects", bad).is_err(), "{bad}");
        }
    }
}
