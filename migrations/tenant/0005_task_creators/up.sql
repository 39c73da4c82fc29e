-- Who made a task may change it. Nobody knows of those made before.
alter table tasks add column created_by uuid;
grant insert (created_by) on tasks to tenantry_api;
