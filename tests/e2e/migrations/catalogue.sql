with ours as (
  select oid, nspname, nspacl, nspowner from pg_namespace
  where nspname in ('registry', 'sec', 'pooled', 'public') or nspname ~ '^t_[0-9a-f]{32}$'
),
relations as (
  select c.*, n.nspname, format('%I.%I', n.nspname, c.relname) as name
  from pg_class c join ours n on n.oid = c.relnamespace
)
select format('schema %s owner %s', nspname, nspowner::regrole) as line from ours
union all
select format('schema %s grants %s', nspname, unnest(coalesce(nspacl, acldefault('n', nspowner)))) from ours
union all
select format('relation %s kind %s owner %s rls %s force %s', name, relkind, relowner::regrole, relrowsecurity, relforcerowsecurity)
  from relations
union all
select format('relation %s grants %s', name, unnest(relacl)) from relations
union all
select format('column %s.%s %s not null %s default %s generated %s identity %s acl %s', r.name, a.attname,
    format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attgenerated, a.attidentity, a.attacl)
  from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
union all
select format('constraint %s on %s: %s', k.conname, r.name, pg_get_constraintdef(k.oid)) from pg_constraint k join relations r on r.oid = k.conrelid
union all
select format('index %s', pg_get_indexdef(r.oid)) from relations r where r.relkind in ('i', 'I')
union all
select format('policy %s on %s permissive %s for %s to %s using %s check %s', p.polname, r.name, p.polpermissive, p.polcmd,
    p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
  from pg_policy p join relations r on r.oid = p.polrelid
union all
select format('trigger %s enabled %s', pg_get_triggerdef(g.oid), g.tgenabled) from pg_trigger g join relations r on r.oid = g.tgrelid where not g.tgisinternal
union all
select format('function %s owner %s acl %s: %s', p.oid::regprocedure, p.proowner::regrole, p.proacl, pg_get_functiondef(p.oid))
  from pg_proc p join ours n on n.oid = p.pronamespace
order by 1
