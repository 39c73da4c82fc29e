-- Attempts to log in, counted for each account (whether there is such an account or not): for each network they come from,
-- for each known device, and for all unknown devices together. A count goes up before a password is put to the test, so that
-- many at once are no way around it, and is gone with a success.
create table registry.login_attempts (
  -- SHA-256 of the address: people who are unknown here are not listed.
  account bytea not null check (length(account) = 32),
  -- A network, the digest of a device in hexadecimal, or '' for all unknown devices.
  bucket text not null,
  failures integer not null default 0,
  -- No attempt before is admitted.
  allowed_at timestamptz not null,
  -- From then on the row counts for nothing.
  forget_at timestamptz not null,
  asked_at timestamptz not null,
  constraint login_attempts_pkey primary key (account, bucket)
);
create index login_attempts_by_end on registry.login_attempts (forget_at);

-- Devices from which somebody has logged in.
create table registry.devices (
  -- SHA-256 of the token.
  digest bytea not null check (length(digest) = 32),
  user_id uuid not null,
  created_at timestamptz not null,
  seen_at timestamptz not null,
  expires_at timestamptz not null,
  constraint devices_pkey primary key (digest),
  constraint devices_user_fkey foreign key (user_id) references registry.users (id) on delete cascade
);
create index devices_of_user on registry.devices (user_id);

-- Whether an attempt may be made now. Locks the count until the end of the transaction.
create function registry.may_attempt(of_account bytea, of_bucket text, moment timestamptz) returns boolean
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  allowed timestamptz;
  forgotten timestamptz;
begin
  insert into registry.login_attempts as l (account, bucket, allowed_at, forget_at, asked_at)
    values (of_account, of_bucket, moment, moment + interval '1 hour', moment)
    on conflict (account, bucket) do update set asked_at = excluded.asked_at
    returning l.allowed_at, l.forget_at into allowed, forgotten;
  return allowed <= moment or forgotten <= moment;
end $$;

-- Counts an attempt. `free` many are followed at once by another, then one waits 1, 2, 4 … seconds, 15 minutes at most; after a
-- hundred (NIST SP 800-63B-4, section 3.2.2) a day.
create function registry.count_attempt(of_account bytea, of_bucket text, free integer, moment timestamptz) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  counted integer;
begin
  select case when l.forget_at <= moment then 1 else l.failures + 1 end into counted
    from registry.login_attempts l where l.account = of_account and l.bucket = of_bucket;
  update registry.login_attempts l set
    failures = counted,
    allowed_at = moment + case
      when counted < free then interval '0'
      when counted < 100 then make_interval(secs => least(power(2, counted - free), 900))
      else interval '1 day' end,
    forget_at = moment + case when counted < free then interval '1 hour' else interval '1 day' end
    where l.account = of_account and l.bucket = of_bucket;
end $$;

-- Whether the password of an attempt may be put to the test; if so, it is counted.
create function registry.admit_login(address text, network text, device bytea, moment timestamptz) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  of_account bytea := sha256(convert_to(address, 'UTF8'));
  admitted boolean;
begin
  if exists (select from registry.devices d join registry.users u on u.id = d.user_id
      where d.digest = device and u.email = address and d.expires_at > moment) then
    admitted := registry.may_attempt(of_account, encode(device, 'hex'), moment);
    if admitted then
      perform registry.count_attempt(of_account, encode(device, 'hex'), 5, moment);
    end if;
  else
    -- Always in this order, and both: two attempts never wait for each other.
    admitted := registry.may_attempt(of_account, network, moment);
    admitted := registry.may_attempt(of_account, '', moment) and admitted;
    if admitted then
      perform registry.count_attempt(of_account, network, 5, moment);
      perform registry.count_attempt(of_account, '', 50, moment);
    end if;
  end if;
  -- More than an attempt adds, and nothing is waited for after this. An instance whose clock is ahead forgets for nobody else.
  delete from registry.login_attempts l
    using (select o.account, o.bucket from registry.login_attempts o where o.forget_at <= least(moment, now())
      order by o.forget_at limit 8 for update skip locked) old
    where l.account = old.account and l.bucket = old.bucket;
  return admitted;
end $$;

-- Somebody has logged in: what was counted on their way is gone, and their device is known. Tells whether that is `fresh`,
-- since it was not known before.
create function registry.welcome_login(
    address text, network text, device bytea, fresh bytea, person uuid, moment timestamptz, device_ends timestamptz)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  of_account bytea := sha256(convert_to(address, 'UTF8'));
begin
  update registry.devices d set seen_at = moment, expires_at = device_ends
    where d.digest = device and d.user_id = person and d.expires_at > moment;
  if found then
    delete from registry.login_attempts l where l.account = of_account and l.bucket = encode(device, 'hex');
    return false;
  end if;
  delete from registry.login_attempts l where l.account = of_account and l.bucket = network;
  delete from registry.login_attempts l where l.account = of_account and l.bucket = '';
  -- Twenty at most. What never came back goes first: programs that forget their device do not push out browsers.
  delete from registry.devices d where d.user_id = person and (d.expires_at <= moment or d.digest in (
    select o.digest from registry.devices o where o.user_id = person
    order by o.seen_at > o.created_at desc, o.seen_at desc, o.digest offset 19));
  insert into registry.devices (digest, user_id, created_at, seen_at, expires_at) values (fresh, person, moment, moment, device_ends);
  return true;
end $$;

revoke all on function registry.may_attempt(bytea, text, timestamptz), registry.count_attempt(bytea, text, integer, timestamptz),
  registry.admit_login(text, text, bytea, timestamptz),
  registry.welcome_login(text, text, bytea, bytea, uuid, timestamptz, timestamptz) from public;
grant execute on function registry.admit_login(text, text, bytea, timestamptz),
  registry.welcome_login(text, text, bytea, bytea, uuid, timestamptz, timestamptz) to tenantry_directory;
