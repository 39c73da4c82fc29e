-- What isolation rests on. Owned by tenantry_sec, so that whoever owns the tables cannot change it by accident.
set local role tenantry_sec;

-- Whose transaction this is. Fails hard: outside a tenant's transaction a query is an error, never an empty answer.
-- STABLE, never IMMUTABLE: an immutable one would be folded into a cached plan and leak into the next tenant's query.
create function sec.tenant() returns uuid language sql stable parallel safe
  return pg_catalog.current_setting('app.tenant')::uuid;

-- Keeps `version` and `updated_at`, which nobody may write.
create function sec.touch() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.version := old.version + 1;
  new.updated_at := now();
  return new;
end $$;

-- Writes the audit row of a change beside the changed row. SECURITY DEFINER, so that the service itself needs no right to
-- write audit rows; relative to the table's schema, so that it serves every placement. On a distributed Postgres a table
-- is a shard, whose name ends in its number.
create function sec.capture() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  before jsonb;
  after jsonb;
  row_id uuid;
begin
  if tg_op <> 'INSERT' then
    before := to_jsonb(old);
    row_id := old.id;
  end if;
  if tg_op <> 'DELETE' then
    after := to_jsonb(new);
    row_id := new.id;
  end if;
  execute format(
    'insert into %I.audit_events (tenant_id, resource, row_id, action, before, after, actor, request_id)
     values ($1, $2, $3, $4, $5, $6, $7, $8)', tg_table_schema)
    using sec.tenant(), regexp_replace(tg_table_name, '_\d{5,}$', ''), row_id, lower(tg_op), before, after,
      current_setting('app.actor'), current_setting('app.request')::uuid;
  return null;
end $$;

-- Row-level security with one guard that every row must pass and one policy that lets the service's rows through.
-- FORCE is off on a distributed Postgres, where it breaks shard moves (docs/tenant-isolation.md).
create function sec.isolate(target regclass) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  execute format('alter table %s enable row level security', target);
  if current_setting('app.distributed', true) is distinct from 'on' then
    execute format('alter table %s force row level security', target);
  end if;
  execute format('create policy tenant_guard on %s as restrictive for all to public
    using (tenant_id = sec.tenant()) with check (tenant_id = sec.tenant())', target);
end $$;

-- The last line of every tenant table's migration: isolates it, lets the service read and write every column but those
-- it must not choose, keeps its version and captures every change for the audit.
create function sec.protect(target regclass) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  insertable text;
  updatable text;
begin
  perform sec.isolate(target);
  execute format('create policy tenant_rows on %s as permissive for all to tenantry_api
    using (tenant_id = sec.tenant()) with check (tenant_id = sec.tenant())', target);

  select string_agg(quote_ident(attname), ', ') filter (where attname not in ('version', 'created_at', 'updated_at')
           -- The coordinator of a distributed Postgres writes the column out in what it sends to a shard.
           and (attname <> 'tenant_id' or current_setting('app.distributed', true) = 'on')),
         string_agg(quote_ident(attname), ', ') filter (where attname not in ('tenant_id', 'id', 'version', 'created_at', 'updated_at'))
    into insertable, updatable
    from pg_attribute
    where attrelid = target and attnum > 0 and not attisdropped and attgenerated = '';
  execute format('grant select, delete on %s to tenantry_api', target);
  execute format('grant insert (%s) on %s to tenantry_api', insertable, target);
  if updatable is not null then
    execute format('grant update (%s) on %s to tenantry_api', updatable, target);
  end if;

  execute format('create trigger touch before update on %s for each row execute function sec.touch()', target);
  execute format('create trigger capture after insert or update or delete on %s for each row execute function sec.capture()', target);
  -- ALWAYS: also in a session that switched triggers off.
  execute format('alter table %s enable always trigger capture', target);
end $$;

-- The same for a log: the service reads it, only sec.capture() adds to it, nobody changes it.
create function sec.protect_log(target regclass) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform sec.isolate(target);
  execute format('create policy tenant_rows on %s as permissive for select to tenantry_api using (tenant_id = sec.tenant())', target);
  execute format('create policy capture_rows on %s as permissive for insert to tenantry_sec with check (tenant_id = sec.tenant())', target);
  execute format('grant select on %s to tenantry_api', target);
  execute format('grant insert on %s to tenantry_sec', target);
end $$;

revoke all on all functions in schema sec from public;
grant usage on schema sec to tenantry_api, tenantry_owner;
grant execute on function sec.tenant() to tenantry_api, tenantry_owner;
grant execute on function sec.touch(), sec.capture(), sec.isolate(regclass), sec.protect(regclass), sec.protect_log(regclass) to tenantry_owner;
