create or replace function registry.remove_passkey(person uuid, passkey uuid, request uuid) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from registry.passkeys p where p.id = passkey and p.user_id = person;
  if not found then
    return false;
  end if;
  delete from registry.recovery_codes c where c.user_id = person
    and not exists (select from registry.passkeys p where p.user_id = person)
    and not exists (select from registry.totp_factors f where f.user_id = person and f.confirmed_at is not null);
  perform sec.append(m.tenant_id, 'users', person, 'passkey_removed', null, null, 'user:' || person, request)
    from registry.memberships m where m.user_id = person;
  return true;
end $$;
create or replace function registry.remove_totp(person uuid, request uuid) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from registry.totp_factors f where f.user_id = person;
  if not found then
    return false;
  end if;
  delete from registry.recovery_codes c where c.user_id = person;
  perform sec.append(m.tenant_id, 'users', person, 'second_factor_removed', null, null, 'user:' || person, request)
    from registry.memberships m where m.user_id = person;
  return true;
end $$;
create or replace function registry.open_proven_browser_session(
    session uuid, person uuid, tenant uuid, digest bytea, begun timestamptz, session_ends timestamptz, proven_hash text, proven_factor boolean)
  returns table (role text, permissions text[]) language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if registry.still_proven(person, proven_hash, proven_factor) then
    return query select o.role, o.permissions
      from registry.open_browser_session(session, person, tenant, digest, begun, session_ends) o;
  end if;
end $$;
create or replace function registry.switch_session(
    source uuid, session uuid, person uuid, tenant uuid, digest bytea, begun timestamptz, token_ends timestamptz, session_ends timestamptz)
  returns table (role text, permissions text[], ends_at timestamptz)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  source_ends timestamptz;
begin
  -- In the order of whoever ends a membership, with its sessions.
  perform from registry.memberships m where m.tenant_id = tenant and m.user_id = person for share;
  select s.ends_at into source_ends from registry.sessions s
    where s.id = source and s.user_id = person and s.revoked_at is null and s.ends_at > begun for update;
  if found then
    return query select o.role, o.permissions, least(session_ends, source_ends)
      from registry.open_session(session, person, tenant, digest, begun, least(token_ends, source_ends), least(session_ends, source_ends)) o;
  end if;
end $$;
create or replace function registry.open_proven_session(
    session uuid, person uuid, tenant uuid, digest bytea, begun timestamptz, token_ends timestamptz, session_ends timestamptz,
    proven_hash text, proven_factor boolean)
  returns table (role text, permissions text[], ends_at timestamptz)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if registry.still_proven(person, proven_hash, proven_factor) then
    return query select o.role, o.permissions, session_ends
      from registry.open_session(session, person, tenant, digest, begun, token_ends, session_ends) o;
  end if;
end $$;
drop function registry.add_passkey(uuid, uuid, bytea, bytea, bigint, text, bigint, uuid, boolean, timestamptz, uuid);
drop function registry.take_ceremony(bytea, text, timestamptz);
drop function registry.begin_passkey_ceremony(bytea, text, bytea, uuid, uuid, boolean, timestamptz, timestamptz);
drop function registry.confirm_totp(uuid, bigint, uuid, timestamptz);
drop function registry.begin_totp(uuid, bytea, boolean);
drop function registry.forget_factors(uuid);
drop function registry.note_factor(uuid, uuid, boolean, timestamptz);
drop function registry.has_factor(uuid);
drop function registry.proved_factor(uuid);
alter table registry.passkey_ceremonies drop column second_factor;
alter table registry.sessions drop column second_factor;
