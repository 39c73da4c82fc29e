//! Cursors: where a list goes on, sealed so that nobody can make one or carry one elsewhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tenantry_tenancy::{Position, SortKey, TenantId};
use uuid::Uuid;

use crate::problem::ApiError;

const MAC: usize = 16;
const ID: usize = 16;

/// What a list can go on behind.
pub(crate) trait CursorPosition: Sized {
    /// Spells it out.
    fn to_bytes(&self) -> Vec<u8>;

    /// Reads what `to_bytes` wrote.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl CursorPosition for Uuid {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_slice(bytes).ok()
    }
}

impl CursorPosition for Position {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.id.to_bytes();
        match &self.key {
            SortKey::Id => {}
            SortKey::Text(text) => bytes.extend([b"t", text.as_bytes()].concat()),
            SortKey::Time(time) => bytes.extend([b"m", time.timestamp_micros().to_be_bytes().as_slice()].concat()),
            SortKey::Day(day) => bytes.extend([b"d", day.to_string().as_bytes()].concat()),
            SortKey::Number(number) => bytes.extend([b"n", number.to_be_bytes().as_slice()].concat()),
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, key) = bytes.split_at_checked(ID)?;
        let text = |raw: &[u8]| std::str::from_utf8(raw).ok().map(str::to_owned);
        let number = |raw: &[u8]| raw.try_into().ok().map(i64::from_be_bytes);
        let key = match key.split_first() {
            None => SortKey::Id,
            Some((b't', raw)) => SortKey::Text(text(raw)?),
            Some((b'm', raw)) => SortKey::Time(DateTime::from_timestamp_micros(number(raw)?)?),
            Some((b'd', raw)) => SortKey::Day(text(raw)?.parse::<NaiveDate>().ok()?),
            Some((b'n', raw)) => SortKey::Number(number(raw)?),
            Some(_) => return None,
        };
        Some(Self { key, id: Uuid::from_slice(id).ok()? })
    }
}

/// Seals cursors with a key that every instance shares.
#[derive(Clone)]
pub struct Cursors(Hmac<Sha256>);

impl Cursors {
    /// Uses a secret key of any length; 32 random bytes are right.
    pub fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    /// A cursor behind the item at `after` of one list: one tenant's, with one filter and order, which `list` spells out.
    pub(crate) fn seal(&self, tenant: TenantId, list: &str, after: &impl CursorPosition) -> String {
        let after = after.to_bytes();
        let mac = self.mac(tenant, list, &after).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode([mac.split_at(MAC).0, &after].concat())
    }

    /// Reads a cursor of this list.
    pub(crate) fn open<P: CursorPosition>(&self, tenant: TenantId, list: &str, cursor: &str) -> Result<P, ApiError> {
        let invalid = || ApiError::invalid("cursor", "invalid", "is not a cursor of this list");
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
        let (mac, after) = bytes.split_at_checked(MAC).ok_or_else(invalid)?;
        self.mac(tenant, list, after).verify_truncated_left(mac).map_err(|_| invalid())?;
        P::from_bytes(after).ok_or_else(invalid)
    }

    fn mac(&self, tenant: TenantId, list: &str, after: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        // Lengths first, so that the parts cannot run into each other.
        mac.update(tenant.as_uuid().as_bytes());
        mac.update(&(after.len() as u64).to_be_bytes());
        mac.update(after);
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

        let cursor = cursors.seal(tenant, "projects?status=active", &after);

        assert_eq!(cursors.open::<Uuid>(tenant, "projects?status=active", &cursor).unwrap(), after);
        assert!(cursors.open::<Uuid>(tenant, "projects?status=paused", &cursor).is_err());
        assert!(cursors.open::<Uuid>(TenantId::random(), "projects?status=active", &cursor).is_err());
        assert!(Cursors::new(&[8; 32]).open::<Uuid>(tenant, "projects?status=active", &cursor).is_err());
    }

    #[test]
    fn a_damaged_cursor_is_refused() {
        let cursors = Cursors::new(&[7; 32]);
        let tenant = TenantId::random();
        let cursor = cursors.seal(tenant, "projects", &Uuid::now_v7());
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
            assert!(cursors.open::<Uuid>(tenant, "projects", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_position_comes_back_as_it_was() {
        let cursors = Cursors::new(&[7; 32]);
        let tenant = TenantId::random();
        for key in [
            SortKey::Id,
            SortKey::Text("Ä\u{1f980} b".to_owned()),
            SortKey::Text(String::new()),
            SortKey::Time(DateTime::from_timestamp_micros(-1).unwrap()),
            SortKey::Day(NaiveDate::from_ymd_opt(9999, 12, 31).unwrap()),
            SortKey::Number(i64::MIN),
        ] {
            let position = Position { key, id: Uuid::now_v7() };

            let cursor = cursors.seal(tenant, "projects", &position);

            assert_eq!(cursors.open::<Position>(tenant, "projects", &cursor).unwrap(), position);
        }
    }
}
