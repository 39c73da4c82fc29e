drop table stock_movements;
revoke select, update (stock) on products from tenantry_sec;
drop policy stock_rows on products;
alter table products drop column stock;
