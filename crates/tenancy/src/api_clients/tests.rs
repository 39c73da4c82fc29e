//! The rules of machine clients, tried on clients in memory.

use super::*;
use crate::Permission;

/// Secrets, and until when they are good.
type Secrets = Vec<(SecretDigest, Option<DateTime<Utc>>)>;

/// Clients in memory, each with its secrets.
#[derive(Default)]
struct Clients(Vec<(ApiClient, Secrets)>);

/// When it is.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
}

impl Clients {
    fn secrets(&mut self, id: ApiClientId) -> &mut Secrets {
        &mut self.0.iter_mut().find(|(client, _)| client.id == id).unwrap().1
    }
}

#[async_trait]
impl ApiClientRepo for Clients {
    async fn find(&mut self, id: ApiClientId) -> Result<Option<ApiClient>, StoreError> {
        Ok(self.0.iter().find(|(client, _)| client.id == id).map(|(client, _)| client.clone()))
    }

    async fn find_for_update(&mut self, id: ApiClientId) -> Result<Option<ApiClient>, StoreError> {
        self.find(id).await
    }

    async fn list(&mut self, page: &PageQuery) -> Result<Page<ApiClient>, StoreError> {
        Ok(Page::cut(self.0.iter().map(|(client, _)| client.clone()).collect(), page.limit, |it| it.id.as_uuid()))
    }

    async fn usage(&mut self, _: ApiClientId, page: &PageQuery) -> Result<Page<ClientUse>, StoreError> {
        Ok(Page::cut(Vec::new(), page.limit, |it: &ClientUse| it.id.as_uuid()))
    }

    async fn insert(&mut self, new: &NewApiClient) -> Result<ApiClient, StoreError> {
        let NewApiClient { id, name, scopes } = new.clone();
        let (created_at, updated_at) = (Standing.now(), Standing.now());
        let client = ApiClient { id, name, scopes, enabled: true, version: 1, created_at, updated_at };
        self.0.push((client.clone(), Vec::new()));
        Ok(client)
    }

    async fn update(&mut self, id: ApiClientId, change: &ApiClientChange) -> Result<Option<ApiClient>, StoreError> {
        let Some((client, _)) = self.0.iter_mut().find(|(client, _)| client.id == id) else { return Ok(None) };
        client.name = change.name.clone().unwrap_or_else(|| client.name.clone());
        client.scopes = change.scopes.unwrap_or(client.scopes);
        client.enabled = change.enabled.unwrap_or(client.enabled);
        client.version += 1;
        Ok(Some(client.clone()))
    }

    async fn delete(&mut self, id: ApiClientId) -> Result<bool, StoreError> {
        let before = self.0.len();
        self.0.retain(|(client, _)| client.id != id);
        Ok(self.0.len() < before)
    }

    async fn add_secret(&mut self, id: ApiClientId, digest: &SecretDigest) -> Result<(), StoreError> {
        self.secrets(id).push((*digest, None));
        Ok(())
    }

    async fn retire_secret(&mut self, id: ApiClientId, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.secrets(id).retain(|(_, until)| until.is_none());
        self.secrets(id).iter_mut().for_each(|(_, good)| *good = Some(until));
        Ok(())
    }

    async fn withdraw_secrets(&mut self, id: ApiClientId) -> Result<(), StoreError> {
        self.secrets(id).clear();
        Ok(())
    }
}

const FIRST: SecretDigest = SecretDigest([1; 32]);
const SECOND: SecretDigest = SecretDigest([2; 32]);
const THIRD: SecretDigest = SecretDigest([3; 32]);

fn tasks() -> PermissionSet {
    PermissionSet::NONE.with(Permission::ReadTasks)
}

async fn made(clients: &mut Clients) -> ApiClient {
    let name = ApiClientName::parse("ci".to_owned()).unwrap();
    let new = NewApiClient { id: ApiClientId::generate(), name, scopes: tasks() };
    create(clients, PermissionSet::ALL, &new, &FIRST).await.unwrap()
}

#[tokio::test]
async fn nobody_gives_a_client_more_than_they_may() {
    let mut clients = Clients::default();
    let client = made(&mut clients).await;
    let (weak, more) = (PermissionSet::NONE.with(Permission::WriteApiClients), tasks().with(Permission::WriteTasks));
    let scopes = |scopes| ApiClientChange { scopes: Some(scopes), ..ApiClientChange::default() };
    let new = NewApiClient { id: ApiClientId::generate(), name: client.name.clone(), scopes: more };

    let refused = create(&mut clients, weak, &new, &SECOND).await;
    let widened = change(&mut clients, weak, client.id, &Expected::ANY, &scopes(more)).await;
    let learned = rotate_secret(&mut clients, &Standing, weak, client.id, TimeDelta::zero(), &SECOND).await;

    for refused in [refused, widened, learned] {
        assert!(matches!(refused, Err(ApiClientError::Exceeds)), "{refused:?}");
    }
    // What it has it may keep or lose.
    let narrowed = change(&mut clients, weak, client.id, &Expected::ANY, &scopes(PermissionSet::NONE)).await.unwrap();
    assert_eq!((narrowed.scopes, narrowed.version), (PermissionSet::NONE, 2));
}

#[tokio::test]
async fn an_old_secret_lives_on_for_the_overlap_or_not_at_all() {
    let mut clients = Clients::default();
    let client = made(&mut clients).await;
    let hour = TimeDelta::hours(1);

    rotate_secret(&mut clients, &Standing, tasks(), client.id, hour, &SECOND).await.unwrap();
    assert_eq!(*clients.secrets(client.id), [(FIRST, Some(Standing.now() + hour)), (SECOND, None)]);
    rotate_secret(&mut clients, &Standing, tasks(), client.id, TimeDelta::zero(), &THIRD).await.unwrap();
    assert_eq!(*clients.secrets(client.id), [(THIRD, None)]);
}

#[tokio::test]
async fn an_empty_change_changes_nothing_and_a_stale_one_neither() {
    let mut clients = Clients::default();
    let client = made(&mut clients).await;
    let (nothing, stale) = (ApiClientChange::default(), Expected::one_of(vec![9]));
    let disable = ApiClientChange { enabled: Some(false), ..ApiClientChange::default() };

    let same = change(&mut clients, tasks(), client.id, &Expected::ANY, &nothing).await.unwrap();
    let refused = change(&mut clients, tasks(), client.id, &stale, &disable).await;
    let kept = delete(&mut clients, client.id, &stale).await;

    assert_eq!(same, client);
    assert!(matches!(refused, Err(ApiClientError::Stale(_))) && matches!(kept, Err(ApiClientError::Stale(_))));
    delete(&mut clients, client.id, &Expected::one_of(vec![1])).await.unwrap();
    assert!(matches!(show(&mut clients, client.id).await, Err(ApiClientError::NotFound(_))));
}
