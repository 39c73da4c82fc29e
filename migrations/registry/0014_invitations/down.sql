drop function registry.finish_signup(bytea);
drop function registry.signup(bytea, timestamptz);
drop function registry.ask_for_tenant(text, bytea, text, text, text, text, timestamptz, interval, timestamptz);
drop function registry.accept_invitation(bytea, timestamptz, text, uuid, text, text, uuid);
drop function registry.invitation(bytea, timestamptz);
drop table registry.signups;
drop table registry.invitations;
