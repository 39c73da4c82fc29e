-- The catalogue gate: every row is a broken rule and the object that breaks it. No row, no finding.
-- Reads the catalogue only; any role may run it.
with
-- The schemas that hold tenant tables.
tenant_schemas as (
  select oid, nspname from pg_namespace where nspname = 'pooled' or nspname ~ '^t_[0-9a-f]{32}$'
),
tenant_tables as (
  select c.*, n.nspname, format('%I.%I', n.nspname, c.relname) as name
  from pg_class c join tenant_schemas n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p')
),
ours as (
  select oid, nspname from pg_namespace where nspname in ('registry', 'sec') or oid in (select oid from tenant_schemas)
),
service_roles as (
  select * from pg_roles where rolname in ('tenantry_api', 'tenantry_directory', 'tenantry_platform')
),
api as (
  select oid from pg_roles where rolname = 'tenantry_api'
),
-- Columns of a constraint in their order: the first of each side.
tenant_columns as (
  select a.attrelid, a.attnum, a.attnotnull, a.atthasdef
  from pg_attribute a where a.attname = 'tenant_id' and not a.attisdropped
),
-- Tables of the registry that the api role reaches, with the column that names the tenant.
shared_tables as (
  select c.*, format('%I.%I', n.nspname, c.relname) as name, case c.relname when 'tenants' then 'id' else 'tenant_id' end as tenant_column
  from pg_class c join pg_namespace n on n.oid = c.relnamespace, api
  where n.nspname = 'registry' and c.relkind in ('r', 'p')
    and (has_any_column_privilege(api.oid, c.oid, 'select') or has_any_column_privilege(api.oid, c.oid, 'insert')
      or has_any_column_privilege(api.oid, c.oid, 'update') or has_table_privilege(api.oid, c.oid, 'delete'))
),
functions as (
  select p.*, n.nspname, p.oid::regprocedure::text as name from pg_proc p join ours n on n.oid = p.pronamespace
)

-- Tenant tables: row-level security
select 'a tenant table has row-level security, forced' as rule, name as object from tenant_tables
  where not (relrowsecurity and (relforcerowsecurity or exists (select from pg_extension where extname = 'citus')))
union all
select 'a tenant table has exactly one restrictive guard, for every command and role', t.name from tenant_tables t
  where (select count(*) from pg_policy p where p.polrelid = t.oid and not p.polpermissive and p.polcmd = '*' and p.polroles = '{0}') <> 1
union all
select 'a tenant table has a permissive policy for the service', t.name from tenant_tables t, api
  where not exists (select from pg_policy p where p.polrelid = t.oid and p.polpermissive and api.oid = any (p.polroles))
union all
select 'a policy says tenant_id = sec.tenant() and nothing else', format('%s on %s', p.polname, t.name)
  from pg_policy p join tenant_tables t on t.oid = p.polrelid
  where coalesce(pg_get_expr(p.polqual, p.polrelid), '(tenant_id = sec.tenant())') <> '(tenant_id = sec.tenant())'
     or coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '(tenant_id = sec.tenant())') <> '(tenant_id = sec.tenant())'
     or (p.polqual is null and p.polcmd <> 'a')
     or (p.polwithcheck is null and p.polcmd in ('*', 'a', 'w'))
union all
select 'a policy calls STABLE functions only', format('%s on %s', pol.polname, t.name)
  from pg_policy pol join tenant_tables t on t.oid = pol.polrelid
  join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = pol.oid and d.refclassid = 'pg_proc'::regclass
  join pg_proc p on p.oid = d.refobjid where p.provolatile <> 's'

-- Tenant tables: shape
union all
select 'a tenant table has a tenant_id that is never null and defaults to sec.tenant()', t.name from tenant_tables t
  left join tenant_columns a on a.attrelid = t.oid
  left join pg_attrdef d on d.adrelid = t.oid and d.adnum = a.attnum
  where a.attnotnull is not true or pg_get_expr(d.adbin, d.adrelid) is distinct from 'sec.tenant()'
