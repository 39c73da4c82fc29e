drop function registry.revoke_other_sessions(uuid, uuid, timestamptz);
drop function registry.revoke_session(uuid, uuid, timestamptz);
drop index registry.sessions_of_user;
drop function registry.sessions_of(uuid, timestamptz);
drop function registry.browser_session(bytea, timestamptz, interval);
drop function registry.open_browser_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz);
drop table registry.browser_sessions;
