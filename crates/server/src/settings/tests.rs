use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Settings> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    Settings::read(&folder, &|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

const PRODUCTION: &[(&str, &str)] = &[
    ("APP_ENV", "production"),
    ("DATABASE_URL", "postgres://x@y/z"),
    ("TENANTRY_AUTH__SIGNING_KEY_FILES", "/key.pem"),
    ("TENANTRY_AUTH__CURSOR_KEY", "0123456789abcdef0123456789abcdef"),
    ("TENANTRY_AUTH__SEALING_KEY", "fedcba9876543210fedcba9876543210"),
    ("TENANTRY_HTTP__PUBLIC_URL", "https://api.example.com"),
    ("TENANTRY_FILES__FOLDER", "/files"),
];

#[test]
fn the_environment_overrides_the_files() {
    let settings = read(&[("TENANTRY_HTTP__PORT", "9000"), ("DATABASE_URL", "postgres://x@y/z")]).unwrap();

    assert_eq!((settings.http.port, settings.database.url.as_str()), (9000, "postgres://x@y/z"));
    assert_eq!(settings.log.format, LogFormat::Text);
    assert_eq!(read(PRODUCTION).unwrap().http.host, "0.0.0.0");
}

#[test]
fn production_refuses_to_start_without_each_of_its_secrets() {
    for missing in PRODUCTION.iter().map(|(name, _)| *name).filter(|name| *name != "APP_ENV") {
        let rest: Vec<_> = PRODUCTION.iter().copied().filter(|(name, _)| *name != missing).collect();

        let error = read(&rest).unwrap_err().to_string();

        let setting = missing.trim_start_matches("TENANTRY_").to_lowercase().replace("__", ".");
        assert!(error.to_lowercase().contains(&setting), "{error}");
    }
}

#[test]
fn production_mails_over_tls_or_not_at_all_and_development_into_a_folder() {
    let with = |url| {
        let mut variables = PRODUCTION.to_vec();
        variables.push(("TENANTRY_MAIL__SMTP_URL", url));
        read(&variables).map(|settings| settings.delivery())
    };

    assert!(matches!(read(&[]).unwrap().delivery(), Delivery::Folder(_)));
    assert!(matches!(with("").unwrap(), Delivery::Disabled));
    for url in ["smtps://user:secret@smtp.example.com", "smtp://smtp.example.com:587?tls=required"] {
        assert!(matches!(with(url).unwrap(), Delivery::Smtp(_)));
    }
    let error = with("smtp://user:secret@smtp.example.com").err().unwrap().to_string();
    assert!(error.contains("mail.smtp_url") && !error.contains("secret"), "{error}");
}

#[test]
fn a_wrong_setting_is_named() {
    for (name, value, setting) in [
        ("TENANTRY_HTTP__PORT", "many", "http.port"),
        ("TENANTRY_HTTP__REJECTION_STATUS", "200", "http.rejection_status"),
        ("TENANTRY_DATABASE__CONNECTIONS", "0", "database.connections"),
        ("TENANTRY_AUTH__ACCESS_MINUTES", "0", "auth.access_minutes"),
        ("TENANTRY_AUTH__CURSOR_KEY", "short", "auth.cursor_key"),
        ("TENANTRY_HTTP__TRUSTED_PROXIES", "10.0.0.1/8", "http.trusted_proxies"),
        ("TENANTRY_LOG__FORMAT", "xml", "log.format"),
        ("APP_ENV", "staging", "APP_ENV"),
    ] {
        let error = read(&[(name, value)]).unwrap_err().to_string();
        assert!(error.contains(setting), "{name}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn passkeys_are_for_the_host_of_the_public_url_and_this_machine_is_localhost() {
    for (url, id, origin) in [
        ("https://api.example.com", "api.example.com", "https://api.example.com"),
        ("https://API.example.com:443/", "api.example.com", "https://api.example.com"),
        ("https://api.example.com:8443", "api.example.com", "https://api.example.com:8443"),
        ("http://localhost:8000", "localhost", "http://localhost:8000"),
        ("http://127.0.0.1:8000", "localhost", "http://localhost:8000"),
        ("http://[::1]:8000", "localhost", "http://localhost:8000"),
    ] {
        let variables =
            [("APP_ENV", "development"), ("DATABASE_URL", "postgres://x@y/z"), ("TENANTRY_HTTP__PUBLIC_URL", url)];

        let site = read(&variables).unwrap().relying_party().unwrap();

        assert_eq!((site.id(), site.origin()), (id, origin), "{url}");
    }
}
