use super::*;

/// Keys in memory.
#[derive(Default)]
struct MemoryKeys(Vec<ApiKey>);

#[async_trait]
impl ApiKeyRepo for MemoryKeys {
    async fn find(&mut self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.0.iter().find(|key| key.id == id).cloned())
    }

    async fn find_for_update(&mut self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        self.find(id).await
    }

    async fn list(&mut self, page: &PageQuery) -> Result<Page<ApiKey>, StoreError> {
        Ok(Page::cut(self.0.clone(), page.limit, |key| key.id.as_uuid()))
    }

    async fn insert(&mut self, new: &NewApiKey) -> Result<(), ApiKeyError> {
        let NewApiKey { id, holder, imprint, terms } = new.clone();
        let Terms { name, scopes, networks, expires_at } = terms;
        let (prefix, last_used_at, replaced_by, version) = (imprint.prefix, None, None, 1);
        let (created_at, updated_at) = (NOW.now(), NOW.now());
        self.0.push(ApiKey {
            id,
            holder,
            name,
            prefix,
            scopes,
            networks,
            expires_at,
            last_used_at,
            replaced_by,
            version,
            created_at,
            updated_at,
        });
        Ok(())
    }

    async fn update(&mut self, id: ApiKeyId, change: &ApiKeyChange) -> Result<bool, StoreError> {
        let Some(key) = self.0.iter_mut().find(|key| key.id == id) else { return Ok(false) };
        let ApiKeyChange { name, scopes, networks, expires_at } = change.clone();
        key.name = name.unwrap_or_else(|| key.name.clone());
        key.scopes = scopes.unwrap_or(key.scopes);
        key.networks = networks.unwrap_or_else(|| key.networks.clone());
        key.expires_at = expires_at.unwrap_or(key.expires_at);
        Ok(true)
    }

    async fn replace(&mut self, id: ApiKeyId, by: ApiKeyId, ends_at: DateTime<Utc>) -> Result<bool, StoreError> {
        let key = self.0.iter_mut().find(|key| key.id == id && key.replaced_by.is_none());
        Ok(key.map(|key| (key.replaced_by, key.expires_at) = (Some(by), Some(ends_at))).is_some())
    }

    async fn delete(&mut self, id: ApiKeyId) -> Result<bool, StoreError> {
        let before = self.0.len();
        self.0.retain(|key| key.id != id);
        Ok(self.0.len() < before)
    }
}

/// A clock that stands still.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
    }
}

const NOW: Standing = Standing;

fn in_days(days: i64) -> Option<DateTime<Utc>> {
    Some(NOW.now() + TimeDelta::days(days))
}

fn owner() -> Maker {
    Maker { user: UserId::generate(), permissions: PermissionSet::ALL, key: None, max_age: None }
}

fn imprint() -> Imprint {
    Imprint { prefix: "tenantry_sk_test_0123456789ab".to_owned(), digest: [0; 32] }
}

fn terms() -> Terms {
    Terms { name: ApiKeyName::parse("CI").unwrap(), scopes: PermissionSet::READ, networks: None, expires_at: None }
}

fn networks(text: &str) -> Option<Networks> {
    Some(Networks::parse(&[text]).unwrap())
}

/// A key of somebody who may do everything.
async fn made(keys: &mut MemoryKeys, terms: Terms) -> ApiKey {
    make(keys, &NOW, &owner(), imprint(), terms).await.unwrap()
}

#[tokio::test]
async fn a_key_does_no_more_than_its_maker_may() {
    let mut keys = MemoryKeys::default();
    let viewer = Maker { permissions: PermissionSet::READ, ..owner() };
    let scopes = PermissionSet::READ.with(Permission::WriteTasks).with(Permission::ReadAudit);

    let refused = make(&mut keys, &NOW, &viewer, imprint(), Terms { scopes, ..terms() }).await;
    let key = make(&mut keys, &NOW, &viewer, imprint(), terms()).await.unwrap();
    let widened = ApiKeyChange { scopes: Some(scopes), ..ApiKeyChange::default() };
    let unchanged = change(&mut keys, &NOW, &viewer, key.id, &Expected::ANY, widened.clone()).await;

    let beyond = PermissionSet::NONE.with(Permission::WriteTasks).with(Permission::ReadAudit);
    assert!(matches!(refused, Err(ApiKeyError::Scopes(it)) if it == beyond));
    assert!(matches!(unchanged, Err(ApiKeyError::Scopes(it)) if it == beyond));
    assert_eq!((key.holder, key.scopes), (viewer.user, PermissionSet::READ));
    assert_eq!(change(&mut keys, &NOW, &owner(), key.id, &Expected::ANY, widened).await.unwrap().scopes, scopes);
}

