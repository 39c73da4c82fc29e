//! What the tests share: directories, a client of a few lines, and processes to kill.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tenantry_embedded_pg::{Location, Options, Server};

const OWNER: &str = "TENANTRY_TEST_OWNER";

/// A directory in which the server's account can reach a home.
pub(crate) fn open_directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// A fast server in a directory that stays.
pub(crate) fn kept(directory: &Path) -> Options {
    Options { location: Location::Kept(directory.to_owned()), ..Options::test() }
}

/// Waits until it is true, and fails if it never is.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !done() {
        assert!(Instant::now() < deadline, "timed out: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

/// Whether the process runs; a zombie does not, even if nobody ever buries it.
pub(crate) fn is_running(pid: u32) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8(output.stdout).unwrap();
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

/// The names in a directory that start like that.
pub(crate) fn entries(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix)).collect()
}

/// Logs in as the superuser and returns the only field of the only row.
pub(crate) fn query(socket_dir: &Path, sql: &str) -> String {
    let mut stream = UnixStream::connect(socket_dir.join(".s.PGSQL.5432")).unwrap();
    let mut startup = 196_608_u32.to_be_bytes().to_vec();
    startup.extend(b"user\0postgres\0database\0postgres\0\0");
    send(&mut stream, &startup);
    let (kind, body) = receive(&mut stream);
    assert_eq!((kind, body.as_slice()), (b'R', [0; 4].as_slice()), "the server wants no password");
    while receive(&mut stream).0 != b'Z' {}

    stream.write_all(b"Q").unwrap();
    send(&mut stream, format!("{sql}\0").as_bytes());
    let mut field = None;
    loop {
        match receive(&mut stream) {
            (b'D', row) => field = Some(String::from_utf8(row[6..].to_vec()).unwrap()),
            (b'E', error) => panic!("{}", String::from_utf8_lossy(&error)),
            (b'Z', _) => return field.unwrap_or_default(),
            _ => {}
        }
    }
}

fn send(stream: &mut UnixStream, body: &[u8]) {
    stream.write_all(&u32::try_from(body.len() + 4).unwrap().to_be_bytes()).unwrap();
    stream.write_all(body).unwrap();
}

fn receive(stream: &mut UnixStream) -> (u8, Vec<u8>) {
    let mut head = [0; 5];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let mut body = vec![0; usize::try_from(length).unwrap() - 4];
    stream.read_exact(&mut body).unwrap();
    (head[0], body)
}

/// Another process that owns a server: this test program, told to run [`owner_process`] only.
pub(crate) struct Owner {
    process: Child,
}

impl Owner {
    /// Begins to start a server; an empty path means a temporary directory.
    pub(crate) fn spawn(directory: &Path) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "support::owner_process", "--nocapture"]).env(OWNER, directory);
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self { process }
    }

    /// Waits until its server is ready, and returns the pid and the directory of that.
    pub(crate) fn server(&mut self) -> (u32, PathBuf) {
        let output = BufReader::new(self.process.stdout.take().unwrap());
        let mut lines = output.lines().map(Result::unwrap);
        let line = lines.find_map(|line| Some(line.split_once("owner: ")?.1.to_owned())).unwrap();
        let (pid, directory) = line.split_once(' ').unwrap();
        (pid.parse().unwrap(), PathBuf::from(directory))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL, as by the kernel short of memory.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Not a test: what [`Owner`] runs, until it is killed.
#[test]
fn owner_process() {
    let Some(directory) = env::var_os(OWNER) else { return };
    let options = if directory.is_empty() { Options::test() } else { kept(Path::new(&directory)) };

    let server = Server::start(&options).unwrap();
    println!("owner: {} {}", server.pid(), server.directory().display());

    let _ = std::io::stdin().read(&mut [0]);
}
