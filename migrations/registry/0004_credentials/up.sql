-- Logins and what came of them. Only digests are kept: whoever reads these tables holds no token.
create table registry.sessions (
  id uuid not null,
  tenant_id uuid not null,
  user_id uuid not null,
  created_at timestamptz not null,
  ends_at timestamptz not null,
  revoked_at timestamptz,
  constraint sessions_pkey primary key (id),
  constraint sessions_member_fkey foreign key (tenant_id, user_id)
    references registry.memberships (tenant_id, user_id) on delete cascade
);
create index sessions_of_member on registry.sessions (tenant_id, user_id);
create index sessions_by_end on registry.sessions (ends_at);

create table registry.refresh_tokens (
  -- SHA-256 of the token.
  digest bytea not null check (length(digest) = 32),
  session_id uuid not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  -- What gives the successor to whoever has the token itself.
  nonce bytea,
  constraint refresh_tokens_pkey primary key (digest),
  constraint refresh_tokens_session_fkey foreign key (session_id) references registry.sessions (id) on delete cascade,
  constraint refresh_tokens_used_check check ((used_at is null) = (nonce is null))
);
create index refresh_tokens_of_session on registry.refresh_tokens (session_id);

create function registry.note_session() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into registry.changes (kind, subject) values ('session', old.id);
  return null;
end $$;
revoke all on function registry.note_session() from public;
create trigger note_revoked after update on registry.sessions for each row
  when (old.revoked_at is null and new.revoked_at is not null) execute function registry.note_session();
-- A member who leaves takes the sessions along. One that had ended anyway is nobody's news.
create trigger note_deleted after delete on registry.sessions for each row
  when (old.revoked_at is null and old.ends_at > now()) execute function registry.note_session();

grant select, delete on registry.sessions to tenantry_platform;
grant select (expires_at), delete on registry.refresh_tokens to tenantry_platform;
