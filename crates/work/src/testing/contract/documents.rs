//! What every repository of documents and blobs does.

use chrono::{DateTime, TimeDelta, Utc};
use tenantry_tenancy::UserId;

use crate::WorkTx;
use crate::blobs::{Blob, BlobId};
use crate::documents::{
    Content, ContentType, Document, DocumentError, DocumentId, DocumentQuery, DocumentTitle, NewDocument, Sha256,
};
use crate::projects::ProjectId;
use crate::testing::{new_document, new_project};

pub(super) async fn a_document_comes_back_as_stored(tx: &mut dyn WorkTx, _: UserId) {
    let new = new_document(project(tx).await);

    let document = insert(tx, &new).await;

    let NewDocument { id, project, title } = new;
    let (created_at, updated_at) = (document.created_at, document.created_at);
    let expected = Document { id, project, title, content: None, version: 1, created_at, updated_at };
    assert_eq!(document, expected);
    assert_eq!(tx.documents().find(id).await.expect("a document is looked up"), Some(expected.clone()));
    assert_eq!(tx.documents().find_for_update(id).await.expect("a document is looked up"), Some(expected));
}

pub(super) async fn an_update_of_a_document_stores_its_content_and_counts_up(tx: &mut dyn WorkTx, _: UserId) {
    let new = new_document(project(tx).await);
    let document = insert(tx, &new).await;
    let blob = kept(tx, document.id).await;
    let title = DocumentTitle::parse("Ада \"1\" \\ 🦀.pdf").expect("a clean line");
    let content = Some(content_in(blob.id));

    let changed = Document { title, content, project: project(tx).await, ..document };
    let updated = tx.documents().update(&changed).await.expect("the document is there");

    assert_eq!(updated, Document { version: 2, updated_at: updated.updated_at, ..changed });
    assert_eq!(tx.documents().find(updated.id).await.expect("a document is looked up"), Some(updated));
}

pub(super) async fn deleting_a_project_deletes_its_documents(tx: &mut dyn WorkTx, _: UserId) {
    let project = project(tx).await;
    let document = filled(tx, project).await;

    assert!(tx.projects().delete(project).await.expect("a project is deleted"));

    assert_eq!(tx.documents().find(document.id).await.expect("a document is looked up"), None);
    assert!(!tx.documents().delete(document.id).await.expect("a document is looked for"));
}

pub(super) async fn documents_are_filtered_by_project(tx: &mut dyn WorkTx, _: UserId) {
    let (project, other) = (project(tx).await, project(tx).await);
    let document = insert(tx, &new_document(project)).await;
    insert(tx, &new_document(other)).await;
    let query = DocumentQuery { project: Some(project), ..DocumentQuery::default() };

    let page = tx.documents().list(&query).await.expect("documents are listed");

    assert_eq!(page.items, [document]);
}

pub(super) async fn a_blob_is_kept_once(tx: &mut dyn WorkTx, _: UserId) {
    let blob = expected(tx, DocumentId::generate()).await;

    assert!(tx.blobs().keep(blob.id).await.expect("a blob is kept"));

    assert!(!tx.blobs().keep(blob.id).await.expect("a blob is looked for"));
    let given_up = expected(tx, DocumentId::generate()).await;
    assert!(tx.blobs().give_up(given_up.id).await.expect("a blob is given up"));
    assert!(!tx.blobs().keep(given_up.id).await.expect("a blob is looked for"));
}

pub(super) async fn what_is_kept_is_released_and_not_given_up(tx: &mut dyn WorkTx, _: UserId) {
    let (awaited, kept) = (expected(tx, DocumentId::generate()).await, kept(tx, DocumentId::generate()).await);

    assert!(!tx.blobs().give_up(kept.id).await.expect("a blob is looked for"));
    assert!(!tx.blobs().release(awaited.id).await.expect("a blob is looked for"));
    assert!(tx.blobs().release(kept.id).await.expect("a blob is released"));
    let doomed = doomed(tx).await;
    assert!(doomed.contains(&kept.id) && !doomed.contains(&awaited.id));
    assert!(!tx.blobs().release(kept.id).await.expect("a blob is looked for"));
}

pub(super) async fn what_nobody_waits_for_or_points_at_is_doomed(tx: &mut dyn WorkTx, _: UserId) {
    let project = project(tx).await;
    let document = filled(tx, project).await;
    let in_use = document.content.as_ref().map(|content| content.blob);
    let gone = filled(tx, project).await;
    tx.documents().delete(gone.id).await.expect("a document is deleted");
    let awaited = expected(tx, document.id).await;

    tx.blobs().doom(DateTime::UNIX_EPOCH - TimeDelta::days(1)).await.expect("blobs are doomed");
    let early = doomed(tx).await;
    tx.blobs().doom(Utc::now() + TimeDelta::days(1)).await.expect("blobs are doomed");
    let late = doomed(tx).await;

    let of_gone = gone.content.map(|content| content.blob).expect("it had content");
    assert!(early.contains(&of_gone) && !early.contains(&awaited.id));
    assert!(late.contains(&of_gone) && late.contains(&awaited.id));
    assert!(in_use.is_some_and(|blob| !late.contains(&blob)));
    tx.blobs().forget(of_gone).await.expect("a blob is forgotten");
    assert!(!doomed(tx).await.contains(&of_gone));
}

pub(super) async fn a_document_of_an_unknown_project_is_refused(tx: &mut dyn WorkTx, _: UserId) {
    let refused = tx.documents().insert(&new_document(ProjectId::generate())).await;

    assert!(matches!(refused, Err(DocumentError::ProjectUnknown)), "{refused:?}");
}

async fn project(tx: &mut dyn WorkTx) -> ProjectId {
    tx.projects().insert(&new_project()).await.expect("a project is stored").id
}

async fn insert(tx: &mut dyn WorkTx, new: &NewDocument) -> Document {
    tx.documents().insert(new).await.expect("a document is stored")
}

async fn expected(tx: &mut dyn WorkTx, document: DocumentId) -> Blob {
    let blob = Blob { id: BlobId::generate(), document };
    tx.blobs().expect(&blob).await.expect("a blob is written down");
    blob
}

async fn kept(tx: &mut dyn WorkTx, document: DocumentId) -> Blob {
    let blob = expected(tx, document).await;
    assert!(tx.blobs().keep(blob.id).await.expect("a blob is kept"));
    blob
}

/// A document with content.
async fn filled(tx: &mut dyn WorkTx, project: ProjectId) -> Document {
    let document = insert(tx, &new_document(project)).await;
    let blob = kept(tx, document.id).await;
    let filled = Document { content: Some(content_in(blob.id)), ..document };
    tx.documents().update(&filled).await.expect("the document is there")
}

async fn doomed(tx: &mut dyn WorkTx) -> Vec<BlobId> {
    let doomed = tx.blobs().doomed(1000).await.expect("blobs are listed");
    doomed.into_iter().map(|blob| blob.id).collect()
}

fn content_in(blob: BlobId) -> Content {
    let content_type = ContentType::parse("text/plain; charset=utf-8").expect("a media type");
    Content { blob, content_type, size: 3, sha256: Sha256::new([7; 32]) }
}
