//! The rules of domains, tried on domains in memory.

use super::*;

/// Domains in memory. Another tenant has proven `theirs.example`.
#[derive(Default)]
struct Domains(Vec<Domain>);

/// When it is.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
}

#[async_trait]
impl DomainRepo for Domains {
    async fn find(&mut self, id: DomainId) -> Result<Option<Domain>, StoreError> {
        Ok(self.0.iter().find(|it| it.id == id).cloned())
    }

    async fn find_for_update(&mut self, id: DomainId) -> Result<Option<Domain>, StoreError> {
        self.find(id).await
    }

    async fn list(&mut self, page: &PageQuery) -> Result<Page<Domain>, StoreError> {
        Ok(Page::cut(self.0.clone(), page.limit, |it| it.id.as_uuid()))
    }

    async fn count_for_insert(&mut self) -> Result<usize, StoreError> {
        Ok(self.0.len())
    }

    async fn insert(&mut self, new: &NewDomain) -> Result<Domain, DomainError> {
        if self.0.iter().any(|it| it.name == new.name) {
            return Err(DomainError::Taken(new.name.clone()));
        }
        let NewDomain { id, name, challenge } = new.clone();
        let (created_at, updated_at) = (Standing.now(), Standing.now());
        self.0.push(Domain { id, name, challenge, verified_at: None, version: 1, created_at, updated_at });
        Ok(self.0[self.0.len() - 1].clone())
    }

    async fn set_verified(&mut self, domain: &Domain, now: DateTime<Utc>) -> Result<Domain, DomainError> {
        if domain.name.as_str() == "theirs.example" {
            return Err(DomainError::NotProven(domain.record_name()));
        }
        let found = self.0.iter_mut().find(|it| it.id == domain.id).ok_or(DomainError::NotFound(domain.id))?;
        (found.verified_at, found.version) = (Some(now), found.version + 1);
        Ok(found.clone())
    }

    async fn delete(&mut self, id: DomainId) -> Result<bool, StoreError> {
        let before = self.0.len();
        self.0.retain(|it| it.id != id);
        Ok(self.0.len() < before)
    }
}

fn new(name: &str) -> NewDomain {
    NewDomain { id: DomainId::generate(), name: DomainName::parse(name).unwrap(), challenge: "abc".to_owned() }
}

#[tokio::test]
async fn a_domain_is_proven_by_its_record_and_nothing_else() {
    let mut domains = Domains::default();
    let own = add(&mut domains, &new("app.acme.example"), None).await.unwrap();
    let theirs = add(&mut domains, &new("theirs.example"), None).await.unwrap();
    let right = vec!["v=spf1 -all".to_owned(), "tenantry-verification=abc".to_owned()];

    for wrong in [&[][..], &["abc".to_owned()], &["tenantry-verification=abcd".to_owned()]] {
        let refused = verify(&mut domains, &Standing, own.id, wrong).await;
        assert!(matches!(&refused, Err(DomainError::NotProven(name)) if *name == own.record_name()), "{refused:?}");
    }
    let proven = verify(&mut domains, &Standing, own.id, &right).await.unwrap();
    let again = verify(&mut domains, &Standing, own.id, &right).await.unwrap();
    let stolen = verify(&mut domains, &Standing, theirs.id, &right).await;

    assert_eq!((proven.verified_at, proven.version), (Some(Standing.now()), 2));
    assert_eq!(again, proven);
    assert!(matches!(stolen, Err(DomainError::NotProven(_))), "{stolen:?}");
}

#[tokio::test]
async fn the_services_own_domain_is_nobodys_and_a_name_is_added_once() {
    let mut domains = Domains::default();
    let reserved = Some("api.example.com");

    for name in ["api.example.com", "acme.api.example.com"] {
        let refused = add(&mut domains, &new(name), reserved).await;
        assert!(matches!(refused, Err(DomainError::Reserved(_))), "{refused:?}");
    }
    add(&mut domains, &new("example.com"), reserved).await.unwrap();
    let twice = add(&mut domains, &new("example.com"), reserved).await;
    assert!(matches!(twice, Err(DomainError::Taken(_))), "{twice:?}");
}

#[tokio::test]
async fn a_tenant_has_no_more_than_so_many() {
    let mut domains = Domains::default();
    for n in 0..MOST {
        add(&mut domains, &new(&format!("a{n}.example")), None).await.unwrap();
    }

    let one_more = add(&mut domains, &new("b.example"), None).await;

    assert!(matches!(one_more, Err(DomainError::TooMany)), "{one_more:?}");
}

#[tokio::test]
async fn a_domain_is_removed_at_the_version_that_was_seen() {
    let mut domains = Domains::default();
    let domain = add(&mut domains, &new("app.acme.example"), None).await.unwrap();

    let stale = remove(&mut domains, domain.id, &Expected::one_of(vec![2])).await;
    assert!(matches!(stale, Err(DomainError::Stale(_))), "{stale:?}");
    remove(&mut domains, domain.id, &Expected::one_of(vec![1])).await.unwrap();
    let gone = remove(&mut domains, domain.id, &Expected::ANY).await;
    assert!(matches!(gone, Err(DomainError::NotFound(_))), "{gone:?}");
}

#[test]
fn a_domain_is_a_host_on_the_internet() {
    for (raw, name) in [("App.Example.com.", "app.example.com"), ("xn--bcher-kva.example", "xn--bcher-kva.example")] {
        assert_eq!(DomainName::parse(raw).map(|it| it.to_string()), Ok(name.to_owned()));
    }
    let long = format!("{}.example", "a".repeat(64));
    for bad in [
        "",
        "localhost",
        "example",
        ".example.com",
        "a..b",
        "-a.example",
        "a-.example",
        "bücher.example",
        "127.0.0.1",
        "a.1",
        "a b.example",
        "a_b.example",
        "*.example.com",
        "a.example:80",
        "a.example/",
        &long,
    ] {
        assert_eq!(DomainName::parse(bad), Err(InvalidDomainName), "{bad}");
    }
}

#[test]
fn a_domain_is_within_itself_and_what_it_is_below() {
    let name = DomainName::parse("acme.api.example.com").unwrap();

    assert!(name.is_within("acme.api.example.com") && name.is_within("api.example.com"));
    assert!(!name.is_within("pi.example.com") && !name.is_within("other.example.com"));
}
