-- People who are asked to join a tenant, and people who ask for a tenant of their own. Both prove their address by a token
-- from a mail, of which only the digest is kept.
create table registry.invitations (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  -- In lower case.
  email text not null,
  role text not null,
  digest bytea not null check (length(digest) = 32),
  expires_at timestamptz not null,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint invitations_pkey primary key (tenant_id, id),
  constraint invitations_email_key unique (tenant_id, email),
  constraint invitations_digest_key unique (digest),
  constraint invitations_tenant_fkey foreign key (tenant_id) references registry.tenants (id) on delete cascade
);
create index invitations_by_end on registry.invitations (expires_at);
select sec.share('registry.invitations');
grant select (tenant_id, id, email, role, expires_at, version, created_at, updated_at), delete on registry.invitations to tenantry_api;
grant insert (id, email, role, digest, expires_at) on registry.invitations to tenantry_api;
grant select (expires_at), delete on registry.invitations to tenantry_platform;

create table registry.signups (
  email text not null,
  digest bytea not null check (length(digest) = 32),
  slug text not null,
  plan text not null check (plan in ('free', 'standard')),
  name text check (length(name) between 1 and 120),
  password_hash text not null,
  asked_at timestamptz not null,
  expires_at timestamptz not null,
  constraint signups_pkey primary key (email),
  constraint signups_digest_key unique (digest)
);
create index signups_by_end on registry.signups (expires_at);
grant select (expires_at), delete on registry.signups to tenantry_platform;

-- Who was invited by this token, and what they must prove.
create function registry.invitation(token_digest bytea, moment timestamptz)
  returns table (email text, slug text, password_hash text)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select i.email, t.slug, u.password_hash
  from registry.invitations i
  join registry.tenants t on t.id = i.tenant_id and t.status = 'active'
  left join registry.users u on u.email = i.email
  where i.digest = token_digest and i.expires_at > moment
$$;

-- Makes the invited person a member, once, if their password is still the one that was proven (or that they had none). A
-- role that the tenant has deleted since is nobody's any more. Who belongs to the tenant already keeps their role.
create function registry.accept_invitation(
    token_digest bytea, moment timestamptz, proven_hash text, fresh_id uuid, fresh_hash text, fresh_name text, request uuid)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  invitation registry.invitations;
  person registry.users;
begin
  select i.* into invitation from registry.invitations i
    join registry.tenants t on t.id = i.tenant_id and t.status = 'active'
    where i.digest = token_digest and i.expires_at > moment
      and (i.role in ('owner', 'admin', 'member', 'viewer')
        or exists (select from registry.roles r where r.tenant_id = i.tenant_id and r.name = i.role))
    for update of i;
  if not found then
    return false;
  end if;
  insert into registry.users (id, email) values (fresh_id, invitation.email) on conflict (email) do nothing;
  select u.* into person from registry.users u where u.email = invitation.email for update;
  if person.password_hash is distinct from proven_hash then
    return false;
  end if;
  update registry.users u
    set password_hash = coalesce(u.password_hash, fresh_hash), name = coalesce(u.name, fresh_name), updated_at = moment
    where u.id = person.id;
  insert into registry.memberships (tenant_id, user_id, role) values (invitation.tenant_id, person.id, invitation.role)
    on conflict do nothing;
  delete from registry.invitations i where i.tenant_id = invitation.tenant_id and i.id = invitation.id;
  perform sec.append(invitation.tenant_id, 'invitations', invitation.id, 'accepted', null, null, 'user:' || person.id, request);
  return true;
end $$;

-- Remembers that somebody asks for a tenant; false if the same address did so a moment ago.
create function registry.ask_for_tenant(
    address text, token_digest bytea, wanted_slug text, wanted_plan text, person_name text, hash text, moment timestamptz,
    pause interval, ends timestamptz)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from registry.signups s where s.email = address and s.asked_at <= moment - pause;
  insert into registry.signups (email, digest, slug, plan, name, password_hash, asked_at, expires_at)
    values (address, token_digest, wanted_slug, wanted_plan, person_name, hash, moment, ends) on conflict (email) do nothing;
  return found;
end $$;

create function registry.signup(token_digest bytea, moment timestamptz) returns table (email text, slug text, plan text)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select s.email, s.slug, s.plan from registry.signups s where s.digest = token_digest and s.expires_at > moment
$$;

-- Ends a sign-up whose tenant is there: the person has the password they chose, unless they had one.
create function registry.finish_signup(token_digest bytea) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  signup registry.signups;
begin
  delete from registry.signups s where s.digest = token_digest returning s.* into signup;
  if not found then
    return false;
  end if;
  update registry.users u
    set password_hash = coalesce(u.password_hash, signup.password_hash), name = coalesce(u.name, signup.name), updated_at = now()
    where u.email = signup.email;
  return true;
end $$;

revoke all on function registry.invitation(bytea, timestamptz),
  registry.accept_invitation(bytea, timestamptz, text, uuid, text, text, uuid),
  registry.ask_for_tenant(text, bytea, text, text, text, text, timestamptz, interval, timestamptz),
  registry.signup(bytea, timestamptz), registry.finish_signup(bytea) from public;
grant execute on function registry.invitation(bytea, timestamptz),
  registry.accept_invitation(bytea, timestamptz, text, uuid, text, text, uuid),
  registry.ask_for_tenant(text, bytea, text, text, text, text, timestamptz, interval, timestamptz),
  registry.signup(bytea, timestamptz), registry.finish_signup(bytea) to tenantry_directory;
