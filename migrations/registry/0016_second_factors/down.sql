drop function registry.remove_totp(uuid, uuid);
drop function registry.set_recovery_codes(uuid, bytea[], uuid);
drop function registry.accept_recovery_code(uuid, bytea);
drop function registry.accept_totp(uuid, bigint, timestamptz, boolean);
drop function registry.begin_totp(uuid, bytea);
drop function registry.totp_factor(uuid);
drop table registry.recovery_codes;
drop table registry.totp_factors;