union all
select 'a tenant table has a primary key', t.name from tenant_tables t
  where not exists (select from pg_index i where i.indrelid = t.oid and i.indisprimary)
union all
select 'an index of a tenant table leads with tenant_id', i.indexrelid::regclass::text
  from pg_index i join tenant_tables t on t.oid = i.indrelid
  where not exists (select from tenant_columns a where a.attrelid = t.oid and a.attnum = i.indkey[0])
union all
select 'a foreign key of a tenant table leads with tenant_id on both sides', format('%s on %s', k.conname, t.name)
  from pg_constraint k join tenant_tables t on t.oid = k.conrelid
  -- Two questions, not one join: with hundreds of schemas the join takes minutes.
  where k.contype = 'f' and not (
    exists (select from tenant_columns x where x.attrelid = k.conrelid and x.attnum = k.conkey[1])
    and exists (select from tenant_columns y where y.attrelid = k.confrelid and y.attnum = k.confkey[1]))
union all
select 'a foreign key of a tenant table stays in its schema', format('%s on %s', k.conname, t.name)
  from pg_constraint k join tenant_tables t on t.oid = k.conrelid join pg_class r on r.oid = k.confrelid
  where k.contype = 'f' and r.relnamespace <> t.relnamespace
union all
select 'a foreign key of a tenant table has its index', format('%s on %s', k.conname, t.name)
  from pg_constraint k join tenant_tables t on t.oid = k.conrelid
  where k.contype = 'f' and not exists (
    select from pg_index i where i.indrelid = k.conrelid and i.indpred is null
      and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] = k.conkey)
union all
select 'no foreign key of a tenant table sets null or default', format('%s on %s', k.conname, t.name)
  from pg_constraint k join tenant_tables t on t.oid = k.conrelid
  where k.contype = 'f' and (k.confdeltype in ('n', 'd') or k.confupdtype in ('n', 'd'))
union all
select 'a column of a tenant table has a built-in type', format('%s.%s', t.name, a.attname)
  from pg_attribute a join tenant_tables t on t.oid = a.attrelid join pg_type y on y.oid = a.atttypid
  where a.attnum > 0 and not a.attisdropped and y.typnamespace <> 'pg_catalog'::regnamespace
union all
select 'a name of a constraint does not end in five digits', format('%s on %s', k.conname, t.name)
  from pg_constraint k join tenant_tables t on t.oid = k.conrelid where k.conname ~ '_\d{5,}$'

-- Tables of the registry that tenants reach
union all
select 'a shared table has row-level security', name from shared_tables where not relrowsecurity
union all
select 'a shared table has exactly one restrictive guard for the api role, for every command', t.name from shared_tables t, api
  where (select count(*) from pg_policy p where p.polrelid = t.oid and not p.polpermissive and p.polcmd = '*' and p.polroles = array[api.oid]) <> 1
union all
select 'a shared table has exactly one permissive policy for the api role', t.name from shared_tables t, api
  where (select count(*) from pg_policy p where p.polrelid = t.oid and p.polpermissive and p.polroles && array[api.oid, 0::oid]) <> 1
union all
select 'a policy of a shared table holds the api role to its tenant', format('%s on %s', p.polname, t.name)
  from pg_policy p join shared_tables t on t.oid = p.polrelid, api
  where p.polroles && array[api.oid, 0::oid]
    and (pg_get_expr(p.polqual, p.polrelid) is distinct from format('(%I = sec.tenant())', t.tenant_column)
      or pg_get_expr(p.polwithcheck, p.polrelid) is distinct from format('(%I = sec.tenant())', t.tenant_column))
union all
select 'the api role may not choose the tenant of a shared row', t.name
  from shared_tables t join pg_attribute a on a.attrelid = t.oid and a.attname = t.tenant_column, api
  where has_column_privilege(api.oid, t.oid, a.attnum, 'update') or has_column_privilege(api.oid, t.oid, a.attnum, 'insert')
