set local role tenantry_sec;
drop function sec.number_invoice();
drop function sec.fix_invoice();
