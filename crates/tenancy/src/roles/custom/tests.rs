//! The rules of a tenant's own roles, tried on roles in memory.

use std::collections::BTreeMap;

use super::*;

/// Roles in memory, some of which somebody has.
#[derive(Default)]
struct Roles {
    all: BTreeMap<RoleId, CustomRole>,
    in_use: Vec<RoleId>,
}

#[async_trait]
impl RoleRepo for Roles {
    async fn find(&mut self, id: RoleId) -> Result<Option<CustomRole>, StoreError> {
        Ok(self.all.get(&id).cloned())
    }

    async fn find_for_update(&mut self, id: RoleId) -> Result<Option<CustomRole>, StoreError> {
        self.find(id).await
    }

    async fn list(&mut self) -> Result<Vec<CustomRole>, StoreError> {
        Ok(self.all.values().cloned().collect())
    }

    async fn count_for_insert(&mut self) -> Result<usize, StoreError> {
        Ok(self.all.len())
    }

    async fn insert(&mut self, new: &NewRole) -> Result<CustomRole, RoleError> {
        if self.all.values().any(|role| role.name == new.name) {
            return Err(RoleError::NameTaken(new.name.clone()));
        }
        let NewRole { id, name, description, permissions } = new.clone();
        let (created_at, updated_at) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
        let role = CustomRole { id, name, description, permissions, version: 1, created_at, updated_at };
        self.all.insert(id, role.clone());
        Ok(role)
    }

    async fn update(&mut self, id: RoleId, change: &RoleChange) -> Result<Option<CustomRole>, StoreError> {
        let Some(role) = self.all.get_mut(&id) else { return Ok(None) };
        role.description = change.description.clone().unwrap_or_else(|| role.description.clone());
        role.permissions = change.permissions.unwrap_or(role.permissions);
        role.version += 1;
        Ok(Some(role.clone()))
    }

    async fn delete(&mut self, id: RoleId) -> Result<bool, RoleError> {
        if self.in_use.contains(&id) { Err(RoleError::InUse(id)) } else { Ok(self.all.remove(&id).is_some()) }
    }
}

fn new_role(name: &str) -> NewRole {
    NewRole {
        id: RoleId::generate(),
        name: RoleName::parse(name).unwrap(),
        description: RoleDescription::default(),
        permissions: PermissionSet::READ,
    }
}

fn to(permissions: PermissionSet) -> RoleChange {
    RoleChange { permissions: Some(permissions), ..RoleChange::default() }
}

#[tokio::test]
async fn nobody_defines_a_role_that_allows_more_than_they_may() {
    let mut roles = Roles::default();
    let role = define(&mut roles, PermissionSet::READ, &new_role("support")).await.unwrap();

    let more = NewRole { permissions: PermissionSet::BUSINESS, ..new_role("more") };
    let refused = define(&mut roles, PermissionSet::READ, &more).await;
    let widened = change(&mut roles, PermissionSet::READ, role.id, &Expected::ANY, &to(PermissionSet::BUSINESS)).await;

    let beyond = PermissionSet::BUSINESS.iter().filter(|it| !PermissionSet::READ.contains(*it));
    let beyond = beyond.fold(PermissionSet::NONE, PermissionSet::with);
    for refused in [refused, widened] {
        assert!(matches!(&refused, Err(RoleError::Exceeds(excess)) if *excess == beyond), "{refused:?}");
    }
    assert_eq!(roles.all.into_values().collect::<Vec<_>>(), [role]);
}

#[tokio::test]
async fn a_name_is_not_built_in_and_is_one_roles_only() {
    let mut roles = Roles::default();
    for built_in in Role::ALL {
        let refused = define(&mut roles, PermissionSet::ALL, &new_role(built_in.as_str())).await;
        assert!(matches!(refused, Err(RoleError::BuiltIn(role)) if role == *built_in), "{refused:?}");
    }
    define(&mut roles, PermissionSet::ALL, &new_role("support")).await.unwrap();

    let twice = define(&mut roles, PermissionSet::ALL, &new_role("support")).await;

    assert!(matches!(twice, Err(RoleError::NameTaken(_))), "{twice:?}");
}

#[tokio::test]
async fn a_tenant_has_a_hundred_roles_at_the_most() {
    let mut roles = Roles::default();
    for number in 0..MAX_ROLES {
        define(&mut roles, PermissionSet::ALL, &new_role(&format!("role-{number}"))).await.unwrap();
    }

    let refused = define(&mut roles, PermissionSet::ALL, &new_role("one-more")).await;

    assert!(matches!(refused, Err(RoleError::TooMany)), "{refused:?}");
}

#[tokio::test]
async fn a_role_that_somebody_has_is_not_deleted() {
    let mut roles = Roles::default();
    let role = define(&mut roles, PermissionSet::ALL, &new_role("support")).await.unwrap();
    roles.in_use.push(role.id);

    let refused = delete(&mut roles, role.id, &Expected::ANY).await;
    roles.in_use.clear();
    delete(&mut roles, role.id, &Expected::ANY).await.unwrap();

    assert!(matches!(refused, Err(RoleError::InUse(id)) if id == role.id), "{refused:?}");
    assert!(matches!(show(&mut roles, role.id).await, Err(RoleError::NotFound(_))));
}

#[tokio::test]
async fn a_change_made_from_another_version_is_refused_and_one_that_changes_nothing_is_none() {
    let mut roles = Roles::default();
    let role = define(&mut roles, PermissionSet::ALL, &new_role("support")).await.unwrap();
    let stale = Expected::one_of(vec![7]);

    let refused = change(&mut roles, PermissionSet::ALL, role.id, &stale, &to(PermissionSet::NONE)).await;
    let same = change(&mut roles, PermissionSet::ALL, role.id, &Expected::ANY, &to(role.permissions)).await.unwrap();
    let changed = change(&mut roles, PermissionSet::ALL, role.id, &Expected::ANY, &to(PermissionSet::NONE)).await;

    assert!(matches!(refused, Err(RoleError::Stale(_))), "{refused:?}");
    assert_eq!(same, role);
    assert_eq!(changed.map(|role| role.version).ok(), Some(2));
    assert!(matches!(delete(&mut roles, role.id, &stale).await, Err(RoleError::Stale(_))));
}
