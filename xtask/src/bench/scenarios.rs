//! What is asked of the server, and what the server asks of Postgres for it.

use std::fmt;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// `GET /projects/{id}`.
    Read,
    /// The same by an API key instead of an access token.
    KeyRead,
    /// `GET /projects?limit=50`.
    List,
    /// `POST /projects`.
    Create,
    /// Of a hundred requests 80 reads, 15 lists and 5 creates.
    Mix,
}

impl Scenario {
    pub(crate) const ALL: [Self; 5] = [Self::Read, Self::KeyRead, Self::List, Self::Create, Self::Mix];

    /// Its name for people and for `wrk.lua`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::KeyRead => "key_read",
            Self::List => "list",
            Self::Create => "create",
            Self::Mix => "mix",
        }
    }

    /// The kinds of request in it, with how many of a hundred there are.
    pub(crate) const fn requests(self) -> &'static [(Request, u64)] {
        match self {
            Self::Read | Self::KeyRead => &[(Request::Read, 100)],
            Self::List => &[(Request::List, 100)],
            Self::Create => &[(Request::Create, 100)],
            Self::Mix => &[(Request::Read, 80), (Request::List, 15), (Request::Create, 5)],
        }
    }

    /// Whether it leaves rows behind.
    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Mix)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// One project.
    Read,
    /// The newest 50.
    List,
    /// A new one.
    Create,
}

impl Request {
    /// Its name in file names.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Create => "create",
        }
    }

    /// The statement that the server sends for it, as diesel writes it (`crates/infra/src/projects.rs`), with pgbench's
    /// variables.
    ///
    /// The variables `tenant` and `id` are numbers, all that pgbench can compute: the fixed digits before them make a UUID
    /// of them ([`population`](super::population)), for a tenth of a microsecond each.
    pub(crate) const fn statement(self) -> &'static str {
        match self {
            Self::Read => {
                "SELECT \"projects\".\"id\", \"projects\".\"name\", \"projects\".\"description\", \
                 \"projects\".\"status\", \"projects\".\"version\", \"projects\".\"created_at\", \
                 \"projects\".\"updated_at\" FROM \"projects\" \
                 WHERE ((\"projects\".\"tenant_id\" = ('0000000000004' || :tenant::text)::uuid) \
                 AND (\"projects\".\"id\" = ('019a000000007' || :id::text)::uuid))"
            }
            Self::List => {
                "SELECT \"projects\".\"id\", \"projects\".\"name\", \"projects\".\"description\", \
                 \"projects\".\"status\", \"projects\".\"version\", \"projects\".\"created_at\", \
                 \"projects\".\"updated_at\" FROM \"projects\" \
                 WHERE ((\"projects\".\"tenant_id\" = ('0000000000004' || :tenant::text)::uuid) \
                 AND (\"projects\".\"id\" < :last::uuid)) ORDER BY \"projects\".\"id\" DESC LIMIT :limit::int8"
            }
            Self::Create => {
                "INSERT INTO \"projects\" (\"id\", \"name\", \"description\", \"status\") \
                 VALUES (('019a000000007' || :id::text)::uuid, :name::text, :description::text, :status::text) \
                 RETURNING \"projects\".\"id\", \"projects\".\"name\", \"projects\".\"description\", \
                 \"projects\".\"status\", \"projects\".\"version\", \"projects\".\"created_at\", \
                 \"projects\".\"updated_at\""
            }
        }
    }

    /// How many rows the statement gives.
    pub(crate) const fn rows(self) -> usize {
        match self {
            Self::Read | Self::Create => 1,
            // One more than is shown tells whether there is a next page.
            Self::List => 51,
        }
    }

    /// Whether its transaction writes.
    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::Create)
    }
}
