drop table registry.acting_grants;
drop function registry.note_acting();
