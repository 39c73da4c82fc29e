-- What lists are searched and sorted by.
create table search_words (
  tenant_id uuid not null default sec.tenant(),
  resource text not null,
  -- "C": a prefix is a range of bytes.
  word text collate "C" not null,
  row_id uuid not null,
  constraint search_words_pkey primary key (tenant_id, resource, word, row_id)
);
create index search_words_of_row on search_words (tenant_id, resource, row_id);
select sec.protect_derived('search_words');

select sec.searchable('projects', 'name', 'description');
select sec.searchable('tasks', 'title', 'description');
create index projects_by_name on projects (tenant_id, name, id);
create index projects_by_update on projects (tenant_id, updated_at, id);
-- A task without a day comes after all that have one.
alter table tasks add column due_order date not null generated always as (coalesce(due, '9999-12-31')) stored;
create index tasks_by_due on tasks (tenant_id, due_order, id);
create index tasks_by_update on tasks (tenant_id, updated_at, id);

-- What was there before is found as well. Only the migrator itself sees all tenants' rows.
reset role;
insert into search_words (tenant_id, resource, word, row_id)
  select p.tenant_id, 'projects', word, p.id from projects p, sec.words(p.name || ' ' || p.description) word;
insert into search_words (tenant_id, resource, word, row_id)
  select t.tenant_id, 'tasks', word, t.id from tasks t, sec.words(t.title || ' ' || t.description) word;
