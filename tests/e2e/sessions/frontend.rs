//! The example of a backend for a frontend, driven as a browser drives it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::*;

/// The running example; ends with the test.
struct Backend {
    process: Child,
    url: String,
}

impl Backend {
    fn start(api: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/bff/server.mjs");
        let mut process = Command::new("node")
            .arg(script)
            .env("API", api)
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is needed for this test: install it with `apt-get install nodejs`");
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { process, url: url.trim().to_owned() }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// All that the browser was told, and the cookie it keeps.
struct User<'a> {
    client: Client,
    backend: &'a Backend,
    cookie: String,
    seen: String,
}

impl User<'_> {
    async fn take(&mut self, answer: Response) -> (u16, String) {
        let status = answer.status().as_u16();
        if let Some(cookie) = answer.headers().get("set-cookie") {
            self.cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        self.seen += &format!("{:?}", answer.headers());
        let text = answer.text().await.unwrap();
        self.seen += &text;
        (status, text)
    }

    async fn page(&mut self) -> String {
        let answer = self.client.get(&self.backend.url).header("cookie", &self.cookie).send().await.unwrap();
        self.take(answer).await.1
    }

    async fn submit(&mut self, action: &str, origin: &str, fields: &str) -> u16 {
        let form = self.client.post(format!("{}{action}", self.backend.url)).header("cookie", &self.cookie);
        let form = form.header("content-type", "application/x-www-form-urlencoded").header("origin", origin);
        let answer = form.body(fields.to_owned()).send().await.unwrap();
        self.take(answer).await.0
    }
}

#[tokio::test]
async fn the_example_of_a_backend_for_a_frontend_works_and_shows_the_browser_nothing() {
    let suite = suite().await;
    let (tenant, person) = ada(&suite, Role::Member).await;
    let backend = Backend::start(&suite.base);
    let client =
        crate::harness::client_builder().redirect(Policy::none()).timeout(crate::harness::PATIENCE).build().unwrap();
    let mut user = User { client, backend: &backend, cookie: String::new(), seen: String::new() };
    let own = backend.url.clone();
    let credentials =
        |password: &str| format!("username={}&password={password}&tenant=", person.username.replace('@', "%40"));

    assert_eq!(user.submit("/login", &own, &credentials("wrong")).await, 303);
    assert!(user.cookie.is_empty() && user.page().await.contains("Log in"));
    assert_eq!(user.submit("/login", &own, &credentials(&person.password.replace(' ', "+"))).await, 303);
    assert_eq!(user.submit("/projects", &own, "name=Moon+%3Cb%3E").await, 303);
    assert!(user.page().await.contains("<li>Moon &#60;b&#62;</li>"));

    // Another site gets nowhere with the same cookie.
    assert_eq!(user.submit("/projects", "https://evil.example", "name=Evil").await, 403);
    assert!(!user.page().await.contains("Evil"));

    assert_eq!(user.submit("/logout", &own, "").await, 303);
    assert!(user.page().await.contains("Log in"));
    for secret in ["tns_", "tnr_", "eyJ", &tenant.tenant.id.to_string()] {
        assert!(!user.seen.contains(secret), "the browser saw {secret}");
    }
}
