-- What counts is what a session itself has proved: a second factor that somebody enrols later says nothing of the sessions that
-- were there before, and nobody changes their factors without proving one that they have.
alter table registry.sessions add column second_factor boolean not null default false;
-- Whether whoever began it had proved a second factor.
alter table registry.passkey_ceremonies add column second_factor boolean not null default false;

create function registry.proved_factor(session uuid) returns boolean
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (select from registry.sessions s where s.id = session and s.second_factor)
$$;

create function registry.has_factor(person uuid) returns boolean
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return exists (select from registry.totp_factors f where f.user_id = person and f.confirmed_at is not null)
    or exists (select from registry.passkeys p where p.user_id = person);
end $$;

-- Somebody has got a factor in the session that is kept. With the first one their other sessions end: whoever has one of those
-- knew the password, and may be who the factor is to keep out.
create function registry.note_factor(person uuid, kept uuid, is_first boolean, moment timestamptz) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if is_first then
    perform registry.revoke_other_sessions(person, kept, moment);
  end if;
  update registry.sessions s set second_factor = true where s.id = kept and s.user_id = person;
end $$;

-- With the last factor goes what was proved by it.
create function registry.forget_factors(person uuid) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not registry.has_factor(person) then
    update registry.sessions s set second_factor = false where s.user_id = person and s.second_factor;
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
    update registry.sessions s set second_factor = proven_factor where s.id = session;
  end if;
end $$;

create or replace function registry.switch_session(
    source uuid, session uuid, person uuid, tenant uuid, digest bytea, begun timestamptz, token_ends timestamptz, session_ends timestamptz)
  returns table (role text, permissions text[], ends_at timestamptz)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  source_ends timestamptz;
  source_proved boolean;
begin
  -- In the order of whoever ends a membership, with its sessions.
  perform from registry.memberships m where m.tenant_id = tenant and m.user_id = person for share;
  select s.ends_at, s.second_factor into source_ends, source_proved from registry.sessions s
    where s.id = source and s.user_id = person and s.revoked_at is null and s.ends_at > begun for update;
  if found then
    return query select o.role, o.permissions, least(session_ends, source_ends)
      from registry.open_session(session, person, tenant, digest, begun, least(token_ends, source_ends), least(session_ends, source_ends)) o;
    update registry.sessions s set second_factor = source_proved where s.id = session;
  end if;
end $$;

create or replace function registry.open_proven_browser_session(
    session uuid, person uuid, tenant uuid, digest bytea, begun timestamptz, session_ends timestamptz, proven_hash text, proven_factor boolean)
  returns table (role text, permissions text[]) language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if registry.still_proven(person, proven_hash, proven_factor) then
    return query select o.role, o.permissions
      from registry.open_browser_session(session, person, tenant, digest, begun, session_ends) o;
    update registry.sessions s set second_factor = proven_factor where s.id = session;
  end if;
end $$;

-- Begins an enrolment in place of any that was not confirmed; false if there is a confirmed one, or another factor that was not
-- proved. Who changes a person's factors waits for whoever does so already, here and below.
create function registry.begin_totp(person uuid, sealed bytea, proven boolean) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform from registry.users u where u.id = person for no key update;
  if registry.has_factor(person) and not proven then
    return false;
  end if;
  insert into registry.totp_factors (user_id, secret) values (person, sealed)
    on conflict (user_id) do update set secret = excluded.secret where registry.totp_factors.confirmed_at is null;
  return found;
end $$;

-- Ends an enrolment by a code of this step. Who is in no session yet, but on the way in, can enrol their first factor only.
create function registry.confirm_totp(person uuid, step bigint, kept uuid, moment timestamptz) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  is_first boolean;
begin
  perform from registry.users u where u.id = person for no key update;
  is_first := not registry.has_factor(person);
  if kept is null and not is_first then
    return false;
  end if;
  update registry.totp_factors f set last_step = step, confirmed_at = moment
    where f.user_id = person and f.last_step < step and f.confirmed_at is null;
  if not found then
    return false;
  end if;
  perform registry.note_factor(person, kept, is_first, moment);
  return true;
end $$;

create or replace function registry.remove_totp(person uuid, request uuid) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform from registry.users u where u.id = person for no key update;
  delete from registry.totp_factors f where f.user_id = person;
  if not found then
    return false;
  end if;
  delete from registry.recovery_codes c where c.user_id = person;
  perform registry.forget_factors(person);
  perform sec.append(m.tenant_id, 'users', person, 'second_factor_removed', null, null, 'user:' || person, request)
    from registry.memberships m where m.user_id = person;
  return true;
