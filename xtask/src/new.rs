//! `cargo xtask new <module>/<resource> name:type…`: writes a resource, from its migration to its tests.
//!
//! The texts lie in `xtask/templates`; what goes into each field's places is in [`fields`]. One-line registrations go above
//! the comments `xtask new: …` that mark their places.

mod fields;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use fields::Field;

/// What is to be made.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The module and the resource in the plural: `crm/customers`. A module that does not exist is made.
    resource: String,
    /// Fields as `name:type`. Types: `line`, `text`, `integer`, `boolean`, `date`, or the words of a closed set: `open|closed`.
    /// The first field must be a line: what one is called, and what lists are sorted by.
    #[arg(required = true)]
    fields: Vec<String>,
    /// One of them, where the plural does not tell.
    #[arg(long)]
    singular: Option<String>,
    /// The workspace.
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

/// A resource and its names.
struct Resource {
    module: String,
    things: String,
    thing: String,
    path: String,
    /// The first field's name.
    title: String,
    fields: Vec<Field>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let resource = Resource::parse(arguments)?;
    let mut workspace =
        Workspace { root: arguments.root.clone(), files: BTreeMap::new(), made: Vec::new(), registered: 0 };
    ensure!(workspace.root.join("crates/tenancy").is_dir(), "{} is not the workspace", workspace.root.display());
    ensure!(
        !workspace.root.join(format!("crates/infra/src/{}.rs", resource.things)).exists(),
        "there is a resource {} already",
        resource.things
    );
    if !workspace.root.join("crates").join(&resource.module).is_dir() {
        workspace.make_module(&resource)?;
    }
    workspace.make_resource(&resource)?;
    workspace.save()?;
    for file in &workspace.made {
        println!("made {file}");
    }
    println!("{} lines of registration; next: cargo xtask openapi, {}", workspace.registered, resource.path);
    Ok(())
}

impl Resource {
    fn parse(arguments: &Arguments) -> Result<Self> {
        let (module, things) = arguments.resource.split_once('/').context("name it <module>/<resource>")?;
        let thing = match &arguments.singular {
            Some(singular) => singular.clone(),
            None => singular(things).context("give --singular: the plural does not tell")?,
        };
        for name in [module, things, &thing] {
            check_name(name)?;
        }
        ensure!(thing != *things, "singular and plural must differ");
        let fields = arguments.fields.iter().map(|raw| Field::parse(raw)).collect::<Result<Vec<_>>>()?;
        let title =
            fields.first().filter(|field| field.is_line()).context("the first field must be a line")?.name.clone();
        let names: std::collections::BTreeSet<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        ensure!(names.len() == fields.len(), "a field is given twice");
        let segment = things.replace('_', "-");
        let path = format!("/api/v1/{module}/{segment}");
        Ok(Self { module: module.to_owned(), things: things.to_owned(), thing, path, title, fields })
    }

    /// A template with everything filled in.
    fn fill(&self, template: &str) -> String {
        let mut text = template.to_owned();
        for (block, lines) in fields::blocks(&self.fields, &self.title, &pascal(&self.thing), &self.things) {
            text = text.replace(&format!("%%{block}%%"), lines.trim_end());
        }
        let title = &self.title;
        let (words, plural_words) = (self.thing.replace('_', " "), self.things.replace('_', " "));
        let capital = format!("{}{}", plural_words[..1].to_uppercase(), &plural_words[1..]);
        let types = fields::types(&self.fields, &pascal(&self.thing));
        let types_of_rows = fields::types_of_rows(&self.fields, &pascal(&self.thing));
        for (token, value) in [
            ("%Plural_words%", capital.as_str()),
            ("%plural_words%", &plural_words),
            ("%words%", &words),
            ("%Things%", &pascal(&self.things)),
            ("%Thing%", &pascal(&self.thing)),
            ("%things%", &self.things),
            ("%thing%", &self.thing),
            ("%Module%", &pascal(&self.module)),
            ("%module%", &self.module),
            ("%Title%", &pascal(title)),
            ("%title%", title),
            ("%path%", &self.path),
            ("%types%", &types),
            ("%infra_types%", &types_of_rows),
        ] {
            text = text.replace(token, value);
        }
        for (token, value) in fields::inline(&self.fields, &self.thing) {
            text = text.replace(&format!("%{token}%"), &value);
        }
        text
    }
}

