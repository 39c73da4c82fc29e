-- What a tenant's administrators manage of the registry, under row-level security, and how a change to a credential is
-- felt everywhere: a credential has a version, and whatever was issued under a lower one is void.

-- The audit of what lies in the registry goes to where the tenant's own audit lies.
set local role tenantry_owner;
grant select (id, placement) on registry.tenants to tenantry_sec;
set local role tenantry_sec;

-- Adds a row to a tenant's audit, also where no tenant's transaction is open: at a login, or when an operator acts.
create function sec.append(
    tenant uuid, resource text, row_id uuid, action text, before jsonb, after jsonb, actor text, request uuid)
  returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  context text := coalesce(current_setting('app.tenant', true), '');
  placement text;
begin
  if context <> '' and context::uuid <> tenant then
    raise exception 'the transaction is another tenant''s';
  end if;
  select t.placement into placement from registry.tenants t where t.id = tenant;
  if placement is null then
    return;
  end if;
  if context = '' then
    execute format('set local app.tenant = %L', tenant);
  end if;
  execute format(
    'insert into %I.audit_events (tenant_id, resource, row_id, action, before, after, actor, request_id)
     values ($1, $2, $3, $4, $5, $6, $7, $8)',
    case placement when 'schema' then 't_' || replace(tenant::text, '-', '') else 'pooled' end)
    using tenant, resource, row_id, action, before, after, actor, request;
  if context = '' then
    set local app.tenant = '';
  end if;
end $$;

-- As sec.capture(), for a table of the registry; its argument is the column that names the tenant. Columns that hold
-- digests and secrets are left out: nobody needs them in an audit.
create function sec.capture_shared() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  hidden constant text[] := array['digest', 'secret', 'nonce', 'password_hash'];
  before jsonb;
  after jsonb;
  subject jsonb;
begin
  if tg_op <> 'INSERT' then
    before := to_jsonb(old) - hidden;
  end if;
  if tg_op <> 'DELETE' then
    after := to_jsonb(new) - hidden;
  end if;
  subject := coalesce(after, before);
  perform sec.append(
    (subject ->> tg_argv[0])::uuid, tg_table_name, coalesce(subject ->> 'id', subject ->> 'user_id')::uuid, lower(tg_op), before, after,
    coalesce(nullif(current_setting('app.actor', true), ''), 'system'),
    coalesce(nullif(current_setting('app.request', true), '')::uuid, gen_random_uuid()));
  return null;
end $$;

