//! Rules on dependencies: the layers of the architecture.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Tree, Violation};

/// What each package of ours may use of ours. A package that is not listed is a module of the business.
const LAYERS: &[(&str, Uses)] = &[
    ("tenantry-tenancy", Uses::These(&[])),
    ("tenantry-embedded-pg", Uses::These(&[])),
    ("tenantry-app", Uses::ModulesAnd(&["tenantry-tenancy"])),
    ("tenantry-auth", Uses::These(&["tenantry-tenancy"])),
    ("tenantry-infra", Uses::ModulesAnd(&["tenantry-app", "tenantry-auth", "tenantry-tenancy"])),
    ("tenantry-api", Uses::ModulesAnd(&["tenantry-app", "tenantry-auth", "tenantry-tenancy"])),
    ("embed", Uses::ModulesAnd(&["tenantry-tenancy"])),
    ("tenantry-server", Uses::All),
    ("tenantry-tests", Uses::All),
    ("xtask", Uses::All),
];
const MODULE: Uses = Uses::These(&["tenantry-tenancy"]);

/// Crates that only some packages may use; a name that ends in `-` stands for all that begin so.
const RESERVED: &[(&str, &[&str])] = &[
    ("diesel", &["tenantry-infra"]),
    ("diesel-", &["tenantry-infra"]),
    ("deadpool", &["tenantry-infra"]),
    ("deadpool-", &["tenantry-infra"]),
    ("tokio-postgres", &["tenantry-infra", "tenantry-server", "tenantry-tests", "xtask"]),
    ("postgres-", &["tenantry-infra"]),
    ("sqlx", &[]),
    ("actix-", &["tenantry-api", "tenantry-server", "tenantry-tests"]),
    ("jsonwebtoken", &["tenantry-auth"]),
    ("argon2", &["tenantry-auth"]),
    ("lettre", &["tenantry-infra"]),
];

/// Crates that reach nothing outside the process, for the layers that must not.
const PURE: &[&str] = &[
    "async-trait",
    "bytes",
    "chrono",
    "futures-util",
    "mockall",
    "serde",
    "serde_json",
    "thiserror",
    "utoipa",
    "uuid",
];

#[derive(Clone, Copy)]
enum Uses {
    These(&'static [&'static str]),
    ModulesAnd(&'static [&'static str]),
    All,
}

/// A package of the workspace.
pub(super) struct Package {
    name: String,
    dependencies: Vec<Dependency>,
    /// Relative to the root.
    manifest: PathBuf,
    text: String,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// None for what the package itself needs, `dev` for what its tests need.
    kind: Option<String>,
    optional: bool,
    /// Where it lies, if it is not from a registry.
    path: Option<PathBuf>,
}