#[tokio::test]
async fn what_a_key_makes_is_bounded_by_it() {
    let mut keys = MemoryKeys::default();
    let parent = made(&mut keys, Terms { networks: networks("10.0.0.0/8"), expires_at: in_days(7), ..terms() }).await;
    let by_key = Maker { permissions: parent.scopes, key: Some(parent.id), ..owner() };
    let free = ApiKeyChange { networks: Some(None), expires_at: Some(in_days(30)), ..ApiKeyChange::default() };

    let child = make(&mut keys, &NOW, &by_key, imprint(), terms()).await.unwrap();
    let inside = Terms { networks: networks("10.1.0.0/16"), expires_at: in_days(1), ..terms() };
    let inside = make(&mut keys, &NOW, &by_key, imprint(), inside).await.unwrap();
    let outside = Terms { networks: networks("11.0.0.0/8"), ..terms() };
    let outside = make(&mut keys, &NOW, &by_key, imprint(), outside).await;
    let itself = change(&mut keys, &NOW, &by_key, parent.id, &Expected::ANY, free).await.unwrap();
    let successor = rotate(&mut keys, &NOW, &by_key, parent.id, imprint(), Overlap::default()).await.unwrap();

    assert_eq!((child.networks, child.expires_at), (networks("10.0.0.0/8"), in_days(7)));
    assert_eq!((inside.networks, inside.expires_at), (networks("10.1.0.0/16"), in_days(1)));
    assert!(matches!(outside, Err(ApiKeyError::Network(_))));
    assert_eq!((itself.networks, itself.expires_at), (networks("10.0.0.0/8"), in_days(7)));
    assert_eq!((successor.networks, successor.expires_at), (networks("10.0.0.0/8"), in_days(7)));
}

#[tokio::test]
async fn a_key_that_was_just_revoked_or_narrowed_makes_no_more_than_it_could_now() {
    let mut keys = MemoryKeys::default();
    let parent = made(&mut keys, terms()).await;
    let as_let_in = Maker { permissions: PermissionSet::READ, key: Some(parent.id), ..owner() };
    let scopes = PermissionSet::NONE.with(Permission::ReadTasks);
    let narrower = ApiKeyChange { scopes: Some(scopes), ..ApiKeyChange::default() };
    change(&mut keys, &NOW, &owner(), parent.id, &Expected::ANY, narrower).await.unwrap();

    let too_much = make(&mut keys, &NOW, &as_let_in, imprint(), terms()).await;
    let enough = make(&mut keys, &NOW, &as_let_in, imprint(), Terms { scopes, ..terms() }).await;
    revoke(&mut keys, parent.id, &Expected::ANY).await.unwrap();
    let nothing = make(&mut keys, &NOW, &as_let_in, imprint(), Terms { scopes, ..terms() }).await;

    assert!(matches!(too_much, Err(ApiKeyError::Scopes(_))) && enough.is_ok());
    assert!(matches!(nothing, Err(ApiKeyError::NotFound(id)) if id == parent.id));
}

#[tokio::test]
async fn the_policy_of_the_tenant_bounds_every_end() {
    let mut keys = MemoryKeys::default();
    let maker = Maker { max_age: MaxAgeDays::new(90), ..owner() };
    let asked = async |keys: &mut MemoryKeys, expires_at| {
        make(keys, &NOW, &maker, imprint(), Terms { expires_at, ..terms() }).await.unwrap().expires_at
    };

    assert_eq!(asked(&mut keys, None).await, in_days(90));
    assert_eq!(asked(&mut keys, in_days(365)).await, in_days(90));
    assert_eq!(asked(&mut keys, in_days(30)).await, in_days(30));
    let forever = made(&mut keys, terms()).await;
    let never = ApiKeyChange { expires_at: Some(None), ..ApiKeyChange::default() };
    assert_eq!(
        change(&mut keys, &NOW, &maker, forever.id, &Expected::ANY, never).await.unwrap().expires_at,
        in_days(90)
    );
    let successor = rotate(&mut keys, &NOW, &maker, forever.id, imprint(), Overlap::default()).await.unwrap();
    assert_eq!(successor.expires_at, in_days(90));
}

