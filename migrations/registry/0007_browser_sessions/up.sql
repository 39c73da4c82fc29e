-- Sessions of browsers: a login whose only token is an opaque one in a cookie.
create table registry.browser_sessions (
  -- SHA-256 of the token.
  digest bytea not null check (length(digest) = 32),
  session_id uuid not null,
  -- When it was last looked up: instances remember it for some minutes in between.
  last_seen_at timestamptz not null,
  constraint browser_sessions_pkey primary key (digest),
  constraint browser_sessions_session_fkey foreign key (session_id) references registry.sessions (id) on delete cascade
);
create index browser_sessions_of_session on registry.browser_sessions (session_id);

-- As open_session(), for a browser.
create function registry.open_browser_session(
    session uuid, person uuid, tenant uuid, digest bytea, begun timestamptz, session_ends timestamptz)
  returns table (role text, permissions text[]) language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  member_role text;
begin
  select m.role into member_role
    from registry.memberships m join registry.tenants t on t.id = m.tenant_id
    where m.tenant_id = tenant and m.user_id = person and t.status = 'active'
    for share;
  if member_role is not null then
    insert into registry.sessions (id, tenant_id, user_id, created_at, ends_at) values (session, tenant, person, begun, session_ends);
    insert into registry.browser_sessions (digest, session_id, last_seen_at) values (digest, session, begun);
    return query
      select member_role, (select r.permissions from registry.roles r where r.tenant_id = tenant and r.name = member_role for share);
  end if;
end $$;

-- The live session of a browser's token, which is seen by being asked for.
create function registry.browser_session(token_digest bytea, moment timestamptz, idle interval)
  returns table (session_id uuid, user_id uuid, tenant_id uuid, role text, permissions text[], version bigint, ends_at timestamptz)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.browser_sessions b set last_seen_at = moment
    from registry.sessions s
    where b.digest = token_digest and s.id = b.session_id and s.revoked_at is null and s.ends_at > moment
      and b.last_seen_at > moment - idle and b.last_seen_at < moment;
  return query
    select s.id, s.user_id, s.tenant_id, m.role, r.permissions, s.version, s.ends_at
    from registry.browser_sessions b
    join registry.sessions s on s.id = b.session_id and s.revoked_at is null and s.ends_at > moment
    join registry.memberships m on m.tenant_id = s.tenant_id and m.user_id = s.user_id
    left join registry.roles r on r.tenant_id = m.tenant_id and r.name = m.role
    where b.digest = token_digest and b.last_seen_at > moment - idle;
end $$;

-- The sessions of one person that have neither ended nor been revoked, in whatever tenant.
create function registry.sessions_of(person uuid, moment timestamptz)
  returns table (session_id uuid, tenant_slug text, is_browser boolean, created_at timestamptz, last_seen_at timestamptz, ends_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select s.id, t.slug, b.session_id is not null, s.created_at,
    coalesce(b.last_seen_at, (select max(k.used_at) from registry.refresh_tokens k where k.session_id = s.id), s.created_at), s.ends_at
  from registry.sessions s
  join registry.tenants t on t.id = s.tenant_id
  left join registry.browser_sessions b on b.session_id = s.id
  where s.user_id = person and s.revoked_at is null and s.ends_at > moment
  order by s.created_at desc, s.id
  limit 200
$$;
create index sessions_of_user on registry.sessions (user_id);

-- Revokes sessions of one person: one of them, or all but one. Tells how many.
create function registry.revoke_session(person uuid, session uuid, moment timestamptz) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  revoked bigint;
begin
  update registry.sessions s set revoked_at = moment
    where s.id = session and s.user_id = person and s.revoked_at is null and s.ends_at > moment;
  get diagnostics revoked = row_count;
  return revoked;
end $$;

create function registry.revoke_other_sessions(person uuid, kept uuid, moment timestamptz) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  revoked bigint;
begin
  update registry.sessions s set revoked_at = moment
    where s.user_id = person and s.id is distinct from kept and s.revoked_at is null and s.ends_at > moment;
  get diagnostics revoked = row_count;
  return revoked;
end $$;

revoke all on function registry.open_browser_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz),
  registry.browser_session(bytea, timestamptz, interval), registry.sessions_of(uuid, timestamptz),
  registry.revoke_session(uuid, uuid, timestamptz), registry.revoke_other_sessions(uuid, uuid, timestamptz) from public;
grant execute on function registry.open_browser_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz),
  registry.browser_session(bytea, timestamptz, interval), registry.sessions_of(uuid, timestamptz),
  registry.revoke_session(uuid, uuid, timestamptz), registry.revoke_other_sessions(uuid, uuid, timestamptz) to tenantry_directory;