union all
select 'the api role reads no digest and no secret', format('%s.%s', t.name, a.attname)
  from shared_tables t join pg_attribute a on a.attrelid = t.oid and a.attname in ('digest', 'secret', 'nonce', 'password_hash'), api
  where has_column_privilege(api.oid, t.oid, a.attnum, 'select')
union all
select 'a shared table captures every change, always', t.name from shared_tables t
  where not exists (
    select from pg_trigger g join functions f on f.oid = g.tgfoid
    -- 29: for each row, after insert, update and delete; a tenant's own row is captured when it changes (17).
    where g.tgrelid = t.oid and f.nspname = 'sec' and f.proname = 'capture_shared' and g.tgenabled = 'A'
      and g.tgtype = case t.tenant_column when 'id' then 17 else 29 end and g.tgqual is null)

-- Tenant tables: audit
union all
select 'a tenant table captures every change, always', t.name from tenant_tables t
  where t.relname not in ('audit_events', 'search_words', 'idempotency_keys', 'invoice_series') and not t.relispartition and not exists (
    select from pg_trigger g join functions f on f.oid = g.tgfoid
    -- 29: for each row, after insert, update and delete.
    where g.tgrelid = t.oid and f.nspname = 'sec' and f.proname = 'capture' and g.tgenabled = 'A' and g.tgtype = 29 and g.tgqual is null)
union all
select 'the audit log and the words of rows are written by their triggers alone', t.name from tenant_tables t, service_roles s
  where t.relname in ('audit_events', 'search_words', 'invoice_series')
    and (has_any_column_privilege(s.oid, t.oid, 'insert') or has_any_column_privilege(s.oid, t.oid, 'update') or has_table_privilege(s.oid, t.oid, 'delete'))

-- Tenant schemas
union all
select 'a tenant schema has the same columns as the shared one', format('%I.%I', n.nspname, d.relname)
  from tenant_schemas n
  cross join lateral (
    (select relname, attname, format_type(atttypid, atttypmod) as type, attnotnull
       from pg_attribute a join tenant_tables t on t.oid = a.attrelid
       where t.nspname = n.nspname and a.attnum > 0 and not a.attisdropped
     except
     select relname, attname, format_type(atttypid, atttypmod), attnotnull
       from pg_attribute a join tenant_tables t on t.oid = a.attrelid
       where t.nspname = 'pooled' and a.attnum > 0 and not a.attisdropped)
    union
    (select relname, attname, format_type(atttypid, atttypmod), attnotnull
       from pg_attribute a join tenant_tables t on t.oid = a.attrelid
       where t.nspname = 'pooled' and a.attnum > 0 and not a.attisdropped
     except
     select relname, attname, format_type(atttypid, atttypmod), attnotnull
       from pg_attribute a join tenant_tables t on t.oid = a.attrelid
       where t.nspname = n.nspname and a.attnum > 0 and not a.attisdropped)
  ) d
  -- A schema that is behind is behind, not broken; the ledger's own check says so.
  where n.nspname <> 'pooled'
    and (select max(version) from registry.schema_ledger where schema_name = n.nspname)
      = (select max(version) from registry.schema_ledger where schema_name = 'pooled')
union all
select 'a tenant with a schema of its own has it', format('tenant %s', t.slug) from registry.tenants t
  where t.placement = 'schema' and t.status in ('active', 'suspended')
    and not exists (select from tenant_schemas where nspname = 't_' || replace(t.id::text, '-', ''))

-- Views, functions, sequences
union all
select 'a view runs with the rights of its reader', format('%I.%I', n.nspname, c.relname)
  from pg_class c join ours n on n.oid = c.relnamespace
  where c.relkind = 'v' and not coalesce(c.reloptions && array['security_invoker=true', 'security_invoker=on'], false)
