//! `cargo xtask bench`: the server against pgbench, on the same tables of the same Postgres.
//!
//! `wrk` sends requests to a release build of the server; right after it pgbench sends what the server would have sent to
//! Postgres, without HTTP, tokens and JSON. Their ratio says what the server costs. Everything runs on this machine and so
//! shares its cores; the report goes to standard output as Markdown for `docs/performance.md`.

mod api;
mod cluster;
pub(crate) mod logins;
mod pgbench;
mod population;
mod processes;
mod report;
mod scenarios;
mod tools;
mod wrk;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tenantry_tenancy::Placement;
use tokio::signal::unix::{SignalKind, signal};

use api::Api;
use cluster::Cluster;
use population::Population;
use report::{Memory, Report, Round};
use scenarios::Scenario;

/// What to measure, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How long the server and pgbench run before each measurement, in seconds.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..))]
    warm_up: u64,
    /// How often everything is measured; the report has the medians.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Tenants of each placement.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    tenants: u64,
    /// Projects of each tenant; a list shows 50 of them.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(51..=900_000))]
    projects: u64,
    /// Connections to the server.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(2..))]
    connections: u64,
    /// Connections to Postgres, the server's and pgbench's.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(2..=80))]
    database_connections: u64,
    /// Only these scenarios.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Only tenants of this placement: pooled or schema.
    #[arg(long)]
    placement: Option<Placement>,
    /// Measure this build of the server instead of a fresh one.
    #[arg(long)]
    program: Option<PathBuf>,
}

impl Arguments {
    fn scenarios(&self) -> Vec<Scenario> {
        Scenario::ALL.into_iter().filter(|scenario| self.only.is_empty() || self.only.contains(scenario)).collect()
    }

    fn placements(&self) -> Vec<Placement> {
        let wanted = |placement: &Placement| self.placement.is_none_or(|only| only == *placement);
        Placement::ALL.iter().copied().filter(wanted).collect()
    }
}

/// Measures and prints the report. Stops everything it has started, however it ends.
pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let report = tokio::select! {
        report = measure(arguments) => report?,
        stopped = told_to_stop() => {
            stopped?;
            bail!("told to stop");
        }
    };
    println!("{report}");
    Ok(())
}

async fn told_to_stop() -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

async fn measure(arguments: &Arguments) -> Result<Report> {
    let wrk = wrk::find()?;
    let program = match &arguments.program {
        Some(program) => program.canonicalize().with_context(|| format!("{} is not there", program.display()))?,
        None => api::build().await?,
    };
    let cluster = Cluster::start(&tools::root().join("target/bench"), arguments.database_connections).await?;
    let pgbench = pgbench::find(cluster.pid()?)?;

    let mut populations = Vec::new();
    for placement in arguments.placements() {
        populations.push(Population::settle(&cluster, arguments, placement).await?);
    }
    let mut report = Report::new(arguments, &cluster, &wrk).await?;
    for population in &populations {
        let api = Api::start(&program, &cluster).await?;
        let stage = Stage { arguments, cluster: &cluster, population, api: &api, wrk: &wrk, pgbench: &pgbench };
        for number in 1..=arguments.rounds {
            for scenario in arguments.scenarios() {
                say(&format!("{} {scenario}, round {number} of {}", population.placement, arguments.rounds));
                report.add(population.placement, scenario, stage.round(scenario).await?);
            }
        }
        report.set_memory(population.placement, stage.memory().await?);
    }
    Ok(report)
}

/// Everything one measurement needs.
struct Stage<'a> {
    arguments: &'a Arguments,
    cluster: &'a Cluster,
    population: &'a Population,
    api: &'a Api,
    wrk: &'a Path,
    pgbench: &'a Path,
}

impl Stage<'_> {
    /// The server and then pgbench, each on tables as if nothing had been written yet.
    async fn round(&self, scenario: Scenario) -> Result<Round> {
        let (served, server, postgres) = self.serve(scenario).await?;
        let (done, pgbench_postgres) = self.run_twin(scenario).await?;
        ensure!(served.requests > 0 && done.transactions > 0, "nothing was done in {} s", self.arguments.seconds);
        let round = Round {
            requests: served.rate(),
            p50: served.p50,
            p99: served.p99,
            server: micros_each(server, served.requests),
            postgres: micros_each(postgres, served.requests),
            pgbench: done.rate,
            pgbench_postgres: micros_each(pgbench_postgres, done.transactions),
        };
        say(&format!("  server {:.0}/s, pgbench {:.0}/s", round.requests, round.pgbench));
        Ok(round)
    }

    /// What was served, and the CPU time of the server and of Postgres for it.
    async fn serve(&self, scenario: Scenario) -> Result<(wrk::Served, Duration, Duration)> {
        let Self { arguments, cluster, population, api, .. } = *self;
        population.restore(cluster).await?;
        api.check(scenario.requests(), population)?;
        let load = self.load(scenario);
        load.warm_up(arguments.connections, arguments.warm_up).await?;
        cluster.checkpoint().await?;

        let (server, postgres) = (processes::cpu(api.pid())?, processes::family_cpu(cluster.pid()?)?);
        let served = load.run(arguments.connections, arguments.seconds).await?;
        let server = processes::cpu(api.pid())?.saturating_sub(server);
        let postgres = processes::family_cpu(cluster.pid()?)?.saturating_sub(postgres);
        Ok((served, server, postgres))
    }

    /// What server and Postgres occupy while all connections are open and have served many tenants.
    async fn memory(&self) -> Result<Memory> {
        self.load(Scenario::Mix).warm_up(self.arguments.connections, self.arguments.warm_up).await?;
        let (server, postgres) = (self.api.pid(), self.cluster.pid()?);
        Ok(Memory { server: processes::memory(server)?, postgres: processes::family_memory(postgres)? })
    }

    fn load(&self, scenario: Scenario) -> wrk::Load<'_> {
        wrk::Load { program: self.wrk, api: self.api, population: self.population, scenario }
    }

    /// What pgbench did, and the CPU time of Postgres for it.
    async fn run_twin(&self, scenario: Scenario) -> Result<(pgbench::Done, Duration)> {
        let Self { arguments, cluster, population, .. } = *self;
        if scenario.writes() {
            population.restore(cluster).await?;
        }
        let twin = pgbench::Twin::write(population, scenario, arguments.projects)?;
        twin.check(cluster).await?;
        cluster.checkpoint().await?;

        let before = processes::family_cpu(cluster.pid()?)?;
        let done = twin.run(self.pgbench, cluster, arguments).await?;
        Ok((done, processes::family_cpu(cluster.pid()?)?.saturating_sub(before)))
    }
}

fn micros_each(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() * 1e6 / count as f64
}

fn say(message: &str) {
    eprintln!("xtask: {message}");
}
