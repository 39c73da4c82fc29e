//! What was measured, as Markdown.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use tenantry_tenancy::Placement;

use super::cluster::{Cluster, SETTINGS};
use super::scenarios::Scenario;
use super::{Arguments, processes, tools, wrk};

/// One measurement of the server, and of pgbench right behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Requests in a second.
    pub(crate) requests: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// The server's and Postgres' CPU time for a request, in microseconds.
    pub(crate) server: f64,
    pub(crate) postgres: f64,
    /// Transactions in a second.
    pub(crate) pgbench: f64,
    /// Postgres' CPU time for one of pgbench's transactions, in microseconds.
    pub(crate) pgbench_postgres: f64,
}

/// What server and Postgres occupy (PSS, in bytes) at the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) server: u64,
    pub(crate) postgres: u64,
}

/// All measurements, and on what they were made.
pub(crate) struct Report {
    rounds: BTreeMap<(Placement, Scenario), Vec<Round>>,
    memory: BTreeMap<Placement, Memory>,
    conditions: Vec<String>,
}

impl Report {
    /// An empty one. Looks for a second at what else the machine does.
    pub(crate) async fn new(arguments: &Arguments, cluster: &Cluster, wrk: &Path) -> Result<Self> {
        let busy = busy_percent().await?;
        let Arguments { tenants, projects, connections, database_connections, seconds, rounds, .. } = arguments;
        let settings: Vec<String> = SETTINGS.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let conditions = vec![
            format!("machine: {}; {busy:.0} % busy before the first measurement", machine()),
            format!(
                "PostgreSQL {} ({}), {}; pgbench with -M prepared and \\startpipeline, {database_connections} connections",
                cluster.version()?,
                settings.join(", "),
                wrk::version(wrk)?
            ),
            format!(
                "{tenants} tenants of each placement with {projects} projects, {connections} connections to the server, \
                 {database_connections} to Postgres, median of {rounds} × {seconds} s, revision {}",
                revision()
            ),
            format!("command: `cargo xtask {}`", std::env::args().skip(1).collect::<Vec<_>>().join(" ")),
        ];
        Ok(Self { rounds: BTreeMap::new(), memory: BTreeMap::new(), conditions })
    }

    /// Adds a measurement.
    pub(crate) fn add(&mut self, placement: Placement, scenario: Scenario, round: Round) {
        self.rounds.entry((placement, scenario)).or_default().push(round);
    }

    /// Adds what was occupied in the end.
    pub(crate) fn set_memory(&mut self, placement: Placement, memory: Memory) {
        self.memory.insert(placement, memory);
    }

    fn median(&self, placement: Placement, scenario: Scenario, of: impl Fn(&Round) -> f64) -> Option<f64> {
        median(self.rounds.get(&(placement, scenario))?.iter().map(of).collect())
    }

    /// How much of the pooled rate is left with schemas.
    fn schema_ratio(&self, scenario: Scenario) -> Option<String> {
        let rate = |placement| self.median(placement, scenario, |round| round.requests);
        let percent = 100.0 * rate(Placement::Schema)? / rate(Placement::Pooled)?;
        Some(format!("{scenario} {percent:.0} %"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| scenario | requests/s | p50 ms | p99 ms | server µs | Postgres µs | pgbench tps | Postgres µs there | ratio |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|--:|--:|")?;
        for (placement, scenario) in self.rounds.keys() {
            let value = |of: fn(&Round) -> f64| self.median(*placement, *scenario, of).unwrap_or(f64::NAN);
            writeln!(
                f,
                "| {placement}, {scenario} | {:.0} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} % |",
                value(|round| round.requests),
                value(|round| round.p50.as_secs_f64() * 1e3),
                value(|round| round.p99.as_secs_f64() * 1e3),
                value(|round| round.server),
                value(|round| round.postgres),
                value(|round| round.pgbench),
                value(|round| round.pgbench_postgres),
                value(|round| 100.0 * round.requests / round.pgbench),
            )?;
        }
        writeln!(f)?;
        let ratios: Vec<String> =
            Scenario::ALL.into_iter().filter_map(|scenario| self.schema_ratio(scenario)).collect();
        if !ratios.is_empty() {
            writeln!(f, "- schemas, of the pooled requests/s: {}", ratios.join(", "))?;
        }
        for (placement, Memory { server, postgres }) in &self.memory {
            let mebibytes = |bytes: &u64| *bytes as f64 / f64::from(1 << 20);
            let (server, postgres) = (mebibytes(server), mebibytes(postgres));
            writeln!(f, "- memory (PSS), {placement}: server {server:.0} MiB, Postgres {postgres:.0} MiB")?;
        }
        for condition in &self.conditions {
            writeln!(f, "- {condition}")?;
        }
        Ok(())
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let (high, low) = (values.len() / 2, values.len().saturating_sub(1) / 2);
    Some((values.get(low)? + values.get(high)?) / 2.0)
}

async fn busy_percent() -> Result<f64> {
    let (busy, all) = processes::machine()?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (busy_then, all_then) = processes::machine()?;
    Ok(100.0 * (busy_then - busy) as f64 / (all_then - all).max(1) as f64)
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, model)| model));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} ({cores} cores), Linux {}", model.unwrap_or("unknown processor"), kernel.trim())
}

fn revision() -> String {
    let described = Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(tools::root()).output();
    let described = described.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    described.ok().filter(|revision| !revision.is_empty()).unwrap_or("unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 3.0, 5.0]), Some(4.0));
        assert_eq!(median(Vec::new()), None);
    }
}
