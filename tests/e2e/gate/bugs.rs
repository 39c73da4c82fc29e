//! Ways to break a database, and what the gate must say to each: exactly these rules of exactly these objects.
//!
//! `{own}` is the schema of a tenant that has one of its own, `{database}` the database, `{newest}` the version of its schema and
//! `{before}` the one before.

/// A planted bug.
pub struct Bug {
    pub planted: &'static str,
    pub breaks: &'static [(&'static str, &'static str)],
}

const fn bug(planted: &'static str, breaks: &'static [(&'static str, &'static str)]) -> Bug {
    Bug { planted, breaks }
}

const RLS: &str = "a tenant table has row-level security, forced";
const GUARD: &str = "a tenant table has exactly one restrictive guard, for every command and role";
const PERMISSIVE: &str = "a tenant table has a permissive policy for the service";
const POLICY: &str = "a policy says tenant_id = sec.tenant() and nothing else";
const STABLE: &str = "a policy calls STABLE functions only";
const TENANT_ID: &str = "a tenant table has a tenant_id that is never null and defaults to sec.tenant()";
const PRIMARY_KEY: &str = "a tenant table has a primary key";
const INDEX: &str = "an index of a tenant table leads with tenant_id";
const KEY_LEADS: &str = "a foreign key of a tenant table leads with tenant_id on both sides";
const KEY_STAYS: &str = "a foreign key of a tenant table stays in its schema";
const KEY_INDEX: &str = "a foreign key of a tenant table has its index";
const SETS_NULL: &str = "no foreign key of a tenant table sets null or default";
const TYPE: &str = "a column of a tenant table has a built-in type";
const DIGITS: &str = "a name of a constraint does not end in five digits";
const CAPTURE: &str = "a tenant table captures every change, always";
const AUDIT: &str = "the audit log and the words of rows are written by their triggers alone";
const COLUMNS: &str = "a tenant schema has the same columns as the shared one";
const SCHEMA: &str = "a tenant with a schema of its own has it";
const VIEW: &str = "a view runs with the rights of its reader";
const MATERIALIZED: &str = "no service role reads a materialized view";
const DEFINER: &str = "a SECURITY DEFINER function fixes its search_path, pg_temp last";
const EVERYBODY: &str = "no function of ours is executable by everybody";
const TENANT_FUNCTION: &str = "sec.tenant() is what isolation rests on";
const SEC: &str = "the service calls no function of sec but these";
const SEQUENCE: &str = "no sequence is usable by a service role";
const BYPASS: &str = "a service role bypasses nothing and may make nothing";
const LOGIN: &str = "a service role is there and may log in";
const OWNS: &str = "a service role owns nothing";
const MEMBER: &str = "a service role is a member of nothing";
const MEMBERS: &str = "nobody is a member of a service role";
const TRUNCATE: &str = "a service role may not truncate, reference or put triggers";
const CHOOSE: &str = "a service role may not choose a tenant_id";
const REACH: &str = "only the api role reaches tenant tables";
const REGISTRY: &str = "the directory role reaches no table of the registry, the api role none that is not shared";
const SHARED_RLS: &str = "a shared table has row-level security";
const SHARED_GUARD: &str = "a shared table has exactly one restrictive guard for the api role, for every command";
const SHARED_PERMISSIVE: &str = "a shared table has exactly one permissive policy for the api role";
const SHARED_POLICY: &str = "a policy of a shared table holds the api role to its tenant";
const SHARED_CHOOSE: &str = "the api role may not choose the tenant of a shared row";
const SHARED_SECRET: &str = "the api role reads no digest and no secret";
const SHARED_CAPTURE: &str = "a shared table captures every change, always";
const PARTITION: &str = "a partition is reached through its parent only";
const CREATE: &str = "a service role creates nothing in a schema";
const TEMPORARY: &str = "a service role creates nothing in the database, also nothing temporary";
const PATH: &str = "the api role searches the shared schema unless told otherwise";
const CALLS: &str = "lockdown: a service role may not call what reaches beyond its transaction";
const SETTINGS: &str = "lockdown: a service role may not change settings through their view";
const LANGUAGE: &str = "lockdown: a service role may not write functions";

