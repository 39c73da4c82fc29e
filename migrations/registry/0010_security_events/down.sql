drop function registry.note_security_event(uuid, timestamptz, text, uuid, text, text, uuid);
drop table registry.security_events;
