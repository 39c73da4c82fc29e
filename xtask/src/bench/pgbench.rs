//! pgbench doing what the server does in Postgres: begin, scope, query, commit.
//!
//! Prepared, pipelined, as the role that serves tenants, over the same socket. `SET LOCAL` takes no parameter, so there is
//! one such statement for each tenant, and pgbench's `\if` chooses one by halves. A script has only a few tenants, because
//! pgbench walks over the commands it does not take; a pipeline prepares all of them at its first use.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tenantry_tenancy::{Actor, RequestId, SchemaName, UserId};
use tokio_postgres::SimpleQueryMessage;

use super::cluster::{Cluster, DATABASE};
use super::population::{BASE, BenchTenant, Population, STRIDE};
use super::scenarios::{Request, Scenario};
use super::{Arguments, tools};

/// How many scripts pgbench takes, and how many tenants are at least in one.
const MAX_SCRIPTS: usize = 128;
const TENANTS_IN_SCRIPT: usize = 16;

/// The values of a project, and of a list's limits, as the server sends them.
const VALUES: [(&str, &str); 5] = [
    ("name", "A new project"),
    ("description", "What has to be done until the end of the year, who does it."),
    ("status", "active"),
    ("last", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    ("limit", "51"),
];

/// Finds the one that came with the server.
pub(crate) fn find(server: u32) -> Result<PathBuf> {
    let postgres = fs::read_link(format!("/proc/{server}/exe")).context("the server's program cannot be found")?;
    let beside = postgres.with_file_name("pgbench");
    let found = if beside.is_file() { Some(beside) } else { tools::on_path("pgbench") };
    found.context("pgbench is not installed; type: apt-get install -y postgresql-contrib")
}

/// The scripts for one scenario.
pub(crate) struct Twin<'a> {
    population: &'a Population,
    scenario: Scenario,
    scripts: Vec<(PathBuf, u64)>,
}

/// What pgbench did.
pub(crate) struct Done {
    /// All of them, those of the warm-up included.
    pub(crate) transactions: u64,
    /// Transactions in a second, after the warm-up.
    pub(crate) rate: f64,
}

impl<'a> Twin<'a> {
    /// Writes the scripts.
    pub(crate) fn write(population: &'a Population, scenario: Scenario, projects: u64) -> Result<Self> {
        let requests = scenario.requests();
        let size = population.tenants.len().div_ceil(MAX_SCRIPTS / requests.len()).max(TENANTS_IN_SCRIPT);
        let mut scripts = Vec::new();
        for (request, percent) in requests {
            for (number, tenants) in population.tenants.chunks(size).enumerate() {
                let path = population.folder.join(format!("{}-{number}.sql", request.as_str()));
                fs::write(&path, script(*request, tenants, projects)?)?;
                scripts.push((path, percent * tenants.len() as u64));
            }
        }
        Ok(Self { population, scenario, scripts })
    }

    /// Runs each kind of transaction once and undoes it, because pgbench does not look at what it gets.
    pub(crate) async fn check(&self, cluster: &Cluster) -> Result<()> {
        let client = cluster.tenants_role().await?;
        let tenant = self.population.tenants.last().context("there are no tenants")?;
        for (request, _) in self.scenario.requests() {
            let id = match request {
                Request::Create => BASE + created(0) + 1,
                Request::Read | Request::List => BASE + tenant.number * STRIDE + 1,
            };
            let numbers = [("tenant", (BASE + tenant.number).to_string()), ("id", id.to_string())];
            let mut statement = request.statement().to_owned();
            for (name, value) in VALUES.map(|(name, value)| (name, value.to_owned())).iter().chain(&numbers) {
                statement = statement.replace(&format!(" :{name}::"), &format!(" '{value}'::"));
            }
            client.batch_execute(&(opening(*request) + &binding(tenant))).await?;
            let answer = client.simple_query(&statement).await.with_context(|| statement.clone())?;
            let rows = answer.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count();
            ensure!(rows == request.rows(), "{rows} rows instead of {}: {statement}", request.rows());
            client.batch_execute("ROLLBACK").await?;
        }
        Ok(())
    }

