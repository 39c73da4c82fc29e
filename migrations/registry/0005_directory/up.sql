-- The questions that come before a tenant is known, one function each. The role tenantry_directory may call these and
-- read no table: it can ask for one of a thing it can name, it can list nothing.

create function registry.login(address text)
  returns table (user_id uuid, password_hash text, tenant_id uuid, slug text, role text, tenant_active boolean)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select u.id, u.password_hash, t.id, t.slug, m.role, t.status = 'active'
  from registry.users u
  left join registry.memberships m on m.user_id = u.id
  left join registry.tenants t on t.id = m.tenant_id
  where u.email = address
  order by t.slug
$$;

create function registry.tenant(wanted uuid)
  returns table (id uuid, slug text, plan text, placement text, status text, settings jsonb, created_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select t.id, t.slug, t.plan, t.placement, t.status, t.settings, t.created_at from registry.tenants t where t.id = wanted
$$;

create function registry.operator(digest bytea) returns uuid
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select id from registry.operators where token_digest = digest and expires_at > now()
$$;

-- Every change written by a transaction that was not finished at `mark`, and the mark to ask with next. Without a mark,
-- what can still matter to a process that remembers nothing: revoked sessions whose access tokens may not have expired.
create function registry.changes_since(since bigint) returns table (mark bigint, kind text, subject uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select pg_snapshot_xmin(pg_current_snapshot())::text::bigint, c.kind, c.subject
  from (select) one
  left join registry.changes c on case
    when since is null then c.kind = 'session' and c.at > now() - interval '2 days'
    else c.transaction >= since::text::xid8
  end
$$;

create function registry.set_password_hash(person uuid, expected text, renewed text) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.users set password_hash = renewed, updated_at = now()
    where id = person and password_hash is not distinct from expected;
  return found;
end $$;

-- Begins a session if the person is a member of an active tenant at that moment; tells the role, or null.
create function registry.begin_session(
    session uuid, person uuid, tenant uuid, digest bytea, begun timestamptz, token_ends timestamptz, session_ends timestamptz)
  returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  member_role text;
begin
  select m.role into member_role
    from registry.memberships m join registry.tenants t on t.id = m.tenant_id
    where m.tenant_id = tenant and m.user_id = person and t.status = 'active'
    for share;
  if member_role is null then
    return null;
  end if;
  insert into registry.sessions (id, tenant_id, user_id, created_at, ends_at) values (session, tenant, person, begun, session_ends);
  insert into registry.refresh_tokens (digest, session_id, expires_at) values (digest, session, token_ends);
  return member_role;
end $$;

-- Exchanges a refresh token for its successor. The lock on the old token's row makes one of many callers the first.
create function registry.rotate(
    old_digest bytea, new_digest bytea, new_nonce bytea, moment timestamptz, grace interval, token_ends timestamptz)
  returns table (outcome text, nonce bytea, session_id uuid, user_id uuid, tenant_id uuid, role text, expires_at timestamptz)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  token registry.refresh_tokens;
  session registry.sessions;
  member_role text;
begin
  select * into token from registry.refresh_tokens t where t.digest = old_digest for update;
  if not found then
    return;
  end if;
  select * into session from registry.sessions s where s.id = token.session_id for update;
  if session.revoked_at is not null or session.ends_at <= moment or token.expires_at <= moment then
    return;
  end if;

  if moment - token.used_at > grace then
    update registry.sessions s set revoked_at = moment where s.id = session.id;
    return query select 'reused', null::bytea, session.id, session.user_id, session.tenant_id, null::text, null::timestamptz;
    return;
  end if;

  select m.role into member_role
    from registry.memberships m join registry.tenants t on t.id = m.tenant_id
    where m.tenant_id = session.tenant_id and m.user_id = session.user_id and t.status = 'active';
  if member_role is null then
    return;
  end if;

  if token.used_at is not null then
    -- The successor's life began with the first use: a replay does not prolong it.
    return query
      select 'replayed', token.nonce, session.id, session.user_id, session.tenant_id, member_role,
        least(token_ends - (moment - token.used_at), session.ends_at);
    return;
  end if;
  update registry.refresh_tokens t set used_at = moment, nonce = new_nonce where t.digest = old_digest;
  insert into registry.refresh_tokens (digest, session_id, expires_at) values (new_digest, session.id, least(token_ends, session.ends_at));
  return query
    select 'rotated', new_nonce, session.id, session.user_id, session.tenant_id, member_role, least(token_ends, session.ends_at);
end $$;

revoke all on function registry.login(text), registry.tenant(uuid), registry.operator(bytea), registry.changes_since(bigint),
  registry.set_password_hash(uuid, text, text),
  registry.begin_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz, timestamptz),
  registry.rotate(bytea, bytea, bytea, timestamptz, interval, timestamptz) from public;
grant execute on function registry.login(text), registry.tenant(uuid), registry.operator(bytea), registry.changes_since(bigint),
  registry.set_password_hash(uuid, text, text),
  registry.begin_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz, timestamptz),
  registry.rotate(bytea, bytea, bytea, timestamptz, interval, timestamptz) to tenantry_directory;
