set local role tenantry_sec;
drop function sec.protect_log(regclass);
drop function sec.protect(regclass);
drop function sec.isolate(regclass);
drop function sec.capture();
drop function sec.touch();
drop function sec.tenant();
revoke usage on schema sec from tenantry_api, tenantry_owner;
