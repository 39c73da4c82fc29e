//! A wrong configuration stops the start with one sentence that names the setting.

use crate::harness::program::{Ended, Folder};

/// A database that nobody listens on: a run that gets as far as connecting has accepted the rest.
const NOWHERE: &str = "postgres://somebody:hunter2hunter2@127.0.0.1:1/nowhere";
const CURSOR_KEY: (&str, &str) = ("TENANTRY_AUTH__CURSOR_KEY", "0123456789abcdef0123456789abcdef");

const SEALING_KEY: (&str, &str) = ("TENANTRY_AUTH__SEALING_KEY", "fedcba9876543210fedcba9876543210");
const FILES: (&str, &str) = ("TENANTRY_FILES__FOLDER", "files");
const PUBLIC_URL: (&str, &str) = ("TENANTRY_HTTP__PUBLIC_URL", "https://api.example.com");

/// Fails unless the program refused to start, in one sentence with these words, on the error output alone.
#[track_caller]
fn assert_refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(ended.output, "", "{ended:?}");
    let sentence = ended.errors.strip_prefix("tenantry: ").unwrap_or_else(|| panic!("{ended:?}"));
    assert_eq!(sentence.lines().count(), 1, "{ended:?}");
    assert!(words.iter().all(|word| sentence.contains(word)), "{words:?} in {sentence}");
    assert!(!ended.errors.contains("hunter2") && !ended.errors.contains(CURSOR_KEY.1), "{sentence}");
}

async fn refused(folder: &Folder, variables: &[(&str, &str)], words: &[&str]) {
    assert_refused(&folder.run(variables, &["serve"]).await, words);
}

#[tokio::test]
async fn a_setting_with_a_wrong_value_is_named() {
    let folder = Folder::new();
    for (name, value, words) in [
        ("APP_ENV", "staging", &["APP_ENV", "staging"][..]),
        ("PORT", "many", &["http.port", "many"]),
        ("PORT", "65536", &["http.port", "65536"]),
        ("TENANTRY_HTTP__PORT", "-1", &["http.port"]),
        ("TENANTRY_HTTP__WORKERS", "two", &["http.workers"]),
        ("TENANTRY_HTTP__BODY_BYTES", "1", &["http.body_bytes", "1024"]),
        ("TENANTRY_HTTP__REJECTION_STATUS", "404", &["http.rejection_status", "401 or 403"]),
        ("TENANTRY_DATABASE__CONNECTIONS", "0", &["database.connections"]),
        ("TENANTRY_DATABASE__WAIT_SECONDS", "0", &["database.wait_seconds"]),
        ("TENANTRY_DATABASE__ACCEPT_MISSING_LOCKDOWN", "perhaps", &["database.accept_missing_lockdown"]),
        ("TENANTRY_AUTH__ACCESS_MINUTES", "0", &["auth.access_minutes"]),
        ("TENANTRY_AUTH__ISSUER", "", &["auth.issuer"]),
        ("TENANTRY_AUTH__CURSOR_KEY", "short", &["auth.cursor_key", "32"]),
        ("TENANTRY_LOG__FORMAT", "xml", &["log.format"]),
        ("TENANTRY_LOG__FILTER", "=", &["log.filter"]),
        ("TENANTRY_LOG__ERROR_FILE", "/no/such/folder/errors.log", &["log.error_file", "/no/such/folder/errors.log"]),
        ("TENANTRY_HTTP__PROT", "9000", &["TENANTRY_HTTP__PROT", "no setting"]),
        ("DATABASE_URL", "nonsense", &["DATABASE_URL"]),
        ("DATABASE_URL", "mysql://a@b/c", &["DATABASE_URL", "postgres://"]),
        ("DATABASE_URL", NOWHERE, &["DATABASE_URL", "cannot be reached as somebody"]),
        ("ADMIN_DATABASE_URL", NOWHERE, &["ADMIN_DATABASE_URL", "cannot be reached as somebody"]),
    ] {
        // Whatever is wrong is found before the database is needed.
        let nowhere = [("DATABASE_URL", NOWHERE), (name, value)];
        refused(&folder, &nowhere, words).await;
    }
    assert!(!folder.path(".data").exists());
}

