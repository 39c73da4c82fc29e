drop function registry.forget_used_tokens(timestamptz);
drop index registry.api_client_tokens_by_use;
drop index registry.refresh_tokens_by_use;
drop function registry.void_grant(uuid, timestamptz);
drop function registry.refresh_api_client(bytea, bytea, bytea, timestamptz, interval, timestamptz);
drop function registry.reset_password(bytea, text, bytea, timestamptz, timestamptz, uuid);
drop function registry.finish_signup(bytea, text, text);
drop function registry.asked_for_tenant(bytea, timestamptz);
drop function registry.ask_for_tenant(text, bytea, text, text, timestamptz, interval, timestamptz);
drop function registry.welcome_again(text);
drop function registry.admit_again(text, timestamptz);
drop function registry.open_proven_browser_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz, text, boolean);
drop function registry.switch_session(uuid, uuid, uuid, uuid, bytea, timestamptz, timestamptz, timestamptz);
drop function registry.open_proven_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz, timestamptz, text, boolean);
drop function registry.still_proven(uuid, text, boolean);

create or replace function registry.revoke_family(token_digest bytea, moment timestamptz) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update registry.sessions s set revoked_at = moment from registry.refresh_tokens k
    where k.digest = token_digest and s.id = k.session_id and s.revoked_at is null and s.ends_at > moment;
  return found;
end $$;

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
    insert into registry.api_client_sessions (id, tenant_id, api_client_id, created_at, ends_at)
      values (session, found_client.tenant_id, found_client.client_id, begun, session_ends);
    insert into registry.api_client_tokens (digest, session_id, expires_at) values (digest, session, token_ends);
    return query
      select found_client.client_id, found_client.tenant_id, found_client.permissions, found_client.version;
  end if;
end $$;
alter table registry.api_client_sessions drop column secret_id;

delete from registry.password_resets r using registry.password_resets later
  where later.user_id = r.user_id and (later.requested_at, later.digest) > (r.requested_at, r.digest);
drop index registry.password_resets_of_user;
alter table registry.password_resets drop constraint password_resets_pkey;
alter table registry.password_resets add constraint password_resets_pkey primary key (user_id);
alter table registry.password_resets add constraint password_resets_digest_key unique (digest);

create or replace function registry.request_reset(address text, token_digest bytea, moment timestamptz, pause interval, token_ends timestamptz)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into registry.password_resets as r (user_id, digest, requested_at, expires_at)
    select u.id, token_digest, moment, token_ends from registry.users u where u.email = address
    on conflict (user_id) do update set digest = excluded.digest, requested_at = excluded.requested_at, expires_at = excluded.expires_at
      where r.requested_at <= excluded.requested_at - pause;
  return found;
end $$;

delete from registry.signups where password_hash is null;
alter table registry.signups alter column password_hash set not null;

create or replace function registry.changes_after(since bigint) returns table (mark bigint, kind text, subject uuid, version bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    case c.kind when 'session' then 'credential' else c.kind end, c.subject, coalesce(c.version, 9223372036854775807)
  from (select) one
  left join registry.changes c on case
    when since is null then c.kind <> 'tenant' and c.at > now() - interval '2 days'
    else c.transaction >= since::text::xid8
  end
$$;
