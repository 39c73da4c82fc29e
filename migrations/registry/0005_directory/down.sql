drop function registry.rotate(bytea, bytea, bytea, timestamptz, interval, timestamptz);
drop function registry.begin_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz, timestamptz);
drop function registry.set_password_hash(uuid, text, text);
drop function registry.changes_since(bigint);
drop function registry.operator(bytea);
drop function registry.tenant(uuid);
drop function registry.login(text);
