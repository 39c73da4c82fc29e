set local role tenantry_sec;

-- Moves a product's stock with the movement that is recorded: the stock is the sum of its movements, and a movement that
-- would leave less than nothing is refused by the product's own check. The service itself may not write the stock.
create function sec.move_stock() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  execute format('update %I.products set stock = stock + $3 where tenant_id = $1 and id = $2', tg_table_schema)
    using new.tenant_id, new.product_id, new.quantity;
  return null;
end $$;
revoke all on function sec.move_stock() from public;
grant execute on function sec.move_stock() to tenantry_owner;
