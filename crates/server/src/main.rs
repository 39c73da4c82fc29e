//! The commands of the server.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use chrono::{Days, Utc};
use clap::{Parser, Subcommand};
use tenantry_server::key_ring::{KeyRing, Rotated};
use tenantry_server::{Database, Services, Settings, logging, operations, seed, serve};
use tenantry_tenancy::api_clients::ApiClientName;
use tenantry_tenancy::provisioning::NewTenant;
use tenantry_tenancy::text::InvalidText;
use tenantry_tenancy::{Email, Permission, PermissionSet, Placement, Plan, Slug};

/// Tenant-isolated SaaS API.
///
/// Every setting is explained in config/default.toml, and overridden by the environment: APP_ENV, DATABASE_URL, PORT, and
/// TENANTRY_<SECTION>__<NAME> for any other.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API. In development: start a private database if none is named, migrate, seed, write tokens.
    Serve,
    /// Bring the database, and every tenant's schema that is behind, to the newest version.
    Migrate,
    /// Say whether the database isolates tenants; fails and names table and rule if it does not.
    Check,
    /// Create a tenant, or go on creating one. An owner without a password gets one, printed once.
    CreateTenant {
        /// Its name for people: lower-case letters, digits and inner hyphens.
        #[arg(long, value_parser = Slug::parse)]
        slug: Slug,
        /// free, standard or enterprise.
        #[arg(long)]
        plan: Plan,
        /// The address of the person who owns it.
        #[arg(long, value_parser = Email::parse)]
        owner_email: Email,
        /// pooled or schema; decided by the plan if not given.
        #[arg(long)]
        placement: Option<Placement>,
    },
    /// Create a machine client of a tenant. Its id and its secret are printed once.
    CreateApiClient {
        /// The tenant's slug.
        #[arg(long, value_parser = Slug::parse)]
        tenant: Slug,
        /// What it is called.
        #[arg(long, value_parser = parse_client_name)]
        name: ApiClientName,
        /// What it may do, separated by commas: projects:read,tasks:read.
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<Permission>,
    },
    /// Make a new signing key. It signs in ten minutes; running servers take it over by themselves and nobody is logged out.
    RotateSigningKey {
        /// The new key signs at once and all others are dropped: every access token is void, sessions go on with a refresh.
        #[arg(long)]
        now: bool,
    },
    /// Create an operator, or give one a new token in place of the old. The token is printed once.
    CreateOperator {
        /// The operator's address.
        #[arg(long, value_parser = Email::parse)]
        email: Email,
        /// How many days the token is good.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=3650))]
        days: u64,
    },
}

#[actix_web::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tenantry: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    let settings = Settings::load()?;
    logging::start(&settings.log)?;
    if let Command::RotateSigningKey { now } = command {
        let ring = KeyRing::of(&settings)?.context("only the keys of auth.signing_key_folder rotate; set it")?;
        let Rotated { signs_from, dropped } = ring.rotate(Utc::now(), now)?;
        println!("a new key signs from {} on; {dropped} were dropped", signs_from.to_rfc3339());
        return Ok(());
    }
    let mut database = Database::open(&settings).await?;
    match command {
        Command::Serve => serve_all(&settings, &mut database).await,
        Command::Migrate => migrate(&database).await,
        Command::Check => {
            for weakness in serve::check(&settings, &database).await? {
                println!("weaker than it could be: {weakness}");
            }
            println!("the database isolates tenants");
            Ok(())
        }
        Command::CreateTenant { slug, plan, owner_email, placement } => {
            let services = Services::new(&settings, &database)?;
            let placement = placement.unwrap_or(plan.placement());
            let new = NewTenant { slug, plan, placement, owner: owner_email };
            let (tenant, password) = operations::create_tenant(&settings, &services, &new).await?;
            println!("tenant {} ({}) is {}", tenant.slug, tenant.id, tenant.status);
            if let Some(password) = password {
                println!("{} logs in with {password}", new.owner);
            }
            Ok(())
        }
        Command::CreateApiClient { tenant, name, scopes } => {
            let services = Services::new(&settings, &database)?;
            let scopes = scopes.into_iter().fold(PermissionSet::NONE, PermissionSet::with);
            let (id, secret) = operations::create_api_client(&services, &tenant, name, scopes).await?;
            println!("client_id {id}");
            println!("client_secret {}", secret.reveal());
            Ok(())
        }
        Command::RotateSigningKey { .. } => Ok(()),
        Command::CreateOperator { email, days } => {
            let services = Services::new(&settings, &database)?;
            let expires_at = Utc::now().checked_add_days(Days::new(days)).context("--days is too many")?;
            let (id, token) = operations::create_operator(&services, &email, expires_at).await?;
            println!("operator {id}, until {}", expires_at.date_naive());
            println!("{}", token.reveal());
            Ok(())
        }
    }
}

async fn migrate(database: &Database) -> Result<()> {
    let applied = database.migrate(&say).await?;
    say(&format!("{} schemas were behind", applied.len()));
    Ok(())
}

async fn serve_all(settings: &Settings, database: &mut Database) -> Result<()> {
    let mut token = None;
    if settings.is_development() {
        migrate(database).await?;
    }
    let services = Arc::new(Services::new(settings, database)?);
    if settings.is_development() {
        if services.registry.is_empty().await? {
            seed::seed(settings, &services, &say).await?;
        }
        token = seed::write_tokens(settings, &services, Path::new(seed::TOKENS_FILE)).await?;
    }
    serve::serve(settings, database, services, |address| {
        tracing::info!(%address, "serving");
        if let Some(token) = token {
            println!("\n  Documentation: http://{address}/api/docs and http://{address}/api/redoc");
            println!("  Tokens of the seeded tenants: {}\n", seed::TOKENS_FILE);
            println!("  curl -H 'Authorization: Bearer {token}' http://{address}/api/v1/projects\n");
        }
    })
    .await
}

fn parse_client_name(raw: &str) -> Result<ApiClientName, InvalidText> {
    ApiClientName::parse(raw)
}

fn say(message: &str) {
    eprintln!("tenantry: {message}");
}
