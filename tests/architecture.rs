//! The direction of imports: each module names only those that stand before it.

mod shape;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may import beside itself. `docs/architecture.md` says why.
const MAY_IMPORT: [(&str, &[&str]); 29] = [
    ("models", &[]),
    ("error", &["models"]),
    ("trace", &[]),
    ("token_bucket", &[]),
    ("config_reader", &["models"]),
    ("caching", &["error", "trace"]),
    ("files", &[]),
    ("backend", &["models", "error", "trace"]),
    ("http", &["models", "error", "trace", "config_reader", "files", "backend"]),
    ("gitea", &["models", "error", "config_reader", "files", "caching", "backend", "http"]),
    ("oci", &["models", "error", "config_reader", "files", "caching", "backend", "http"]),
    ("local", &["models", "error", "config_reader", "files", "backend", "oci"]),
    ("artifacts", &["models", "error", "files", "caching", "backend", "metrics"]),
    ("catalog", &["models", "error", "files", "token_bucket", "caching", "backend"]),
    ("urls", &["models"]),
    ("edge", &["models", "error", "trace", "token_bucket", "caching", "urls", "metrics"]),
    ("public", &[]),
    (
        "answers",
        &[
            "models",
            "error",
            "caching",
            "backend",
            "artifacts",
            "catalog",
            "urls",
            "edge",
            "public",
            "metrics",
        ],
    ),
    (
        "api",
        &[
            "models",
            "error",
            "caching",
            "backend",
            "artifacts",
            "catalog",
            "urls",
            "edge",
            "public",
            "answers",
            "metrics",
        ],
    ),
    ("server", &[]),
    ("config", &["models", "config_reader", "http", "gitea", "oci", "local"]),
    ("metrics", &[]),
    ("logging", &[]),
    ("build_info", &[]),
    ("cli", &["build_info"]),
    (
        "app",
        &[
            "models",
            "error",
            "files",
            "token_bucket",
            "backend",
            "http",
            "gitea",
            "local",
            "oci",
            "artifacts",
            "catalog",
            "urls",
            "edge",
            "answers",
            "api",
            "server",
            "urls",
            "config",
            "metrics",
            "build_info",
        ],
    ),
    (
        "commands",
        &[
            "models",
            "error",
            "files",
            "backend",
            "http",
            "cli",
            "config",
            "config_reader",
            "app",
            "logging",
            "urls",
        ],
    ),
    (
        "fuzzed",
        &["models", "backend", "http", "gitea", "oci", "edge", "api", "config", "config_reader"],
    ),
    ("lib", &[]),
];

/// What each part of the catalog may import of the others. Only `state` names the whole catalog.
const CATALOG_MAY_IMPORT: [(&str, &[&str]); 18] = [
    ("rules", &[]),
    ("persistent_instant", &[]),
    ("ownership", &[]),
    ("search", &[]),
    ("backend_order", &[]),
    ("deadline", &[]),
    ("errors", &[]),
    ("retagged", &[]),
    ("lookup", &[]),
    ("unsaved", &[]),
    ("stored", &[]),
    ("index", &["rules", "persistent_instant", "ownership", "search", "stored"]),
    ("store", &["rules", "unsaved", "index"]),
    ("pins", &["unsaved", "stored", "index", "store"]),
    ("health", &["rules", "persistent_instant", "index", "store"]),
    (
        "sync",
        &[
            "rules",
            "persistent_instant",
            "deadline",
            "errors",
            "retagged",
            "lookup",
            "index",
            "store",
            "health",
        ],
    ),
    (
        "read",
        &[
            "rules",
            "ownership",
            "backend_order",
            "deadline",
            "errors",
            "retagged",
            "lookup",
            "index",
            "store",
            "pins",
            "health",
        ],
    ),
    (
        "state",
        &["Catalog", "persistent_instant", "unsaved", "stored", "index", "store", "pins", "sync"],
    ),
];