union all
select 'no service role reads a materialized view', format('%I.%I', n.nspname, c.relname)
  from pg_class c join ours n on n.oid = c.relnamespace, service_roles s
  where c.relkind = 'm' and has_any_column_privilege(s.oid, c.oid, 'select')
union all
select 'a SECURITY DEFINER function fixes its search_path, pg_temp last', name from functions
  where prosecdef and prosqlbody is null
    and not exists (select from unnest(proconfig) setting where setting ~ '^search_path=.*pg_temp"?$')
union all
select 'no function of ours is executable by everybody', name from functions
  where proacl is null or exists (select from aclexplode(proacl) a where a.grantee = 0)
union all
select 'sec.tenant() is what isolation rests on', name from functions
  where nspname = 'sec' and proname = 'tenant'
    and (provolatile <> 's' or prosqlbody is null or prosecdef or proconfig is not null
      or pg_get_function_sqlbody(oid) <> 'RETURN (current_setting(''app.tenant''::text))::uuid'
      or pg_get_userbyid(proowner) <> 'tenantry_sec')
union all
select 'sec.tenant() is what isolation rests on', 'it is missing' where not exists (select from functions where nspname = 'sec' and proname = 'tenant')
union all
select 'the service calls no function of sec but these', f.name from functions f, service_roles s
  where f.nspname = 'sec' and f.proname not in ('tenant', 'is_member', 'email_of', 'name_of', 'api_key_used_at', 'api_client_usage') and has_function_privilege(s.oid, f.oid, 'execute')
union all
select 'no sequence is usable by a service role', format('%I.%I', n.nspname, c.relname)
  from pg_class c join ours n on n.oid = c.relnamespace, service_roles s
  where case when c.relkind = 'S' then has_sequence_privilege(s.oid, c.oid, 'usage,select,update') else false end

-- Service roles
union all
select 'a service role bypasses nothing and may make nothing', rolname from service_roles
  where rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication
union all
select 'a service role is there and may log in', wanted.name
  from (values ('tenantry_api'), ('tenantry_directory'), ('tenantry_platform')) wanted (name)
  where not exists (select from service_roles where rolname = wanted.name and rolcanlogin)
union all
select 'a service role owns nothing', format('%s owns %s', s.rolname, pg_describe_object(d.classid, d.objid, d.objsubid))
  from pg_shdepend d join service_roles s on s.oid = d.refobjid
  where d.deptype = 'o' and d.dbid in (0, (select oid from pg_database where datname = current_database()))
union all
select 'a service role is a member of nothing', format('%s in %s', s.rolname, b.rolname)
  from pg_auth_members m join service_roles s on s.oid = m.member join pg_roles b on b.oid = m.roleid
union all
select 'nobody is a member of a service role', format('%s in %s', b.rolname, s.rolname)
  from pg_auth_members m join service_roles s on s.oid = m.roleid join pg_roles b on b.oid = m.member
union all
select 'a service role may not truncate, reference or put triggers', format('%s on %I.%I', s.rolname, n.nspname, c.relname)
  from pg_class c join ours n on n.oid = c.relnamespace, service_roles s
  where c.relkind in ('r', 'p')
    and (has_table_privilege(s.oid, c.oid, 'truncate') or has_any_column_privilege(s.oid, c.oid, 'references') or has_table_privilege(s.oid, c.oid, 'trigger'))
union all
select 'a service role may not choose a tenant_id', format('%s on %s', s.rolname, t.name)
  from tenant_tables t join tenant_columns a on a.attrelid = t.oid, service_roles s
  where has_column_privilege(s.oid, t.oid, a.attnum, 'update')
     or (has_column_privilege(s.oid, t.oid, a.attnum, 'insert') and not exists (select from pg_extension where extname = 'citus'))
