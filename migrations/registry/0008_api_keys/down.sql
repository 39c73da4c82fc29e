set local role tenantry_sec;
drop function sec.api_key_used_at(uuid);
set local role tenantry_owner;
drop function registry.warn_of_expiring_api_keys(timestamptz, interval);
drop function registry.note_api_key_uses(uuid[], uuid[], timestamptz[]);
drop function registry.api_key(text);
-- What a member holds must be looked up again: the role is another, or allows something else.
create or replace function registry.refresh_member(tenant uuid, member uuid) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.sessions s set version = s.version + 1
    where s.tenant_id = tenant and s.user_id = member and s.revoked_at is null;
end $$;
drop table registry.api_key_marks;
drop table registry.api_keys;
drop function registry.note_api_key_gone();