end $$;

-- As the one without `proven`.
create function registry.begin_passkey_ceremony(
    token_digest bytea, wanted_kind text, challenge_digest bytea, person uuid, tenant uuid, proven boolean, moment timestamptz, ends timestamptz)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform registry.begin_passkey_ceremony(token_digest, wanted_kind, challenge_digest, person, tenant, moment, ends);
  update registry.passkey_ceremonies c set second_factor = proven where c.digest = token_digest;
  return true;
end $$;

-- A ceremony, which is over with that.
create function registry.take_ceremony(token_digest bytea, wanted_kind text, moment timestamptz)
  returns table (challenge bytea, user_id uuid, tenant_id uuid, second_factor boolean, expires_at timestamptz)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  taken record;
begin
  delete from registry.passkey_ceremonies c where c.digest = token_digest and c.kind = wanted_kind
    returning c.challenge, c.user_id, c.tenant_id, c.second_factor, c.expires_at into taken;
  if found and taken.expires_at > moment then
    return query select taken.challenge, taken.user_id, taken.tenant_id, taken.second_factor, taken.expires_at;
  end if;
end $$;

-- Adds a passkey: 'added', or 'unproven', 'too_many' or 'taken'.
create function registry.add_passkey(
    passkey uuid, person uuid, new_credential bytea, new_key bytea, signed bigint, label text, most bigint, kept uuid, proven boolean,
    moment timestamptz, request uuid)
  returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  is_first boolean;
begin
  perform from registry.users u where u.id = person for no key update;
  is_first := not registry.has_factor(person);
  if not is_first and not proven then
    return 'unproven';
  end if;
  if (select count(*) from registry.passkeys p where p.user_id = person) >= most then
    return 'too_many';
  end if;
  insert into registry.passkeys (id, user_id, credential, public_key, counter, name, created_at)
    values (passkey, person, new_credential, new_key, signed, label, moment) on conflict (credential) do nothing;
  if not found then
    return 'taken';
  end if;
  if is_first then
    -- Begun when there was no factor to prove.
    delete from registry.totp_factors f where f.user_id = person and f.confirmed_at is null;
  end if;
  perform registry.note_factor(person, kept, is_first, moment);
  perform sec.append(m.tenant_id, 'users', person, 'passkey_added', null, null, 'user:' || person, request)
    from registry.memberships m where m.user_id = person;
  return 'added';
end $$;

create or replace function registry.remove_passkey(person uuid, passkey uuid, request uuid) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform from registry.users u where u.id = person for no key update;
  delete from registry.passkeys p where p.id = passkey and p.user_id = person;
  if not found then
    return false;
  end if;
  delete from registry.recovery_codes c where c.user_id = person
    and not exists (select from registry.passkeys p where p.user_id = person)
    and not exists (select from registry.totp_factors f where f.user_id = person and f.confirmed_at is not null);
  perform registry.forget_factors(person);
  perform sec.append(m.tenant_id, 'users', person, 'passkey_removed', null, null, 'user:' || person, request)
    from registry.memberships m where m.user_id = person;
  return true;
end $$;

revoke all on function registry.proved_factor(uuid), registry.has_factor(uuid),
  registry.note_factor(uuid, uuid, boolean, timestamptz), registry.forget_factors(uuid),
  registry.begin_totp(uuid, bytea, boolean), registry.confirm_totp(uuid, bigint, uuid, timestamptz),
  registry.begin_passkey_ceremony(bytea, text, bytea, uuid, uuid, boolean, timestamptz, timestamptz),
  registry.take_ceremony(bytea, text, timestamptz),
  registry.add_passkey(uuid, uuid, bytea, bytea, bigint, text, bigint, uuid, boolean, timestamptz, uuid) from public;
grant execute on function registry.proved_factor(uuid),
  registry.begin_totp(uuid, bytea, boolean), registry.confirm_totp(uuid, bigint, uuid, timestamptz),
  registry.begin_passkey_ceremony(bytea, text, bytea, uuid, uuid, boolean, timestamptz, timestamptz),
  registry.take_ceremony(bytea, text, timestamptz),
  registry.add_passkey(uuid, uuid, bytea, bytea, bigint, text, bigint, uuid, boolean, timestamptz, uuid) to tenantry_directory;
