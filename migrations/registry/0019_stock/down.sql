set local role tenantry_sec;
drop function sec.move_stock();
