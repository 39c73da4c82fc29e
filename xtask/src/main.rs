//! What developers and CI run: `cargo xtask <command>`.

mod bench;
mod check;
mod new;
mod openapi;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tenantry_server::{Database, Services, Settings, seed};

/// The workspace's own commands.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring the database, and every tenant's schema that is behind, to the newest version.
    Migrate,
    /// Make the tenants of development and write test_tokens.json.
    Seed,
    /// Make a resource, from its migration to its tests.
    New(new::Arguments),
    /// Write openapi.json, the OpenAPI document that the code makes.
    Openapi(openapi::Arguments),
    /// Hold the source to the rules of the architecture.
    Check,
    /// Measure the server against pgbench on the same tables; needs a quiet machine.
    Bench(bench::Arguments),
    /// Measure whether how long a failed login takes tells who exists.
    BenchLogins(bench::logins::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(command: Command) -> Result<()> {
    match command {
        Command::Migrate => {
            let settings = Settings::load()?;
            migrate(&Database::open(&settings).await?).await
        }
        Command::Seed => {
            let settings = Settings::load()?;
            let database = Database::open(&settings).await?;
            migrate(&database).await?;
            let services = Services::new(&settings, &database)?;
            seed::seed(&settings, &services, &say).await?;
            seed::write_tokens(&settings, &services, Path::new(seed::TOKENS_FILE)).await?;
            say(&format!("wrote {}", seed::TOKENS_FILE));
            Ok(())
        }
        Command::New(arguments) => new::run(&arguments),
        Command::Openapi(arguments) => openapi::run(&arguments),
        Command::Check => check::run(),
        Command::Bench(arguments) => bench::run(&arguments).await,
        Command::BenchLogins(arguments) => bench::logins::run(&arguments).await,
    }
}

async fn migrate(database: &Database) -> Result<()> {
    let applied = database.migrate(&say).await?;
    say(&format!("{} schemas were behind", applied.len()));
    Ok(())
}

fn say(message: &str) {
    eprintln!("xtask: {message}");
}
