//! Documents in Postgres.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use tenantry_tenancy::{Page, Position, Search, SortKey, SortedPage, StoreError};
use tenantry_work::blobs::BlobId;
use tenantry_work::documents::{
    Content, ContentType, Document, DocumentError, DocumentId, DocumentOrder, DocumentQuery, DocumentRepo,
    DocumentTitle, NewDocument, Sha256,
};
use tenantry_work::projects::ProjectId;
use uuid::Uuid;

use crate::error::OnConstraint;
use crate::lists::sorted;
use crate::rows::trusted;
use crate::schema::documents;
use crate::tenant_tx::PgTenantTx;

/// Says that the tenant has no such project; it speaks for other tenants' projects and for missing ones alike.
const PROJECT_KEY: &str = "documents_project_fkey";

#[derive(Queryable, Selectable)]
#[diesel(table_name = documents, check_for_backend(diesel::pg::Pg))]
struct DocumentRow {
    id: Uuid,
    project_id: Uuid,
    title: String,
    blob_id: Option<Uuid>,
    content_type: Option<String>,
    size: Option<i64>,
    sha256: Option<String>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<DocumentRow> for Document {
    type Error = StoreError;

    fn try_from(row: DocumentRow) -> Result<Self, StoreError> {
        let content = match (row.blob_id, row.content_type, row.size, row.sha256) {
            (Some(blob), Some(content_type), Some(size), Some(sha256)) => Some(Content {
                blob: BlobId::from_uuid(blob),
                content_type: trusted(ContentType::parse(&content_type))?,
                size: trusted(u64::try_from(size))?,
                sha256: trusted(Sha256::parse(sha256))?,
            }),
            _ => None,
        };
        Ok(Self {
            id: DocumentId::from_uuid(row.id),
            project: ProjectId::from_uuid(row.project_id),
            title: trusted(DocumentTitle::parse(row.title))?,
            content,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// The columns that an update writes.
#[derive(AsChangeset)]
#[diesel(table_name = documents, treat_none_as_null = true)]
struct DocumentColumns<'a> {
    project_id: Uuid,
    title: &'a str,
    blob_id: Option<Uuid>,
    content_type: Option<&'a str>,
    size: Option<i64>,
    sha256: Option<&'a str>,
}

#[async_trait]
impl DocumentRepo for PgTenantTx {
    async fn find(&mut self, id: DocumentId) -> Result<Option<Document>, StoreError> {
        let query =
            self.rows_of(documents::table).filter(documents::id.eq(id.as_uuid())).select(DocumentRow::as_select());
        self.load_one(query).await?.map(Document::try_from).transpose()
    }

    async fn find_for_update(&mut self, id: DocumentId) -> Result<Option<Document>, StoreError> {
        let rows = self.rows_of(documents::table).filter(documents::id.eq(id.as_uuid()));
        self.load_one(rows.select(DocumentRow::as_select()).for_update()).await?.map(Document::try_from).transpose()
    }

    async fn list(&mut self, query: &DocumentQuery) -> Result<SortedPage<Document>, StoreError> {
        let DocumentQuery { project, updated_since, search, page } = query.clone();
        let limit = page.limit.get() as i64 + 1;
        let mut rows = self.rows_of(documents::table).select(DocumentRow::as_select()).limit(limit).into_boxed();
        if let Some(project) = project {
            rows = rows.filter(documents::project_id.eq(project.as_uuid()));
        }
        if let Some(since) = updated_since {
            rows = rows.filter(documents::updated_at.ge(since.time()));
        }
        for word in search.iter().flat_map(Search::words) {
            rows = rows.filter(documents::id.eq_any(self.rows_with_word("documents", word)));
        }
        let after = page.after;
        let rows = match page.order {
            DocumentOrder::Newest => sorted!(rows, after, documents, id, desc),
            DocumentOrder::Oldest => sorted!(rows, after, documents, id, asc),
            DocumentOrder::Title => sorted!(rows, after, documents, title: Text, asc),
            DocumentOrder::TitleDescending => sorted!(rows, after, documents, title: Text, desc),
            DocumentOrder::Updated => sorted!(rows, after, documents, updated_at: Time, asc),
            DocumentOrder::LastUpdated => sorted!(rows, after, documents, updated_at: Time, desc),
        };
        let items = self.load(rows).await?.into_iter().map(Document::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit, |document| page.order.position(document)))
    }

    async fn insert(&mut self, new: &NewDocument) -> Result<Document, DocumentError> {
        let insert = diesel::insert_into(documents::table)
            .values((
                documents::id.eq(new.id.as_uuid()),
                documents::project_id.eq(new.project.as_uuid()),
                documents::title.eq(new.title.as_str()),
            ))
            .returning(DocumentRow::as_returning());
        let row: Option<DocumentRow> =
            self.load_one(insert).await.on_constraint(PROJECT_KEY, || DocumentError::ProjectUnknown)?;
        Ok(row.ok_or_else(|| StoreError::internal("an insert returned nothing"))?.try_into()?)
    }

    async fn update(&mut self, document: &Document) -> Result<Document, DocumentError> {
        let content = document.content.as_ref();
        let columns = DocumentColumns {
            project_id: document.project.as_uuid(),
            title: document.title.as_str(),
            blob_id: content.map(|content| content.blob.as_uuid()),
            content_type: content.map(|content| content.content_type.as_str()),
            size: trusted(content.map(|content| i64::try_from(content.size)).transpose())?,
            sha256: content.map(|content| content.sha256.as_str()),
        };
        let update = diesel::update(self.rows_of(documents::table).filter(documents::id.eq(document.id.as_uuid())))
            .set(columns)
            .returning(DocumentRow::as_returning());
        let row: Option<DocumentRow> =
            self.load_one(update).await.on_constraint(PROJECT_KEY, || DocumentError::ProjectUnknown)?;
        Ok(row.ok_or(DocumentError::NotFound(document.id))?.try_into()?)
    }

    async fn delete(&mut self, id: DocumentId) -> Result<bool, StoreError> {
        let delete = diesel::delete(self.rows_of(documents::table).filter(documents::id.eq(id.as_uuid())));
        Ok(self.execute(delete).await? > 0)
    }
}
