//! Servers that live and end as they should.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use tenantry_embedded_pg::{Error, Options, Server, attach};

use crate::support::{entries, is_running, kept, open_directory, query};

#[test]
fn a_temporary_server_obeys_settings_and_leaves_nothing() {
    let options = Options::test().with_setting("max_connections", "17").with_setting("fsync", "on");
    let server = Server::start(&options).unwrap();
    let (pid, directory) = (server.pid(), server.directory().to_owned());

    let answer = query(server.socket_dir(), "select current_setting('max_connections') || current_setting('fsync')");
    let version = query(server.socket_dir(), "show server_version");
    let expected_version = server.version().to_owned();
    server.stop().unwrap();

    assert_eq!(answer, "17on");
    assert!(version.starts_with(&expected_version), "{version} is {expected_version}");
    assert!(!directory.exists());
    assert!(!is_running(pid));
}

#[test]
fn only_we_can_reach_the_socket() {
    let server = Server::start(&Options::test()).unwrap();

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;

    assert_eq!(mode(server.socket_dir()), 0o700);
    assert_eq!(mode(&server.directory().join("data")), 0o700);
    assert_eq!(fs::metadata(server.directory()).unwrap().uid(), rustix::process::geteuid().as_raw());
    assert_eq!(query(server.socket_dir(), "show listen_addresses"), "");
}

#[test]
fn a_second_starter_is_told_who_owns_it_and_can_attach() {
    let directory = open_directory();
    let options = kept(&directory.path().join("parent/home"));
    assert!(attach(&options).unwrap().is_none());
    let server = Server::start(&options).unwrap();

    let second = Server::start(&options).err().unwrap();
    let attached = attach(&options).unwrap().unwrap();
    let same = attached.url("app", "app") == server.url("app", "app");
    query(attached.socket_dir(), "create table kept as select 'kept' as word");
    server.stop().unwrap();

    let own_pid = std::process::id().to_string();
    assert!(matches!(&second, Error::Owned { pid, .. } if *pid == own_pid), "{second}");
    assert!(same);
    assert!(attach(&options).unwrap().is_none());
    let again = Server::start(&options).unwrap();
    assert_eq!(query(again.socket_dir(), "select word from kept"), "kept");
}

#[test]
fn the_data_of_another_major_version_is_left_alone_and_explained() {
    let directory = open_directory();
    let data = directory.path().join("home/data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("PG_VERSION"), "14\n").unwrap();
    fs::set_permissions(data.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();

    let error = Server::start(&kept(data.parent().unwrap())).err().unwrap();

    assert!(matches!(error, Error::VersionMismatch { major: 14, .. }), "{error}");
    assert!(error.to_string().contains("rm -rf"), "{error}");
    assert!(data.join("PG_VERSION").exists());
}

#[test]
fn a_directory_of_something_else_is_refused() {
    let directory = open_directory();
    let data = directory.path().join("home/data");
    fs::create_dir_all(&data).unwrap();

    let error = Server::start(&kept(data.parent().unwrap())).err().unwrap();

    assert!(matches!(error, Error::NotACluster(path) if path == data));
}

#[test]
fn a_link_in_place_of_the_socket_directory_is_refused() {
    let directory = open_directory();
    let home = directory.path().join("home");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::symlink(directory.path(), home.join("s")).unwrap();

    let error = Server::start(&kept(&home)).err().unwrap();

    assert!(matches!(error, Error::Foreign { .. }), "{error}");
}

#[test]
fn a_home_out_of_a_sockets_or_an_accounts_reach_works_elsewhere() {
    let private = tempfile::tempdir().unwrap();
    fs::set_permissions(private.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let home = private.path().join("a directory with a name that is far too long".repeat(3));
    let options = kept(&home);

    let server = Server::start(&options).unwrap();
    let (used, sockets) = (server.directory().to_owned(), server.socket_dir().to_owned());
    let attached = attach(&options).unwrap().unwrap();
    let answer = query(attached.socket_dir(), "select 'here'");
    server.stop().unwrap();

    assert_eq!(answer, "here");
    assert!(!sockets.starts_with(&home));
    assert!(entries(&sockets, ".s").is_empty());
    assert_eq!(used.starts_with(private.path()), !rustix::process::geteuid().is_root());
    fs::remove_dir_all(used).unwrap();
}
