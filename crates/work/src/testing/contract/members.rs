//! What every repository of members does.

use tenantry_tenancy::UserId;

use crate::WorkTx;

pub(super) async fn a_member_is_told_from_a_stranger(tx: &mut dyn WorkTx, member: UserId) {
    assert!(tx.members().is_member(member).await.expect("members are looked up"));
    assert!(!tx.members().is_member(UserId::generate()).await.expect("members are looked up"));
}
