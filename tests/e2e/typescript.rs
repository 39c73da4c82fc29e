//! The TypeScript client that well-known tools make of openapi.json (openapi-typescript and openapi-fetch).
//!
//! The tools are pinned in tests/typescript and installed once, into the folder that cargo keeps for tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;
use tenantry_tenancy::Role;

use crate::auth::Person;
use crate::harness::{PLACEMENTS, suite};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.json");
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/typescript");
const TOOLS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/typescript");
/// What says which tools are to be installed, and from where.
const MANIFESTS: [&str; 3] = [".npmrc", "package.json", "package-lock.json"];

/// A folder with the client in it, where the tools are found.
fn client() -> TempDir {
    static CLIENT: OnceLock<String> = OnceLock::new();
    let generate = || {
        install();
        succeed(node(Path::new(TOOLS)).arg(tool("openapi-typescript/bin/cli.js")).arg(DOCUMENT))
    };
    let client = CLIENT.get_or_init(generate);
    let folder = tempfile::tempdir_in(TOOLS).unwrap();
    fs::write(folder.path().join("openapi.ts"), client).unwrap();
    folder
}

/// Installs the tools, unless they are those of the lock file already.
fn install() {
    let tools = Path::new(TOOLS);
    let installed = tools.join("node_modules/.installed");
    let lock = fs::read_to_string(Path::new(SOURCES).join("package-lock.json")).unwrap();
    if fs::read_to_string(&installed).is_ok_and(|found| found == lock) {
        return;
    }
    fs::create_dir_all(tools).unwrap();
    for manifest in MANIFESTS {
        fs::copy(Path::new(SOURCES).join(manifest), tools.join(manifest)).unwrap();
    }
    succeed(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(tools));
    fs::write(installed, lock).unwrap();
}

/// A file of a package.
fn tool(path: &str) -> PathBuf {
    Path::new(TOOLS).join("node_modules").join(path)
}

fn node(folder: &Path) -> Command {
    let mut node = Command::new("node");
    node.current_dir(folder);
    node
}

fn output(command: &mut Command) -> Output {
    let missing = "node 18.17 or newer and npm are needed; install them with: sudo apt-get install -y nodejs npm";
    command.output().unwrap_or_else(|error| panic!("{:?}: {error}; {missing}", command.get_program()))
}

fn succeed(command: &mut Command) -> String {
    let output = output(command);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed:\n{out}\n{err}");
    out.into_owned()
}

/// Type-checks a program and makes JavaScript of it: `out/program.js`.
fn compile(client: &Path, program: &str) -> Output {
    fs::write(client.join("program.ts"), program).unwrap();
    let strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--noEmitOnError"];
    let kind = ["--module", "nodenext", "--target", "es2022", "--types", "node", "--outDir", "out"];
    output(node(client).arg(tool("typescript/bin/tsc")).args(strict).args(kind).arg("program.ts"))
}

fn program() -> String {
    fs::read_to_string(Path::new(SOURCES).join("drive.ts")).unwrap()
}

#[tokio::test]
async fn a_program_drives_the_api_by_its_types() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let person = Person::new(&suite, &tenant, Role::Owner).await;

    let client = client();
    let compiled = compile(client.path(), &program());

    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stdout));
    let driven = succeed(
        node(client.path())
            .arg("out/program.js")
            .env("TENANTRY_URL", &suite.base)
            .env("TENANTRY_USERNAME", &person.username)
            .env("TENANTRY_PASSWORD", person.password),
    );
    assert_eq!(driven, "every promise of the types came true\n");
}

#[test]
fn a_program_with_a_wrong_name_or_word_does_not_type_check() {
    let mut wrong = program();
    let mistakes =
        [("it.title", "it.titel"), ("priority: \"high\"", "priority: \"huge\""), ("\"not_found\"", "\"gone\"")];
    for (right, mistake) in mistakes {
        assert!(wrong.contains(right), "{right}");
        wrong = wrong.replace(right, mistake);
    }

    let client = client();
    let compiled = compile(client.path(), &wrong);

    let told = String::from_utf8_lossy(&compiled.stdout);
    assert!(!compiled.status.success() && !client.path().join("out/program.js").exists());
    assert_eq!(told.matches("error TS").count(), mistakes.len(), "{told}");
    assert!(["'titel'", "\"huge\"", "\"gone\""].iter().all(|mistake| told.contains(mistake)), "{told}");
}

#[test]
fn the_document_obeys_openapi_3_1_and_its_examples_their_schemas() {
    let client = client();
    fs::copy(Path::new(SOURCES).join("validate.mjs"), client.path().join("validate.mjs")).unwrap();
    let validate = |document: &Path| output(node(client.path()).args([Path::new("validate.mjs"), document]));
    let mut document = tenantry_api::openapi();
    document["paths"]["/api/v1/projects"]["get"]["parameters"][0]["in"] = "nowhere".into();
    let example = "/paths/~1api~1v1~1projects/post/requestBody/content/application~1json/examples/default/value/name";
    *document.pointer_mut(example).unwrap() = "".into();
    fs::write(client.path().join("wrong.json"), document.to_string()).unwrap();

    let good = validate(Path::new(DOCUMENT));
    let wrong = validate(Path::new("wrong.json"));

    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let told = String::from_utf8_lossy(&wrong.stderr);
    assert!(told.contains("parameters/0/in") && told.contains("post/requestBody"), "{told}");
}
