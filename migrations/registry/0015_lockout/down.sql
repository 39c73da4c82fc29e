drop function registry.welcome_login(text, text, bytea, bytea, uuid, timestamptz, timestamptz);
drop function registry.admit_login(text, text, bytea, timestamptz);
drop function registry.count_attempt(bytea, text, integer, timestamptz);
drop function registry.may_attempt(bytea, text, timestamptz);
drop table registry.devices;
drop table registry.login_attempts;
