create or replace function registry.still_proven(person uuid, proven_hash text, proven_factor boolean) returns boolean
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from registry.users u where u.id = person and u.password_hash is not distinct from proven_hash for share;
  return found and (proven_factor
    or not exists (select from registry.totp_factors f where f.user_id = person and f.confirmed_at is not null));
end $$;
drop function registry.recovery_codes_left(uuid);
drop function registry.remove_passkey(uuid, uuid, uuid);
drop function registry.use_passkey(uuid, bigint, timestamptz);
drop function registry.passkey(bytea);
drop function registry.passkeys_of(uuid);
drop function registry.add_passkey(uuid, uuid, bytea, bytea, bigint, text, bigint, timestamptz, uuid);
drop function registry.take_passkey_ceremony(bytea, text, timestamptz);
drop function registry.begin_passkey_ceremony(bytea, text, bytea, uuid, uuid, timestamptz, timestamptz);
drop table registry.passkey_ceremonies;
drop table registry.passkeys;
