alter table tasks drop column created_by;