#[tokio::test]
async fn an_end_lies_ahead_and_not_too_far() {
    let mut keys = MemoryKeys::default();
    let key = made(&mut keys, terms()).await;

    for expires_at in [in_days(0), in_days(-1), in_days(3651), Some(DateTime::<Utc>::MAX_UTC)] {
        let refused = make(&mut keys, &NOW, &owner(), imprint(), Terms { expires_at, ..terms() }).await;
        assert!(matches!(refused, Err(ApiKeyError::Expiry)), "{expires_at:?}");
        let moved = ApiKeyChange { expires_at: Some(expires_at), ..ApiKeyChange::default() };
        assert!(matches!(
            change(&mut keys, &NOW, &owner(), key.id, &Expected::ANY, moved).await,
            Err(ApiKeyError::Expiry)
        ));
    }
}

#[tokio::test]
async fn a_rotated_key_ends_after_the_overlap_and_its_successor_is_the_callers() {
    let mut keys = MemoryKeys::default();
    let old = made(&mut keys, Terms { expires_at: in_days(30), ..terms() }).await;
    let other = owner();

    let new = rotate(&mut keys, &NOW, &other, old.id, imprint(), Overlap::default()).await.unwrap();
    let again = rotate(&mut keys, &NOW, &other, old.id, imprint(), Overlap::default()).await;
    let later = ApiKeyChange { expires_at: Some(None), ..ApiKeyChange::default() };
    let after = change(&mut keys, &NOW, &other, old.id, &Expected::ANY, later).await.unwrap();

    assert_eq!((new.holder, new.scopes, new.expires_at), (other.user, old.scopes, in_days(30)));
    assert_eq!((after.replaced_by, after.expires_at), (Some(new.id), in_days(1)));
    assert!(matches!(again, Err(ApiKeyError::Rotated(id)) if id == old.id));
}

#[tokio::test]
async fn a_key_that_does_more_than_one_may_is_not_shown_anew() {
    let mut keys = MemoryKeys::default();
    let strong = made(&mut keys, Terms { scopes: PermissionSet::ALL, ..terms() }).await;
    let weak = Maker { permissions: PermissionSet::READ.with(Permission::WriteApiKeys), ..owner() };

    let refused = rotate(&mut keys, &NOW, &weak, strong.id, imprint(), Overlap::default()).await;

    assert!(matches!(refused, Err(ApiKeyError::TooPowerful(_))));
    assert_eq!(show(&mut keys, strong.id).await.unwrap(), strong);
}

#[tokio::test]
async fn a_key_is_revoked_once() {
    let mut keys = MemoryKeys::default();
    let key = made(&mut keys, terms()).await;

    assert!(revoke(&mut keys, key.id, &Expected::ANY).await.is_ok());
    assert!(matches!(revoke(&mut keys, key.id, &Expected::ANY).await, Err(ApiKeyError::NotFound(id)) if id == key.id));
}

#[tokio::test]
async fn a_key_of_another_version_than_expected_stays_as_it_is() {
    let mut keys = MemoryKeys::default();
    let key = made(&mut keys, terms()).await;
    let renamed = ApiKeyChange { name: Some(ApiKeyName::parse("Nightly").unwrap()), ..ApiKeyChange::default() };
    let other = Expected::one_of(vec![2]);

    let changed = change(&mut keys, &NOW, &owner(), key.id, &other, renamed.clone()).await;
    let revoked = revoke(&mut keys, key.id, &other).await;

    assert!(matches!((changed, revoked), (Err(ApiKeyError::Stale(_)), Err(ApiKeyError::Stale(_)))));
    assert_eq!(show(&mut keys, key.id).await.unwrap(), key);
    let expected = Expected::one_of(vec![1]);
    assert!(change(&mut keys, &NOW, &owner(), key.id, &expected, renamed).await.is_ok());
}

#[test]
fn the_digest_is_not_shown() {
    assert!(!format!("{:?}", imprint()).contains("digest"));
}

#[test]
fn numbers_are_bounded() {
    let days = |json: &str| serde_json::from_str::<MaxAgeDays>(json);
    assert_eq!(days("3650").unwrap().as_delta(), TimeDelta::days(3650));
    for bad in ["0", "3651", "-1", "1.5", "\"1\"", "18446744073709551616"] {
        assert!(days(bad).is_err(), "{bad}");
    }
    assert!(serde_json::from_str::<Overlap>("0").is_ok() && serde_json::from_str::<Overlap>("604801").is_err());
}
