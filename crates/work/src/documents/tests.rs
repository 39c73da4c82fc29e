use std::sync::Arc;

use chrono::DateTime;
use tenantry_tenancy::clock::FixedClock;

use super::*;
use crate::testing::{MemoryWork, new_document, new_project};

const ANY: Replaces = Replaces::Any(Expected::ANY);

#[tokio::test]
async fn content_is_kept_by_the_document_that_waits_for_it() {
    let mut tx = work();
    let document = document(&mut tx).await;

    let blob = expect_content(&mut tx, document.id, &ANY).await.unwrap();
    assert!(matches!(content(&mut tx, document.id).await, Err(DocumentError::Empty(_))));
    let kept = keep_content(&mut tx, document.id, &ANY, content_in(blob.id)).await.unwrap().document;

    assert_eq!(kept, Document { content: Some(content_in(blob.id)), version: 2, ..document });
    assert_eq!(content(&mut tx, kept.id).await.unwrap(), (kept, content_in(blob.id)));
}

#[tokio::test]
async fn an_upload_that_was_given_up_changes_nothing() {
    let mut tx = work();
    let document = document(&mut tx).await;
    let blob = expect_content(&mut tx, document.id, &ANY).await.unwrap();
    tx.blobs().give_up(blob.id).await.unwrap();

    let refused = keep_content(&mut tx, document.id, &ANY, content_in(blob.id)).await;

    assert!(matches!(refused, Err(DocumentError::GivenUp(given_up)) if given_up == blob.id), "{refused:?}");
    assert_eq!(show(&mut tx, document.id).await.unwrap(), document);
}

#[tokio::test]
async fn what_is_replaced_or_deleted_is_doomed_and_what_was_kept_is_not_given_up() {
    let mut tx = work();
    let document = document(&mut tx).await;
    let first = expect_content(&mut tx, document.id, &ANY).await.unwrap();
    let kept = keep_content(&mut tx, document.id, &ANY, content_in(first.id)).await.unwrap();
    assert_eq!((kept.replaced, give_up(&mut tx, first).await.unwrap()), (None, None));

    let second = expect_content(&mut tx, document.id, &ANY).await.unwrap();
    let kept = keep_content(&mut tx, document.id, &ANY, content_in(second.id)).await.unwrap();
    assert_eq!(kept.replaced, Some(first));
    let third = expect_content(&mut tx, document.id, &ANY).await.unwrap();
    assert_eq!(give_up(&mut tx, third).await.unwrap(), Some(third));
    assert_eq!(delete(&mut tx, document.id, &Expected::ANY).await.unwrap(), Some(second));

    let mut doomed = tx.blobs().doomed(9).await.unwrap();
    doomed.sort_by_key(|blob| blob.id);
    assert_eq!(doomed, [first, second, third]);
}

#[tokio::test]
async fn an_upload_for_another_version_changes_nothing() {
    let mut tx = work();
    let document = document(&mut tx).await;
    let first = Expected::one_of(vec![1]);
    let replaces = Replaces::Any(first.clone());
    let blob = expect_content(&mut tx, document.id, &replaces).await.unwrap();
    let title = Some(DocumentTitle::parse("other").unwrap());
    let changed =
        change(&mut tx, document.id, &first, DocumentChange { title, ..DocumentChange::default() }).await.unwrap();

    let refused = keep_content(&mut tx, document.id, &replaces, content_in(blob.id)).await;

    assert!(matches!(refused, Err(DocumentError::Stale(_))), "{refused:?}");
    assert!(matches!(delete(&mut tx, document.id, &first).await, Err(DocumentError::Stale(_))));
    assert_eq!(show(&mut tx, document.id).await.unwrap(), changed);
}

#[tokio::test]
async fn of_two_uploads_in_place_of_the_same_content_one_succeeds_whatever_else_is_changed() {
    let mut tx = work();
    let document = document(&mut tx).await;
    let other = expect_content(&mut tx, document.id, &Replaces::Content(Some(BlobId::generate()))).await;
    assert!(matches!(other, Err(DocumentError::Replaced(_))), "{other:?}");
    let replaces = Replaces::Content(None);
    let first = expect_content(&mut tx, document.id, &replaces).await.unwrap();
    let second = expect_content(&mut tx, document.id, &replaces).await.unwrap();
    let title = Some(DocumentTitle::parse("other").unwrap());
    change(&mut tx, document.id, &Expected::ANY, DocumentChange { title, ..DocumentChange::default() }).await.unwrap();

    let kept = keep_content(&mut tx, document.id, &replaces, content_in(first.id)).await.unwrap().document;
    let refused = keep_content(&mut tx, document.id, &replaces, content_in(second.id)).await;
    let again = expect_content(&mut tx, document.id, &replaces).await;

    assert!(matches!(refused, Err(DocumentError::Replaced(_))), "{refused:?}");
    assert!(matches!(again, Err(DocumentError::Replaced(_))), "{again:?}");
    assert_eq!(show(&mut tx, document.id).await.unwrap(), kept);
    let next = Replaces::Content(Some(first.id));
    assert!(expect_content(&mut tx, document.id, &next).await.is_ok());
}

#[tokio::test]
async fn a_change_that_leaves_everything_as_it_is_keeps_the_version() {
    let mut tx = work();
    let document = document(&mut tx).await;
    let same = DocumentChange { project: Some(document.project), title: Some(document.title.clone()) };

    let changed = change(&mut tx, document.id, &Expected::ANY, same).await.unwrap();

    assert_eq!(changed, document);
}

fn work() -> MemoryWork {
    MemoryWork::new(Arc::new(FixedClock(DateTime::UNIX_EPOCH)))
}

async fn document(tx: &mut MemoryWork) -> Document {
    let project = tx.projects().insert(&new_project()).await.unwrap().id;
    tx.documents().insert(&new_document(project)).await.unwrap()
}

fn content_in(blob: BlobId) -> Content {
    Content { blob, content_type: ContentType::default(), size: 1, sha256: Sha256::new([1; 32]) }
}