#[tokio::test]
async fn production_names_each_secret_that_is_missing_or_no_good() {
    let folder = Folder::new();
    let key = folder.path("key.pem");
    std::fs::write(&key, tenantry_auth::SigningKeys::generate_pem()).unwrap();
    std::fs::write(folder.path("garbage.pem"), "garbage").unwrap();
    let key = ("TENANTRY_AUTH__SIGNING_KEY_FILES", key.to_str().unwrap());
    let all = [("APP_ENV", "production"), ("DATABASE_URL", NOWHERE), CURSOR_KEY, SEALING_KEY, key, PUBLIC_URL, FILES];
    let with = |name: &'static str, value: &'static str| [&all[..], &[(name, value)]].concat();

    for (missing, setting) in [
        ("DATABASE_URL", "DATABASE_URL"),
        (key.0, "auth.signing_key_files"),
        (CURSOR_KEY.0, "auth.cursor_key"),
        (FILES.0, "files.folder"),
    ] {
        let rest: Vec<_> = all.iter().copied().filter(|(name, _)| *name != missing).collect();
        refused(&folder, &rest, &[setting, "must be set in production"]).await;
    }
    refused(&folder, &with(key.0, "/no/such/key"), &["auth.signing_key_files", "/no/such/key"]).await;
    refused(&folder, &with(key.0, "garbage.pem"), &["auth.signing_key_files", "PKCS#8"]).await;
    refused(&folder, &with("TENANTRY_AUTH__HS256_SECRET_FILE", "secret"), &["auth.hs256_secret_file", "development"])
        .await;
    refused(&folder, &with(PUBLIC_URL.0, "http://api.example.com"), &["http.public_url", "https"]).await;
    refused(&folder, &with(CURSOR_KEY.0, "short"), &["auth.cursor_key", "32"]).await;
    refused(&folder, &all, &["DATABASE_URL", "cannot be reached as tenantry_api"]).await;
    assert!(!folder.path(".data").exists());
}

#[tokio::test]
async fn a_file_that_is_wrong_is_named_with_what_is_wrong_in_it() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("config")).unwrap();
    for (content, words) in [
        ("[http\nport = 1", &["config/development.toml", "line 1"][..]),
        ("[http]\nprot = 9000", &["http", "prot"]),
        ("[htpp]\nport = 9000", &["htpp"]),
        ("[http]\nport = \"many\"", &["http.port", "many", "config/development.toml"]),
    ] {
        std::fs::write(folder.path("config/development.toml"), content).unwrap();
        refused(&folder, &[("DATABASE_URL", NOWHERE)], words).await;
    }
}

#[tokio::test]
async fn a_command_that_is_wrong_is_explained() {
    let folder = Folder::new();
    let tenant = ["create-tenant", "--slug", "acme", "--plan", "free", "--owner-email", "ada@acme.example"];
    let with = |at: usize, value: &'static str| {
        let mut arguments = tenant;
        arguments[at] = value;
        arguments
    };

    for (arguments, word) in [
        (&["search"][..], "search"),
        (&with(2, "Acme Ltd"), "--slug"),
        (&with(4, "gold"), "--plan"),
        (&with(6, "nobody"), "--owner-email"),
        (&[&tenant[..], &["--placement", "shard"]].concat(), "--placement"),
        (&tenant[..5], "--owner-email"),
        (&["create-operator", "--email", "a@b.example", "--days", "0"], "--days"),
    ] {
        let ended = folder.run(&[], arguments).await;
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.errors.contains(word), "{ended:?}");
    }
    let help = folder.run(&[], &["--help"]).await;
    for word in ["serve", "migrate", "check", "create-tenant", "create-operator", "DATABASE_URL", "config/default.toml"]
    {
        assert!(help.output.contains(word), "{word} in {}", help.output);
    }
}
