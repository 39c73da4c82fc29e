//! The load generator: wrk (<https://github.com/wg/wrk>), which speaks HTTP over epoll and is told by `wrk.lua` what to send.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::api::Api;
use super::population::Population;
use super::scenarios::Scenario;
use super::tools;

/// Finds it, or says how to get it.
pub(crate) fn find() -> Result<PathBuf> {
    tools::on_path("wrk").context("wrk is not installed; type: apt-get install -y wrk")
}

/// Its version. It prints one only together with an exit status of failure.
pub(crate) fn version(program: &Path) -> Result<String> {
    let output = std::process::Command::new(program).arg("--version").output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(printed.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// What is sent, and to whom.
pub(crate) struct Load<'a> {
    pub(crate) program: &'a Path,
    pub(crate) api: &'a Api,
    pub(crate) population: &'a Population,
    pub(crate) scenario: Scenario,
}

/// What came of it.
pub(crate) struct Served {
    pub(crate) requests: u64,
    pub(crate) duration: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Served {
    /// Requests in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.duration.as_secs_f64()
    }
}

impl Load<'_> {
    /// Keeps so many connections busy for so many seconds. Fails if a single request did.
    pub(crate) async fn run(&self, connections: u64, seconds: u64) -> Result<Served> {
        self.start(connections, seconds, None).await
    }

    /// The same without a result; lets the last requests end, so that the server keeps its connections to Postgres.
    pub(crate) async fn warm_up(&self, connections: u64, seconds: u64) -> Result<()> {
        self.start(connections, seconds + 1, Some(seconds)).await.map(|_| ())
    }

    async fn start(&self, connections: u64, seconds: u64, quiet_after: Option<u64>) -> Result<Served> {
        let mut command = tools::command(self.program);
        command.arg("--threads=2").arg("--timeout=10s");
        command.arg(format!("--connections={connections}")).arg(format!("--duration={seconds}s"));
        command.arg("--script").arg(tools::root().join("xtask/src/bench/wrk.lua"));
        command.arg(self.api.url()).arg("--").arg(&self.population.file).arg(self.scenario.as_str());
        command.args(quiet_after.map(|seconds| seconds.to_string()));
        let printed = tools::output(command).await?;
        let understood = parse(&printed).with_context(|| format!("wrk's answer is not understood: {printed}"));
        let (failures, served) = understood?;
        ensure!(failures.is_empty(), "{} failed ({failures}); the server's log: {}", self.scenario, self.api.log());
        Ok(served)
    }
}

/// What `done` in `wrk.lua` printed: the failures by kind, and the rest.
fn parse(printed: &str) -> Option<(String, Served)> {
    let line = printed.lines().find_map(|line| line.strip_prefix("result "))?;
    let pairs = line.split_whitespace().map(|pair| pair.split_once('='));
    let numbers: BTreeMap<&str, u64> =
        pairs.map(|pair| pair.and_then(|(name, value)| Some((name, value.parse().ok()?)))).collect::<Option<_>>()?;
    let number = |name: &str| numbers.get(name).copied();
    let micros = |name: &str| number(name).map(Duration::from_micros);
    let mut failures = Vec::new();
    for name in ["connect", "read", "write", "timeout", "status"] {
        if let count @ 1.. = number(name)? {
            failures.push(format!("{name}: {count}"));
        }
    }
    let served = Served {
        requests: number("requests")?,
        duration: micros("duration")?,
        p50: micros("p50")?,
        p99: micros("p99")?,
    };
    Some((failures.join(", "), served))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart_by_their_kind() {
        let printed = "Running 1s test\nresult requests=10 duration=2000000 p50=900 p99=1800 connect=0 read=2 write=0 timeout=0 status=3\n";

        let (failures, served) = parse(printed).unwrap();

        assert_eq!(failures, "read: 2, status: 3");
        assert_eq!((served.rate(), served.p99), (5.0, Duration::from_micros(1800)));
    }
}
