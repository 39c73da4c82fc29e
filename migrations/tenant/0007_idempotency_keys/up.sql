-- What was answered to a request that carried a key: written with the effect, read when the request comes again.
create table idempotency_keys (
  tenant_id uuid not null default sec.tenant(),
  -- SHA-256 of the caller and the key.
  digest bytea not null check (length(digest) = 32),
  -- SHA-256 of the request.
  fingerprint bytea not null check (length(fingerprint) = 32),
  -- Sealed, since it may hold a secret that is shown once. None while the effect is under way.
  answer bytea,
  created_at timestamptz not null default now(),
  constraint idempotency_keys_pkey primary key (tenant_id, digest)
);
create index idempotency_keys_by_age on idempotency_keys (tenant_id, created_at);
select sec.protect_unaudited('idempotency_keys');
