delete from search_words where tenant_id is not null and resource = 'suppliers';
drop table suppliers;
