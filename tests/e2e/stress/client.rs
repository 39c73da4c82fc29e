//! A client that does anything in any order, hangs up in the middle now and then, and remembers what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::dice::Dice;
use crate::harness::wire::Wire;
use crate::harness::{Caller, Response};

/// What every text of a tenant begins with, so that it can be told from everybody else's.
pub fn mark(tenant: usize) -> String {
    format!("mark-{tenant:02}-of-stress")
}

/// The first text in `answer` that belongs to somebody else.
pub fn foreign<'a>(answer: &'a str, own: &str) -> Option<&'a str> {
    let marks = answer.match_indices("mark-").map(|(at, _)| &answer[at..(at + own.len()).min(answer.len())]);
    marks.into_iter().find(|mark| *mark != own)
}

/// What a tenant must have, and what it may have because nobody knows how a cancelled request ended.
#[derive(Default)]
pub struct Expected {
    /// Projects that are there, by id, with their names.
    pub projects: BTreeMap<String, String>,
    /// Projects that may have been deleted.
    pub doubtful: BTreeSet<String>,
    /// Projects that are gone.
    pub gone: BTreeSet<String>,
    /// Names of projects that may be there.
    pub attempted: BTreeSet<String>,
    /// Titles of tasks that are there, and of those that may be.
    pub tasks: BTreeSet<String>,
    pub attempted_tasks: BTreeSet<String>,
}

/// One tenant's client.
pub struct Client {
    pub mark: String,
    pub caller: Caller,
    pub expected: Expected,
    /// A project that is never deleted; tasks go there.
    pub home: String,
    /// Projects of other tenants.
    pub foreign: Vec<String>,
    pub dice: Dice,
    pub cancelled: usize,
    count: usize,
    wire: Option<Wire>,
}

/// How a request ended.
enum Ended {
    Answered(Response),
    /// The client hung up before there was an answer.
    Cancelled,
}

impl Client {
    pub async fn new(tenant: usize, caller: Caller) -> Self {
        let mark = mark(tenant);
        let home = caller.project(&format!("{mark} home")).await;
        let mut expected = Expected::default();
        expected.projects.insert(home.clone(), format!("{mark} home"));
        let dice = Dice(tenant as u64);
        Self { mark, caller, expected, home, foreign: Vec::new(), dice, cancelled: 0, count: 0, wire: None }
    }

    /// Does something.
    pub async fn act(&mut self) {
        match self.dice.below(100) {
            0..34 => self.show().await,
            34..48 => self.list().await,
            48..66 => self.create().await,
            66..74 => self.change().await,
            74..80 => self.delete().await,
            80..86 => self.count().await,
            86..94 => self.add_task().await,
            _ => self.trespass().await,
        }
    }

    async fn show(&mut self) {
        let id = self.any_project();
        if let Ended::Answered(answer) = self.send("GET", &format!("/api/v1/projects/{id}"), None).await {
            self.expect(&answer, &id, 200);
        }
    }

    async fn list(&mut self) {
        if let Ended::Answered(answer) = self.send("GET", "/api/v1/projects?limit=20", None).await {
            assert_eq!(answer.status, 200, "{}", answer.text);
            for project in answer.json["data"].as_array().unwrap() {
                let (id, name) = (project["id"].as_str().unwrap(), project["name"].as_str().unwrap());
                let known = self.expected.projects.contains_key(id) || self.expected.attempted.contains(name);
                assert!(known && !self.expected.gone.contains(id), "{name} cannot be there");
            }
        }
    }

    async fn create(&mut self) {
        let name = self.text();
        match self.send("POST", "/api/v1/projects", Some(json!({ "name": name, "description": self.mark }))).await {
            Ended::Answered(answer) => {
                assert_eq!(answer.status, 201, "{}", answer.text);
                self.expected.projects.insert(answer.json["id"].as_str().unwrap().to_owned(), name);
            }
            Ended::Cancelled => {
                self.expected.attempted.insert(name);
            }
        }
    }

    async fn change(&mut self) {
        let (id, description) = (self.any_project(), self.text());
        let body = json!({ "description": description, "status": "paused" });
        if let Ended::Answered(answer) = self.send("PATCH", &format!("/api/v1/projects/{id}"), Some(body)).await {
            self.expect(&answer, &id, 200);
        }
    }

