set local role tenantry_sec;
drop function sec.protect_unaudited(regclass);
