//! Every question that the contract lets a caller ask about an entry.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::Value;

use super::world::{Entry, SHOWN, UNSEEN};

/// A route of the contract and one of its methods.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) template: String,
    /// Whether it is answered without a token.
    pub(super) is_open: bool,
    /// By name: whether it stands in the path, and whether it may be left out.
    parameters: Vec<(String, bool, bool)>,
}

/// One question, and whether it names what is not shown.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) names_unseen: bool,
    pub(super) body: String,
}

pub(super) fn operations() -> Vec<Operation> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let contract: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut found = Vec::new();
    for (path, item) in contract["paths"].as_object().unwrap() {
        let template = path.strip_prefix("/api/v1").unwrap();
        for (method, operation) in item.as_object().unwrap() {
            // Panics on what is no method: a key that this reader would have to understand.
            let method: Method = method.to_uppercase().parse().unwrap();
            assert!([Method::GET, Method::POST].contains(&method), "{method} {path}");
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let parameter = |one: &Value| {
                let name = one["name"].as_str().unwrap().to_owned();
                let in_path = one["in"] == "path";
                assert!(in_path || one["in"] == "query", "{path} takes {name} elsewhere");
                (name, in_path, one["required"] != true)
            };
            found.push(Operation {
                method,
                template: template.to_owned(),
                is_open: operation["security"].is_null(),
                parameters: parameters.map(parameter).collect(),
            });
        }
    }
    found
}

/// All that a parameter is given when an entry is asked for.
fn values(template: &str, parameter: &str, entry: &Entry) -> Vec<String> {
    let file_name = format!("{}_prov.tar.gz", entry.name);
    let values: &[&str] = match parameter {
        "type" => &[entry.kind],
        "name" => &[entry.name],
        "version" => &[&entry.version, "latest"],
        "path" => &["main.k"],
        "against" => &[&entry.version],
        "tag" => &[&entry.version],
        // Its other parameters make enough questions.
        "asset" | "source" if template.ends_with("/files") => match parameter {
            "asset" => &[&entry.file],
            _ => &["oci"],
        },
        // Only Gitea's files are called like their repository.
        "asset" if entry.kind == "provider" => &[&entry.file, &file_name],
        "asset" => &[&entry.file],
        "source" => &["gitea", "oci", "local"],
        "q" => &[entry.name, UNSEEN],
        "constraint" => &["*", &format!("={}", entry.version)],
        "prerelease" => &["true"],
        "limit" => &["1000"],
        "offset" => &["0"],
        "backend" => &["gitea"],
        "sort" => &["published"],
        "keyword" => &[UNSEEN],
        other => panic!("{template} takes {other}: say here what it is given to see too much"),
    };
    values.iter().map(|&value| value.to_owned()).collect()
}

impl Operation {
    /// Every way to fill the parameters for an entry.
    fn filled(&self, entry: &Entry) -> Vec<BTreeMap<&str, String>> {
        let mut all = vec![BTreeMap::new()];
        for (name, _, optional) in &self.parameters {
            let given = values(&self.template, name, entry);
            // A page decides nothing but how much is shown: always the most.
            let page = ["limit", "offset"].contains(&name.as_str());
            let left_out = if *optional && !page { all.clone() } else { Vec::new() };
            let with = |value: &String| {
                let value = value.clone();
                all.iter().cloned().map(move |mut one| {
                    one.insert(name.as_str(), value.clone());
                    one
                })
            };
            all = given.iter().flat_map(with).chain(left_out).collect();
        }
        all
    }

    fn asked(&self, entry: &Entry, filled: &BTreeMap<&str, String>) -> Asked {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (mut target, mut query) = (self.template.clone(), Vec::new());
        for (name, in_path, _) in &self.parameters {
            let Some(value) = filled.get(name.as_str()) else { continue };
            if *in_path {
                let place = format!("{{{name}}}");
                assert!(target.contains(&place), "{} lacks {name}", self.template);
                target = target.replace(&place, &encoded(value));
            } else {
                query.push(format!("{name}={}", encoded(value)));
            }
        }
        assert!(!target.contains('{'), "{target} has a parameter that its list lacks");
        if !query.is_empty() {
            target = format!("{target}?{}", query.join("&"));
        }
        let names_unseen = self.template.contains("{name}") && names_unseen(entry, filled);
        let body = format!(r#"{{"repository":{{"name":"{}_prov"}}}}"#, entry.name);
        Asked { method: self.method.clone(), target, names_unseen, body }
    }

    /// Every question about every entry, as it is and with a slash at the end of its path.
    pub(super) fn matrix(&self, entries: &[Entry]) -> Vec<Asked> {
        let mut known = BTreeSet::new();
        let all = entries.iter().flat_map(|entry| {
            self.filled(entry).into_iter().flat_map(move |filled| {
                let asked = self.asked(entry, &filled);
                [asked.clone(), asked.with_slash()]
            })
        });
        all.filter(|asked| known.insert(asked.target.clone())).collect()
    }

    /// Of each entry's questions the one with the most parameters and the one with the fewest, both
    /// with a slash at the end too.
    pub(super) fn ends<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) -> Vec<Asked> {
        let ends = |entry: &Entry| {
            let filled = self.filled(entry);
            let ends = [filled.first(), filled.last()].map(|one| self.asked(entry, one.unwrap()));
            let [first, last] = ends.clone();
            ends.into_iter().chain([first.with_slash(), last.with_slash()])
        };
        entries.into_iter().flat_map(ends).collect()
    }
}

impl Asked {
    /// The same question with a slash at the end of its path.
    fn with_slash(self) -> Self {
        let target = match self.target.split_once('?') {
            Some((path, query)) => format!("{path}/?{query}"),
            None => format!("{}/", self.target),
        };
        Self { target, ..self }
    }
}

/// Whether an answer could only be one about what is not shown.
fn names_unseen(entry: &Entry, filled: &BTreeMap<&str, String>) -> bool {
    let given = |name: &str| filled.get(name).map(String::as_str);
    let version = match (given("version"), given("tag")) {
        (Some("latest"), tag @ Some(_)) => tag,
        (version, _) => version,
    };
    // `1.0.0` is shown of each extension that is shown, and `latest` is a rule, not the tag.
    let hidden = version.is_some_and(|version| !["1.0.0", "latest"].contains(&version))
        && version == Some(&entry.version);
    let is_of_shown = SHOWN.contains(&entry.name);
    !entry.shown && (!is_of_shown || hidden || given("asset") == Some(&entry.file))
}
