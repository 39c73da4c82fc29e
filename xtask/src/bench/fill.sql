-- The projects of the tenants FIRST to LAST in SCHEMA, and nothing else. Tenants take turns, as if their projects had come
-- over time: the rows of one are scattered over the pages that it shares with others.
begin;
-- There is no caller to audit.
alter table SCHEMA.projects disable trigger capture, disable trigger index_words;
truncate SCHEMA.projects, SCHEMA.search_words, SCHEMA.audit_events cascade;
insert into SCHEMA.projects (tenant_id, id, name, description, status)
  select
    ('0000000000004' || (1008000000000000000 + tenant)::text)::uuid,
    ('019a000000007' || (1008000000000000000 + tenant * 1000000 + project)::text)::uuid,
    'Project ' || project || ' of tenant ' || tenant,
    'What has to be done until the end of the year, who does it, and what it may cost in all.',
    (array['active', 'paused', 'completed', 'archived'])[1 + project % 4]
  from generate_series(1::int8, PROJECTS) project, generate_series(FIRST::int8, LAST) tenant
  order by project, tenant;
insert into SCHEMA.search_words (tenant_id, resource, word, row_id)
  select project.tenant_id, 'projects', word, project.id
  from SCHEMA.projects project, sec.words(project.name || ' ' || project.description) word;
alter table SCHEMA.projects enable always trigger capture, enable trigger index_words;
commit;
