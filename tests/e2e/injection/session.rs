//! A session of the role `tenantry_api` in an attacker's hands.

use futures_util::TryStreamExt;
use tenantry_app::Access;
use tenantry_infra::statements::opening;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Error, Row, SimpleQueryMessage};

use super::victim::Victim;
use crate::harness::{Tenant, connect};

/// How one attack ended.
#[derive(Default)]
pub struct Outcome {
    /// Everything that came back: values, and whatever errors say.
    told: Vec<String>,
    /// The code of the error it ended with.
    pub refused: Option<String>,
    /// Whose transaction it was afterwards.
    tenant: Option<String>,
}

impl Outcome {
    /// What the attacker won, if anything.
    pub fn won(&self, victim: &Victim, attacker: &Tenant) -> Option<String> {
        let is_secret = |text: &&String| text.contains(&victim.canary) || text.contains("told:yes");
        if let Some(secret) = self.told.iter().find(is_secret) {
            return Some(format!("was told {secret}"));
        }
        let own = attacker.tenant.id.to_string();
        self.tenant.as_ref().filter(|tenant| **tenant != own).map(|tenant| format!("acts for {tenant}"))
    }
}

/// A value of whatever type, as the bytes that came over the wire. Texts are texts in any of Postgres's formats.
struct Raw(String);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(String::from_utf8_lossy(raw).into_owned()))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(String::new()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// One session, and how its transactions end.
pub struct Session<'a> {
    pub client: Client,
    url: &'a str,
    pub attacker: &'a Tenant,
    pub victim: &'a Victim,
    /// `commit`, so that whatever was changed stays changed; or `rollback` where that would hurt others.
    pub end: &'static str,
}

impl<'a> Session<'a> {
    pub async fn open(url: &'a str, attacker: &'a Tenant, victim: &'a Victim) -> Self {
        Self { client: client(url).await, url, attacker, victim, end: "commit" }
    }

    /// Evaluates an expression wherever one can stand in a query on the attacker's own projects.
    pub async fn evaluate(&self, expression: &str) -> Outcome {
        let e = self.victim.aim(expression, self.attacker);
        self.run(&[format!("select *, ({e}) from projects where (({e}) is null) in (true, false)")]).await
    }

    /// Sends statements in a row until one fails.
    pub async fn send(&mut self, statements: &[&str]) -> Outcome {
        let aimed: Vec<String> = statements.iter().map(|it| self.victim.aim(it, self.attacker)).collect();
        let outcome = self.run(&aimed).await;
        if statements.len() > 1 {
            // What it may have left behind on the connection is not the next attack's.
            self.client = client(self.url).await;
        }
        outcome
    }

    /// Opens a transaction as the service does, attacks in it, and looks around before it ends.
    async fn run(&self, statements: &[String]) -> Outcome {
        let mut outcome = Outcome::default();
        // With a row of the attacker's own, or an expression would not be looked at.
        let own = "delete from projects where tenant_id = sec.tenant();
             insert into projects (id, name, description, status) values (gen_random_uuid(), 'own', 'a', 'active')";
        let opening = opening(&self.attacker.scope(), Access::Write);
        self.client.batch_execute(&format!("{opening};{own}")).await.unwrap();

        for statement in statements {
            if let Err(error) = self.attempt(statement, &mut outcome).await {
                outcome.hear_error(&error);
                outcome.refused = Some(error.code().map_or("?", |code| code.code()).to_owned());
                break;
            }
        }
        if outcome.refused.is_none() {
            self.look_around(&mut outcome).await;
        }
        // Some attacks have ended the transaction by themselves; what is then left to end is only a warning.
        self.client.batch_execute(self.end).await.unwrap();
        outcome
    }

    async fn attempt(&self, statement: &str, outcome: &mut Outcome) -> Result<(), Error> {
        if statement.starts_with("copy ") && statement.ends_with(" to stdout") {
            let copied: Vec<_> = self.client.copy_out(statement).await?.try_collect().await?;
            outcome.told.extend(copied.iter().map(|line| String::from_utf8_lossy(line).into_owned()));
            return Ok(());
        }
        let rows = self.client.query(statement, &[]).await?;
        outcome.hear(&rows);
        Ok(())
    }

    /// What is to be seen after an attack that was not refused: whose transaction it is, and what the tables then show.
    async fn look_around(&self, outcome: &mut Outcome) {
        let setting = self.client.simple_query("select current_setting('app.tenant', true)").await.unwrap();
        let tenant = setting.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        outcome.tenant = tenant.filter(|tenant| !tenant.is_empty()).map(str::to_owned);
        let tables = "select * from projects; select * from {schema}.projects; select * from {schema}.tasks";
        match self.client.simple_query(&self.victim.aim(tables, self.attacker)).await {
            Ok(messages) => outcome.told.push(format!("{messages:?}")),
            Err(error) => outcome.hear_error(&error),
        }
    }
}

async fn client(url: &str) -> Client {
    let client = connect(url).await;
    // As the service's role has it by itself; the controls attack as others too.
    client.batch_execute("set search_path = pooled").await.unwrap();
    client
}

impl Outcome {
    fn hear(&mut self, rows: &[Row]) {
        for row in rows {
            self.told.extend((0..row.len()).map(|column| row.get::<_, Raw>(column).0));
        }
    }

    fn hear_error(&mut self, error: &Error) {
        // Message, detail, hint and place: all that a careless service might pass on.
        self.told.push(format!("{:?}", error.as_db_error()));
    }
}
