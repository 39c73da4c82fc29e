-- Which schema has which migrations. `registry` is the schema name of this set itself.
create table registry.schema_ledger (
  schema_name text not null,
  version integer not null check (version > 0),
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default now(),
  constraint schema_ledger_pkey primary key (schema_name, version)
);
grant usage on schema registry to tenantry_platform, tenantry_directory, tenantry_sec;
grant select on registry.schema_ledger to tenantry_platform;
