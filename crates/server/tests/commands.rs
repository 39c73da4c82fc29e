//! The commands explain themselves. (Having this test, cargo builds the server's program for the end-to-end tests too.)

#![cfg(test)]

use std::process::Command;

fn server(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tenantry-server")).args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn every_command_is_listed_with_what_it_does() {
    let (success, help) = server(&["--help"]);

    assert!(success);
    for command in ["serve", "migrate", "check", "create-tenant", "create-operator"] {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(command) && line.len() > 30),
            "{command}:\n{help}"
        );
    }
}

#[test]
fn a_wrong_argument_is_refused_and_named() {
    let arguments = ["create-tenant", "--slug", "Not A Slug", "--plan", "free", "--owner-email", "a@b.example"];

    let (success, answer) = server(&arguments);

    assert!(!success);
    assert!(answer.contains("--slug"), "{answer}");
}