/// The tree that is written to: all at the end, or nothing where anything is amiss.
struct Workspace {
    root: PathBuf,
    /// What files will say.
    files: BTreeMap<String, String>,
    made: Vec<String>,
    registered: usize,
}

impl Workspace {
    fn make_module(&mut self, resource: &Resource) -> Result<()> {
        let module = &resource.module;
        let package = format!("tenantry-{module}");
        let manifest = self.read("crates/work/Cargo.toml")?;
        let manifest = manifest.replace("tenantry-work", &package);
        let manifest: Vec<String> = manifest
            .lines()
            .map(|line| {
                if line.starts_with("description") {
                    format!("description = \"The {module} module.\"")
                } else {
                    line.to_owned()
                }
            })
            .collect();
        self.write(&format!("crates/{module}/Cargo.toml"), &(manifest.join("\n") + "\n"))?;
        self.write(
            &format!("crates/{module}/src/lib.rs"),
            &resource.fill(include_str!("../templates/module_lib.rs.txt")),
        )?;
        self.write(
            &format!("crates/{module}/src/testing.rs"),
            &resource.fill(include_str!("../templates/module_testing.rs.txt")),
        )?;

        self.after("Cargo.toml", "tenantry-tenancy = ", &format!("{package} = {{ path = \"crates/{module}\" }}"))?;
        for user in ["app", "infra", "api"] {
            let line = format!("{package}.workspace = true");
            self.after(&format!("crates/{user}/Cargo.toml"), "tenantry-tenancy", &line)?;
        }
        let line = format!("{package} = {{ workspace = true, features = [\"testing\"] }}");
        self.after("tests/Cargo.toml", "tenantry-tenancy", &line)?;
        let share =
            "/// The %module% module's share.\nfn %module%(&mut self) -> &mut dyn tenantry_%module%::%Module%Tx;";
        self.above("crates/app/src/store.rs", "shares", &resource.fill(share))?;
        let accessor = "/// The %module% module's share.\npub fn %module%(&mut self) -> &mut dyn tenantry_%module%::%Module%Tx {\nself.0.%module%()\n}";
        self.above("crates/app/src/store.rs", "accessors", &resource.fill(accessor))?;
        let accessor = "fn %module%(&mut self) -> &mut dyn tenantry_%module%::%Module%Tx {\nself\n}\n";
        self.above("crates/infra/src/tenant_tx.rs", "shares", &resource.fill(accessor))?;
        let slice = "impl tenantry_%module%::%Module%Tx for PgTenantTx {\n// xtask new: %module%\n}\n";
        self.above("crates/infra/src/tenant_tx.rs", "modules", &resource.fill(slice))?;
        let contract = "contract!(the_repositories_of_the_%module%_module_keep_its_contract, %module%, tenantry_%module%::testing::CONTRACT);";
        self.above("tests/e2e/contracts.rs", "contracts", &resource.fill(contract))?;
        self.above_row("ARCHITECTURE.md", "| `app` |", &format!("| `{module}` | `tenancy` | nothing |"))
    }

