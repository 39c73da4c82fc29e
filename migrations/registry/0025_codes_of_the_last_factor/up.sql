-- Recovery codes stay while there is a passkey: they are what its person proves before adding or removing another.
create or replace function registry.remove_totp(person uuid, request uuid) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform from registry.users u where u.id = person for no key update;
  delete from registry.totp_factors f where f.user_id = person;
  if not found then
    return false;
  end if;
  delete from registry.recovery_codes c where c.user_id = person and not registry.has_factor(person);
  perform registry.forget_factors(person);
  perform sec.append(m.tenant_id, 'users', person, 'second_factor_removed', null, null, 'user:' || person, request)
    from registry.memberships m where m.user_id = person;
  return true;
end $$;
