-- Where bytes of documents may lie. The row is there before the first byte and until after the last, so no byte is forgotten.
create table blobs (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  document_id uuid not null,
  state text not null check (state in ('expected', 'kept', 'doomed')),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint blobs_pkey primary key (tenant_id, id)
);
create index blobs_of_state on blobs (tenant_id, state, id);
create table documents (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  project_id uuid not null,
  title text not null check (length(title) between 1 and 255),
  blob_id uuid,
  content_type text check (length(content_type) between 3 and 127),
  size bigint check (size >= 0),
  sha256 text check (sha256 ~ '^[0-9a-f]{64}$'),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint documents_pkey primary key (tenant_id, id),
  constraint documents_project_fkey foreign key (tenant_id, project_id) references projects (tenant_id, id) on delete cascade,
  constraint documents_blob_fkey foreign key (tenant_id, blob_id) references blobs (tenant_id, id),
  constraint documents_content_check check (num_nulls(blob_id, content_type, size, sha256) in (0, 4))
);
create index documents_of_project on documents (tenant_id, project_id, id);
create index documents_of_blob on documents (tenant_id, blob_id);
select sec.protect('blobs');
select sec.protect('documents');
create index documents_by_title on documents (tenant_id, title, id);
create index documents_by_update on documents (tenant_id, updated_at, id);
select sec.searchable('documents', 'title');
