create table products (
  tenant_id uuid not null default sec.tenant(),
  id uuid not null,
  name text not null check (length(name) between 1 and 255),
  sku text not null check (length(sku) between 1 and 255),
  description text not null check (length(description) <= 10000),
  status text not null check (status in ('active', 'archived')),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint products_pkey primary key (tenant_id, id),
  constraint products_sku_key unique (tenant_id, sku)
);
create index products_by_name on products (tenant_id, name, id);
create index products_by_update on products (tenant_id, updated_at, id);
create index products_of_status on products (tenant_id, status, id);
select sec.protect('products');
select sec.searchable('products', 'name', 'sku', 'description');
