-- What machine clients called, counted by the hour, for the tenants they belong to.
set local role tenantry_owner;

create table registry.api_client_usage (
  tenant_id uuid not null,
  id uuid not null,
  api_client_id uuid not null,
  hour timestamptz not null,
  method text not null,
  route text not null,
  status smallint not null check (status between 100 and 599),
  calls bigint not null check (calls > 0),
  last_at timestamptz not null,
  constraint api_client_usage_pkey primary key (tenant_id, id),
  constraint api_client_usage_key unique (tenant_id, api_client_id, hour, route, method, status),
  constraint api_client_usage_client_fkey foreign key (tenant_id, api_client_id)
    references registry.api_clients (tenant_id, id) on delete cascade
);
create index api_client_usage_of_client on registry.api_client_usage (tenant_id, api_client_id, id);
create index api_client_usage_by_hour on registry.api_client_usage (hour);

-- Adds what was counted; clients that are gone are passed over. Each time some of what is too old is forgotten.
create function registry.note_api_client_uses(
    ids uuid[], tenants uuid[], clients uuid[], hours timestamptz[], methods text[], routes text[], statuses integer[],
    counts bigint[], moments timestamptz[], forgotten timestamptz) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from registry.api_client_usage u where (u.tenant_id, u.id) in (
    select o.tenant_id, o.id from registry.api_client_usage o where o.hour < forgotten order by o.hour limit 1000 for update skip locked);
  insert into registry.api_client_usage as kept (tenant_id, id, api_client_id, hour, method, route, status, calls, last_at)
    select c.tenant_id, used.id, c.id, used.hour, used.method, used.route, used.status, used.calls, used.last_at
    from unnest(ids, tenants, clients, hours, methods, routes, statuses, counts, moments)
      used (id, tenant, client, hour, method, route, status, calls, last_at)
    join registry.api_clients c on c.tenant_id = used.tenant and c.id = used.client
    -- In one order, or two instances would wait for each other.
    order by c.tenant_id, c.id, used.hour, used.route, used.method, used.status
  on conflict on constraint api_client_usage_key
    do update set calls = kept.calls + excluded.calls,
      last_at = case when kept.last_at > excluded.last_at then kept.last_at else excluded.last_at end;
end $$;
revoke all on function registry.note_api_client_uses(
  uuid[], uuid[], uuid[], timestamptz[], text[], text[], integer[], bigint[], timestamptz[], timestamptz) from public;
grant execute on function registry.note_api_client_uses(
  uuid[], uuid[], uuid[], timestamptz[], text[], text[], integer[], bigint[], timestamptz[], timestamptz) to tenantry_directory;

grant select on registry.api_client_usage to tenantry_sec;
set local role tenantry_sec;
-- Some of what a client of the open transaction's tenant called, after one of these (or from the beginning), as one document.
create function sec.api_client_usage(client uuid, after uuid, newest boolean, most bigint) returns jsonb
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select coalesce(jsonb_agg(to_jsonb(part) order by case when newest then null else part.id end, part.id desc), '[]') from (
    select u.id, u.hour, u.method, u.route, u.status, u.calls, u.last_at
    from registry.api_client_usage u
    where u.tenant_id = sec.tenant() and u.api_client_id = client
      and (after is null or case when newest then u.id < after else u.id > after end)
    order by case when newest then null else u.id end, u.id desc
    limit most) part
$$;
revoke all on function sec.api_client_usage(uuid, uuid, boolean, bigint) from public;
grant execute on function sec.api_client_usage(uuid, uuid, boolean, bigint) to tenantry_api;
