//! The real program as a process: started, listened to, and ended.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Caller, PATIENCE, eventually};

/// A folder to start the program in, as a fresh machine would have it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        // The account that runs Postgres for root must get in.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Starts a command of the program here, with these variables and no others of ours.
    pub fn start(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Program {
        let mut command = Command::new(program());
        command.args(arguments).current_dir(self.0.path()).env_clear();
        let kept = |name: &str| {
            matches!(name, "PATH" | "HOME" | "TMPDIR" | "XDG_CACHE_HOME") || name.starts_with("EMBEDDED_PG")
        };
        command.envs(std::env::vars().filter(|(name, _)| kept(name) && name != "EMBEDDED_PG_DIR"));
        command.envs(variables.iter().copied());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = Lines::of(child.stdout.take().unwrap());
        let errors = Lines::of(child.stderr.take().unwrap());
        let cluster = self.path(".data/postgres/data/postmaster.pid");
        Program { child, output, errors, cluster }
    }

    /// Runs a command to its end.
    pub async fn run(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
        self.start(variables, arguments).ended().await
    }

    /// Starts serving on a free port and waits until it does.
    pub async fn serve(&self, variables: &[(&str, &str)]) -> Program {
        let mut program = self.start(&[variables, &[("PORT", "0")]].concat(), &["serve"]);
        let begun = Instant::now();
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        while program.address().is_none() {
            let ended = program.child.try_wait().unwrap();
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "it does not serve: {}", program.errors.text());
            looks.tick().await;
        }
        program
    }

    /// The process id of the private Postgres, while there is one.
    pub fn postgres(&self) -> Option<u32> {
        postmaster(&self.path(".data/postgres/data/postmaster.pid"))
    }
}

/// The program that `cargo build` left beside this test.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("tenantry-server");
    assert!(program.exists(), "{} is missing: run `make test`, or `cargo build` first", program.display());
    program
}

/// A running process of the program. Killed when dropped, and its Postgres with it.
pub struct Program {
    child: Child,
    pub output: Lines,
    pub errors: Lines,
    cluster: PathBuf,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub output: String,
    pub errors: String,
}

impl Program {
    /// Where it serves, once it says so.
    fn address(&self) -> Option<String> {
        let text = self.output.text();
        let line = text.lines().find(|line| line.contains("serving"))?;
        let (_, rest) = line.split_once("127.0.0.1:")?;
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(format!("127.0.0.1:{port}"))
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address().unwrap())
    }

    /// Somebody with this token.
    pub fn caller(&self, token: &str) -> Caller {
        Caller { token: token.to_owned(), base: self.base() }
    }

    pub fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }

    /// Waits until it ends by itself.
    pub async fn ended(mut self) -> Ended {
        let child = &mut self.child;
        let has_ended = || std::future::ready(child.try_wait().unwrap().is_some());
        eventually("the program ends", PATIENCE, has_ended).await;
        let status = self.child.wait().unwrap();
        // What is left in the pipes; nobody else writes into them.
        self.output.all();
        self.errors.all();
        Ended { status, output: self.output.text(), errors: self.errors.text() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            return;
        }
        let postgres = postmaster(&self.cluster);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let begun = Instant::now();
        while postgres.is_some_and(is_running) && begun.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
    }
}

fn postmaster(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file).ok()?.lines().next()?.parse().ok()
}

pub fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}

/// Whether the process runs; a zombie does not, even if nobody ever buries it.
pub fn is_running(pid: u32) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8(output.stdout).unwrap();
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

/// The lines that a process writes, collected as they come.
pub struct Lines {
    text: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let reader = std::thread::spawn({
            let text = text.clone();
            move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    *text.lock().unwrap() += &(line + "\n");
                }
            }
        });
        Self { text, reader: Some(reader) }
    }

    /// What has come so far.
    pub fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    fn all(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}
