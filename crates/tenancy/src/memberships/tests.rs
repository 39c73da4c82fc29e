//! Who may make what of whom, tried on members in memory.

use std::collections::BTreeMap;

use super::*;

/// Members in memory, and a role of the tenant's own.
struct Members {
    all: BTreeMap<UserId, Membership>,
    support: RoleGrant,
}

#[async_trait]
impl MembershipRepo for Members {
    async fn find(&mut self, user: UserId) -> Result<Option<Membership>, StoreError> {
        Ok(self.all.get(&user).cloned())
    }

    async fn list(&mut self, page: &PageQuery) -> Result<Page<Membership>, StoreError> {
        Ok(Page::cut(self.all.values().cloned().collect(), page.limit, |member| member.user.as_uuid()))
    }

    async fn lock(&mut self, _: UserId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn owners(&mut self) -> Result<Vec<UserId>, StoreError> {
        Ok(self.all.values().filter(|it| it.role == Role::Owner).map(|it| it.user).collect())
    }

    async fn grant(&mut self, role: &RoleName) -> Result<Option<RoleGrant>, StoreError> {
        let own = Some(self.support.clone()).filter(|own| own.role == *role);
        Ok(role.built_in().map(RoleGrant::from).or(own))
    }

    async fn set_role(&mut self, user: UserId, role: &RoleName) -> Result<Membership, MembershipError> {
        let member = self.all.get_mut(&user).ok_or(MembershipError::NotFound(user))?;
        member.role = role.clone();
        member.version += 1;
        Ok(member.clone())
    }

    async fn delete(&mut self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.all.remove(&user).is_some())
    }
}

/// Members with these roles, in their order.
fn members<const N: usize>(roles: [RoleName; N]) -> (Members, [UserId; N]) {
    let users = std::array::from_fn(|_| UserId::generate());
    let all = users.into_iter().zip(roles).map(|(user, role)| {
        let email = Email::parse(&format!("{user}@example.com")).unwrap();
        let (created_at, updated_at) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
        (user, Membership { user, email, name: None, role, version: 1, created_at, updated_at })
    });
    let permissions = PermissionSet::NONE.with(Permission::ReadTasks).with(Permission::WriteMembers);
    let support = RoleGrant { role: RoleName::parse("support").unwrap(), permissions };
    (Members { all: all.collect(), support }, users)
}

fn as_role(role: Role) -> Administrator {
    Administrator { is_owner: role == Role::Owner, permissions: role.permissions() }
}

/// Somebody who may manage members and nothing else.
fn clerk() -> Administrator {
    Administrator { is_owner: false, permissions: PermissionSet::NONE.with(Permission::WriteMembers) }
}

#[tokio::test]
async fn a_tenant_keeps_an_owner() {
    let (mut members, [ada, bob]) = members([Role::Owner.into(), Role::Owner.into()]);
    let owner = as_role(Role::Owner);

    remove(&mut members, owner, ada, &Expected::ANY).await.unwrap();
    let left = remove(&mut members, owner, bob, &Expected::ANY).await;
    let demoted = change_role(&mut members, owner, bob, &Expected::ANY, &Role::Admin.into()).await;
    let again = change_role(&mut members, owner, bob, &Expected::ANY, &Role::Owner.into()).await.unwrap();

    assert!(matches!(left, Err(MembershipError::LastOwner)), "{left:?}");
    assert!(matches!(demoted, Err(MembershipError::LastOwner)), "{demoted:?}");
    assert_eq!(again.version, 1);
}

#[tokio::test]
async fn only_an_owner_makes_or_unmakes_one() {
    let (mut members, [owner, other, member]) = members([Role::Owner.into(), Role::Owner.into(), Role::Member.into()]);
    let admin = as_role(Role::Admin);

    for refused in [
        change_role(&mut members, admin, member, &Expected::ANY, &Role::Owner.into()).await,
        change_role(&mut members, admin, owner, &Expected::ANY, &Role::Viewer.into()).await,
        remove(&mut members, admin, other, &Expected::ANY).await.map(|()| unreachable!("an owner is gone")),
    ] {
        assert!(matches!(refused, Err(MembershipError::OwnersOnly)), "{refused:?}");
    }
    let made = change_role(&mut members, as_role(Role::Owner), member, &Expected::ANY, &Role::Owner.into()).await;
    assert!(made.unwrap().role == Role::Owner);
}

#[tokio::test]
async fn nobody_gives_or_takes_what_they_do_not_have() {
    let support = RoleName::parse("support").unwrap();
    let (mut members, [viewer, helper]) = members([Role::Viewer.into(), support.clone()]);

    let given = change_role(&mut members, clerk(), viewer, &Expected::ANY, &support).await;
    let taken = remove(&mut members, clerk(), helper, &Expected::ANY).await;
    let unknown = RoleName::parse("gardener").unwrap();
    let missing = change_role(&mut members, as_role(Role::Owner), viewer, &Expected::ANY, &unknown).await;

    assert!(matches!(given, Err(MembershipError::Exceeds(Permission::ReadTasks))), "{given:?}");
    assert!(matches!(taken, Err(MembershipError::Outranked(Permission::ReadTasks))), "{taken:?}");
    assert!(matches!(&missing, Err(MembershipError::RoleUnknown(role)) if *role == unknown), "{missing:?}");
    remove(&mut members, as_role(Role::Admin), helper, &Expected::ANY).await.unwrap();
}

#[tokio::test]
async fn a_change_from_another_version_changes_nothing() {
    let (mut members, [ada, _]) = members([Role::Member.into(), Role::Owner.into()]);
    let (owner, stale) = (as_role(Role::Owner), Expected::one_of(vec![7]));

    let changed = change_role(&mut members, owner, ada, &stale, &Role::Viewer.into()).await;
    let removed = remove(&mut members, owner, ada, &stale).await;
    let nobody = remove(&mut members, owner, UserId::generate(), &Expected::ANY).await;

    assert!(matches!(changed, Err(MembershipError::Stale(_))) && matches!(removed, Err(MembershipError::Stale(_))));
    assert!(matches!(nobody, Err(MembershipError::NotFound(_))));
    assert!(show(&mut members, ada).await.unwrap().role == Role::Member);
}
