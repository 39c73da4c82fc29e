drop table registry.refresh_tokens;
drop table registry.sessions;
drop function registry.note_session();
