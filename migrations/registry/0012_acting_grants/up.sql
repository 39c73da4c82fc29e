-- Operators who act in a tenant for a while, or let another service of ours do so. The tenant's audit tells when it begins and
-- when it is ended early.
create table registry.acting_grants (
  id uuid not null,
  operator_id uuid not null,
  tenant_id uuid not null,
  -- The service that acts in the operator's stead.
  service text check (service ~ '^[a-z][a-z0-9-]{0,38}[a-z0-9]$'),
  reason text not null check (length(reason) between 10 and 500),
  permissions text[] not null,
  request_id uuid not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_by uuid,
  revoking_request_id uuid,
  constraint acting_grants_pkey primary key (id),
  constraint acting_grants_operator_fkey foreign key (operator_id) references registry.operators (id),
  constraint acting_grants_tenant_fkey foreign key (tenant_id) references registry.tenants (id) on delete cascade
);
create index acting_grants_of_operator on registry.acting_grants (operator_id);
create index acting_grants_of_tenant on registry.acting_grants (tenant_id);

create function registry.note_acting() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  told jsonb := jsonb_build_object(
    'operator', new.operator_id, 'service', new.service, 'reason', new.reason, 'permissions', new.permissions, 'until', new.expires_at);
begin
  if tg_op = 'INSERT' then
    perform sec.append(new.tenant_id, 'acting_grants', new.id, case when new.service is null then 'operator_acting' else 'service_admitted' end, null, told,
      'operator:' || new.operator_id, new.request_id);
  elsif old.revoked_at is null and new.revoked_at is not null then
    insert into registry.changes (kind, subject, version) values ('credential', new.id, 9223372036854775807);
    perform sec.append(new.tenant_id, 'acting_grants', new.id, case when new.service is null then 'operator_left' else 'service_dismissed' end, told, null,
      'operator:' || new.revoked_by, new.revoking_request_id);
  end if;
  return null;
end $$;
revoke all on function registry.note_acting() from public;
create trigger note_acting after insert or update on registry.acting_grants for each row execute function registry.note_acting();

grant select (id, revoked_at) on registry.acting_grants to tenantry_platform;
grant insert (id, operator_id, tenant_id, service, reason, permissions, request_id, expires_at) on registry.acting_grants to tenantry_platform;
grant update (revoked_at, revoked_by, revoking_request_id) on registry.acting_grants to tenantry_platform;