-- The last line of the migration of a registry table that tenants reach: they see and change their own rows only. Grants
-- are the migration's own. Not forced: the functions that answer before a tenant is known belong to the table's owner.
create function sec.share(target regclass, tenant_column name default 'tenant_id') returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  execute format('alter table %s enable row level security', target);
  execute format('create policy tenant_guard on %s as restrictive for all to tenantry_api
    using (%I = sec.tenant()) with check (%2$I = sec.tenant())', target, tenant_column);
  execute format('create policy tenant_rows on %s as permissive for all to tenantry_api
    using (%I = sec.tenant()) with check (%2$I = sec.tenant())', target, tenant_column);
  execute format('create policy platform_rows on %s as permissive for all to tenantry_platform using (true) with check (true)', target);
  execute format('create policy sec_rows on %s as permissive for select to tenantry_sec using (true)', target);
  execute format('create trigger touch before update on %s for each row execute function sec.touch()', target);
  -- A tenant's own row is made before the place of its audit is.
  execute format('create trigger capture after %s on %s for each row execute function sec.capture_shared(%L)',
    case when tenant_column = 'id' then 'update' else 'insert or update or delete' end, target, tenant_column);
  execute format('alter table %s enable always trigger capture', target);
end $$;

revoke all on function sec.append(uuid, text, uuid, text, jsonb, jsonb, text, uuid), sec.capture_shared(), sec.share(regclass, name) from public;
grant execute on function sec.append(uuid, text, uuid, text, jsonb, jsonb, text, uuid), sec.capture_shared(), sec.share(regclass, name) to tenantry_owner;

set local role tenantry_owner;

-- Roles that a tenant defines beside the built-in ones.
create table registry.roles (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  name text not null check (name ~ '^[a-z][a-z0-9-]{0,61}[a-z0-9]$' and name not in ('owner', 'admin', 'member', 'viewer')),
  description text not null check (length(description) <= 1000),
  permissions text[] not null,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint roles_pkey primary key (tenant_id, id),
  constraint roles_name_key unique (tenant_id, name),
  constraint roles_tenant_fkey foreign key (tenant_id) references registry.tenants (id) on delete cascade
);
select sec.share('registry.roles');
grant select, delete on registry.roles to tenantry_api;
grant insert (id, name, description, permissions), update (description, permissions) on registry.roles to tenantry_api;

alter table registry.memberships alter column tenant_id set default sec.tenant();
alter table registry.memberships add column version bigint not null default 1;
alter table registry.memberships drop constraint memberships_role_check;
-- The tenant's own role, where it is none of the built-in ones: one in use cannot be deleted.
alter table registry.memberships add column custom_role text
  generated always as (case when role in ('owner', 'admin', 'member', 'viewer') then null else role end) stored;
alter table registry.memberships add constraint memberships_role_fkey
  foreign key (tenant_id, custom_role) references registry.roles (tenant_id, name);
create index memberships_of_role on registry.memberships (tenant_id, role, user_id);
select sec.share('registry.memberships');
grant select on registry.memberships to tenantry_api;
grant update (role), delete on registry.memberships to tenantry_api;

alter table registry.tenants add column version bigint not null default 1;
select sec.share('registry.tenants', 'id');
grant select (id, slug, plan, placement, status, settings, version, created_at, updated_at) on registry.tenants to tenantry_api;
grant update (settings) on registry.tenants to tenantry_api;

grant usage on schema registry to tenantry_api;

-- What people call themselves, everywhere they belong.
alter table registry.users add column name text check (length(name) between 1 and 120);

grant select (id, email, name) on registry.users to tenantry_sec;

-- How old what a credential gave may be.
alter table registry.sessions add column version bigint not null default 1;
alter table registry.changes add column version bigint;
alter table registry.changes drop constraint changes_kind_check;
alter table registry.changes add constraint changes_kind_check check (kind in ('tenant', 'session', 'credential', 'domain'));

create function registry.note_version() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into registry.changes (kind, subject, version) values ('credential', new.id, new.version);
  return null;
end $$;
create trigger note_version after update on registry.sessions for each row
  when (new.version > old.version) execute function registry.note_version();

-- What a member holds must be looked up again: the role is another, or allows something else.
create function registry.refresh_member(tenant uuid, member uuid) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.sessions s set version = s.version + 1
    where s.tenant_id = tenant and s.user_id = member and s.revoked_at is null;
end $$;

create function registry.note_member() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform registry.refresh_member(new.tenant_id, new.user_id);
  return null;
end $$;
create trigger note_member after update on registry.memberships for each row
  when (old.role is distinct from new.role) execute function registry.note_member();

create function registry.note_role() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform registry.refresh_member(m.tenant_id, m.user_id) from registry.memberships m
    where m.tenant_id = new.tenant_id and m.role = new.name;
  return null;
end $$;
create trigger note_role after update on registry.roles for each row
  when (old.permissions is distinct from new.permissions) execute function registry.note_role();

-- Instances that know of no versions go on as before.
create or replace function registry.changes_since(since bigint) returns table (mark bigint, kind text, subject uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select pg_snapshot_xmin(pg_current_snapshot())::text::bigint, c.kind, c.subject
  from (select) one
  left join registry.changes c on c.kind in ('tenant', 'session') and case
    when since is null then c.kind = 'session' and c.at > now() - interval '2 days'
    else c.transaction >= since::text::xid8
  end
$$;

-- As changes_since(), with the version below which a credential is void; a session that was revoked is void for good.
create function registry.changes_after(since bigint) returns table (mark bigint, kind text, subject uuid, version bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    case c.kind when 'session' then 'credential' else c.kind end, c.subject, coalesce(c.version, 9223372036854775807)
  from (select) one
  left join registry.changes c on case
    when since is null then c.kind <> 'tenant' and c.at > now() - interval '2 days'
    else c.transaction >= since::text::xid8
  end
$$;

-- Begins a session if the person is a member of an active tenant at that moment; tells role and permissions (none for a
-- built-in role), or nothing.
create function registry.open_session(
    session uuid, person uuid, tenant uuid, digest bytea, begun timestamptz, token_ends timestamptz, session_ends timestamptz)
  returns table (role text, permissions text[]) language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  member_role text;
begin
  member_role := registry.begin_session(session, person, tenant, digest, begun, token_ends, session_ends);
  if member_role is not null then
    return query
      select member_role, (select r.permissions from registry.roles r where r.tenant_id = tenant and r.name = member_role for share);
  end if;
end $$;

-- As rotate(), with what the member's role allows and the version of the session.
create function registry.exchange(
    old_digest bytea, new_digest bytea, new_nonce bytea, moment timestamptz, grace interval, token_ends timestamptz)
  returns table (outcome text, nonce bytea, session_id uuid, user_id uuid, tenant_id uuid, role text, permissions text[],
    version bigint, expires_at timestamptz)
  language sql security definer set search_path = pg_catalog, pg_temp as $$
  -- Read before what a concurrent change may have made of it: then the token is void at once, never too powerful.
  select x.outcome, x.nonce, x.session_id, x.user_id, x.tenant_id, x.role, r.permissions, s.version, x.expires_at
  from registry.rotate(old_digest, new_digest, new_nonce, moment, grace, token_ends) x
  left join registry.sessions s on s.id = x.session_id
  left join registry.roles r on r.tenant_id = x.tenant_id and r.name = x.role
$$;

revoke all on function registry.note_version(), registry.refresh_member(uuid, uuid), registry.note_member(), registry.note_role(),
  registry.changes_after(bigint),
  registry.open_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz, timestamptz),
  registry.exchange(bytea, bytea, bytea, timestamptz, interval, timestamptz) from public;
grant execute on function registry.changes_after(bigint),
  registry.open_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz, timestamptz),
  registry.exchange(bytea, bytea, bytea, timestamptz, interval, timestamptz) to tenantry_directory;

-- A member's address and name, told to the tenant they belong to and to no other.
set local role tenantry_sec;
create function sec.email_of(member uuid) returns text language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select u.email from registry.users u where u.id = member
    and exists (select from registry.memberships m where m.tenant_id = sec.tenant() and m.user_id = member)
$$;
create function sec.name_of(member uuid) returns text language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select u.name from registry.users u where u.id = member
    and exists (select from registry.memberships m where m.tenant_id = sec.tenant() and m.user_id = member)
$$;
revoke all on function sec.email_of(uuid), sec.name_of(uuid) from public;
grant execute on function sec.email_of(uuid), sec.name_of(uuid) to tenantry_api;
