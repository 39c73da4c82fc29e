set local role tenantry_sec;
drop function sec.api_client_usage(uuid, uuid, boolean, bigint);
set local role tenantry_owner;
drop function registry.note_api_client_uses(
  uuid[], uuid[], uuid[], timestamptz[], text[], text[], integer[], bigint[], timestamptz[], timestamptz);
drop table registry.api_client_usage;