/// Asks cargo for the workspace that `directory` belongs to.
pub(super) fn read(directory: &Path) -> Result<(PathBuf, Vec<Package>)> {
    #[derive(Deserialize)]
    struct Metadata {
        workspace_root: PathBuf,
        packages: Vec<Listed>,
    }
    #[derive(Deserialize)]
    struct Listed {
        name: String,
        dependencies: Vec<Dependency>,
        manifest_path: PathBuf,
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(directory)
        .output()
        .context("cargo cannot be run")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata is not as expected")?;
    let root = metadata.workspace_root;
    let packages = metadata.packages.into_iter().map(|listed| {
        let Listed { name, dependencies, manifest_path } = listed;
        let text = super::read(&manifest_path)?;
        let manifest = manifest_path.strip_prefix(&root).unwrap_or(&manifest_path).to_owned();
        Ok(Package { name, dependencies, manifest, text })
    });
    let packages = packages.collect::<Result<_>>()?;
    Ok((root, packages))
}

/// Which of our packages uses which.
pub(super) fn layers(tree: &Tree) -> Result<Vec<Violation>> {
    let is_module = |name: &str| LAYERS.iter().all(|(listed, _)| *listed != name);
    let broken = |package: &Package, dependency: &Dependency| {
        let name = dependency.name.as_str();
        let allowed = match package.layer() {
            Uses::All => true,
            Uses::These(these) => these.contains(&name),
            Uses::ModulesAnd(these) => is_module(name) || these.contains(&name),
        };
        // The tests of a package may use the package itself, with more features.
        dependency.path.is_some() && !allowed && name != package.name
    };
    Ok(search(tree, broken, |package, dependency| format!("{package} must not depend on {dependency}")))
}

/// Which package knows SQL, HTTP and cryptography.
pub(super) fn reserved_crates(tree: &Tree) -> Result<Vec<Violation>> {
    let broken = |package: &Package, dependency: &Dependency| {
        let is = |reserved: &str| {
            dependency.name == reserved || reserved.ends_with('-') && dependency.name.starts_with(reserved)
        };
        let mut rules = RESERVED.iter().filter(|(reserved, _)| is(reserved));
        // The more exact of two rules comes first.
        rules.next().is_some_and(|(_, users)| !users.contains(&package.name.as_str()))
    };
    Ok(search(tree, broken, |package, dependency| format!("{dependency} is not for {package}")))
}

/// The vocabulary, the modules and the application reach nothing outside the process.
pub(super) fn no_input_or_output(tree: &Tree) -> Result<Vec<Violation>> {
    let broken = |package: &Package, dependency: &Dependency| {
        let pure = match package.layer() {
            Uses::These(_) => !matches!(package.name.as_str(), "tenantry-auth" | "tenantry-embedded-pg"),
            Uses::ModulesAnd(_) => package.name == "tenantry-app",
            Uses::All => false,
        };
        let is_needed = dependency.kind.is_none() && dependency.path.is_none();
        pure && is_needed && !PURE.contains(&dependency.name.as_str())
    };
    Ok(search(tree, broken, |package, dependency| {
        format!("{package} does no input or output; is {dependency} free of it? then list it in PURE")
    }))
}

/// Production builds go without the private Postgres.
pub(super) fn no_private_postgres_in_production(tree: &Tree) -> Result<Vec<Violation>> {
    let broken = |package: &Package, dependency: &Dependency| {
        package.name == "tenantry-server" && dependency.name == "tenantry-embedded-pg" && !dependency.optional
    };
    Ok(search(tree, broken, |package, dependency| format!("{dependency} is an optional dependency of {package}")))
}

/// The lints of the workspace are those of every package.
pub(super) fn workspace_lints(tree: &Tree) -> Result<Vec<Violation>> {
    let inherits = |package: &&Package| {
        let mut section = package.text.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
        section.any(|line| line == "workspace = true")
    };
    let missing = tree.packages.iter().filter(|package| !inherits(package));
    Ok(missing
        .map(|package| Violation {
            file: package.manifest.clone(),
            line: 1,
            rule: "every package has the lints of the workspace: [lints] workspace = true".to_owned(),
        })
        .collect())
}

impl Package {
    fn layer(&self) -> Uses {
        LAYERS.iter().find(|(name, _)| *name == self.name).map_or(MODULE, |(_, uses)| *uses)
    }

    /// The line of the manifest where a dependency is named.
    fn line_of(&self, dependency: &str) -> usize {
        let names = |line: &str| line.split(['.', ' ', '=']).next() == Some(dependency);
        self.text.lines().position(names).map_or(1, |index| index + 1)
    }
}

fn search(
    tree: &Tree,
    broken: impl Fn(&Package, &Dependency) -> bool,
    rule: impl Fn(&str, &str) -> String,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for package in &tree.packages {
        let broken = package.dependencies.iter().filter(|dependency| broken(package, dependency));
        found.extend(broken.map(|dependency| Violation {
            file: package.manifest.clone(),
            line: package.line_of(&dependency.name),
            rule: rule(&package.name, &dependency.name),
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::super::testing::found;
    use super::*;

    /// What a rule finds in the packages, each given by its folder, its name and the lines of its dependencies. The
    /// first dependency is on line 4.
    fn found_in(rule: Rule, packages: &[(&str, &str)]) -> Vec<String> {
        let mut files = Vec::new();
        for (folder, dependencies) in packages {
            let name = format!("tenantry-{folder}");
            let manifest =
                format!("[package]\nname = \"{name}\"\n[dependencies]\n{dependencies}\n[lints]\nworkspace = true\n");
            files.push((format!("crates/{folder}/Cargo.toml"), manifest));
            files.push((format!("crates/{folder}/src/lib.rs"), String::new()));
        }
        found(rule, &files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>())
    }

    fn on(folders: &[&str]) -> String {
        folders.iter().map(|folder| format!("tenantry-{folder} = {{ path = \"../{folder}\" }}\n")).collect()
    }

    #[test]
    fn a_dependency_against_the_layers_is_found() {
        let tree = |api: &str, module: &str| {
            let base = [
                ("tenancy", String::new()),
                ("work", on(&["tenancy"])),
                ("crm", module.to_owned()),
                ("app", on(&["tenancy", "work"])),
                ("auth", on(&["tenancy"])),
                ("infra", on(&["tenancy", "app", "auth", "work"])),
                ("api", api.to_owned()),
                ("server", on(&["api", "infra"])),
            ];
            found_in(layers, &base.iter().map(|(name, text)| (*name, text.as_str())).collect::<Vec<_>>())
        };

        assert_eq!(tree(&on(&["app", "auth"]), &on(&["tenancy"])), [""; 0]);
        assert_eq!(tree(&on(&["app", "infra"]), ""), ["crates/api/Cargo.toml:5"]);
        assert_eq!(tree("", &on(&["work"])), ["crates/crm/Cargo.toml:4"]);
        assert_eq!(tree("", &format!("[dev-dependencies]\n{}", on(&["app"]))), ["crates/crm/Cargo.toml:5"]);
    }

    #[test]
    fn a_crate_that_is_reserved_for_others_is_found() {
        let good = [
            ("infra", "diesel = \"2\"\ntokio-postgres = \"1\""),
            ("api", "actix-web = \"4\""),
            ("auth", "argon2 = \"1\""),
        ];
        let bad = [
            ("api", "diesel = \"2\"\nserde = \"1\"\ndiesel-async = \"1\""),
            ("work", "actix-web = \"4\""),
            ("server", "argon2 = \"1\""),
        ];

        assert_eq!(found_in(reserved_crates, &good), [""; 0]);
        assert_eq!(
            found_in(reserved_crates, &bad),
            [
                "crates/api/Cargo.toml:4",
                "crates/api/Cargo.toml:6",
                "crates/server/Cargo.toml:4",
                "crates/work/Cargo.toml:4"
            ]
        );
    }

    #[test]
    fn a_crate_that_may_do_input_or_output_is_found() {
        let good = [("tenancy", "serde = \"1\"\n[dev-dependencies]\ntokio = \"1\""), ("auth", "tokio = \"1\"")];
        let bad = [("tenancy", "serde = \"1\"\ntokio = \"1\""), ("work", "reqwest = \"1\""), ("app", "tokio = \"1\"")];

        assert_eq!(found_in(no_input_or_output, &good), [""; 0]);
        assert_eq!(
            found_in(no_input_or_output, &bad),
            ["crates/app/Cargo.toml:4", "crates/tenancy/Cargo.toml:5", "crates/work/Cargo.toml:4"]
        );
    }

    #[test]
    fn a_private_postgres_that_every_build_has_is_found() {
        let server =
            |optional| format!("tenantry-embedded-pg = {{ path = \"../embedded-pg\", optional = {optional} }}");

        let with = |optional| {
            found_in(no_private_postgres_in_production, &[("embedded-pg", ""), ("server", &server(optional))])
        };

        assert_eq!(with(true), [""; 0]);
        assert_eq!(with(false), ["crates/server/Cargo.toml:4"]);
    }

    #[test]
    fn a_package_with_lints_of_its_own_is_found() {
        let manifest = "[package]\nname = \"a\"\n[dependencies]\n[lints.rust]\nunsafe_code = \"allow\"\n";

        let found = found(workspace_lints, &[("crates/a/Cargo.toml", manifest), ("crates/a/src/lib.rs", "")]);

        assert_eq!(found, ["crates/a/Cargo.toml:1"]);
    }
}
