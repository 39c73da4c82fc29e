//! Serving requests until told to stop.

use std::any::Any;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer};
use anyhow::{Context, Result, bail};
use tenantry_api::edge;
use tenantry_infra::{Delivery, gate};
use tokio::signal::unix::{SignalKind, signal};

use crate::credentials;
use crate::database::{Database, config};
use crate::services::Services;
use crate::settings::Settings;

/// How long a client may take to send a request's head, and a connection may idle between two.
const HEAD_TIME: Duration = Duration::from_secs(5);
const IDLE_TIME: Duration = Duration::from_secs(75);
/// How long requests in flight have to end once we are told to stop, in seconds.
const SHUTDOWN_SECONDS: u64 = 30;

/// Refuses a database whose isolation is broken; the error names every table and rule.
pub async fn check(settings: &Settings, database: &Database) -> Result<Vec<String>> {
    let platform = config("database.platform_url", &database.urls.platform)?;
    let (lockdown, broken): (Vec<_>, Vec<_>) = gate::findings(&platform)
        .await?
        .into_iter()
        .partition(|finding| finding.is_lockdown() && settings.database.accept_missing_lockdown);
    if !broken.is_empty() {
        let list: Vec<String> = broken.iter().map(|finding| format!("\n  {finding}")).collect();
        bail!("the database does not isolate tenants:{}", list.concat());
    }
    let mut weaker: Vec<String> = lockdown.iter().map(ToString::to_string).collect();
    weaker.extend(gate::weaknesses(&platform).await?);
    Ok(weaker)
}

/// A server that takes requests on `listener`, on its own threads once it is awaited.
pub fn http(settings: &Settings, services: Arc<Services>, listener: TcpListener) -> Result<actix_web::dev::Server> {
    let workers = settings.workers();
    // Fails here rather than in a worker, where nobody would see it.
    services.store(workers)?;
    let stalled_time = Duration::from_secs(settings.http.stalled_seconds);
    let server = HttpServer::new(move || {
        let store = services.store(workers).expect("a store was just made from the same URL");
        App::new().wrap(from_fn(edge)).configure(tenantry_api::configure(services.parts(store)))
    })
    .workers(workers)
    .on_connect(move |connection, _| end_when_stalled(connection, stalled_time))
    .client_request_timeout(HEAD_TIME)
    .keep_alive(IDLE_TIME)
    // Whoever has hung up gets no work done for them.
    .h1_allow_half_closed(false)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .disable_signals()
    .listen(listener)
    .context("the port cannot be used")?;
    Ok(server.run())
}

/// Has the system end the connection once nothing of what was sent arrived for so long: a client that stops reading would
/// otherwise hold its answer in our memory for as long as it likes. Systems without that option wait for the client.
fn end_when_stalled(connection: &dyn Any, time: Duration) {
    #[cfg(target_os = "linux")]
    if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>()
        && let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(time))
    {
        tracing::warn!(error = &error as &dyn std::error::Error, "a connection may stall");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (connection, time);
}

/// Serves until SIGINT or SIGTERM, then lets requests in flight end. `ready` is told the address.
pub async fn serve(
    settings: &Settings,
    database: &mut Database,
    services: Arc<Services>,
    ready: impl FnOnce(std::net::SocketAddr),
) -> Result<()> {
    database.reach().await?;
    for weakness in check(settings, database).await? {
        tracing::warn!(weakness, "isolation is weaker than it could be");
    }
    if matches!(settings.delivery(), Delivery::Disabled) {
        tracing::warn!("mail.smtp_url is empty: no mail is sent, so nobody can set a password by mail");
    }
    // Nobody is let in before this has succeeded once.
    services.watch.poll_once().await.context("the feed of changes cannot be read")?;
    let watch = tokio::spawn({
        let watch = services.watch.clone();
        async move { watch.run(tenantry_auth::watch::POLL_INTERVAL).await }
    });
    let background = tokio::spawn(services.background());
    let housekeeping = tokio::spawn(housekeep(services.clone()));
    let keys = tokio::spawn(credentials::tend(services.clone()));

    let address = (settings.http.host.as_str(), settings.http.port);
    let listener = TcpListener::bind(address).with_context(|| {
        format!("http.host and http.port name {}:{}, which cannot be listened on", address.0, address.1)
    })?;
    let local = listener.local_addr()?;
    let server = http(settings, services.clone(), listener)?;
    let handle = server.handle();
    let server = tokio::spawn(server);
    ready(local);
    wait_for_the_end(database).await?;
    stop(&handle, server).await?;
    watch.abort();
    housekeeping.abort();
    background.abort();
    keys.abort();
    credentials::keep_uses(&services).await;
    Ok(())
}

/// Waits for a signal, or for the private database to die.
async fn wait_for_the_end(database: &mut Database) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut look = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = look.tick() => if database.has_died() {
                bail!("the private PostgreSQL has ended; see .data/postgres/postgres.log");
            },
        }
    }
}

/// Lets requests in flight end; a second signal does not wait for them.
async fn stop(handle: &ServerHandle, server: tokio::task::JoinHandle<std::io::Result<()>>) -> Result<()> {
    tracing::info!("stopping");
    let mut again = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = handle.stop(true) => {}
        _ = again.recv() => handle.stop(false).await,
    }
    server.await??;
    Ok(())
}

/// Forgets what nobody needs any more, once an hour.
async fn housekeep(services: Arc<Services>) {
    let mut hours = tokio::time::interval(Duration::from_secs(60 * 60));
    loop {
        hours.tick().await;
        if let Err(error) = services.registry.prune(chrono::Utc::now()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "housekeeping failed");
        }
    }
}
