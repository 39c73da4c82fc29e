-- Invoices. One is a document: its lines are part of it, change with it and are audited with it. What is issued never changes
-- again but for what becomes of it; sec.fix_invoice() and sec.number_invoice() see to that.
create table invoices (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  customer_id uuid,
  bill_to text not null check (length(bill_to) <= 10000),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  lines jsonb not null check (jsonb_typeof(lines) = 'array' and jsonb_array_length(lines) between 1 and 200),
  -- What the lines add up to, in minor units.
  net bigint not null check (net between 0 and 1000000000000000),
  tax bigint not null check (tax between 0 and 1000000000000000),
  series text not null check (series ~ '^[A-Z0-9-]{1,20}$'),
  -- Within the series, from 1 and without a gap.
  number bigint check (number > 0),
  -- As it is printed: series and number.
  reference text not null default '',
  notes text not null check (length(notes) <= 10000),
  status text not null check (status in ('draft', 'issued', 'paid', 'void')),
  issued_on date check (issued_on between '0001-01-01' and '9999-12-31'),
  due date check (due between '0001-01-01' and '9999-12-31'),
  settled_on date check (settled_on between '0001-01-01' and '9999-12-31'),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint invoices_pkey primary key (tenant_id, id),
  constraint invoices_customer_fkey foreign key (tenant_id, customer_id) references customers (tenant_id, id),
  constraint invoices_number_key unique (tenant_id, series, number),
  constraint invoices_states_check check (
    (status = 'draft') = (number is null) and (status = 'draft') = (issued_on is null)
    and (status in ('paid', 'void')) = (settled_on is not null) and (status = 'draft' or (due >= issued_on and bill_to <> '')))
);
create index invoices_by_reference on invoices (tenant_id, reference, id);
create index invoices_by_update on invoices (tenant_id, updated_at, id);
create index invoices_of_status on invoices (tenant_id, status, id);
create index invoices_of_customer on invoices (tenant_id, customer_id, id);
select sec.protect('invoices');
select sec.searchable('invoices', 'reference', 'bill_to', 'notes');
-- The number is given by the database alone.
revoke insert, update on invoices from tenantry_api;
grant insert (id, customer_id, bill_to, currency, lines, net, tax, series, notes, status, due) on invoices to tenantry_api;
grant update (customer_id, bill_to, currency, lines, net, tax, series, notes, status, issued_on, due, settled_on) on invoices to tenantry_api;
create trigger fix_invoice before insert or update or delete on invoices for each row execute function sec.fix_invoice();
create trigger number_invoice before update on invoices for each row
  when (old.status = 'draft' and new.status = 'issued') execute function sec.number_invoice();

-- The last number of each series. Whoever issues an invoice holds its row until they are done: the next one waits, and what is
-- undone leaves no gap.
create table invoice_series (
  tenant_id uuid not null default sec.tenant(),
  series text not null,
  last bigint not null check (last > 0),
  constraint invoice_series_pkey primary key (tenant_id, series)
);
select sec.protect_derived('invoice_series');
grant update on invoice_series to tenantry_sec;