    async fn delete(&mut self) {
        let id = self.any_project();
        if id == self.home {
            return self.show().await;
        }
        match self.send("DELETE", &format!("/api/v1/projects/{id}"), None).await {
            Ended::Answered(answer) => {
                self.expect(&answer, &id, 204);
                self.expected.projects.remove(&id);
                self.expected.doubtful.remove(&id);
                self.expected.gone.insert(id);
            }
            Ended::Cancelled => {
                self.expected.doubtful.insert(id);
            }
        }
    }

    async fn count(&mut self) {
        if let Ended::Answered(answer) = self.send("GET", "/api/v1/projects/statistics", None).await {
            assert_eq!(answer.status, 200, "{}", answer.text);
            let count = |what: &str| answer.json[what]["total"].as_u64().unwrap() as usize;
            let Expected { projects, doubtful, attempted, tasks, attempted_tasks, .. } = &self.expected;
            assert!((projects.len() - doubtful.len()..=projects.len() + attempted.len()).contains(&count("projects")));
            assert!((tasks.len()..=tasks.len() + attempted_tasks.len()).contains(&count("tasks")));
        }
    }

    async fn add_task(&mut self) {
        let title = self.text();
        let body = json!({ "project": self.home, "title": title, "description": self.mark });
        match self.send("POST", "/api/v1/tasks", Some(body)).await {
            Ended::Answered(answer) => {
                assert_eq!(answer.status, 201, "{}", answer.text);
                self.expected.tasks.insert(title);
            }
            Ended::Cancelled => {
                self.expected.attempted_tasks.insert(title);
            }
        }
    }

    /// Asks for another tenant's project, or tries to delete or change it.
    async fn trespass(&mut self) {
        let id = self.foreign[self.dice.below(self.foreign.len())].clone();
        let (method, body) = match self.dice.below(3) {
            0 => ("GET", None),
            1 => ("DELETE", None),
            _ => ("PATCH", Some(json!({ "name": self.mark }))),
        };
        if let Ended::Answered(answer) = self.send(method, &format!("/api/v1/projects/{id}"), body).await {
            assert_eq!(answer.status, 404, "{}", answer.text);
        }
    }

    /// One of the tenant's projects, perhaps one that is no longer there.
    fn any_project(&mut self) -> String {
        let projects = &self.expected.projects;
        projects.keys().nth(self.dice.below(projects.len())).unwrap().clone()
    }

    fn text(&mut self) -> String {
        self.count += 1;
        format!("{} {}", self.mark, self.count)
    }

    #[track_caller]
    fn expect(&self, answer: &Response, id: &str, status: u16) {
        let may_be_gone = answer.status == 404 && self.expected.doubtful.contains(id);
        assert!(answer.status == status || may_be_gone, "{} for {id}: {}", answer.status, answer.text);
    }

    /// Sends a request; one in ten is cut short somewhere between its first byte and its answer.
    async fn send(&mut self, method: &str, path: &str, body: Option<Value>) -> Ended {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.caller.token,
            body.len(),
        );
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => Wire::open(&self.caller.base).await,
        };
        let answer = if self.dice.below(10) == 0 {
            self.cut_short(&mut wire, request.as_bytes()).await
        } else {
            assert!(wire.send(&request).await, "the server hung up");
            Some(wire.answer().await.expect("an answer to what was sent whole"))
        };
        let Some(answer) = answer else {
            self.cancelled += 1;
            return Ended::Cancelled;
        };
        assert!(answer.status < 500, "{}", answer.text);
        assert_eq!(foreign(&answer.text, &self.mark), None, "{method} {path} told {}", answer.text);
        if answer.header("connection") != "close" {
            self.wire = Some(wire);
        }
        Ended::Answered(answer)
    }

    /// Sends some of the request, perhaps all, and waits a little; an answer may come in that time.
    async fn cut_short(&mut self, wire: &mut Wire, request: &[u8]) -> Option<Response> {
        let whole = self.dice.below(8) != 0;
        let sent = if whole { request.len() } else { self.dice.below(request.len()) };
        wire.send(&request[..sent]).await;
        let patience = Duration::from_micros(self.dice.below(4000) as u64);
        timeout(patience, wire.answer()).await.ok().flatten()
    }
}
