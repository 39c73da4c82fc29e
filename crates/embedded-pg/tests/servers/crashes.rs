//! Whatever is killed, the next start works and nothing is left running.

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
};

use tenantry_embedded_pg::Server;

use crate::support::{Owner, entries, eventually, is_running, kept, kill, open_directory, query};

#[test]
fn a_killed_owner_takes_its_server_and_temporary_directory_along() {
    let mut owner = Owner::spawn(Path::new(""));
    let (server, directory) = owner.server();

    owner.kill();

    eventually("the server is gone", || !is_running(server));
    eventually("the directory is gone", || !directory.exists());
}

#[test]
fn a_killed_owner_does_not_stop_the_next_start() {
    let directory = open_directory();
    let home = directory.path().join("home");
    let mut owner = Owner::spawn(&home);
    let (killed, _) = owner.server();

    owner.kill();
    let next = Server::start(&kept(&home)).unwrap();

    assert_ne!(next.pid(), killed);
    assert!(!is_running(killed));
    assert_eq!(query(next.socket_dir(), "select 1"), "1");
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_orphaned_by_a_killed_watchdog_is_replaced() {
    let directory = open_directory();
    let home = directory.path().join("home");
    let mut owner = Owner::spawn(&home);
    let (orphan, _) = owner.server();
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", owner.pid())).unwrap();
    for child in children.split_whitespace().filter(|child| **child != orphan.to_string()) {
        kill(child.parse().unwrap());
    }
    owner.kill();
    assert!(is_running(orphan));

    let next = Server::start(&kept(&home)).unwrap();

    assert!(!is_running(orphan));
    assert_eq!(query(next.socket_dir(), "select 1"), "1");
}

#[test]
fn a_killed_server_is_noticed_and_its_pid_may_belong_to_somebody_else() {
    let directory = open_directory();
    let options = kept(&directory.path().join("home"));
    let mut server = Server::start(&options).unwrap();
    let data = server.directory().join("data");
    kill(server.pid());
    eventually("the owner notices", || server.exit_status().is_some());
    drop(server);
    // PostgreSQL minds a process of its own account only.
    let uid = fs::metadata(&data).unwrap().uid();
    let mut somebody = Command::new("sleep").arg("60").uid(uid).spawn().unwrap();
    let pid_file = data.join("postmaster.pid");
    let stale = fs::read_to_string(&pid_file).unwrap();
    let (_, rest) = stale.split_once('\n').unwrap();
    fs::write(&pid_file, format!("{}\n{rest}", somebody.id())).unwrap();

    let next = Server::start(&options);

    assert!(somebody.try_wait().unwrap().is_none(), "the innocent process lives");
    somebody.kill().unwrap();
    somebody.wait().unwrap();
    assert_eq!(query(next.unwrap().socket_dir(), "select 1"), "1");
}

#[test]
fn a_killed_initdb_leaves_no_half_made_cluster() {
    let directory = open_directory();
    let home = directory.path().join("home");
    let owner = Owner::spawn(&home);
    eventually("initdb works", || entries(&home, "data.new.").iter().any(|fresh| fresh.join("base").exists()));

    owner.kill();
    let server = Server::start(&kept(&home)).unwrap();

    assert_eq!(query(server.socket_dir(), "select 1"), "1");
    server.stop().unwrap();
    drop(Server::start(&kept(&home)).unwrap());
    assert!(entries(&home, "data.new.").is_empty());
}
