//! The server as a process of its own, as production runs it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::cluster::Cluster;
use super::population::Population;
use super::scenarios::Request;
use super::tools::Running;
use super::{say, tools};

const READY_PATIENCE: Duration = Duration::from_secs(30);
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Builds the server for release and tells where it is. Cargo's progress is shown.
pub(crate) async fn build() -> Result<PathBuf> {
    say("building the server for release");
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = tools::command(cargo);
    command.args(["build", "--release", "--package=tenantry-server", "--message-format=json-render-diagnostics"]);
    let printed = tools::output(command).await?;
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    };
    printed.lines().filter_map(executable).next_back().context("cargo does not tell where the server is")
}

/// A running server; ends when dropped.
pub(crate) struct Api {
    running: Running,
    address: SocketAddr,
    log: PathBuf,
}

impl Api {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(program: &Path, cluster: &Cluster) -> Result<Self> {
        let address = free_address()?;
        let log = cluster.folder().join("server.log");
        let output = File::create(&log).with_context(|| format!("{} cannot be made", log.display()))?;
        let mut command = tools::command(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TENANTRY_")) {
            command.env_remove(name);
        }
        command.arg("serve").env_remove("ADMIN_DATABASE_URL");
        command.envs(cluster.variables().iter().map(|(name, value)| (name, value)));
        command.env("TENANTRY_HTTP__HOST", address.ip().to_string()).env("PORT", address.port().to_string());
        command.stdout(output.try_clone()?).stderr(output);
        let mut api = Self { running: Running::start(command)?, address, log };
        api.wait_until_ready().await?;
        Ok(api)
    }

    /// Asks once for each kind of request, and looks at the answers, which `wrk` does not.
    pub(crate) fn check(&self, requests: &[(Request, u64)], population: &Population) -> Result<()> {
        let tenant = population.tenants.last().context("there are no tenants")?;
        let id = tenant.project(1).to_string();
        for (request, _) in requests {
            let path = match request {
                Request::Read => format!("/api/v1/projects/{id}"),
                Request::List => "/api/v1/projects?limit=50".to_owned(),
                // It would be there to stay.
                Request::Create => continue,
            };
            let (status, body) = self.get(&path, &tenant.token)?;
            let shown = body.get("data").and_then(Value::as_array).map_or(1, Vec::len);
            let right = status == 200 && shown == if *request == Request::List { 50 } else { 1 };
            ensure!(right, "the answer to a {} is wrong: {status} {body}", request.as_str());
        }
        Ok(())
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The end of what it has logged.
    pub(crate) fn log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(5)).copied().collect::<Vec<_>>().join("\n")
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_PATIENCE;
        while !self.get("/ready", "").is_ok_and(|(status, _)| status == 200) {
            if let Some(status) = self.running.exit_status()? {
                bail!("the server ended ({status}): {}", self.log());
            }
            ensure!(Instant::now() < deadline, "the server does not become ready: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Status of one POST, and how long its answer took.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<(u16, Duration)> {
        let body = body.to_string();
        let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let begun = Instant::now();
        let (status, _) = self.ask("POST", path, &headers, &body)?;
        Ok((status, begun.elapsed()))
    }

    /// Status and JSON of one GET.
    fn get(&self, path: &str, token: &str) -> Result<(u16, Value)> {
        let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        self.ask("GET", path, &authorization, "")
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Result<(u16, Value)> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        let host = self.address;
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n{body}");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the server's answer has no end of its head")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.context("the server's answer has no status")?, serde_json::from_str(body)?))
    }
}

/// Somebody else could take it before the server does, which then says so.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
