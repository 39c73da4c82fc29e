-- What people do with their own accounts, whatever tenants they belong to.

-- One at a time for each person: a new one voids the old.
create table registry.password_resets (
  user_id uuid not null,
  -- SHA-256 of the token.
  digest bytea not null check (length(digest) = 32),
  requested_at timestamptz not null,
  expires_at timestamptz not null,
  constraint password_resets_pkey primary key (user_id),
  constraint password_resets_digest_key unique (digest),
  constraint password_resets_user_fkey foreign key (user_id) references registry.users (id) on delete cascade
);

-- A person and the tenants they belong to.
create function registry.account(person uuid)
  returns table (user_id uuid, email text, name text, password_hash text, tenant_id uuid, slug text, role text, tenant_active boolean)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select u.id, u.email, u.name, u.password_hash, t.id, t.slug, m.role, t.status = 'active'
  from registry.users u
  left join registry.memberships m on m.user_id = u.id
  left join registry.tenants t on t.id = m.tenant_id
  where u.id = person
  order by t.slug
  limit 1000
$$;

create function registry.rename_person(person uuid, renamed text) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.users u set name = renamed, updated_at = now() where u.id = person;
  return found;
end $$;

-- Revokes the session that a refresh token is of, used or not.
create function registry.revoke_family(token_digest bytea, moment timestamptz) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.sessions s set revoked_at = moment from registry.refresh_tokens k
    where k.digest = token_digest and s.id = k.session_id and s.revoked_at is null and s.ends_at > moment;
  return found;
end $$;

-- Sets a password, ends the person's sessions but the kept one, voids what could set another, and tells their tenants.
create function registry.replace_password(person uuid, renewed text, kept uuid, moment timestamptz, action text, request uuid)
  returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.users u set password_hash = renewed, updated_at = now() where u.id = person;
  delete from registry.password_resets r where r.user_id = person;
  perform registry.revoke_other_sessions(person, kept, moment);
  perform sec.append(m.tenant_id, 'users', person, action, null, null, 'user:' || person, request)
    from registry.memberships m where m.user_id = person;
end $$;

-- Replaces a password by compare-and-set, and ends all other sessions.
create function registry.change_password(person uuid, expected text, renewed text, kept uuid, moment timestamptz, request uuid)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform from registry.users u where u.id = person and u.password_hash = expected for update;
  if not found then
    return false;
  end if;
  perform registry.replace_password(person, renewed, kept, moment, 'password_changed', request);
  return true;
end $$;

-- Takes note of a token that may set the person's password, unless one was asked for just before: then nobody's mailbox
-- can be flooded, nor the token in it be voided over and over.
create function registry.request_reset(address text, token_digest bytea, moment timestamptz, pause interval, token_ends timestamptz)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into registry.password_resets as r (user_id, digest, requested_at, expires_at)
    select u.id, token_digest, moment, token_ends from registry.users u where u.email = address
    on conflict (user_id) do update set digest = excluded.digest, requested_at = excluded.requested_at, expires_at = excluded.expires_at
      where r.requested_at <= excluded.requested_at - pause;
  return found;
end $$;

create function registry.reset_of(token_digest bytea, moment timestamptz) returns uuid
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select r.user_id from registry.password_resets r where r.digest = token_digest and r.expires_at > moment
$$;

-- Uses a token up for a password, and ends all sessions.
create function registry.reset_password(token_digest bytea, renewed text, moment timestamptz, request uuid) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  person uuid;
begin
  delete from registry.password_resets r where r.digest = token_digest and r.expires_at > moment returning r.user_id into person;
  if person is null then
    return false;
  end if;
  perform registry.replace_password(person, renewed, null, moment, 'password_reset', request);
  return true;
end $$;

revoke all on function registry.account(uuid), registry.rename_person(uuid, text), registry.revoke_family(bytea, timestamptz),
  registry.replace_password(uuid, text, uuid, timestamptz, text, uuid),
  registry.change_password(uuid, text, text, uuid, timestamptz, uuid),
  registry.request_reset(text, bytea, timestamptz, interval, timestamptz), registry.reset_of(bytea, timestamptz),
  registry.reset_password(bytea, text, timestamptz, uuid) from public;
grant execute on function registry.account(uuid), registry.rename_person(uuid, text), registry.revoke_family(bytea, timestamptz),
  registry.change_password(uuid, text, text, uuid, timestamptz, uuid),
  registry.request_reset(text, bytea, timestamptz, interval, timestamptz), registry.reset_of(bytea, timestamptz),
  registry.reset_password(bytea, text, timestamptz, uuid) to tenantry_directory;
