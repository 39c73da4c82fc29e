//! The configuration: `config/default.toml`, the file of the environment, then environment variables.

mod files;
mod mail;
mod relying_party;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use config::{Config, File, FileFormat};
use serde::Deserialize;
use tenantry_api::Limits;
use tenantry_auth::{KeyEnvironment, PasswordSettings, TokenSettings};
use tenantry_infra::Delivery;
use tenantry_tenancy::Networks;
use tenantry_tenancy::domains::DomainName;

pub use files::FileSettings;
pub use mail::MailSettings;

/// Where the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// On a developer's machine: what is missing is made, tenants are seeded.
    Development,
    /// For real: what is missing stops the start.
    Production,
}

/// The whole configuration, as `config/default.toml` explains it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// From `APP_ENV`.
    pub environment: Environment,
    /// How requests are taken.
    pub http: Http,
    /// How the database is reached.
    pub database: DatabaseSettings,
    /// How callers are proven.
    pub auth: Auth,
    /// Where the content of documents is stored.
    pub files: FileSettings,
    /// How mail is delivered.
    pub mail: MailSettings,
    /// Whether people may sign up by themselves.
    pub signup: Signup,
    /// What is logged.
    pub log: Log,
}

/// How requests are taken.
#[expect(missing_docs, reason = "config/default.toml explains every setting")]
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub host: String,
    pub port: u16,
    pub public_url: String,
    pub base_domain: String,
    pub trusted_proxies: String,
    pub dns_server: String,
    pub workers: usize,
    pub body_bytes: usize,
    pub body_seconds: u64,
    pub stalled_seconds: u64,
    pub request_seconds: u64,
    pub rejection_status: u16,
}

/// How the database is reached.
#[expect(missing_docs, reason = "config/default.toml explains every setting")]
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    pub url: String,
    pub api_url: String,
    pub directory_url: String,
    pub platform_url: String,
    pub migrator_url: String,
    pub admin_url: String,
    pub connections: usize,
    pub wait_seconds: u64,
    pub accept_missing_lockdown: bool,
}

/// How callers are proven.
#[expect(missing_docs, reason = "config/default.toml explains every setting")]
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    pub issuer: String,
    pub audience: String,
    pub access_minutes: u64,
    pub refresh_days: u64,
    pub session_days: u64,
    pub session_idle_hours: u64,
    pub signing_key_files: String,
    pub signing_key_folder: String,
    pub hs256_secret_file: String,
    pub cursor_key: String,
    pub sealing_key: String,
    pub password_memory_kib: u32,
    pub password_iterations: u32,
    pub password_queue: usize,
    pub remembered_tokens: usize,
}

/// Whether people may sign up by themselves.
#[expect(missing_docs, reason = "config/default.toml explains every setting")]
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signup {
    pub enabled: bool,
}

/// What is logged.
#[expect(missing_docs, reason = "config/default.toml explains every setting")]
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub filter: String,
    pub format: LogFormat,
    pub error_file: String,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How long a token of a service or of an acting operator may live.
const HOUR: Duration = Duration::from_secs(60 * 60);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sections {
    http: Http,
    database: DatabaseSettings,
    auth: Auth,
    files: FileSettings,
    mail: MailSettings,
    signup: Signup,
    log: Log,
}

