drop function registry.reset_password(bytea, text, timestamptz, uuid);
drop function registry.reset_of(bytea, timestamptz);
drop function registry.request_reset(text, bytea, timestamptz, interval, timestamptz);
drop function registry.change_password(uuid, text, text, uuid, timestamptz, uuid);
drop function registry.replace_password(uuid, text, uuid, timestamptz, text, uuid);
drop function registry.revoke_family(bytea, timestamptz);
drop function registry.rename_person(uuid, text);
drop function registry.account(uuid);
drop table registry.password_resets;
