-- What may be an attack, for those who run the service. Written by the service through one function, read by operators.
create table registry.security_events (
  id uuid not null,
  at timestamptz not null,
  kind text not null check (kind ~ '^[a-z_]{1,40}$'),
  tenant_id uuid,
  actor text,
  address text,
  request_id uuid not null,
  constraint security_events_pkey primary key (id)
);
create index security_events_by_time on registry.security_events (at);
create index security_events_of_tenant on registry.security_events (tenant_id, id);
create index security_events_of_kind on registry.security_events (kind, id);
grant select on registry.security_events to tenantry_platform;
grant delete on registry.security_events to tenantry_platform;

create function registry.note_security_event(
    event uuid, moment timestamptz, event_kind text, tenant uuid, event_actor text, event_address text, request uuid)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into registry.security_events (id, at, kind, tenant_id, actor, address, request_id)
    values (event, moment, event_kind, tenant, event_actor, event_address, request);
  return true;
end $$;

revoke all on function registry.note_security_event(uuid, timestamptz, text, uuid, text, text, uuid) from public;
grant execute on function registry.note_security_event(uuid, timestamptz, text, uuid, text, text, uuid) to tenantry_directory;
