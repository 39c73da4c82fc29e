set local role tenantry_sec;

-- An invoice is a draft, then issued, then paid or void. Once it is issued nothing of it changes but that, and it stays.
create function sec.fix_invoice() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  -- What becomes of an issued one.
  settled constant text[] := array['status', 'settled_on', 'version', 'updated_at'];
begin
  if tg_op = 'INSERT' then
    if new.status <> 'draft' then
      raise check_violation using constraint = 'invoices_fixed', message = 'an invoice begins as a draft';
    end if;
  elsif tg_op = 'DELETE' then
    -- Whoever removes a whole tenant removes its invoices.
    if old.status <> 'draft' and current_user = 'tenantry_api' then
      raise check_violation using constraint = 'invoices_fixed', message = 'an issued invoice stays';
    end if;
    return old;
  elsif old.status = 'draft' then
    if new.status not in ('draft', 'issued') then
      raise check_violation using constraint = 'invoices_fixed', message = 'a draft is issued first';
    end if;
  elsif old.status <> 'issued' or new.status not in ('paid', 'void')
      or to_jsonb(new) - settled is distinct from to_jsonb(old) - settled then
    raise check_violation using constraint = 'invoices_fixed', message = 'an issued invoice does not change';
  end if;
  return new;
end $$;

-- Gives an invoice that is issued the next number of its series. Until the transaction ends nobody else gets one, and if it is
-- undone the number is the next one's.
create function sec.number_invoice() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  execute format('insert into %I.invoice_series as s (tenant_id, series, last) values ($1, $2, 1)
    on conflict (tenant_id, series) do update set last = s.last + 1 returning last', tg_table_schema)
    into new.number using new.tenant_id, new.series;
  new.reference := new.series || '-' || lpad(new.number::text, greatest(6, length(new.number::text)), '0');
  return new;
end $$;
revoke all on function sec.fix_invoice(), sec.number_invoice() from public;
grant execute on function sec.fix_invoice(), sec.number_invoice() to tenantry_owner;
