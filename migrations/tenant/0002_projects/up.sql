create table projects (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  name text not null check (length(name) between 1 and 255),
  description text not null check (length(description) <= 10000),
  status text not null check (status in ('active', 'paused', 'completed', 'archived')),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint projects_pkey primary key (tenant_id, id)
);
create index projects_of_status on projects (tenant_id, status, id);
select sec.protect('projects');
