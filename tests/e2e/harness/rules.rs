//! What SQL must keep to so that it also runs on a distributed Postgres: section 6 of the study, as far as a text shows it.

/// One rule. Texts are judged in lower case, without comments and quotes around names.
pub struct Rule {
    /// What must hold.
    pub says: &'static str,
    breaks: fn(&str) -> bool,
    /// A statement that breaks this rule and no other.
    pub planted: &'static str,
}

/// Holds for every statement, of migrations too.
pub const EVERYWHERE: &[Rule] = &[
    Rule {
        says: "no foreign key sets null or default",
        breaks: |sql| sql.contains("on delete set ") || sql.contains("on update set "),
        planted: "alter table tasks add constraint tasks_parent_fkey foreign key (tenant_id, parent_id) references tasks (tenant_id, id) on delete set null (parent_id)",
    },
    Rule {
        says: "no MERGE",
        breaks: |sql| starts(sql, "merge into "),
        planted: "merge into projects using tasks on true when matched then do nothing",
    },
    Rule { says: "no COPY", breaks: |sql| starts(sql, "copy "), planted: "copy projects from stdin" },
    Rule {
        says: "the context is never set by a function",
        breaks: |sql| sql.contains("set_config("),
        planted: "select set_config('app.tenant', $1, true)",
    },
    Rule {
        says: "a change calls nothing volatile",
        breaks: |sql| changes(sql).any(|change| VOLATILE.iter().any(|function| change.contains(function))),
        planted: "update projects set updated_at = clock_timestamp() where projects.tenant_id = $1",
    },
    Rule {
        says: "RETURNING names columns only",
        breaks: |sql| after(sql, " returning ").any(|columns| until(columns, &[";", ")"]).contains('(')),
        planted: r#"INSERT INTO "projects" ("id") VALUES ($1) RETURNING to_jsonb("projects")"#,
    },
    Rule {
        says: "DO UPDATE sets excluded columns only",
        breaks: |sql| {
            after(sql, " do update set ").any(|set| until(set, &[";", " returning ", " where "]).contains('('))
        },
        planted: r#"INSERT INTO "registry"."users" ("id") VALUES ($1) ON CONFLICT ("id") DO UPDATE SET "updated_at" = now()"#,
    },
    Rule {
        says: "no enum and no domain",
        breaks: |sql| sql.contains("create domain ") || sql.contains(" as enum"),
        planted: "create type mood as enum ('good', 'bad')",
    },
    Rule {
        says: "nothing is declared immutable",
        breaks: |sql| words(sql).any(|word| word == "immutable"),
        planted: "create function sec.frozen() returns uuid language sql immutable return sec.tenant()",
    },
    Rule {
        says: "no policy has a sub-select",
        breaks: |sql| {
            let mut policies = after(sql, "create policy ").chain(after(sql, "alter policy "));
            policies.any(|policy| until(policy, &[";"]).replace("for select", "").contains("select"))
        },
        planted: "create policy rows on projects using (tenant_id = (select sec.tenant()))",
    },
    Rule {
        says: "the name of a constraint or index does not end in a digit",
        breaks: |sql| {
            let named = after(sql, "constraint ").chain(after(sql, "create index ")).chain(after(sql, "unique index "));
            named.filter_map(|rest| words(rest).next()).any(|name| name.ends_with(|c: char| c.is_ascii_digit()))
        },
        planted: "create index tasks_of_project_2 on tasks (tenant_id, project_id)",
    },
    Rule {
        says: "nothing notifies or listens",
        breaks: |sql| words(sql).any(|word| matches!(word, "notify" | "pg_notify" | "listen")),
        planted: "do $$ begin notify changes; end $$",
    },
];

/// Holds for what is sent while serving.
pub const MESSAGES: &[Rule] = &[
    Rule {
        says: "one statement is one message, save for the opening one",
        breaks: |sql| sql.contains(';'),
        planted: "select 1; select 2",
    },
    Rule {
        says: "a setting is made by the opening message only",
        breaks: |sql| (starts(sql, "set ") || sql.contains(";set ")) && !OF_THE_DRIVER.contains(&sql),
        planted: "set local app.tenant = 'x'",
    },
];

/// What the driver sends on a new connection; neither has to do with tenants.
const OF_THE_DRIVER: &[&str] = &["set time zone 'utc'", "set client_encoding to 'utf8'"];

const VOLATILE: &[&str] = &["clock_timestamp(", "timeofday(", "random(", "gen_random_uuid(", "nextval(", "pg_sleep("];

/// The first rule that a message of the service breaks.
pub fn broken_by_message(sql: &str) -> Option<&'static str> {
    let text = plain(sql);
    if is_opening(&text) {
        return None;
    }
    EVERYWHERE.iter().chain(MESSAGES).find(|rule| (rule.breaks)(&text)).map(|rule| rule.says)
}

/// Every rule that a migration breaks.
pub fn broken_by_migration(sql: &str) -> Vec<&'static str> {
    let text = plain(sql);
    EVERYWHERE.iter().filter(|rule| (rule.breaks)(&text)).map(|rule| rule.says).collect()
}

/// Lower case, one space between words, no comments, no quotes around names.
pub fn plain(sql: &str) -> String {
    let code = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    let words: Vec<&str> = code.flat_map(str::split_whitespace).collect();
    words.join(" ").replace('"', "").to_lowercase()
}

/// `BEGIN` and nothing but our settings behind it, each to a value without a quote in it.
fn is_opening(sql: &str) -> bool {
    let mut parts = sql.split(';');
    let begins = matches!(parts.next(), Some("begin" | "begin read only"));
    let is_value = |value: &str| value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':'));
    let sets = |part: &str| {
        let (name, value) = part.strip_prefix("set local ").and_then(|rest| rest.split_once('=')).unwrap_or_default();
        let value = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(value);
        matches!(name, "app.tenant" | "app.actor" | "app.request" | "search_path" | "lock_timeout") && is_value(value)
    };
    begins && parts.all(sets)
}

fn starts(sql: &str, with: &str) -> bool {
    sql.starts_with(with) || sql.contains(&format!("; {with}"))
}

/// The parts of a text that are an UPDATE or a DELETE.
fn changes(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(';').filter(|part| (part.contains("update ") && part.contains(" set ")) || part.contains("delete from "))
}

/// What comes after each occurrence of `mark`.
fn after<'a>(sql: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    sql.match_indices(mark).map(move |(at, _)| &sql[at + mark.len()..])
}

/// What comes before the first of `ends`.
fn until<'a>(text: &'a str, ends: &[&str]) -> &'a str {
    let end = ends.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    &text[..end]
}

fn words(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}
