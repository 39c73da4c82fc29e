-- What only an administrator can make: roles, the database's privileges, the schemas we own, the lockdown.
-- Idempotent: `migrate` runs it whenever it is given an administrator's login. Passwords are not set here.

do $$
declare
  wanted record;
begin
  for wanted in
    select * from (values
      -- Owns every table and runs nothing.
      ('tenantry_owner', 'nologin'),
      -- Owns the functions that isolation rests on.
      ('tenantry_sec', 'nologin'),
      -- The only one that may change the schema; BYPASSRLS because a back-fill must see every row.
      ('tenantry_migrator', 'login bypassrls'),
      -- Tenant transactions, nothing else.
      ('tenantry_api', 'login'),
      -- The narrow questions that come before a tenant is known.
      ('tenantry_directory', 'login'),
      -- The registry, for operators and housekeeping; no tenant rows.
      ('tenantry_platform', 'login')
    ) roles (name, attributes)
  loop
    if not exists (select from pg_roles where rolname = wanted.name) then
      execute format('create role %I %s', wanted.name, wanted.attributes);
    end if;
  end loop;
end $$;

grant tenantry_owner, tenantry_sec to tenantry_migrator;

do $$
declare
  service text;
begin
  execute format('revoke all on database %I from public', current_database());
  execute format('grant connect on database %I to tenantry_migrator, tenantry_api, tenantry_directory, tenantry_platform', current_database());
  -- For the schemas of tenants.
  execute format('grant create on database %I to tenantry_owner', current_database());

  foreach service in array array['tenantry_api', 'tenantry_directory', 'tenantry_platform'] loop
    execute format('alter role %I in database %I set statement_timeout = ''15s''', service, current_database());
    execute format('alter role %I in database %I set lock_timeout = ''5s''', service, current_database());
    execute format('alter role %I in database %I set idle_in_transaction_session_timeout = ''15s''', service, current_database());
    -- Errors are told apart by their text where the driver hides the code.
    execute format('alter role %I in database %I set lc_messages = ''C''', service, current_database());
    -- A query whose client is gone ends within this time instead of running on.
    execute format('alter role %I in database %I set client_connection_check_interval = ''250ms''', service, current_database());
  end loop;
  -- A pooled tenant's transaction then needs to name no schema.
  execute format('alter role tenantry_api in database %I set search_path = pooled', current_database());
  execute format('alter role tenantry_directory in database %I set search_path = pg_catalog', current_database());
  execute format('alter role tenantry_platform in database %I set search_path = pg_catalog', current_database());
end $$;

revoke all on schema public from public;

create schema if not exists registry authorization tenantry_owner;

create schema if not exists sec authorization tenantry_sec;

create schema if not exists pooled authorization tenantry_owner;

grant usage on schema pooled to tenantry_api, tenantry_sec;

-- The lockdown: nothing an injected expression can call changes the transaction's context, reaches what all tenants share
-- (large objects, advisory locks, notifications, other sessions) or runs a text as a query.
do $$
declare
  callable regprocedure;
begin
  for callable in
    select oid from pg_proc
    where pronamespace = 'pg_catalog'::regnamespace
      and (proname = any (array[
          'set_config', 'pg_notify', 'pg_terminate_backend', 'pg_cancel_backend', 'pg_sleep', 'pg_sleep_for', 'pg_sleep_until',
          'pg_stat_get_activity', 'pg_lock_status', 'pg_export_snapshot', 'pg_logical_emit_message', 'ts_stat', 'ts_rewrite',
          'query_to_xml', 'query_to_xmlschema', 'query_to_xml_and_xmlschema',
          'cursor_to_xml', 'cursor_to_xmlschema',
          'table_to_xml', 'table_to_xmlschema', 'table_to_xml_and_xmlschema',
          'schema_to_xml', 'schema_to_xmlschema', 'schema_to_xml_and_xmlschema',
          'database_to_xml', 'database_to_xmlschema', 'database_to_xml_and_xmlschema',
          'loread', 'lowrite'])
        or proname like 'lo\_%'
        or proname like 'pg\_stat\_get\_backend%'
        or proname like 'pg\_advisory%'
        or proname like 'pg\_try\_advisory%')
  loop
    execute format('revoke execute on function %s from public', callable);
  end loop;
end $$;

revoke update on pg_catalog.pg_settings from public;

revoke usage on language plpgsql, sql from public;

grant usage on language plpgsql, sql to tenantry_owner, tenantry_sec;

-- Migrations of one schema exclude each other by an advisory lock.
grant execute on function pg_catalog.pg_advisory_xact_lock(bigint) to tenantry_migrator, tenantry_owner;