union all
select 'only the api role reaches tenant tables', format('%s on %s', s.rolname, t.name)
  from tenant_tables t, service_roles s
  where s.rolname <> 'tenantry_api'
    and (has_any_column_privilege(s.oid, t.oid, 'select') or has_any_column_privilege(s.oid, t.oid, 'insert')
      or has_any_column_privilege(s.oid, t.oid, 'update') or has_table_privilege(s.oid, t.oid, 'delete'))
union all
select 'the directory role reaches no table of the registry, the api role none that is not shared', format('%s on %I.%I', s.rolname, n.nspname, c.relname)
  from pg_class c join ours n on n.oid = c.relnamespace, service_roles s
  where n.nspname in ('registry', 'sec') and c.relkind in ('r', 'p', 'v', 'm') and s.rolname <> 'tenantry_platform'
    and not (s.rolname = 'tenantry_api' and c.oid in (select oid from shared_tables where relrowsecurity))
    and (has_any_column_privilege(s.oid, c.oid, 'select') or has_any_column_privilege(s.oid, c.oid, 'insert')
      or has_any_column_privilege(s.oid, c.oid, 'update') or has_table_privilege(s.oid, c.oid, 'delete'))
union all
select 'a partition is reached through its parent only', t.name from tenant_tables t, service_roles s
  where t.relispartition and has_any_column_privilege(s.oid, t.oid, 'select,insert,update')
union all
select 'a service role creates nothing in a schema', format('%s in %I', s.rolname, n.nspname)
  from pg_namespace n, service_roles s where has_schema_privilege(s.oid, n.oid, 'create')
union all
select 'a service role creates nothing in the database, also nothing temporary', rolname from service_roles
  where has_database_privilege(oid, current_database(), 'temp') or has_database_privilege(oid, current_database(), 'create')
union all
select 'the api role searches the shared schema unless told otherwise', 'tenantry_api'
  where not exists (
    select from pg_db_role_setting d join api on api.oid = d.setrole join pg_database b on b.oid = d.setdatabase and b.datname = current_database()
    where 'search_path=pooled' = any (d.setconfig))
union all
-- The last of the rules: `check` may be told to live without it where the provider forbids the revokes.
select 'lockdown: a service role may not call what reaches beyond its transaction', format('%s calls %s', s.rolname, p.oid::regprocedure)
  from pg_proc p, service_roles s
  where p.pronamespace = 'pg_catalog'::regnamespace
    and (p.proname = any (array[
        'set_config', 'pg_notify', 'pg_terminate_backend', 'pg_cancel_backend', 'pg_sleep', 'pg_sleep_for', 'pg_sleep_until',
        'pg_stat_get_activity', 'pg_lock_status', 'pg_export_snapshot', 'pg_logical_emit_message', 'ts_stat', 'ts_rewrite',
        'query_to_xml', 'query_to_xmlschema', 'query_to_xml_and_xmlschema', 'cursor_to_xml', 'cursor_to_xmlschema',
        'table_to_xml', 'table_to_xmlschema', 'table_to_xml_and_xmlschema', 'schema_to_xml', 'schema_to_xmlschema',
        'schema_to_xml_and_xmlschema', 'database_to_xml', 'database_to_xmlschema', 'database_to_xml_and_xmlschema',
        'loread', 'lowrite'])
      or p.proname like 'lo\_%' or p.proname like 'pg\_stat\_get\_backend%' or p.proname like 'pg\_advisory%' or p.proname like 'pg\_try\_advisory%')
    and has_function_privilege(s.oid, p.oid, 'execute')
union all
select 'lockdown: a service role may not change settings through their view', rolname from service_roles
  where has_any_column_privilege(oid, 'pg_catalog.pg_settings', 'update')
union all
select 'lockdown: a service role may not write functions', format('%s in %s', s.rolname, l.lanname)
  from pg_language l, service_roles s where l.lanname in ('sql', 'plpgsql') and has_language_privilege(s.oid, l.oid, 'usage')
order by 1, 2