    fn make_resource(&mut self, resource: &Resource) -> Result<()> {
        let (module, things) = (&resource.module, &resource.things);
        let number = self.next_migration()?;
        let folder = format!("{number:04}_{things}");
        for (file, text) in [
            (format!("migrations/tenant/{folder}/up.sql"), include_str!("../templates/migration.sql.txt")),
            (
                format!("migrations/tenant/{folder}/down.sql"),
                "delete from search_words where tenant_id is not null and resource = '%things%';\ndrop table %things%;\n",
            ),
            (format!("crates/{module}/src/{things}.rs"), include_str!("../templates/domain.rs.txt")),
            (format!("crates/{module}/src/testing/{things}.rs"), include_str!("../templates/memory.rs.txt")),
            (format!("crates/infra/src/{things}.rs"), include_str!("../templates/infra.rs.txt")),
            (format!("crates/api/src/{things}.rs"), include_str!("../templates/api.rs.txt")),
            (format!("tests/e2e/{things}.rs"), include_str!("../templates/e2e.rs.txt")),
        ] {
            self.write(&file, &resource.fill(text))?;
        }

        let lib = format!("crates/{module}/src/lib.rs");
        let testing = format!("crates/{module}/src/testing.rs");
        for (file, place, text) in [
            (lib.as_str(), "resources", "pub mod %things%;"),
            (
                &lib,
                "repositories",
                "/// The tenant's %plural_words%.\nfn %things%(&mut self) -> &mut dyn %things%::%Thing%Repo;\n",
            ),
            (
                &testing,
                "modules",
                "mod %things%;\n\npub use crate::%things%::Mock%Thing%Repo;\nuse crate::%things%::{%Thing%, %Thing%Id, %Thing%Repo, New%Thing%, %types%};\n\n%%new_for_tests%%",
            ),
            (&testing, "tables", "%things%: BTreeMap<%Thing%Id, %Thing%>,"),
            (&testing, "empty tables", "%things%: BTreeMap::new(),"),
            (&testing, "accessors", "fn %things%(&mut self) -> &mut dyn %Thing%Repo {\nself\n}\n"),
            (&testing, "mocks", "/// The tenant's %plural_words%.\npub %things%: Mock%Thing%Repo,"),
            (&testing, "mocked accessors", "fn %things%(&mut self) -> &mut dyn %Thing%Repo {\n&mut self.%things%\n}\n"),
            (
                &testing,
                "contract",
                "(\"what is stored comes back\", |tx| Box::pin(%things%::what_is_stored_comes_back(tx))),\n(\"a change touches what it names and counts up\", |tx| Box::pin(%things%::a_change_touches_what_it_names_and_counts_up(tx))),\n(\"what is deleted is gone\", |tx| Box::pin(%things%::what_is_deleted_is_gone(tx))),\n(\"a list is sorted and searched page by page\", |tx| Box::pin(%things%::a_list_is_sorted_and_searched_page_by_page(tx))),",
            ),
            (
                "crates/tenancy/src/permissions.rs",
                "permissions",
                "/// See %plural_words%.\nRead%Things% = \"%things%:read\",\n/// Create, change and delete %plural_words%.\nWrite%Things% = \"%things%:write\",",
            ),
            ("crates/infra/src/lib.rs", "resources", "mod %things%;"),
            (
                "crates/infra/src/schema.rs",
                "tables",
                "diesel::table! {\n    %things% (tenant_id, id) {\n        tenant_id -> Uuid,\n        id -> Uuid,\n%%table_columns%%\n        version -> Int8,\n        created_at -> Timestamptz,\n        updated_at -> Timestamptz,\n    }\n}\n\ndiesel::allow_tables_to_appear_in_same_query!(search_words, %things%);\n",
            ),
            ("crates/infra/src/schema.rs", "tenant tables", "%things%,"),
            (
                "crates/infra/src/tenant_tx.rs",
                module.as_str(),
                "fn %things%(&mut self) -> &mut dyn tenantry_%module%::%things%::%Thing%Repo {\nself\n}\n",
            ),
            ("crates/api/src/openapi/examples.rs", "examples", "%%examples%%"),
            ("crates/api/src/lib.rs", "resources", "mod %things%;"),
            ("crates/api/src/lib.rs", "routes", "%things%::routes(&mut routes);"),
            ("tests/e2e/main.rs", "resources", "mod %things%;"),
        ] {
            self.above(file, place, &resource.fill(text))?;
        }
        let line = format!("{number} \"{folder}\",");
        self.above("crates/infra/src/migrations/sets.rs", "migrations", &line)
    }

    /// The number of the next migration of tenants.
    fn next_migration(&self) -> Result<u32> {
        let mut newest = 0;
        for folder in fs::read_dir(self.root.join("migrations/tenant"))? {
            let name = folder?.file_name().into_string().unwrap_or_default();
            newest = newest.max(name.split('_').next().and_then(|number| number.parse().ok()).unwrap_or(0));
        }
        Ok(newest + 1)
    }

    fn read(&self, file: &str) -> Result<String> {
        match self.files.get(file) {
            Some(text) => Ok(text.clone()),
            None => fs::read_to_string(self.root.join(file)).with_context(|| format!("cannot read {file}")),
        }
    }

    fn write(&mut self, file: &str, text: &str) -> Result<()> {
        ensure!(!self.root.join(file).exists(), "{file} exists already");
        self.files.insert(file.to_owned(), text.to_owned());
        self.made.push(file.to_owned());
        Ok(())
    }

