-- Machine clients of tenants: their secrets, and the sessions and tokens that they get.
set local role tenantry_owner;

create table registry.api_clients (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  name text not null check (length(name) between 1 and 120),
  permissions text[] not null,
  enabled boolean not null default true,
  -- Counts what was taken away from it: tokens issued under a lower one are void.
  credential_version bigint not null default 1,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint api_clients_pkey primary key (tenant_id, id),
  constraint api_clients_id_key unique (id),
  constraint api_clients_tenant_fkey foreign key (tenant_id) references registry.tenants (id) on delete cascade
);
select sec.share('registry.api_clients');
grant select, delete on registry.api_clients to tenantry_api;
grant insert (id, name, permissions), update (name, permissions, enabled) on registry.api_clients to tenantry_api;
grant select, delete on registry.api_clients to tenantry_platform;
grant insert (tenant_id, id, name, permissions) on registry.api_clients to tenantry_platform;

-- A client's secrets: the current one and, for a while after it was rotated, the one before.
create table registry.api_client_secrets (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  api_client_id uuid not null,
  -- SHA-256 of the secret.
  digest bytea not null check (length(digest) = 32),
  -- None for the current one.
  expires_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint api_client_secrets_pkey primary key (tenant_id, id),
  constraint api_client_secrets_client_fkey foreign key (tenant_id, api_client_id)
    references registry.api_clients (tenant_id, id) on delete cascade
);
create index api_client_secrets_of_client on registry.api_client_secrets (tenant_id, api_client_id);
select sec.share('registry.api_client_secrets');
grant select (tenant_id, id, api_client_id, expires_at, version, created_at, updated_at), delete on registry.api_client_secrets to tenantry_api;
grant insert (id, api_client_id, digest), update (expires_at) on registry.api_client_secrets to tenantry_api;
grant insert (tenant_id, id, api_client_id, digest) on registry.api_client_secrets to tenantry_platform;

create table registry.api_client_sessions (
  id uuid not null,
  tenant_id uuid not null,
  api_client_id uuid not null,
  created_at timestamptz not null,
  ends_at timestamptz not null,
  revoked_at timestamptz,
  constraint api_client_sessions_pkey primary key (id),
  constraint api_client_sessions_client_fkey foreign key (tenant_id, api_client_id)
    references registry.api_clients (tenant_id, id) on delete cascade
);
create index api_client_sessions_of_client on registry.api_client_sessions (tenant_id, api_client_id);
create index api_client_sessions_by_end on registry.api_client_sessions (ends_at);
grant select (id, ends_at), delete on registry.api_client_sessions to tenantry_platform;

create table registry.api_client_tokens (
  -- SHA-256 of the refresh token.
  digest bytea not null check (length(digest) = 32),
  session_id uuid not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  -- What gives the successor to whoever has the token itself.
  nonce bytea,
  constraint api_client_tokens_pkey primary key (digest),
  constraint api_client_tokens_session_fkey foreign key (session_id)
    references registry.api_client_sessions (id) on delete cascade,
  constraint api_client_tokens_used_check check ((used_at is null) = (nonce is null))
);
create index api_client_tokens_of_session on registry.api_client_tokens (session_id);

-- As for the sessions of people.
create trigger note_revoked after update on registry.api_client_sessions for each row
  when (old.revoked_at is null and new.revoked_at is not null) execute function registry.note_session();

-- What was taken away from a client is taken from its tokens at once.
create function registry.narrow_client() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.credential_version := old.credential_version + 1;
  return new;
end $$;
create trigger narrow_client before update on registry.api_clients for each row
  when (not new.permissions @> old.permissions or (old.enabled and not new.enabled))
  execute function registry.narrow_client();

create function registry.note_client() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'DELETE' then
    insert into registry.changes (kind, subject, version) values ('credential', old.id, 9223372036854775807);
    return null;
  end if;
  insert into registry.changes (kind, subject, version) values ('credential', new.id, new.credential_version);
  if not new.enabled then
    delete from registry.api_client_sessions s where s.tenant_id = new.tenant_id and s.api_client_id = new.id;
  end if;
  return null;
end $$;
create trigger note_client after update on registry.api_clients for each row
  when (new.credential_version > old.credential_version) execute function registry.note_client();
create trigger note_deleted after delete on registry.api_clients for each row execute function registry.note_client();

-- A secret that is withdrawn before its time has probably been stolen: whatever was had for it is void as well.
create function registry.note_client_secret() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.api_clients c set credential_version = c.credential_version + 1
    where c.tenant_id = old.tenant_id and c.id = old.api_client_id;
  delete from registry.api_client_sessions s where s.tenant_id = old.tenant_id and s.api_client_id = old.api_client_id;
  return null;
end $$;
create trigger note_withdrawn after delete on registry.api_client_secrets for each row
  when (old.expires_at is null or old.expires_at > now()) execute function registry.note_client_secret();

