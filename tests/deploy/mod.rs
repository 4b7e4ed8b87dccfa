//! What stands in deploy/: held to the specification's own texts, to the metrics there are, and to
//! the checks of scripts/check-deploy.

mod budget;
mod compose;
mod files;
mod kubernetes;
mod monitoring;
mod nginx;
mod shared;
mod specification;

use std::fs;
use std::path::PathBuf;

use serde::Deserialize as _;
use serde_json::Value;

/// A path of the project.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every document of a YAML file.
fn yaml(name: &str) -> Vec<Value> {
    yaml_serde::Deserializer::from_str(&read(name))
        .map(|document| {
            Value::deserialize(document).unwrap_or_else(|error| panic!("{name}: {error}"))
        })
        .collect()
}

/// The one document of a YAML file.
fn yaml_document(name: &str) -> Value {
    let mut documents = yaml(name);
    assert_eq!(documents.len(), 1, "{name}");
    documents.remove(0)
}

/// Fails where `ours` lacks something of `theirs`: keys may be added, and list items, but what is
/// there stays as it is. List items with a name are compared with their namesake.
fn assert_holds(ours: &Value, theirs: &Value, place: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in theirs {
                let place = format!("{place}.{key}");
                assert_holds(ours.get(key).unwrap_or(&Value::Null), value, &place);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            for (at, value) in theirs.iter().enumerate() {
                let namesake = |item: &&Value| match value.get("name") {
                    Some(name) => item.get("name") == Some(name),
                    None => holds(item, value),
                };
                let place = format!("{place}[{at}]");
                let found = ours.iter().find(namesake);
                assert_holds(found.unwrap_or(&Value::Null), value, &place);
            }
        }
        _ => assert_eq!(ours, theirs, "{place}"),
    }
}

fn holds(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            theirs.iter().all(|(key, value)| ours.get(key).is_some_and(|found| holds(found, value)))
        }
        _ => ours == theirs,
    }
}
