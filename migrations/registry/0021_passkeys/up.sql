-- Passkeys of people (Web Authentication), and the ceremonies in which they are made and used.
create table registry.passkeys (
  id uuid not null,
  user_id uuid not null,
  -- What the authenticator knows it by.
  credential bytea not null check (length(credential) between 1 and 1023),
  -- 65 bytes of P-256, or 32 of Ed25519.
  public_key bytea not null check (length(public_key) in (32, 65)),
  -- How often it has signed; stays 0 if it does not count.
  counter bigint not null,
  name text not null check (length(name) between 1 and 120),
  created_at timestamptz not null,
  last_used_at timestamptz,
  constraint passkeys_pkey primary key (id),
  constraint passkeys_credential_key unique (credential),
  constraint passkeys_user_fkey foreign key (user_id) references registry.users (id) on delete cascade
);
create index passkeys_of_user on registry.passkeys (user_id, id);

create table registry.passkey_ceremonies (
  -- SHA-256 of the token that names it, and of the challenge.
  digest bytea not null check (length(digest) = 32),
  challenge bytea not null check (length(challenge) = 32),
  kind text not null check (kind in ('registration', 'login')),
  -- Who must answer and where they want to be let in, if that is known.
  user_id uuid,
  tenant_id uuid,
  expires_at timestamptz not null,
  constraint passkey_ceremonies_pkey primary key (digest),
  constraint passkey_ceremonies_user_fkey foreign key (user_id) references registry.users (id) on delete cascade
);
create index passkey_ceremonies_by_end on registry.passkey_ceremonies (expires_at);
create index passkey_ceremonies_of_user on registry.passkey_ceremonies (user_id);

-- Each one that begins clears away some that nobody has answered.
create function registry.begin_passkey_ceremony(
    token_digest bytea, wanted_kind text, challenge_digest bytea, person uuid, tenant uuid, moment timestamptz, ends timestamptz)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from registry.passkey_ceremonies c where c.digest in (
    select o.digest from registry.passkey_ceremonies o where o.expires_at <= moment order by o.expires_at limit 100 for update skip locked);
  insert into registry.passkey_ceremonies (digest, challenge, kind, user_id, tenant_id, expires_at)
    values (token_digest, challenge_digest, wanted_kind, person, tenant, ends);
  return true;
end $$;

-- A ceremony, which is over with that.
create function registry.take_passkey_ceremony(token_digest bytea, wanted_kind text, moment timestamptz)
  returns table (challenge bytea, user_id uuid, tenant_id uuid, expires_at timestamptz)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  taken registry.passkey_ceremonies;
begin
  delete from registry.passkey_ceremonies c where c.digest = token_digest and c.kind = wanted_kind
    returning c.digest, c.challenge, c.kind, c.user_id, c.tenant_id, c.expires_at into taken;
  if taken.expires_at > moment then
    return query select taken.challenge, taken.user_id, taken.tenant_id, taken.expires_at;
  end if;
end $$;

create function registry.add_passkey(
    passkey uuid, person uuid, new_credential bytea, new_key bytea, signed bigint, label text, most bigint, moment timestamptz, request uuid)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- One after the other, or two at once would be one too many.
  perform from registry.users u where u.id = person for no key update;
  if (select count(*) from registry.passkeys p where p.user_id = person) >= most then
    return false;
  end if;
  insert into registry.passkeys (id, user_id, credential, public_key, counter, name, created_at)
    values (passkey, person, new_credential, new_key, signed, label, moment) on conflict (credential) do nothing;
  if not found then
    return false;
  end if;
  perform sec.append(m.tenant_id, 'users', person, 'passkey_added', null, null, 'user:' || person, request)
    from registry.memberships m where m.user_id = person;
  return true;
end $$;

create function registry.passkeys_of(person uuid)
  returns table (id uuid, credential bytea, name text, created_at timestamptz, last_used_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select p.id, p.credential, p.name, p.created_at, p.last_used_at
  from registry.passkeys p where p.user_id = person order by p.id limit 100
$$;

create function registry.passkey(wanted bytea) returns table (id uuid, user_id uuid, public_key bytea)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select p.id, p.user_id, p.public_key from registry.passkeys p where p.credential = wanted
$$;

-- Takes note of a use; false if the counter did not go up, though it counts: then there are two of the passkey.
create function registry.use_passkey(passkey uuid, signed bigint, moment timestamptz) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.passkeys p set counter = signed, last_used_at = moment
    where p.id = passkey and (p.counter < signed or (p.counter = 0 and signed = 0));
  return found;
end $$;

create function registry.remove_passkey(person uuid, passkey uuid, request uuid) returns boolean
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

create function registry.recovery_codes_left(person uuid) returns bigint
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select count(*) from registry.recovery_codes c where c.user_id = person
$$;

-- A passkey is a second factor too: who got one since the password was proven must show it.
create or replace function registry.still_proven(person uuid, proven_hash text, proven_factor boolean) returns boolean
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from registry.users u where u.id = person and u.password_hash is not distinct from proven_hash for share;
  return found and (proven_factor
    or not exists (select from registry.totp_factors f where f.user_id = person and f.confirmed_at is not null)
      and not exists (select from registry.passkeys p where p.user_id = person));
end $$;

revoke all on function registry.begin_passkey_ceremony(bytea, text, bytea, uuid, uuid, timestamptz, timestamptz),
  registry.take_passkey_ceremony(bytea, text, timestamptz),
  registry.add_passkey(uuid, uuid, bytea, bytea, bigint, text, bigint, timestamptz, uuid),
  registry.passkeys_of(uuid), registry.passkey(bytea), registry.use_passkey(uuid, bigint, timestamptz),
  registry.remove_passkey(uuid, uuid, uuid), registry.recovery_codes_left(uuid) from public;
grant execute on function registry.begin_passkey_ceremony(bytea, text, bytea, uuid, uuid, timestamptz, timestamptz),
  registry.take_passkey_ceremony(bytea, text, timestamptz),
  registry.add_passkey(uuid, uuid, bytea, bytea, bigint, text, bigint, timestamptz, uuid),
  registry.passkeys_of(uuid), registry.passkey(bytea), registry.use_passkey(uuid, bigint, timestamptz),
  registry.remove_passkey(uuid, uuid, uuid), registry.recovery_codes_left(uuid) to tenantry_directory;