-- The enabled client of an active tenant that has this secret.
create function registry.api_client(client uuid, secret_digest bytea, moment timestamptz)
  returns table (client_id uuid, tenant_id uuid, permissions text[], version bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select c.id, c.tenant_id, c.permissions, c.credential_version
  from registry.api_clients c
  join registry.tenants t on t.id = c.tenant_id and t.status = 'active'
  where c.id = client and c.enabled and exists (
    select from registry.api_client_secrets s
    where s.tenant_id = c.tenant_id and s.api_client_id = c.id and s.digest = secret_digest
      and (s.expires_at is null or s.expires_at > moment))
$$;

-- Begins a session of the client, if it has this secret at that moment.
create function registry.open_api_client_session(
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
    insert into registry.api_client_sessions (id, tenant_id, api_client_id, created_at, ends_at)
      values (session, found_client.tenant_id, found_client.client_id, begun, session_ends);
    insert into registry.api_client_tokens (digest, session_id, expires_at) values (digest, session, token_ends);
    return query
      select found_client.client_id, found_client.tenant_id, found_client.permissions, found_client.version;
  end if;
end $$;

-- As registry.exchange(), for the refresh token of a client.
create function registry.exchange_api_client(
    old_digest bytea, new_digest bytea, new_nonce bytea, moment timestamptz, grace interval, token_ends timestamptz)
  returns table (outcome text, nonce bytea, session_id uuid, client_id uuid, tenant_id uuid, permissions text[], version bigint)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  token registry.api_client_tokens;
  session registry.api_client_sessions;
  client registry.api_clients;
begin
  select * into token from registry.api_client_tokens t where t.digest = old_digest for update;
  if not found then
    return;
  end if;
  select * into session from registry.api_client_sessions s where s.id = token.session_id for update;
  if session.id is null or session.revoked_at is not null or session.ends_at <= moment or token.expires_at <= moment then
    return;
  end if;
  if moment - token.used_at > grace then
    update registry.api_client_sessions s set revoked_at = moment where s.id = session.id;
    perform sec.append(session.tenant_id, 'api_clients', session.api_client_id, 'refresh_reused', null,
      jsonb_build_object('session', session.id), 'api_client:' || session.api_client_id, gen_random_uuid());
    return query select 'reused', null::bytea, session.id, session.api_client_id, session.tenant_id, null::text[], null::bigint;
    return;
  end if;
  select c.* into client from registry.api_clients c join registry.tenants t on t.id = c.tenant_id
    where c.tenant_id = session.tenant_id and c.id = session.api_client_id and c.enabled and t.status = 'active';
  if client.id is null then
    return;
  end if;
  if token.used_at is not null then
    return query
      select 'replayed', token.nonce, session.id, client.id, client.tenant_id, client.permissions, client.credential_version;
    return;
  end if;
  update registry.api_client_tokens t set used_at = moment, nonce = new_nonce where t.digest = old_digest;
  insert into registry.api_client_tokens (digest, session_id, expires_at)
    values (new_digest, session.id, least(token_ends, session.ends_at));
  return query select 'rotated', new_nonce, session.id, client.id, client.tenant_id, client.permissions, client.credential_version;
end $$;

-- Ends the session of a client's refresh token (RFC 7009), or voids one grant: a session, or a single access token.
create function registry.revoke_api_client_token(client uuid, token_digest bytea, moment timestamptz) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  revoked bigint;
begin
  update registry.api_client_sessions s set revoked_at = moment
    from registry.api_client_tokens t
    where t.digest = token_digest and s.id = t.session_id and s.api_client_id = client and s.revoked_at is null;
  get diagnostics revoked = row_count;
  return revoked;
end $$;

create function registry.void_api_client_grant(client uuid, voided uuid, moment timestamptz) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  revoked bigint;
begin
  update registry.api_client_sessions s set revoked_at = moment
    where s.id = voided and s.api_client_id = client and s.revoked_at is null;
  get diagnostics revoked = row_count;
  -- The access token of a client's credentials has no session; the client must be one that exists.
  if revoked = 0 then
    insert into registry.changes (kind, subject) select 'session', voided from registry.api_clients c where c.id = client;
    get diagnostics revoked = row_count;
  end if;
  return revoked;
end $$;

revoke all on function registry.narrow_client(), registry.note_client(), registry.note_client_secret(),
  registry.api_client(uuid, bytea, timestamptz),
  registry.open_api_client_session(uuid, uuid, bytea, bytea, timestamptz, timestamptz, timestamptz),
  registry.exchange_api_client(bytea, bytea, bytea, timestamptz, interval, timestamptz),
  registry.revoke_api_client_token(uuid, bytea, timestamptz), registry.void_api_client_grant(uuid, uuid, timestamptz) from public;
grant execute on function registry.api_client(uuid, bytea, timestamptz),
  registry.open_api_client_session(uuid, uuid, bytea, bytea, timestamptz, timestamptz, timestamptz),
  registry.exchange_api_client(bytea, bytea, bytea, timestamptz, interval, timestamptz),
  registry.revoke_api_client_token(uuid, bytea, timestamptz), registry.void_api_client_grant(uuid, uuid, timestamptz) to tenantry_directory;
