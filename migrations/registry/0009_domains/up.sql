-- Domains of tenants. One that is proven belongs to one tenant; until then anybody may claim it.
create table registry.domains (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  -- In lower case, without the root's dot.
  name text not null check (length(name) between 3 and 253),
  -- What the TXT record must say. No secret: it is published in the DNS.
  challenge text not null,
  verified_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint domains_pkey primary key (tenant_id, id),
  constraint domains_name_key unique (tenant_id, name),
  constraint domains_tenant_fkey foreign key (tenant_id) references registry.tenants (id) on delete cascade
);
create unique index domains_proven on registry.domains (name) where verified_at is not null;
select sec.share('registry.domains');
grant select, delete on registry.domains to tenantry_api;
grant insert (id, name, challenge), update (verified_at) on registry.domains to tenantry_api;

create function registry.note_domain() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into registry.changes (kind, subject) values ('domain', coalesce(new.id, old.id));
  return null;
end $$;
create trigger note_domain after insert or update or delete on registry.domains for each row execute function registry.note_domain();

-- The tenant that has proven a host to be its own.
create function registry.tenant_of_host(host text) returns uuid
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select d.tenant_id from registry.domains d where d.name = host and d.verified_at is not null
$$;

revoke all on function registry.note_domain(), registry.tenant_of_host(text) from public;
grant execute on function registry.tenant_of_host(text) to tenantry_directory;
