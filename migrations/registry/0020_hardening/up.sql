-- What came of looking at all this with the eyes of an attacker: a session begins only on what still holds, guesses after
-- a login are counted too, and nobody can void, use or wait out what is another's.

-- Whether what somebody proved still holds. What would change their password waits until the transaction ends.
create function registry.still_proven(person uuid, proven_hash text, proven_factor boolean) returns boolean
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from registry.users u where u.id = person and u.password_hash is not distinct from proven_hash for share;
  return found and (proven_factor
    or not exists (select from registry.totp_factors f where f.user_id = person and f.confirmed_at is not null));
end $$;

-- As open_session(), on what the person proved.
create function registry.open_proven_session(
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

-- As open_session(), on a session that the person is in. The new one does not outlive it.
create function registry.switch_session(
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

-- As open_browser_session(), on what the person proved.
create function registry.open_proven_browser_session(
    session uuid, person uuid, tenant uuid, digest bytea, begun timestamptz, session_ends timestamptz, proven_hash text, proven_factor boolean)
  returns table (role text, permissions text[]) language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if registry.still_proven(person, proven_hash, proven_factor) then
    return query select o.role, o.permissions
      from registry.open_browser_session(session, person, tenant, digest, begun, session_ends) o;
  end if;
end $$;

-- Whether somebody may prove something once more; if so, it is counted as the attempts of one network are.
create function registry.admit_again(subject text, moment timestamptz) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  counted constant bytea := sha256(convert_to(subject, 'UTF8'));
begin
  if not registry.may_attempt(counted, 'again', moment) then
    return false;
  end if;
  perform registry.count_attempt(counted, 'again', 5, moment);
  return true;
end $$;

create function registry.welcome_again(subject text) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from registry.login_attempts l where l.account = sha256(convert_to(subject, 'UTF8')) and l.bucket = 'again';
  return found;
end $$;

-- Each question reads through an index, however many changes are kept. Who remembers nothing is told the last version of each
-- credential, as long ago as an access token can have been issued that is good today.
create or replace function registry.changes_after(since bigint) returns table (mark bigint, kind text, subject uuid, version bigint)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  current_mark constant bigint := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
begin
  return query select current_mark, null::text, null::uuid, null::bigint;
  if since is null then
    return query
      select current_mark, 'credential', c.subject, max(coalesce(c.version, 9223372036854775807))
      from registry.changes c where c.kind in ('session', 'credential') and c.at > now() - interval '25 hours'
      group by c.subject;
  else
    return query
      select current_mark, case c.kind when 'session' then 'credential' else c.kind end, c.subject,
        coalesce(c.version, 9223372036854775807)
      from registry.changes c where c.transaction >= since::text::xid8;
  end if;
end $$;

-- Who signs up says nothing of a password: it is chosen by whoever reads the mail.
alter table registry.signups alter column password_hash drop not null;
update registry.signups set password_hash = null, name = null;

create function registry.ask_for_tenant(
    address text, token_digest bytea, wanted_slug text, wanted_plan text, moment timestamptz, pause interval, ends timestamptz)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from registry.signups s where s.email = address and s.asked_at <= moment - pause;
  insert into registry.signups (email, digest, slug, plan, asked_at, expires_at)
    values (address, token_digest, wanted_slug, wanted_plan, moment, ends) on conflict (email) do nothing;
  return found;
end $$;

create function registry.asked_for_tenant(token_digest bytea, moment timestamptz)
  returns table (email text, slug text, plan text, has_password boolean)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select s.email, s.slug, s.plan, u.password_hash is not null
  from registry.signups s left join registry.users u on u.email = s.email
  where s.digest = token_digest and s.expires_at > moment
$$;

-- Ends a sign-up whose tenant is there: the person has this password and name, unless they had one.
create function registry.finish_signup(token_digest bytea, fresh_hash text, fresh_name text) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  address text;
begin
  delete from registry.signups s where s.digest = token_digest returning s.email into address;
  if not found then
    return false;
  end if;
  update registry.users u
    set password_hash = coalesce(u.password_hash, fresh_hash), name = coalesce(u.name, fresh_name), updated_at = now()
    where u.email = address;
  return true;
end $$;

-- Several tokens that may set a person's password, each good until its end: who asks for more voids none.
alter table registry.password_resets drop constraint password_resets_pkey;
alter table registry.password_resets drop constraint password_resets_digest_key;
alter table registry.password_resets add constraint password_resets_pkey primary key (digest);
create index password_resets_of_user on registry.password_resets (user_id);

-- Takes note of a token that may set the person's password, unless five are good already or the last was asked for a moment ago:
-- less than a pause, which doubles with each that is good.
create or replace function registry.request_reset(address text, token_digest bytea, moment timestamptz, pause interval, token_ends timestamptz)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  person uuid;
  good bigint;
  last_asked timestamptz;
begin
  select u.id into person from registry.users u where u.email = address for no key update;
  if person is null then
    return false;
  end if;
  delete from registry.password_resets r where r.user_id = person and r.expires_at <= moment;
  select count(*), max(r.requested_at) into good, last_asked from registry.password_resets r where r.user_id = person;
  if good >= 5 or moment < last_asked + pause * power(2, good - 1) then
    return false;
  end if;
  insert into registry.password_resets (user_id, digest, requested_at, expires_at) values (person, token_digest, moment, token_ends);
  return true;
end $$;

-- As reset_password(); and whoever guessed before makes the person wait no longer, whose device is known from now on.
create function registry.reset_password(
    token_digest bytea, renewed text, fresh bytea, moment timestamptz, device_ends timestamptz, request uuid)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  person registry.users;
begin
  select u.* into person from registry.password_resets r join registry.users u on u.id = r.user_id where r.digest = token_digest;
  if not registry.reset_password(token_digest, renewed, moment, request) then
    return false;
  end if;
  delete from registry.login_attempts l where l.account in (
    sha256(convert_to(person.email, 'UTF8')), sha256(convert_to('password:' || person.id, 'UTF8')));
  insert into registry.devices (digest, user_id, created_at, seen_at, expires_at) values (fresh, person.id, moment, moment, device_ends);
  return true;
end $$;

-- A client's session hangs on the secret it began with.
alter table registry.api_client_sessions add column secret_id uuid;

create or replace function registry.open_api_client_session(
    session uuid, client uuid, secret_digest bytea, digest bytea, begun timestamptz, token_ends timestamptz, session_ends timestamptz)
  returns table (client_id uuid, tenant_id uuid, permissions text[], version bigint)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  found_client record;
begin
  -- Held until the end: a change of the client waits, and then finds this session.
  perform from registry.api_clients c where c.id = client for share;
  select * into found_client from registry.api_client(client, secret_digest, begun);
  if found_client.client_id is not null then
    insert into registry.api_client_sessions (id, tenant_id, api_client_id, created_at, ends_at, secret_id)
      select session, s.tenant_id, s.api_client_id, begun, session_ends, s.id from registry.api_client_secrets s
      where s.tenant_id = found_client.tenant_id and s.api_client_id = client and s.digest = secret_digest;
    insert into registry.api_client_tokens (digest, session_id, expires_at) values (digest, session, token_ends);
    return query
      select found_client.client_id, found_client.tenant_id, found_client.permissions, found_client.version;
  end if;
end $$;

-- As exchange_api_client(), while the secret is good that the session began with; tells when the session ends as well.
create function registry.refresh_api_client(
    old_digest bytea, new_digest bytea, new_nonce bytea, moment timestamptz, grace interval, token_ends timestamptz)
  returns table (outcome text, nonce bytea, session_id uuid, client_id uuid, tenant_id uuid, permissions text[], version bigint, ends_at timestamptz)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if exists (select from registry.api_client_tokens t join registry.api_client_sessions s on s.id = t.session_id
      where t.digest = old_digest and s.secret_id is not null and not exists (
        select from registry.api_client_secrets k where k.tenant_id = s.tenant_id and k.id = s.secret_id
          and (k.expires_at is null or k.expires_at > moment))) then
    return;
  end if;
  return query
    select x.outcome, x.nonce, x.session_id, x.client_id, x.tenant_id, x.permissions, x.version, s.ends_at
    from registry.exchange_api_client(old_digest, new_digest, new_nonce, moment, grace, token_ends) x
    join registry.api_client_sessions s on s.id = x.session_id;
end $$;

-- Revokes the session that a refresh token is of, used or not, a person's or a client's.
create or replace function registry.revoke_family(token_digest bytea, moment timestamptz) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.sessions s set revoked_at = moment from registry.refresh_tokens k
    where k.digest = token_digest and s.id = k.session_id and s.revoked_at is null and s.ends_at > moment;
  if found then
    return true;
  end if;
  update registry.api_client_sessions s set revoked_at = moment from registry.api_client_tokens k
    where k.digest = token_digest and s.id = k.session_id and s.revoked_at is null and s.ends_at > moment;
  return found;
end $$;

-- Voids what a signed token hangs on beside its credential: the session of a client, or the token itself.
create function registry.void_grant(voided uuid, moment timestamptz) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.api_client_sessions s set revoked_at = moment where s.id = voided and s.revoked_at is null;
  if not found then
    insert into registry.changes (kind, subject) values ('session', voided);
  end if;
  return true;
end $$;

-- Housekeeping forgets tokens that were used long ago: a session that is refreshed often has many.
create index refresh_tokens_by_use on registry.refresh_tokens (used_at) where used_at is not null;
create index api_client_tokens_by_use on registry.api_client_tokens (used_at) where used_at is not null;
create function registry.forget_used_tokens(before timestamptz) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from registry.refresh_tokens t where t.used_at < before;
  delete from registry.api_client_tokens t where t.used_at < before;
  return true;
end $$;
revoke all on function registry.forget_used_tokens(timestamptz) from public;
grant execute on function registry.forget_used_tokens(timestamptz) to tenantry_platform;

revoke all on function registry.still_proven(uuid, text, boolean),
  registry.open_proven_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz, timestamptz, text, boolean),
  registry.switch_session(uuid, uuid, uuid, uuid, bytea, timestamptz, timestamptz, timestamptz),
  registry.open_proven_browser_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz, text, boolean),
  registry.admit_again(text, timestamptz), registry.welcome_again(text),
  registry.ask_for_tenant(text, bytea, text, text, timestamptz, interval, timestamptz),
  registry.asked_for_tenant(bytea, timestamptz), registry.finish_signup(bytea, text, text),
  registry.reset_password(bytea, text, bytea, timestamptz, timestamptz, uuid),
  registry.refresh_api_client(bytea, bytea, bytea, timestamptz, interval, timestamptz),
  registry.void_grant(uuid, timestamptz) from public;
grant execute on function
  registry.open_proven_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz, timestamptz, text, boolean),
  registry.switch_session(uuid, uuid, uuid, uuid, bytea, timestamptz, timestamptz, timestamptz),
  registry.open_proven_browser_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz, text, boolean),
  registry.admit_again(text, timestamptz), registry.welcome_again(text),
  registry.ask_for_tenant(text, bytea, text, text, timestamptz, interval, timestamptz),
  registry.asked_for_tenant(bytea, timestamptz), registry.finish_signup(bytea, text, text),
  registry.reset_password(bytea, text, bytea, timestamptz, timestamptz, uuid),
  registry.refresh_api_client(bytea, bytea, bytea, timestamptz, interval, timestamptz),
  registry.void_grant(uuid, timestamptz) to tenantry_directory;
