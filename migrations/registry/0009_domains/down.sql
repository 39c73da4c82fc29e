drop function registry.tenant_of_host(text);
drop table registry.domains;
drop function registry.note_domain();
delete from registry.changes where kind = 'domain';