    /// Keeps so many connections busy. Preparing all statements on all of them is part of the warm-up.
    pub(crate) async fn run(&self, program: &Path, cluster: &Cluster, arguments: &Arguments) -> Result<Done> {
        let progress = self.population.folder.join("pgbench.log");
        let mut command = tools::command(program);
        command.args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--random-seed=20240229", "--progress=1"]);
        command.arg(format!("--client={}", arguments.database_connections));
        command.arg(format!("--time={}", arguments.warm_up + arguments.seconds));
        command.arg("--username=tenantry_api").arg("--host").arg(cluster.socket()?);
        command.args(VALUES.map(|(name, value)| format!("--define={name}={value}"))).arg("--define=created=0");
        command.args(self.scripts.iter().map(|(path, weight)| format!("--file={}@{weight}", path.display())));
        command.arg(DATABASE).stderr(File::create(&progress)?);
        let printed = tools::output(command).await;
        let progress = fs::read_to_string(&progress)?;
        let printed = printed.with_context(|| progress.clone())?;
        parse(&printed, &progress, usize::try_from(arguments.warm_up)?)
            .with_context(|| format!("pgbench's answer is not understood: {progress}{printed}"))
    }
}

/// Reads the summary, and of the lines told every second those after the warm-up.
fn parse(printed: &str, progress: &str, warm_up: usize) -> Option<Done> {
    let transactions = printed.lines().find_map(|line| line.strip_prefix("number of transactions actually processed:"));
    let rates = progress.lines().filter_map(|line| {
        let (_, rate) = line.strip_prefix("progress: ")?.split_once(" s, ")?;
        rate.split(' ').next()?.parse::<f64>().ok()
    });
    let rates: Vec<f64> = rates.skip(warm_up).collect();
    if rates.is_empty() {
        return None;
    }
    let rate = rates.iter().sum::<f64>() / rates.len() as f64;
    Some(Done { transactions: transactions?.split_whitespace().next()?.parse().ok()?, rate })
}

fn script(request: Request, tenants: &[BenchTenant], projects: u64) -> Result<String> {
    let (Some(first), Some(last)) = (tenants.first(), tenants.last()) else {
        anyhow::bail!("a script needs a tenant");
    };
    let mut script = format!("\\set number random({}, {})\n\\set tenant {BASE} + :number\n", first.number, last.number);
    match request {
        Request::Read => {
            writeln!(script, "\\set id {BASE} + :number * {STRIDE} + random(1, {projects})")?;
        }
        Request::List => {}
        Request::Create => {
            // Behind all others and in order, as the server's are.
            let (own, next) = (created(0), created(1) - created(0));
            write!(script, "\\set created :created + 1\n\\set id {BASE} + {own} + :client_id * {next} + :created\n")?;
        }
    }
    write!(script, "\\startpipeline\n{}", opening(request))?;
    choose(tenants, &mut script)?;
    write!(script, "{};\nCOMMIT;\n\\endpipeline\n", request.statement())?;
    Ok(script)
}

/// The first number of what one of pgbench's clients creates.
const fn created(client: u64) -> u64 {
    (client + 1) * 10_000_000_000_000
}

/// Binds the transaction to the tenant `:number`.
fn choose(tenants: &[BenchTenant], script: &mut String) -> Result<()> {
    let (low, high) = tenants.split_at(tenants.len() / 2);
    match (low.last(), high) {
        (Some(last), _) => {
            writeln!(script, "\\if :number <= {}", last.number)?;
            choose(low, script)?;
            script.push_str("\\else\n");
            choose(high, script)?;
            script.push_str("\\endif\n");
        }
        (None, [tenant]) => script.push_str(&binding(tenant)),
        (None, _) => {}
    }
    Ok(())
}

/// Together with [`binding`] what `crates/infra/src/scope.rs` sends, one statement on each line.
fn opening(request: Request) -> String {
    if !request.writes() {
        return "BEGIN READ ONLY;\n".to_owned();
    }
    let (actor, request) = (Actor::User(UserId::generate()), RequestId::generate());
    format!("BEGIN;\nSET LOCAL app.actor='{actor}';\nSET LOCAL app.request='{request}';\n")
}

fn binding(tenant: &BenchTenant) -> String {
    let BenchTenant { id, schema, .. } = tenant;
    let path = match schema {
        SchemaName::Pooled => String::new(),
        own @ SchemaName::Own(_) => format!("SET LOCAL search_path={own};\n"),
    };
    format!("SET LOCAL app.tenant='{id}';\n{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_after_the_warm_up() {
        let printed = "number of transactions actually processed: 42\ntps = 7.0\n";
        let progress = "pgbench: setting random seed to 1\nprogress: 1.0 s, 10.0 tps, lat 1.0 ms stddev 0.1, 0 failed\n\
                        progress: 2.0 s, 20.0 tps, lat 1.0 ms\nprogress: 3.0 s, 30.0 tps, lat 1.0 ms\n";

        let done = parse(printed, progress, 1).unwrap();

        assert_eq!((done.transactions, done.rate), (42, 25.0));
    }
}
