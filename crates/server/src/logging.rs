//! The log: lines on standard output, errors in a file as well if asked for.

use std::fs::OpenOptions;
use std::io::IsTerminal;
use std::sync::Mutex;

use anyhow::{Context, Result};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::settings::{Log, LogFormat};

type BoxLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging, for the whole process.
pub fn start(log: &Log) -> Result<()> {
    let filter = EnvFilter::try_new(&log.filter).context("log.filter is not a filter")?;
    let lines: BoxLayer = match log.format {
        LogFormat::Text => {
            let colours = std::io::stdout().is_terminal();
            fmt::layer().with_target(false).with_ansi(colours).with_filter(filter).boxed()
        }
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_filter(filter).boxed(),
    };
    let mut layers = vec![lines];
    if !log.error_file.is_empty() {
        let file = OpenOptions::new().create(true).append(true).open(&log.error_file);
        let file = file.with_context(|| format!("log.error_file names {}, which cannot be written", log.error_file))?;
        let errors =
            fmt::layer().json().flatten_event(true).with_writer(Mutex::new(file)).with_filter(LevelFilter::ERROR);
        layers.push(errors.boxed());
    }
    tracing_subscriber::registry().with(layers).try_init().context("logging was started twice")
}
