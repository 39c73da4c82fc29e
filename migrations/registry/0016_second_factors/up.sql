-- Second factors of people: one authenticator (TOTP, RFC 6238) each, and codes for when it is lost.
create table registry.totp_factors (
  user_id uuid not null,
  -- Sealed by the service: whoever reads this table can compute no code.
  secret bytea not null,
  -- None until a first code has shown that the authenticator has the secret.
  confirmed_at timestamptz,
  -- The step of the last code that was accepted: each is good once (RFC 6238, section 5.2).
  last_step bigint not null default 0,
  constraint totp_factors_pkey primary key (user_id),
  constraint totp_factors_user_fkey foreign key (user_id) references registry.users (id) on delete cascade
);

create table registry.recovery_codes (
  -- SHA-256 of the code.
  digest bytea not null check (length(digest) = 32),
  user_id uuid not null,
  constraint recovery_codes_pkey primary key (digest),
  constraint recovery_codes_user_fkey foreign key (user_id) references registry.users (id) on delete cascade
);
create index recovery_codes_of_user on registry.recovery_codes (user_id);

create function registry.totp_factor(person uuid) returns table (secret bytea, is_confirmed boolean, codes_left bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select f.secret, f.confirmed_at is not null, (select count(*) from registry.recovery_codes c where c.user_id = person)
  from registry.totp_factors f where f.user_id = person
$$;

-- Begins an enrolment in place of any that was not confirmed; false if there is a confirmed one.
create function registry.begin_totp(person uuid, sealed bytea) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into registry.totp_factors (user_id, secret) values (person, sealed)
    on conflict (user_id) do update set secret = excluded.secret where registry.totp_factors.confirmed_at is null;
  return found;
end $$;

-- Accepts a code of this step, once. The first one confirms the enrolment.
create function registry.accept_totp(person uuid, step bigint, moment timestamptz, confirms boolean) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.totp_factors f set last_step = step, confirmed_at = coalesce(f.confirmed_at, moment)
    where f.user_id = person and f.last_step < step and (f.confirmed_at is null) = confirms;
  return found;
end $$;

-- Uses a recovery code up.
create function registry.accept_recovery_code(person uuid, code_digest bytea) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from registry.recovery_codes c where c.digest = code_digest and c.user_id = person;
  return found;
end $$;

-- Gives a person other recovery codes in place of all they had; what that is, is in the audit of every tenant of theirs.
create function registry.set_recovery_codes(person uuid, digests bytea[], request uuid) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from registry.recovery_codes c where c.user_id = person;
  insert into registry.recovery_codes (digest, user_id) select d, person from unnest(digests) d;
  perform sec.append(m.tenant_id, 'users', person, 'second_factor_set', null, null, 'user:' || person, request)
    from registry.memberships m where m.user_id = person;
  return true;
end $$;

create function registry.remove_totp(person uuid, request uuid) returns boolean
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

revoke all on function registry.totp_factor(uuid), registry.begin_totp(uuid, bytea),
  registry.accept_totp(uuid, bigint, timestamptz, boolean), registry.accept_recovery_code(uuid, bytea),
  registry.set_recovery_codes(uuid, bytea[], uuid), registry.remove_totp(uuid, uuid) from public;
grant execute on function registry.totp_factor(uuid), registry.begin_totp(uuid, bytea),
  registry.accept_totp(uuid, bigint, timestamptz, boolean), registry.accept_recovery_code(uuid, bytea),
  registry.set_recovery_codes(uuid, bytea[], uuid), registry.remove_totp(uuid, uuid) to tenantry_directory;
