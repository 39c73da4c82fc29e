-- Every change to every table of the tenant, written by the trigger that sec.protect() puts there.
create table audit_events (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null default gen_random_uuid(),
  at timestamptz not null default now(),
  resource text not null,
  row_id uuid not null,
  action text not null check (action in ('insert', 'update', 'delete')),
  before jsonb,
  after jsonb,
  actor text not null,
  request_id uuid not null,
  constraint audit_events_pkey primary key (tenant_id, id)
);
create index audit_events_newest on audit_events (tenant_id, at desc, id);
create index audit_events_of_row on audit_events (tenant_id, row_id, at desc);
select sec.protect_log('audit_events');
