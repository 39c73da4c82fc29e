-- Tenants, people, and who belongs where.
create table registry.tenants (
  id uuid not null,
  slug text not null,
  plan text not null check (plan in ('free', 'standard', 'enterprise')),
  placement text not null check (placement in ('pooled', 'schema')),
  status text not null check (status in ('provisioning', 'active', 'suspended', 'deleting')),
  settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'),
  owner_email text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint tenants_pkey primary key (id),
  constraint tenants_slug_key unique (slug)
);

create table registry.provisioning_steps (
  tenant_id uuid not null,
  step text not null,
  done_at timestamptz not null default now(),
  constraint provisioning_steps_pkey primary key (tenant_id, step),
  constraint provisioning_steps_tenant_fkey foreign key (tenant_id) references registry.tenants (id) on delete cascade
);

create table registry.users (
  id uuid not null,
  -- In lower case.
  email text not null,
  -- A PHC string; none until the person has chosen a password.
  password_hash text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint users_pkey primary key (id),
  constraint users_email_key unique (email)
);

create table registry.memberships (
  tenant_id uuid not null,
  user_id uuid not null,
  role text not null check (role in ('owner', 'admin', 'member', 'viewer')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint memberships_pkey primary key (tenant_id, user_id),
  constraint memberships_tenant_fkey foreign key (tenant_id) references registry.tenants (id) on delete cascade,
  constraint memberships_user_fkey foreign key (user_id) references registry.users (id) on delete cascade
);
create index memberships_of_user on registry.memberships (user_id);

create table registry.operators (
  id uuid not null,
  email text not null,
  -- SHA-256 of the operator's token.
  token_digest bytea not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  constraint operators_pkey primary key (id),
  constraint operators_email_key unique (email),
  constraint operators_token_key unique (token_digest)
);

-- What every instance remembers and must look up again. Readers ask for what was written by transactions that were not
-- finished when they last asked, so a late commit is never passed over.
create table registry.changes (
  id bigint generated always as identity,
  transaction xid8 not null default pg_current_xact_id(),
  kind text not null check (kind in ('tenant', 'session')),
  subject uuid not null,
  at timestamptz not null default now(),
  constraint changes_pkey primary key (id)
);
create index changes_by_transaction on registry.changes (transaction);
create index changes_by_time on registry.changes (at);

create function registry.note_tenant() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into registry.changes (kind, subject) values ('tenant', new.id);
  return null;
end $$;
revoke all on function registry.note_tenant() from public;
create trigger note_tenant after insert or update on registry.tenants for each row execute function registry.note_tenant();

grant select, insert on registry.tenants, registry.provisioning_steps, registry.users, registry.memberships, registry.operators to tenantry_platform;
grant update (status, plan, settings, updated_at) on registry.tenants to tenantry_platform;
grant update (role, updated_at) on registry.memberships to tenantry_platform;
grant update (password_hash, updated_at) on registry.users to tenantry_platform;
grant update (token_digest, expires_at) on registry.operators to tenantry_platform;
grant select, delete on registry.changes to tenantry_platform;

-- Whether a person belongs to the tenant whose transaction this is; says nothing about anybody else.
set local role tenantry_owner;
grant select (tenant_id, user_id) on registry.memberships to tenantry_sec;
set local role tenantry_sec;
create function sec.is_member(member uuid) returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (select from registry.memberships where tenant_id = sec.tenant() and user_id = member)
$$;
revoke all on function sec.is_member(uuid) from public;
grant execute on function sec.is_member(uuid) to tenantry_api;
