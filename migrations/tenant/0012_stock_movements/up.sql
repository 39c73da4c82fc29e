-- What came into stock and went out of it. A movement is never changed: another one puts it right.
create table stock_movements (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  product_id uuid not null,
  quantity bigint not null check (quantity <> 0 and abs(quantity) <= 1000000000000),
  reason text not null check (reason in ('purchase', 'sale', 'return', 'loss', 'correction')),
  note text not null check (length(note) <= 10000),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint stock_movements_pkey primary key (tenant_id, id),
  constraint stock_movements_product_fkey foreign key (tenant_id, product_id) references products (tenant_id, id)
);
create index stock_movements_of_product on stock_movements (tenant_id, product_id, id);
select sec.protect('stock_movements');
revoke update, delete on stock_movements from tenantry_api;
revoke update (product_id, quantity, reason, note) on stock_movements from tenantry_api;

-- Written by the trigger alone; see sec.move_stock().
alter table products add column stock bigint not null default 0 constraint products_stock_check check (stock between 0 and 1000000000000000);
create policy stock_rows on products as permissive for all to tenantry_sec
  using (tenant_id = sec.tenant()) with check (tenant_id = sec.tenant());
grant select, update (stock) on products to tenantry_sec;
create trigger move_stock after insert on stock_movements for each row execute function sec.move_stock();