/// What only some modules may name at all: a crate, and the modules that may.
const OUTSIDE: [(&str, &[&str]); 5] = [
    ("axum", &["edge", "answers", "api", "server", "app"]),
    ("tower_http", &["edge", "api", "app"]),
    ("clap", &["cli"]),
    ("toml", &["config_reader", "local"]),
    // What callers send is compared, never run as a pattern.
    ("regex", &[]),
];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(root()).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Code without comments, which may name anything.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn named_after<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(prefix).map(move |(at, _)| {
        let rest = &code[at + prefix.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn modules_import_only_what_stands_before_them() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.into();
    let mut wrong = BTreeSet::new();
    for path in sources(&root()) {
        let module = module_of(&path);
        if module == "main" {
            continue;
        }
        let may = allowed.get(module.as_str()).unwrap_or_else(|| panic!("{module} has no place"));
        for named in named_after(&code(&path), "crate::") {
            if named != module && !may.contains(&named) {
                wrong.insert(format!("{} names crate::{named}", path.display()));
            }
        }
    }
    assert_eq!(wrong, BTreeSet::new());
}

#[test]
fn parts_of_the_catalog_import_only_what_stands_before_them() {
    let allowed: BTreeMap<&str, &[&str]> = CATALOG_MAY_IMPORT.into();
    let mut wrong = BTreeSet::new();
    let catalog = root().join("catalog");
    for path in sources(&catalog) {
        let relative = path.strip_prefix(&catalog).unwrap().components().next().unwrap();
        let part = relative.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let may = allowed.get(part.as_str()).unwrap_or_else(|| panic!("{part} has no place"));
        let code = code(&path);
        let production = code.split("#[cfg(test)]").next().unwrap();
        for named in named_after(production, "crate::catalog::") {
            if named != part && !named.is_empty() && !may.contains(&named) {
                wrong.insert(format!("{} names {named}", path.display()));
            }
        }
    }
    assert_eq!(wrong, BTreeSet::new());
}

#[test]
fn nothing_below_the_api_knows_http_frameworks() {
    let mut wrong = BTreeSet::new();
    for path in sources(&root()) {
        let module = module_of(&path);
        for (name, users) in OUTSIDE {
            let named = code(&path).contains(&format!("{name}::"));
            if named && module != "main" && !users.contains(&module.as_str()) {
                wrong.insert(format!("{} names {name}", path.display()));
            }
        }
    }
    assert_eq!(wrong, BTreeSet::new());
}

#[test]
fn the_shared_part_of_oci_needs_only_models_and_errors() {
    let shared =
        ["artifact", "claims", "documents", "layers", "lenient", "models", "object", "unlisted"];
    for file in shared.map(|name| format!("oci/{name}.rs")) {
        for named in named_after(&code(&root().join(&file)), "crate::") {
            assert!(["models", "error", "oci"].contains(&named), "{file} names {named}");
        }
    }
}

#[test]
fn local_takes_from_oci_only_the_shared_part() {
    for path in sources(&root().join("local")) {
        for named in named_after(&code(&path), "crate::oci::") {
            assert!(
                ["artifact", "claims", "documents", "models", "object", "unlisted"]
                    .contains(&named),
                "{} names {named}",
                path.display()
            );
        }
    }
}

#[test]
fn files_are_of_a_size_to_be_read() {
    let mut sizes: Vec<(usize, PathBuf)> = sources(&root())
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("//!"), "{} does not say its job", path.display());
            let production = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            (production.lines().count(), path)
        })
        .collect();
    sizes.sort();
    let (largest, path) = sizes.last().unwrap();
    assert!(*largest <= 500, "{} has {largest} lines", path.display());
    assert!(sizes[sizes.len() / 2].0 <= 120, "half of the files are longer than 120 lines");
    assert!(sizes[sizes.len() * 9 / 10].0 <= 300, "more than one in ten is longer than 300 lines");
}

#[test]
fn only_urls_spell_the_base_path() {
    let mut wrong = BTreeSet::new();
    for path in sources(&root()) {
        let code = code(&path);
        let production = code.split("#[cfg(test)]\nmod tests").next().unwrap();
        // Tests of a module spell the paths that they expect.
        if path != root().join("urls.rs") && production.contains("\"/api/v1") {
            wrong.insert(path.display().to_string());
        }
    }
    assert_eq!(wrong, BTreeSet::new());
}
