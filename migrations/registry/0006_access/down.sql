set local role tenantry_sec;
drop function sec.name_of(uuid);
drop function sec.email_of(uuid);
set local role tenantry_owner;
drop function registry.exchange(bytea, bytea, bytea, timestamptz, interval, timestamptz);
drop function registry.open_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz, timestamptz);
drop function registry.changes_after(bigint);
create or replace function registry.changes_since(since bigint) returns table (mark bigint, kind text, subject uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select pg_snapshot_xmin(pg_current_snapshot())::text::bigint, c.kind, c.subject
  from (select) one
  left join registry.changes c on case
    when since is null then c.kind = 'session' and c.at > now() - interval '2 days'
    else c.transaction >= since::text::xid8
  end
$$;
drop trigger note_role on registry.roles;
drop trigger note_member on registry.memberships;
drop function registry.note_role();
drop function registry.note_member();
drop function registry.refresh_member(uuid, uuid);
drop trigger note_version on registry.sessions;
drop function registry.note_version();
delete from registry.changes where kind in ('credential', 'domain');
alter table registry.changes drop constraint changes_kind_check;
alter table registry.changes add constraint changes_kind_check check (kind in ('tenant', 'session'));
alter table registry.changes drop column version;
alter table registry.sessions drop column version;
revoke select (id, email, name) on registry.users from tenantry_sec;
alter table registry.users drop column name;
revoke usage on schema registry from tenantry_api;

revoke all on registry.tenants from tenantry_api;
drop trigger capture on registry.tenants;
drop trigger touch on registry.tenants;
drop policy sec_rows on registry.tenants;
drop policy platform_rows on registry.tenants;
drop policy tenant_rows on registry.tenants;
drop policy tenant_guard on registry.tenants;
alter table registry.tenants disable row level security;
alter table registry.tenants drop column version;

revoke all on registry.memberships from tenantry_api;
drop trigger capture on registry.memberships;
drop trigger touch on registry.memberships;
drop policy sec_rows on registry.memberships;
drop policy platform_rows on registry.memberships;
drop policy tenant_rows on registry.memberships;
drop policy tenant_guard on registry.memberships;
alter table registry.memberships disable row level security;
drop index registry.memberships_of_role;
alter table registry.memberships drop constraint memberships_role_fkey;
alter table registry.memberships drop column custom_role;
-- A role that no longer exists becomes the one that allows least.
update registry.memberships set role = 'viewer' where role not in ('owner', 'admin', 'member', 'viewer');
alter table registry.memberships add constraint memberships_role_check check (role in ('owner', 'admin', 'member', 'viewer'));
alter table registry.memberships drop column version;
alter table registry.memberships alter column tenant_id drop default;
drop table registry.roles;

set local role tenantry_sec;
drop function sec.share(regclass, name);
drop function sec.capture_shared();
drop function sec.append(uuid, text, uuid, text, jsonb, jsonb, text, uuid);
set local role tenantry_owner;
revoke select (id, placement) on registry.tenants from tenantry_sec;
