create table tasks (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  project_id uuid not null,
  title text not null check (length(title) between 1 and 255),
  description text not null check (length(description) <= 10000),
  status text not null check (status in ('todo', 'in_progress', 'blocked', 'done', 'cancelled')),
  priority text not null check (priority in ('low', 'medium', 'high', 'urgent')),
  assignee_id uuid,
  due date check (due between '0001-01-01' and '9999-12-31'),
  completed_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint tasks_pkey primary key (tenant_id, id),
  constraint tasks_project_fkey foreign key (tenant_id, project_id) references projects (tenant_id, id) on delete cascade,
  constraint tasks_completed_check check ((status = 'done') = (completed_at is not null))
);
create index tasks_of_project on tasks (tenant_id, project_id, id);
create index tasks_of_status on tasks (tenant_id, status, id);
create index tasks_of_assignee on tasks (tenant_id, assignee_id, id);
select sec.protect('tasks');
