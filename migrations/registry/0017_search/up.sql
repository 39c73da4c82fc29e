-- Full-text search that uses an index under row-level security. The operators of tsvector are not leakproof, so no index of theirs is
-- used for a table with policies; comparing texts is. Hence a table of words, filled by trigger, and prefixes looked up in its key.
set local role tenantry_sec;

-- Lower case as Unicode has it, also where the database itself knows ASCII only.
do $$ begin
  execute format('create function sec.fold(text) returns text language sql stable strict parallel safe return lower($1 collate %s)',
    case when exists (select from pg_collation where collname = 'und-x-icu') then '"und-x-icu"' else '"default"' end);
end $$;

-- The words of a text, as `tenancy/src/search.rs` cuts them: at white space, control characters and punctuation.
create function sec.words(content text) returns setof text language sql stable strict parallel safe set search_path = pg_catalog, pg_temp as $$
  select distinct left(word, 64) from regexp_split_to_table(sec.fold(content),
    '[\s\u0001-\u0020\u007f-\u00a1\u00ab\u00bb\u00bf\u2010-\u2027\u2030-\u205e\u3000-\u303f!-/:-@\[-`{-~]+') word
  where word <> '' limit 2000
$$;

-- Keeps the words of a row. Its arguments are the columns that are searched.
create function sec.index_words() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  resource constant text := regexp_replace(tg_table_name, '_\d{5,}$', '');
  before text;
  after text;
begin
  if tg_op <> 'INSERT' then
    select string_agg(to_jsonb(old) ->> field, ' ') into before from unnest(tg_argv) field;
  end if;
  if tg_op <> 'DELETE' then
    select string_agg(to_jsonb(new) ->> field, ' ') into after from unnest(tg_argv) field;
  end if;
  if before is not distinct from after then
    return null;
  end if;
  if before is not null then
    execute format('delete from %I.search_words where tenant_id = $1 and resource = $2 and row_id = $3', tg_table_schema)
      using sec.tenant(), resource, old.id;
  end if;
  if after is not null then
    execute format('insert into %I.search_words (tenant_id, resource, word, row_id) select $1, $2, word, $3 from sec.words($4) word', tg_table_schema)
      using sec.tenant(), resource, new.id, after;
  end if;
  return null;
end $$;

-- Makes `search_words` find the rows of a table by the words of these columns.
create function sec.searchable(target regclass, variadic fields text[]) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  execute format('create trigger index_words after insert or update or delete on %s for each row execute function sec.index_words(%s)',
    target, (select string_agg(quote_literal(field), ', ') from unnest(fields) field));
end $$;

-- For a table that only follows from others: the service reads it, and nobody but the triggers of `sec` changes it. What it follows
-- from is audited.
create function sec.protect_derived(target regclass) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform sec.isolate(target);
  execute format('create policy tenant_rows on %s as permissive for select to tenantry_api using (tenant_id = sec.tenant())', target);
  execute format('create policy derived_rows on %s as permissive for all to tenantry_sec
    using (tenant_id = sec.tenant()) with check (tenant_id = sec.tenant())', target);
  execute format('grant select on %s to tenantry_api', target);
  execute format('grant select, insert, delete on %s to tenantry_sec', target);
end $$;

revoke all on function sec.fold(text), sec.words(text), sec.index_words(), sec.searchable(regclass, text[]), sec.protect_derived(regclass) from public;
grant execute on function sec.fold(text), sec.words(text), sec.index_words(), sec.searchable(regclass, text[]), sec.protect_derived(regclass) to tenantry_owner;
