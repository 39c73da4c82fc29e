//! `cargo xtask openapi`: the OpenAPI document as a file, for who has no server at hand.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

const FILE: &str = "openapi.json";
/// The top of the project, wherever the command is typed.
const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Write openapi.json, or hold it to the code.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if the file is not what the code makes.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let made = tenantry_api::openapi();
    let file = Path::new(TOP).join(FILE);
    if arguments.check {
        return check(&file, &made);
    }
    fs::write(&file, text(&made)).with_context(|| format!("{FILE} cannot be written"))?;
    super::say(&format!("wrote {FILE}"));
    Ok(())
}

/// Names what the file says otherwise than the code.
fn check(file: &Path, made: &Value) -> Result<()> {
    let written = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    if written == text(made) {
        return Ok(());
    }
    let parsed = serde_json::from_str(&written).with_context(|| format!("{} is not JSON", file.display()))?;
    let mut differing = differing(&parsed, made);
    if differing.is_empty() {
        differing.push("how it is written".to_owned());
    }
    bail!("{FILE} is not what the code makes; run cargo xtask openapi. It differs in:\n  {}", differing.join("\n  "))
}

/// Indented, its keys in order, with a line's end at its end.
fn text(document: &Value) -> String {
    format!("{document:#}\n")
}

/// The operations that two documents have differently, then the components, then the rest.
fn differing(one: &Value, other: &Value) -> Vec<String> {
    let mut found = inside("paths", one, other, |path, method| format!("{} {path}", method.to_uppercase()));
    found.extend(inside("components", one, other, |kind, name| format!("components/{kind}/{name}")));
    found.extend(changed(one, other).filter(|key| !matches!(*key, "paths" | "components")).map(str::to_owned));
    found
}

/// What differs two levels below a part of the document.
fn inside(part: &str, one: &Value, other: &Value, name: impl Fn(&str, &str) -> String) -> Vec<String> {
    let (one, other) = (at(one, part), at(other, part));
    let differing = changed(one, other).map(|key| (key, at(one, key), at(other, key)));
    differing
        .flat_map(|(key, one, other)| changed(one, other).map(|inner| name(key, inner)).collect::<Vec<_>>())
        .collect()
}

/// The keys under which two objects differ.
fn changed<'a>(one: &'a Value, other: &'a Value) -> impl Iterator<Item = &'a str> {
    let keys =
        [one, other].into_iter().filter_map(Value::as_object).flat_map(|object| object.keys().map(String::as_str));
    keys.collect::<BTreeSet<_>>().into_iter().filter(|key| one.get(key) != other.get(key))
}

fn at<'a>(value: &'a Value, key: &str) -> &'a Value {
    value.get(key).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_file_is_what_the_code_makes() {
        check(&Path::new(TOP).join(FILE), &tenantry_api::openapi()).unwrap();
    }

    #[test]
    fn what_differs_is_named() {
        let made = tenantry_api::openapi();
        let mut old = made.clone();
        old["info"]["title"] = json!("Another");
        old["components"]["schemas"]["ProjectView"]["properties"].as_object_mut().unwrap().remove("name");
        let path = old["paths"]["/api/v1/projects/{id}"].as_object_mut().unwrap();
        path.remove("delete");
        path["get"]["summary"] = json!("Another");
        path.insert("trace".to_owned(), json!({}));

        let expected = [
            "DELETE /api/v1/projects/{id}",
            "GET /api/v1/projects/{id}",
            "TRACE /api/v1/projects/{id}",
            "components/schemas/ProjectView",
            "info",
        ];
        assert_eq!(differing(&old, &made), expected);
        assert_eq!(differing(&made, &made), [""; 0]);
    }

    #[test]
    fn a_file_that_is_written_otherwise_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, document) = (folder.path().join(FILE), json!({ "openapi": "3.1.0", "paths": {} }));

        fs::write(&file, text(&document)).unwrap();
        assert!(check(&file, &document).is_ok());

        fs::write(&file, document.to_string()).unwrap();
        assert!(check(&file, &document).unwrap_err().to_string().contains("how it is written"));
    }
}