pub const BUGS: &[Bug] = &[
    // Row-level security.
    bug("alter table pooled.projects disable row level security", &[(RLS, "pooled.projects")]),
    bug("alter table {own}.tasks no force row level security", &[(RLS, "{own}.tasks")]),
    bug("alter table pooled.audit_events no force row level security", &[(RLS, "pooled.audit_events")]),
    bug("drop policy tenant_guard on {own}.projects", &[(GUARD, "{own}.projects")]),
    bug("create policy second_guard on pooled.tasks as restrictive using (tenant_id = sec.tenant()) with check (tenant_id = sec.tenant())", &[(GUARD, "pooled.tasks")]),
    bug("alter policy tenant_guard on pooled.tasks to tenantry_api", &[(GUARD, "pooled.tasks")]),
    bug("drop policy tenant_rows on pooled.tasks", &[(PERMISSIVE, "pooled.tasks")]),
    bug("create policy everything on pooled.projects using (true)", &[(POLICY, "everything on pooled.projects")]),
    bug("alter policy tenant_rows on {own}.projects with check (true)", &[(POLICY, "tenant_rows on {own}.projects")]),
    bug("alter policy tenant_guard on pooled.projects using (tenant_id = sec.tenant() or status = 'active')", &[(POLICY, "tenant_guard on pooled.projects")]),
    bug("alter policy tenant_guard on pooled.projects using (tenant_id = (select sec.tenant()))", &[(POLICY, "tenant_guard on pooled.projects")]),
    bug("alter policy tenant_rows on pooled.tasks using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)", &[(POLICY, "tenant_rows on pooled.tasks")]),
    bug(
        "create function sec.frozen() returns uuid language sql immutable return sec.tenant();
         revoke all on function sec.frozen() from public;
         alter policy tenant_rows on pooled.projects using (tenant_id = sec.frozen())",
        &[(POLICY, "tenant_rows on pooled.projects"), (STABLE, "tenant_rows on pooled.projects")],
    ),
    // Shapes of tables.
    bug(
        "create table pooled.notes (tenant_id uuid, id uuid)",
        &[
            (RLS, "pooled.notes"),
            (GUARD, "pooled.notes"),
            (PERMISSIVE, "pooled.notes"),
            (TENANT_ID, "pooled.notes"),
            (PRIMARY_KEY, "pooled.notes"),
            (CAPTURE, "pooled.notes"),
            (COLUMNS, "{own}.notes"),
        ],
    ),
    bug("alter table pooled.projects alter tenant_id drop default", &[(TENANT_ID, "pooled.projects")]),
    bug("alter table {own}.projects alter tenant_id set default gen_random_uuid()", &[(TENANT_ID, "{own}.projects")]),
    bug("alter table pooled.tasks drop constraint tasks_pkey", &[(PRIMARY_KEY, "pooled.tasks")]),
    bug("create index names on pooled.projects (name, tenant_id)", &[(INDEX, "pooled.names")]),
    bug("create unique index projects_name on {own}.projects (lower(name))", &[(INDEX, "{own}.projects_name")]),
    bug(
        "alter table pooled.tasks add constraint tasks_assignee_fkey foreign key (assignee_id) references registry.users (id)",
        &[
            (KEY_LEADS, "tasks_assignee_fkey on pooled.tasks"),
            (KEY_STAYS, "tasks_assignee_fkey on pooled.tasks"),
            (KEY_INDEX, "tasks_assignee_fkey on pooled.tasks"),
        ],
    ),
    bug(
        "alter table {own}.tasks add constraint tasks_shared_fkey foreign key (tenant_id, project_id) references pooled.projects (tenant_id, id)",
        &[(KEY_STAYS, "tasks_shared_fkey on {own}.tasks")],
    ),
    bug("drop index pooled.tasks_of_project", &[(KEY_INDEX, "tasks_project_fkey on pooled.tasks")]),
    bug(
        "alter table pooled.tasks drop constraint tasks_project_fkey;
         alter table pooled.tasks add constraint tasks_project_fkey foreign key (tenant_id, project_id)
           references pooled.projects (tenant_id, id) on delete set null (project_id)",
        &[(SETS_NULL, "tasks_project_fkey on pooled.tasks")],
    ),
    bug(
        "create type registry.mood as enum ('good', 'bad');
         alter table pooled.projects add mood registry.mood; alter table {own}.projects add mood registry.mood",
        &[(TYPE, "pooled.projects.mood"), (TYPE, "{own}.projects.mood")],
    ),
    bug("alter table pooled.tasks rename constraint tasks_project_fkey to tasks_project_102215", &[(DIGITS, "tasks_project_102215 on pooled.tasks")]),
    // The audit.
    bug("drop trigger capture on pooled.tasks", &[(CAPTURE, "pooled.tasks")]),
    bug("alter table {own}.tasks disable trigger capture", &[(CAPTURE, "{own}.tasks")]),
    bug("alter table pooled.projects enable trigger capture", &[(CAPTURE, "pooled.projects")]),
    bug(
        "drop trigger capture on pooled.projects;
         create trigger capture after insert or update on pooled.projects for each row execute function sec.capture();
         alter table pooled.projects enable always trigger capture",
        &[(CAPTURE, "pooled.projects")],
    ),
    bug(
        "drop trigger capture on pooled.projects;
         create trigger capture after insert or update or delete on pooled.projects for each row when (false) execute function sec.capture();
         alter table pooled.projects enable always trigger capture",
        &[(CAPTURE, "pooled.projects")],
    ),
    bug("grant insert (resource) on pooled.audit_events to tenantry_api", &[(AUDIT, "pooled.audit_events")]),
    bug("grant delete on {own}.audit_events to tenantry_api", &[(AUDIT, "{own}.audit_events")]),
    // Schemas of tenants.
    bug("alter table {own}.projects add extra text", &[(COLUMNS, "{own}.projects")]),
    bug("alter table {own}.tasks drop priority", &[(COLUMNS, "{own}.tasks")]),
    bug("alter table {own}.tasks alter completed_at type timestamp", &[(COLUMNS, "{own}.tasks")]),
    bug(
        "insert into registry.tenants (id, slug, plan, placement, status, owner_email)
         values (gen_random_uuid(), 'ghost', 'enterprise', 'schema', 'active', 'ghost@example.com')",
        &[(SCHEMA, "tenant ghost")],
    ),
    bug("delete from registry.schema_ledger where schema_name = '{own}' and version = {newest}", &[("is at version {before} of {newest}; run migrate", "{own}")]),
    bug("insert into registry.schema_ledger (schema_name, version, name, checksum) values ('pooled', 99, 'x', 'x')", &[("is at version 99 of {newest}; run migrate", "pooled")]),
    bug("drop table registry.schema_ledger", &[("the database is migrated", "registry")]),
    // Views, functions, sequences.
    bug("create view pooled.everything as select * from pooled.projects", &[(VIEW, "pooled.everything")]),
    bug(
        "create materialized view {own}.everything as select name from {own}.projects;
         grant select on {own}.everything to tenantry_api",
        &[(MATERIALIZED, "{own}.everything")],
    ),
    bug(
        "create function registry.loose() returns int language sql security definer as 'select 1';
         revoke all on function registry.loose() from public",
        &[(DEFINER, "registry.loose()")],
    ),
    bug(
        "create function registry.loose() returns int language sql security definer set search_path = pg_temp, pg_catalog as 'select 1';
         revoke all on function registry.loose() from public",
        &[(DEFINER, "registry.loose()")],
    ),
    bug("create function pooled.open() returns int language sql return 1", &[(EVERYBODY, "pooled.open()")]),
    bug("grant execute on function sec.tenant() to public", &[(EVERYBODY, "sec.tenant()")]),
    bug("alter function sec.tenant() volatile security definer set search_path = pg_catalog, pg_temp", &[(TENANT_FUNCTION, "sec.tenant()"), (STABLE, "*")]),
    bug("alter function sec.tenant() immutable", &[(TENANT_FUNCTION, "sec.tenant()"), (STABLE, "*")]),
    bug(
        "create or replace function sec.tenant() returns uuid language sql stable
           return coalesce(nullif(current_setting('app.tenant', true), ''), '00000000-0000-0000-0000-000000000000')::uuid",
        &[(TENANT_FUNCTION, "sec.tenant()")],
    ),
    bug("alter function sec.tenant() owner to tenantry_owner", &[(TENANT_FUNCTION, "sec.tenant()")]),
    bug("grant execute on function sec.capture() to tenantry_platform", &[(SEC, "sec.capture()")]),
    bug("create sequence pooled.numbers; grant usage on sequence pooled.numbers to tenantry_api", &[(SEQUENCE, "pooled.numbers")]),
    // Roles. They belong to the whole server; nobody else sees what is undone in the end.
    bug("alter role tenantry_api bypassrls", &[(BYPASS, "tenantry_api")]),
    bug("alter role tenantry_platform createrole", &[(BYPASS, "tenantry_platform")]),
    bug("alter role tenantry_directory nologin", &[(LOGIN, "tenantry_directory")]),
    bug("create role intruder; grant intruder to tenantry_api", &[(MEMBER, "tenantry_api in intruder")]),
    bug("create role intruder; grant tenantry_api to intruder", &[(MEMBERS, "intruder in tenantry_api")]),
    bug("create type registry.mood as enum ('good'); alter type registry.mood owner to tenantry_directory", &[(OWNS, "tenantry_directory owns type registry.mood")]),
    bug(
        "alter table pooled.tasks owner to tenantry_api",
        &[(OWNS, "tenantry_api owns table pooled.tasks"), (TRUNCATE, "tenantry_api on pooled.tasks"), (CHOOSE, "tenantry_api on pooled.tasks")],
    ),
    // Privileges.
    bug("grant truncate on pooled.projects to tenantry_api", &[(TRUNCATE, "tenantry_api on pooled.projects")]),
    bug("grant references (id) on {own}.projects to tenantry_api", &[(TRUNCATE, "tenantry_api on {own}.projects")]),
    bug("grant update (tenant_id) on pooled.projects to tenantry_api", &[(CHOOSE, "tenantry_api on pooled.projects")]),
    bug("grant insert (tenant_id) on {own}.tasks to tenantry_api", &[(CHOOSE, "tenantry_api on {own}.tasks")]),
    bug("grant select on pooled.projects to tenantry_platform", &[(REACH, "tenantry_platform on pooled.projects")]),
    bug("grant select (name) on {own}.projects to tenantry_directory", &[(REACH, "tenantry_directory on {own}.projects")]),
    bug("grant select on registry.users to tenantry_directory", &[(REGISTRY, "tenantry_directory on registry.users")]),
    // Tables of the registry that tenants reach.
    bug(
        "grant select (step) on registry.provisioning_steps to tenantry_api",
        &[
            (REGISTRY, "tenantry_api on registry.provisioning_steps"),
            (SHARED_RLS, "registry.provisioning_steps"),
            (SHARED_GUARD, "registry.provisioning_steps"),
            (SHARED_PERMISSIVE, "registry.provisioning_steps"),
            (SHARED_CAPTURE, "registry.provisioning_steps"),
        ],
    ),
    bug(
        "grant select (password_hash) on registry.users to tenantry_api",
        &[
            (REGISTRY, "tenantry_api on registry.users"),
            (SHARED_RLS, "registry.users"),
            (SHARED_GUARD, "registry.users"),
            (SHARED_PERMISSIVE, "registry.users"),
            (SHARED_SECRET, "registry.users.password_hash"),
            (SHARED_CAPTURE, "registry.users"),
        ],
    ),
    bug(
        "alter table registry.memberships disable row level security",
        &[(SHARED_RLS, "registry.memberships"), (REGISTRY, "tenantry_api on registry.memberships")],
    ),
    bug("drop policy tenant_guard on registry.roles", &[(SHARED_GUARD, "registry.roles")]),
    bug(
        "create policy more on registry.roles to tenantry_api using (true)",
        &[(SHARED_PERMISSIVE, "registry.roles"), (SHARED_POLICY, "more on registry.roles")],
    ),
    bug(
        "create policy more on registry.tenants to tenantry_api using (id = sec.tenant()) with check (id = sec.tenant())",
        &[(SHARED_PERMISSIVE, "registry.tenants")],
    ),
    bug("alter policy tenant_rows on registry.memberships using (true)", &[(SHARED_POLICY, "tenant_rows on registry.memberships")]),
    bug(
        "alter policy tenant_guard on registry.memberships with check (user_id is not null)",
        &[(SHARED_POLICY, "tenant_guard on registry.memberships")],
    ),
    bug("grant update (tenant_id) on registry.roles to tenantry_api", &[(SHARED_CHOOSE, "registry.roles")]),
    bug("grant insert (id) on registry.tenants to tenantry_api", &[(SHARED_CHOOSE, "registry.tenants")]),
    bug("alter table registry.roles disable trigger capture", &[(SHARED_CAPTURE, "registry.roles")]),
    bug(
        "create table pooled.ledger (tenant_id uuid not null default sec.tenant(), id uuid not null,
           constraint ledger_pkey primary key (tenant_id, id)) partition by hash (tenant_id);
         create table pooled.ledger_part partition of pooled.ledger for values with (modulus 1, remainder 0);
         select sec.protect('pooled.ledger'); select sec.isolate('pooled.ledger_part');
         create policy tenant_rows on pooled.ledger_part to tenantry_api using (tenant_id = sec.tenant()) with check (tenant_id = sec.tenant());
         grant select on pooled.ledger_part to tenantry_api",
        &[(PARTITION, "pooled.ledger_part"), (COLUMNS, "{own}.ledger"), (COLUMNS, "{own}.ledger_part")],
    ),
    bug("grant create on schema pooled to tenantry_api", &[(CREATE, "tenantry_api in pooled")]),
    bug("grant create on schema public to tenantry_directory", &[(CREATE, "tenantry_directory in public")]),
    bug("grant temporary on database {database} to tenantry_api", &[(TEMPORARY, "tenantry_api")]),
    bug("alter role tenantry_api in database {database} set search_path = public", &[(PATH, "tenantry_api")]),
    // The lockdown.
    bug("grant execute on function set_config(text, text, boolean) to tenantry_api", &[(CALLS, "tenantry_api calls set_config(text,text,boolean)")]),
    bug("grant execute on function lo_get(oid) to tenantry_directory", &[(CALLS, "tenantry_directory calls lo_get(oid)")]),
    bug("grant execute on function pg_stat_get_backend_activity(integer) to tenantry_api", &[(CALLS, "tenantry_api calls pg_stat_get_backend_activity(integer)")]),
    bug("grant update on pg_settings to tenantry_api", &[(SETTINGS, "tenantry_api")]),
    bug("grant usage on language plpgsql to tenantry_api", &[(LANGUAGE, "tenantry_api in plpgsql")]),
];
