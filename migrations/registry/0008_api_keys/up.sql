-- Members' keys: a key allows what it is for and its holder's role allows, and goes when the holder does.
create table registry.api_keys (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  -- The holder.
  user_id uuid not null,
  name text not null check (length(name) between 1 and 120),
  -- How its text begins; the secret comes behind.
  prefix text not null check (prefix ~ '^tenantry_sk_(live|test)_[0-9A-Za-z]{12}$'),
  -- SHA-256 of its text.
  digest bytea not null check (length(digest) = 32),
  scopes text[] not null check (cardinality(scopes) > 0),
  -- From where it may be used, if not from everywhere.
  networks text[] check (cardinality(networks) between 1 and 64),
  expires_at timestamptz,
  -- The key that was made in its place.
  replaced_by uuid,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint api_keys_pkey primary key (tenant_id, id),
  constraint api_keys_prefix_key unique (prefix),
  constraint api_keys_holder_fkey foreign key (tenant_id, user_id)
    references registry.memberships (tenant_id, user_id) on delete cascade
);
create index api_keys_of_holder on registry.api_keys (tenant_id, user_id);
select sec.share('registry.api_keys');
grant select (tenant_id, id, user_id, name, prefix, scopes, networks, expires_at, replaced_by, version, created_at, updated_at), delete
  on registry.api_keys to tenantry_api;
grant insert (id, user_id, name, prefix, digest, scopes, networks, expires_at),
  update (name, scopes, networks, expires_at, replaced_by) on registry.api_keys to tenantry_api;

-- What happened to a key without changing it: no version, no audit.
create table registry.api_key_marks (
  tenant_id uuid not null,
  key_id uuid not null,
  used_at timestamptz,
  -- The end that its tenant was warned of.
  warned_of timestamptz,
  constraint api_key_marks_pkey primary key (tenant_id, key_id),
  constraint api_key_marks_key_fkey foreign key (tenant_id, key_id) references registry.api_keys (tenant_id, id) on delete cascade
);

create trigger note_version after update on registry.api_keys for each row
  when (new.version > old.version) execute function registry.note_version();

-- Whatever a key that is gone gave is void for good.
create function registry.note_api_key_gone() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into registry.changes (kind, subject, version) values ('credential', old.id, 9223372036854775807);
  return null;
end $$;
create trigger note_gone after delete on registry.api_keys for each row execute function registry.note_api_key_gone();

-- What a member holds must be looked up again: the role is another, or allows something else.
create or replace function registry.refresh_member(tenant uuid, member uuid) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.sessions s set version = s.version + 1
    where s.tenant_id = tenant and s.user_id = member and s.revoked_at is null;
  update registry.api_keys k set version = k.version + 1 where k.tenant_id = tenant and k.user_id = member;
end $$;

-- The key whose text begins so, with what its holder's role allows now (none for a built-in role).
create function registry.api_key(beginning text)
  returns table (id uuid, tenant_id uuid, user_id uuid, digest bytea, scopes text[], networks text[], expires_at timestamptz,
    created_at timestamptz, version bigint, role text, permissions text[])
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select k.id, k.tenant_id, k.user_id, k.digest, k.scopes, k.networks, k.expires_at, k.created_at, k.version, m.role, r.permissions
  from registry.api_keys k
  join registry.memberships m on m.tenant_id = k.tenant_id and m.user_id = k.user_id
  left join registry.roles r on r.tenant_id = m.tenant_id and r.name = m.role
  where k.prefix = beginning
$$;

-- Notes when keys were used, to the minute. A key that is gone by now is passed over.
create function registry.note_api_key_uses(tenants uuid[], keys uuid[], moments timestamptz[]) returns void
  language sql security definer set search_path = pg_catalog, pg_temp as $$
  insert into registry.api_key_marks as marks (tenant_id, key_id, used_at)
    select k.tenant_id, k.id, used.at
    from unnest(tenants, keys, moments) used (tenant, key, at)
    join registry.api_keys k on k.tenant_id = used.tenant and k.id = used.key
    order by k.tenant_id, k.id
  on conflict (tenant_id, key_id) do update set used_at = excluded.used_at
  where marks.used_at is null or marks.used_at <= excluded.used_at - interval '1 minute'
$$;

-- Says in the audit of each tenant which keys end soon, by their own terms or by the tenant's policy; of each end once. A
-- key that has a successor is nobody's worry.
create function registry.warn_of_expiring_api_keys(moment timestamptz, ahead interval) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  due record;
  warned bigint := 0;
begin
  for due in
    select k.tenant_id, k.id, k.name, k.user_id, ends.at
    from registry.api_keys k
    join registry.tenants t on t.id = k.tenant_id and t.status = 'active'
    cross join lateral (
      select least(k.expires_at, k.created_at + make_interval(days => (t.settings ->> 'api_key_max_age_days')::integer)) as at
    ) ends
    left join registry.api_key_marks m on m.tenant_id = k.tenant_id and m.key_id = k.id
    where ends.at > moment and ends.at <= moment + ahead and k.replaced_by is null and m.warned_of is distinct from ends.at
    order by k.tenant_id, k.id
    limit 1000
  loop
    insert into registry.api_key_marks as marks (tenant_id, key_id, warned_of) values (due.tenant_id, due.id, due.at)
      on conflict (tenant_id, key_id) do update set warned_of = excluded.warned_of
      where marks.warned_of is distinct from excluded.warned_of;
    if found then
      perform sec.append(due.tenant_id, 'api_keys', due.id, 'api_key_expiring', null,
        jsonb_build_object('name', due.name, 'user_id', due.user_id, 'expires_at', due.at), 'system', gen_random_uuid());
      warned := warned + 1;
    end if;
  end loop;
  return warned;
end $$;

revoke all on function registry.note_api_key_gone(), registry.api_key(text),
  registry.note_api_key_uses(uuid[], uuid[], timestamptz[]), registry.warn_of_expiring_api_keys(timestamptz, interval) from public;
grant execute on function registry.api_key(text), registry.note_api_key_uses(uuid[], uuid[], timestamptz[]),
  registry.warn_of_expiring_api_keys(timestamptz, interval) to tenantry_directory;

-- When a key was used last, told to the tenant it belongs to.
grant select (tenant_id, key_id, used_at) on registry.api_key_marks to tenantry_sec;
set local role tenantry_sec;
create function sec.api_key_used_at(key uuid) returns timestamptz language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select m.used_at from registry.api_key_marks m where m.tenant_id = sec.tenant() and m.key_id = key
$$;
revoke all on function sec.api_key_used_at(uuid) from public;
grant execute on function sec.api_key_used_at(uuid) to tenantry_api;