impl Settings {
    /// Reads the configuration of this process. The error is one sentence that names the setting.
    pub fn load() -> Result<Self> {
        let known = variables(&Config::builder().add_source(defaults()).build().map_err(sentence)?);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            let is_ours = name.starts_with("TENANTRY_") && name.contains("__");
            ensure!(!is_ours || known.iter().any(|(known, _)| **known == *name), "{name} names no setting");
        }
        Self::read(Path::new("config"), &|name| std::env::var(name).ok())
    }

    /// Reads the configuration from a folder and from variables.
    pub fn read(folder: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let environment = environment(variable("APP_ENV").as_deref())?;
        let file = folder.join(match environment {
            Environment::Development => "development.toml",
            Environment::Production => "production.toml",
        });
        let mut builder = Config::builder()
            .add_source(defaults())
            .add_source(File::from(file).format(FileFormat::Toml).required(false));
        for (name, setting) in variables(&builder.clone().build().map_err(sentence)?) {
            if let Some(value) = variable(&name) {
                builder = builder.set_override(setting, value).map_err(sentence)?;
            }
        }
        for (name, setting) in
            [("DATABASE_URL", "database.url"), ("ADMIN_DATABASE_URL", "database.admin_url"), ("PORT", "http.port")]
        {
            if let Some(value) = variable(name) {
                builder = builder.set_override(setting, value).map_err(sentence)?;
            }
        }
        let sections: Sections = builder.build().and_then(Config::try_deserialize).map_err(sentence)?;
        let Sections { http, database, auth, files, mail, signup, log } = sections;
        let settings = Self { environment, http, database, auth, files, mail, signup, log };
        settings.check()?;
        Ok(settings)
    }

    /// Whether the program may make what is missing.
    pub fn is_development(&self) -> bool {
        self.environment == Environment::Development
    }

    /// What requests are bounded by.
    pub fn limits(&self) -> Limits {
        Limits {
            body_bytes: self.http.body_bytes,
            body_time: Duration::from_secs(self.http.body_seconds),
            request_time: Duration::from_secs(self.http.request_seconds),
            upload_bytes: self.files.max_bytes,
            url_time: Duration::from_secs(self.files.url_seconds),
            rejection_status: self.http.rejection_status,
            ..Limits::default()
        }
    }

    /// For what the API keys made here are good.
    pub fn key_environment(&self) -> KeyEnvironment {
        match self.environment {
            Environment::Development => KeyEnvironment::Test,
            Environment::Production => KeyEnvironment::Live,
        }
    }

    /// The proxies whose word about a client's address is taken.
    pub fn trusted_proxies(&self) -> Result<Option<Networks>> {
        let named: Vec<&str> = self.http.trusted_proxies.split(',').map(str::trim).collect();
        let parsed = (named != [""]).then(|| Networks::parse(&named)).transpose();
        parsed.context("http.trusted_proxies must be networks such as 10.0.0.0/8, separated by commas")
    }

    /// The domain below which every tenant has a host.
    pub fn base_domain(&self) -> Result<Option<DomainName>> {
        let base = &self.http.base_domain;
        let parsed = (!base.is_empty()).then(|| DomainName::parse(base)).transpose();
        parsed.context("http.base_domain must be a domain such as api.example.com")
    }

    /// The name server that domains are proven by, if not the system's.
    pub fn dns_server(&self) -> Result<Option<SocketAddr>> {
        let server = &self.http.dns_server;
        let parsed = (!server.is_empty()).then(|| server.parse()).transpose();
        parsed.context("http.dns_server must be an address and port such as 9.9.9.9:53")
    }

    /// Who issues tokens, for whom, and how long they live.
    pub fn tokens(&self) -> TokenSettings {
        let access_lifetime = Duration::from_secs(60 * self.auth.access_minutes);
        let day = Duration::from_secs(24 * 60 * 60);
        TokenSettings {
            issuer: self.auth.issuer.clone(),
            audience: self.auth.audience.clone(),
            access_lifetime,
            // Tokens of services and acting operators are good for an hour, the seeded ones of development for a day.
            max_access_lifetime: access_lifetime.max(if self.is_development() { day } else { HOUR }),
            refresh_lifetime: day * u32::try_from(self.auth.refresh_days).unwrap_or(u32::MAX),
            session_lifetime: day * u32::try_from(self.auth.session_days).unwrap_or(u32::MAX),
            idle_lifetime: HOUR * u32::try_from(self.auth.session_idle_hours).unwrap_or(u32::MAX),
        }
    }

    /// How passwords are hashed.
    pub fn passwords(&self) -> PasswordSettings {
        PasswordSettings {
            memory_kib: self.auth.password_memory_kib,
            iterations: self.auth.password_iterations,
            queue: self.auth.password_queue,
            ..PasswordSettings::default()
        }
    }

    /// Where mail goes.
    pub fn delivery(&self) -> Delivery {
        self.mail.delivery(self.is_development())
    }

    /// How many threads serve requests.
    pub fn workers(&self) -> usize {
        match self.http.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        }
    }

    fn check(&self) -> Result<()> {
        let Self { http, database, auth, .. } = self;
        ensure!(matches!(http.rejection_status, 401 | 403), "http.rejection_status must be 401 or 403");
        for (name, value) in [
            ("http.body_seconds", http.body_seconds),
            ("http.stalled_seconds", http.stalled_seconds),
            ("http.request_seconds", http.request_seconds),
            ("database.wait_seconds", database.wait_seconds),
            ("auth.access_minutes", auth.access_minutes),
            ("auth.refresh_days", auth.refresh_days),
            ("auth.session_days", auth.session_days),
            ("auth.session_idle_hours", auth.session_idle_hours),
        ] {
            ensure!((1..=36_500).contains(&value), "{name} must be from 1 to 36500");
        }
        // What a token gave is remembered to be void for a day, and told to whoever starts.
        ensure!(auth.access_minutes <= 1440, "auth.access_minutes must be at most 1440, a day");
        ensure!(http.body_bytes >= 1024, "http.body_bytes must be at least 1024");
        ensure!(auth.remembered_tokens > 0, "auth.remembered_tokens must be at least 1");
        ensure!(
            !auth.issuer.is_empty() && !auth.audience.is_empty(),
            "auth.issuer and auth.audience must not be empty"
        );
        ensure!(
            database.connections >= self.workers(),
            "database.connections must be at least {}, one for each worker",
            self.workers()
        );
        ensure!(
            auth.sealing_key.is_empty() || auth.sealing_key.len() >= 32,
            "auth.sealing_key must have at least 32 characters"
        );
        ensure!(
            auth.cursor_key.is_empty() || auth.cursor_key.len() >= 32,
            "auth.cursor_key must have at least 32 characters"
        );
        ensure!(
            auth.hs256_secret_file.is_empty() || self.is_development(),
            "auth.hs256_secret_file is for development only: whoever can verify such a token can forge one"
        );
        ensure!(
            auth.hs256_secret_file.is_empty()
                || (auth.signing_key_files.is_empty() && auth.signing_key_folder.is_empty()),
            "auth.hs256_secret_file goes with no other signing key"
        );
        if self.environment == Environment::Production {
            let roles = [&database.api_url, &database.directory_url, &database.platform_url];
            let reachable = !database.url.is_empty() || roles.iter().all(|url| !url.is_empty());
            ensure!(reachable, "DATABASE_URL (database.url) must be set in production");
            ensure!(
                !auth.signing_key_files.is_empty() || !auth.signing_key_folder.is_empty(),
                "auth.signing_key_files or auth.signing_key_folder must be set in production"
            );
            ensure!(!auth.cursor_key.is_empty(), "auth.cursor_key must be set in production");
            ensure!(!auth.sealing_key.is_empty(), "auth.sealing_key must be set in production");
        }
        self.files.check(self.is_development())?;
        self.base_domain()?;
        self.trusted_proxies()?;
        self.dns_server()?;
        ensure!(
            self.is_development() || self.mail.is_encrypted(),
            "mail.smtp_url must begin with smtps:// or end with ?tls=required"
        );
        let url = url::Url::parse(&http.public_url).ok().filter(|url| url.has_host() && url.path() == "/");
        let secure = url.as_ref().is_some_and(|url| url.scheme() == "https");
        ensure!(
            secure || (self.is_development() && url.is_some_and(|url| url.scheme() == "http")),
            "http.public_url must be an https URL without a path, such as https://api.example.com (http in development)"
        );
        Ok(())
    }
}

