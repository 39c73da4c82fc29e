//! `cargo xtask bench-logins`: whether how long a failed login takes tells who exists.
//!
//! Wrong passwords for people who exist and for people who do not, in turns, each person once so that no lock-out gets in
//! the way. The medians must be within two per cent, and the Mann-Whitney test must not tell the two apart.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tenantry_auth::{Password, Passwords};
use tenantry_server::operations;
use tenantry_tenancy::provisioning::NewTenant;
use tenantry_tenancy::{Email, Plan, Slug};

use super::api::{self, Api};
use super::cluster::Cluster;
use super::{say, tools};

/// The most that the medians may differ, as a share of the greater.
const MOST: f64 = 0.02;
/// The least likely difference that counts as chance.
const LEAST: f64 = 0.01;
/// Logins before the first that counts.
const WARM_UP: u32 = 50;

/// How much to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many logins of each kind.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(20..=20_000))]
    samples: u32,
    /// Measure this build of the server instead of a fresh one.
    #[arg(long)]
    program: Option<PathBuf>,
}

/// Measures and prints the report; fails if the two can be told apart.
pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let program = match &arguments.program {
        Some(program) => program.canonicalize().with_context(|| format!("{} is not there", program.display()))?,
        None => api::build().await?,
    };
    let cluster = Cluster::start(&tools::root().join("target/bench-logins"), 16).await?;
    settle(&cluster, arguments.samples + WARM_UP).await?;
    let api = Api::start(&program, &cluster).await?;
    say(&format!("{} failed logins", 2 * arguments.samples));

    let mut times = Times::default();
    for number in 0..WARM_UP {
        fail(&api, &known(number))?;
    }
    for number in WARM_UP..WARM_UP + arguments.samples {
        let stranger = format!("stranger-{number}@bench.example");
        // Whoever goes first has the colder caches: they take turns in that as well.
        if number % 2 == 0 {
            times.known.push(fail(&api, &known(number))?);
            times.unknown.push(fail(&api, &stranger)?);
        } else {
            times.unknown.push(fail(&api, &stranger)?);
            times.known.push(fail(&api, &known(number))?);
        }
    }
    println!("{times}");
    ensure!(times.difference() <= MOST && times.chance() > LEAST, "how long a login takes tells who exists");
    Ok(())
}

/// People who exist. All have the same password: what counts is that they have one.
async fn settle(cluster: &Cluster, people: u32) -> Result<()> {
    let services = cluster.services().await?;
    let settings = cluster.settings()?;
    let owner = Email::parse("owner@bench.example")?;
    let new = NewTenant {
        slug: Slug::parse("bench")?,
        plan: Plan::Standard,
        placement: Plan::Standard.placement(),
        owner: owner.clone(),
    };
    let (tenant, _) = operations::create_tenant(&settings, &services, &new).await?;
    let hash = Passwords::new(settings.passwords())?.hash(&Password::parse("a password of everybody here")?).await?;
    let users = format!(
        "insert into registry.users (id, email, password_hash)
         select gen_random_uuid(), 'known-' || number || '@bench.example', '{}' from generate_series(0, {}) number",
        hash.as_str(),
        people - 1
    );
    cluster.execute(&users).await?;
    let members = format!(
        "insert into registry.memberships (tenant_id, user_id, role)
         select '{}', id, 'member' from registry.users where email like 'known-%'",
        tenant.id
    );
    cluster.execute(&members).await
}

fn known(number: u32) -> String {
    format!("known-{number}@bench.example")
}

/// How long a login with a wrong password takes, in seconds.
fn fail(api: &Api, email: &str) -> Result<f64> {
    let body = json!({ "username": email, "password": "not the password of anybody", "tenant": "bench" });
    let (status, time) = api.post("/api/v1/auth/token", &body)?;
    ensure!(status == 401, "a wrong password is answered {status}");
    Ok(time.as_secs_f64())
}

/// How long logins took, in seconds.
#[derive(Default)]
struct Times {
    known: Vec<f64>,
    unknown: Vec<f64>,
}

impl Times {
    /// How far the medians are apart, as a share of the greater.
    fn difference(&self) -> f64 {
        let (known, unknown) = (median(&self.known), median(&self.unknown));
        (known - unknown).abs() / known.max(unknown)
    }

    /// How likely it is that one distribution gives two samples as different as these: the Mann-Whitney U test, two-sided,
    /// by its normal approximation, which is good from twenty samples on. Times are taken as having no ties.
    fn chance(&self) -> f64 {
        let (n, m) = (self.known.len() as f64, self.unknown.len() as f64);
        let mut all: Vec<(f64, bool)> = self.known.iter().map(|time| (*time, true)).collect();
        all.extend(self.unknown.iter().map(|time| (*time, false)));
        all.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
        let ranks = (1..).zip(&all).filter(|(_, (_, known))| *known).map(|(rank, _)| f64::from(rank));
        let u = ranks.sum::<f64>() - n * (n + 1.0) / 2.0;
        let z = (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt();
        two_sided(z.abs())
    }
}

/// The share of a normal distribution further from its mean than `z` deviations (Abramowitz and Stegun, 26.2.17).
fn two_sided(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let series = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let sum = series.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t);
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (2.0 * density * sum).min(1.0)
}

fn median(times: &[f64]) -> f64 {
    super::report::median(times.to_vec()).unwrap_or(f64::NAN)
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |times: &[f64]| Duration::from_secs_f64(median(times)).as_secs_f64() * 1e3;
        writeln!(f, "| failed logins | samples | median ms |")?;
        writeln!(f, "|---|--:|--:|")?;
        writeln!(f, "| of people who exist | {} | {:.2} |", self.known.len(), millis(&self.known))?;
        writeln!(f, "| of people who do not | {} | {:.2} |", self.unknown.len(), millis(&self.unknown))?;
        writeln!(f)?;
        let (difference, chance) = (100.0 * self.difference(), self.chance());
        writeln!(f, "The medians differ by {difference:.2} %; Mann-Whitney: p = {chance:.3}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(known: impl Fn(u32) -> f64, unknown: impl Fn(u32) -> f64) -> Times {
        Times { known: (0..1000).map(known).collect(), unknown: (0..1000).map(unknown).collect() }
    }

    #[test]
    fn the_same_times_are_chance_and_a_shift_is_not() {
        let noise = |number: u32| 25.0 + f64::from(number.wrapping_mul(2_654_435_761) >> 22) / 1024.0;
        let same = times(noise, |number| noise(number + 7));
        let shifted = times(noise, |number| noise(number + 7) + 0.1);

        assert!(same.difference() < 0.01 && same.chance() > 0.05, "{} {}", same.difference(), same.chance());
        assert!(shifted.chance() < 0.001, "{}", shifted.chance());
        assert!(times(noise, |number| 1.05 * noise(number)).difference() > MOST);
    }

    #[test]
    fn the_tails_of_a_normal_distribution_are_those_of_the_tables() {
        for (z, share) in [(0.0, 1.0), (1.0, 0.3173), (1.96, 0.0500), (2.576, 0.0100)] {
            assert!((two_sided(z) - share).abs() < 1e-4, "{z}: {}", two_sided(z));
        }
    }
}
