//! A tenant with a secret in everything it has.

use tenantry_app::Access;
use tenantry_infra::statements::opening;
use tenantry_tenancy::Role;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::harness::{Tenant, connect};

/// Somebody to attack.
pub struct Victim {
    pub tenant: Tenant,
    /// In every name, title, description and setting, in a role and a key of its own, in a large object and in the text of a session's query.
    pub canary: String,
    project: Uuid,
    task: Uuid,
    object: u32,
    /// A session of the service's role that is busy for the victim.
    pub session: Client,
    pid: i32,
}

impl Victim {
    /// Gives a tenant its secrets, as a superuser.
    pub async fn new(tenant: Tenant, admin: &Client, api: &str) -> Self {
        let canary = format!("canary-{}", Uuid::new_v4().simple());
        let (project, task) = (Uuid::now_v7(), Uuid::now_v7());
        let schema = tenant.tenant.schema();
        let filled = format!(
            "{opening};
             insert into {schema}.projects (id, name, description, status)
               select case n when 0 then '{project}' else gen_random_uuid() end, '{canary}', '{canary}', 'active' from generate_series(0, 9) n;
             insert into {schema}.tasks (id, project_id, title, description, status, priority)
               values ('{task}', '{project}', '{canary}', '{canary}', 'todo', 'low');
             update registry.tenants set settings = jsonb_build_object('display_name', '{canary}') where id = '{id}';
             commit;
             insert into registry.roles (tenant_id, id, name, description, permissions)
               values ('{id}', gen_random_uuid(), 'spy', '{canary}', '{{}}');
             insert into registry.api_keys (tenant_id, id, user_id, name, prefix, digest, scopes)
               values ('{id}', gen_random_uuid(), '{owner}', '{canary}',
                 'tenantry_sk_test_' || substr(md5('{canary}'), 1, 12), sha256('{canary}'), '{{projects:read}}');
             update registry.users set name = '{canary}' where id = '{owner}';
             analyze {schema}.projects",
            opening = opening(&tenant.scope(), Access::Write),
            id = tenant.tenant.id,
            owner = tenant.user(Role::Owner),
        );
        admin.batch_execute(&filled).await.unwrap();
        let object =
            admin.query_one("select lo_from_bytea(0, convert_to($1, 'UTF8'))", &[&canary]).await.unwrap().get(0);
        let session = connect(api).await;
        let busy = format!("select pg_backend_pid() /* {canary} */");
        let pid = session.query_one(&busy, &[]).await.unwrap().get(0);
        Self { tenant, canary, project, task, object, session, pid }
    }

    /// An attack with the victim's particulars in it.
    pub fn aim(&self, attack: &str, attacker: &Tenant) -> String {
        let owner = self.tenant.user(Role::Owner);
        let particulars = [
            ("{victim}", self.tenant.tenant.id.to_string()),
            ("{schema}", self.tenant.tenant.schema().to_string()),
            ("{project}", self.project.to_string()),
            ("{task}", self.task.to_string()),
            ("{user}", owner.to_string()),
            ("{email}", format!("owner@{}.example", self.tenant.tenant.slug)),
            ("{object}", self.object.to_string()),
            ("{pid}", self.pid.to_string()),
            ("{me}", attacker.tenant.id.to_string()),
        ];
        particulars.iter().fold(attack.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}
