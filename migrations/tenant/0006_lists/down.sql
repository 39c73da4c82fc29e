drop index tasks_by_update;
drop index tasks_by_due;
alter table tasks drop column due_order;
drop index projects_by_update;
drop index projects_by_name;
drop trigger index_words on tasks;
drop trigger index_words on projects;
drop table search_words;
