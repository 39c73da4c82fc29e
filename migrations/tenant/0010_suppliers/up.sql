create table suppliers (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  name text not null check (length(name) between 1 and 255),
  email text not null check (length(email) <= 10000),
  phone text not null check (length(phone) <= 10000),
  address text not null check (length(address) <= 10000),
  notes text not null check (length(notes) <= 10000),
  status text not null check (status in ('active', 'archived')),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint suppliers_pkey primary key (tenant_id, id)
);
create index suppliers_by_name on suppliers (tenant_id, name, id);
create index suppliers_by_update on suppliers (tenant_id, updated_at, id);
create index suppliers_of_status on suppliers (tenant_id, status, id);
select sec.protect('suppliers');
select sec.searchable('suppliers', 'name', 'email', 'phone', 'address', 'notes');
