//! Secrets the program signs and seals with: given in production, made at the first start in development.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tenantry_api::Cursors;
use tenantry_auth::{Sealer, SigningKeys};

use crate::key_ring::KeyRing;
use crate::settings::{Settings, read_file};

/// Where development keeps what it made.
pub(crate) const FOLDER: &str = ".data/keys";

/// The keys that sign and verify tokens.
pub fn signing_keys(settings: &Settings) -> Result<SigningKeys> {
    if let Some(ring) = KeyRing::of(settings)? {
        return ring.keys();
    }
    if !settings.auth.hs256_secret_file.is_empty() {
        let secret = read_file("auth.hs256_secret_file", &settings.auth.hs256_secret_file)?;
        return SigningKeys::symmetric(secret.trim().as_bytes()).context("auth.hs256_secret_file cannot be used");
    }
    let read = |path: &str| read_file("auth.signing_key_files", path.trim());
    let pems = settings.auth.signing_key_files.split(',').map(read).collect::<Result<Vec<_>>>()?;
    SigningKeys::from_pems(&pems).context("auth.signing_key_files has a key that cannot be used")
}

/// What seals the cursors of lists.
pub fn cursors(settings: &Settings) -> Result<Cursors> {
    let key = &settings.auth.cursor_key;
    let key = if key.is_empty() { kept("cursor_key", || secret(32))? } else { key.clone() };
    Ok(Cursors::new(key.as_bytes()))
}

/// What seals secrets of one purpose that the service must read again.
pub fn sealer(settings: &Settings, purpose: &str) -> Result<Sealer> {
    let key = &settings.auth.sealing_key;
    let key = if key.is_empty() { kept("sealing_key", || secret(32))? } else { key.clone() };
    Ok(Sealer::new(key.as_bytes(), purpose))
}

/// Random bytes as text.
pub fn secret(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).expect("the operating system has random numbers");
    URL_SAFE_NO_PAD.encode(random)
}

/// The content of a file of ours, made if there is none.
fn kept(name: &str, make: impl FnOnce() -> String) -> Result<String> {
    let path = Path::new(FOLDER).join(name);
    if let Ok(content) = fs::read_to_string(&path) {
        return Ok(content);
    }
    fs::create_dir_all(FOLDER).with_context(|| format!("{FOLDER} cannot be made"))?;
    let content = make();
    write_private(&path, &content)?;
    Ok(content)
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, content: &str) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let new = Path::new(&name);
    let write = || {
        // Left behind by a run that was killed, perhaps with other rights.
        let _ = fs::remove_file(new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(new, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}