fn environment(name: Option<&str>) -> Result<Environment> {
    match name {
        Some("development") => Ok(Environment::Development),
        Some("production") => Ok(Environment::Production),
        // A production build has nothing to develop with.
        None if cfg!(feature = "embedded") => Ok(Environment::Development),
        None => Ok(Environment::Production),
        Some(other) => bail!("APP_ENV must be development or production, not {other:?}"),
    }
}

fn defaults() -> File<config::FileSourceString, FileFormat> {
    File::from_str(include_str!("../../../config/default.toml"), FileFormat::Toml)
}

/// Every setting of a configuration, with the environment variable that overrides it: `TENANTRY_HTTP__PORT`, `http.port`.
fn variables(config: &Config) -> Vec<(String, String)> {
    type Section = config::Map<String, config::Value>;
    let sections = config.clone().try_deserialize::<BTreeMap<String, Section>>().unwrap_or_default();
    let named = |section: &str, setting: &str| {
        let variable = format!("TENANTRY_{}__{}", section.to_uppercase(), setting.to_uppercase());
        (variable, format!("{section}.{setting}"))
    };
    let settings = sections.iter().flat_map(|(section, settings)| settings.keys().map(|name| named(section, name)));
    settings.collect()
}

/// One sentence, also where the error draws a picture of the line that is wrong.
fn sentence(error: config::ConfigError) -> anyhow::Error {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.contains('|')).collect();
    anyhow::anyhow!("the configuration is wrong: {}", lines.join(", "))
}

/// Reads a file that a setting names.
pub(crate) fn read_file(setting: &str, path: &str) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{setting} names {path}, which cannot be read"))
}

#[cfg(test)]
mod tests;