    /// Adds lines above the comment that marks their place.
    fn above(&mut self, file: &str, place: &str, lines: &str) -> Result<()> {
        let mark = format!("// xtask new: {place}");
        self.edit(file, lines, |line| line.trim() == mark, &mark)
    }

    /// Adds a line above one of a table.
    fn above_row(&mut self, file: &str, row: &str, line: &str) -> Result<()> {
        self.edit(file, line, |found| found.starts_with(row), row)
    }

    fn edit(&mut self, file: &str, lines: &str, is_place: impl Fn(&str) -> bool, mark: &str) -> Result<()> {
        let text = self.read(file)?;
        let place = text.lines().position(&is_place).with_context(|| format!("{file} has no place marked {mark}"))?;
        let mut all: Vec<&str> = text.lines().collect();
        // What lies in a macro is not formatted by anybody else.
        let indent: String =
            all.get(place).map(|line| line.chars().take_while(|it| *it == ' ').collect()).unwrap_or_default();
        let lines: Vec<String> =
            lines.lines().map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") }).collect();
        let lines = lines.join("\n");
        all.insert(place, &lines);
        self.registered += lines.lines().count();
        self.files.insert(file.to_owned(), all.join("\n") + "\n");
        Ok(())
    }

    /// Adds a line behind the first that begins so.
    fn after(&mut self, file: &str, begins: &str, line: &str) -> Result<()> {
        let text = self.read(file)?;
        let mut all: Vec<&str> = text.lines().collect();
        let place = all
            .iter()
            .position(|found| found.starts_with(begins))
            .with_context(|| format!("{file} has no line {begins}"))?;
        all.insert(place + 1, line);
        self.registered += 1;
        self.files.insert(file.to_owned(), all.join("\n") + "\n");
        Ok(())
    }

    fn save(&self) -> Result<()> {
        for (file, text) in &self.files {
            let path = self.root.join(file);
            fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            fs::write(&path, text).with_context(|| format!("cannot write {file}"))?;
        }
        let status = Command::new("cargo").args(["fmt", "--all"]).current_dir(&self.root).status()?;
        ensure!(status.success(), "what was made cannot be formatted");
        Ok(())
    }
}

/// What neither a column nor a variable can be called: the reserved words of Rust and of Postgres.
const RESERVED: &str = "abstract all analyse analyze and any array as asc async asymmetric await become both box break case cast check \
    collate column const constraint continue crate create default deferrable desc distinct do dyn else end enum except extern \
    false fetch final fn for foreign from gen grant group having if impl in initially intersect into lateral leading let limit \
    loop macro match mod move mut not null offset on only or order override placing primary priv pub ref references return \
    returning select self some static struct super symmetric table then to trailing trait true try type typeof union unique \
    unsafe unsized use user using variadic virtual when where while window with yield";

fn check_name(name: &str) -> Result<()> {
    ensure!(is_name(name), "{name}: a name is lower-case letters, digits and underscores, and begins with a letter");
    ensure!(!RESERVED.split_whitespace().any(|word| word == name), "{name} is a reserved word of Rust or SQL");
    Ok(())
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_')
}

fn pascal(name: &str) -> String {
    name.split('_')
        .map(|word| format!("{}{}", word[..word.len().min(1)].to_uppercase(), &word[word.len().min(1)..]))
        .collect()
}

fn singular(plural: &str) -> Option<String> {
    let cut = |ending: &str, other: &str| plural.strip_suffix(ending).map(|stem| format!("{stem}{other}"));
    cut("ies", "y").or_else(|| cut("sses", "ss")).or_else(|| cut("s", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_reserved_word() {
        assert!(check_name("leads").is_ok());
        for refused in ["match", "user", "Leads", "1st", ""] {
            assert!(check_name(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_plural_tells_its_singular() {
        for (plural, expected) in [
            ("customers", "customer"),
            ("companies", "company"),
            ("stock_movements", "stock_movement"),
            ("addresses", "address"),
        ] {
            assert_eq!(singular(plural).as_deref(), Some(expected));
        }
        assert_eq!(singular("sheep"), None);
        assert_eq!(pascal("stock_movement"), "StockMovement");
    }
}
