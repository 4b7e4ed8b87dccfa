//! The shape of the tree: what imports what, and how large files and types are. Cargo checks which
//! crate may use which; `shape` checks the files.

mod shape;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use crate::architecture::tree::{CRATES, paths};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> impl Iterator<Item = PathBuf> {
    CRATES.iter().flat_map(|(_, folder)| paths(&root().join(folder)))
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
fn nothing_below_the_api_knows_http_frameworks() {
    for name in ["core", "oci", "packing", "backends", "catalog"] {
        let manifest =
            fs::read_to_string(root().join(format!("crates/{name}/Cargo.toml"))).unwrap();
        let used = manifest.split("[dev-dependencies]").next().unwrap();
        for framework in ["axum", "tower-http", "utoipa-axum", "clap"] {
            assert!(!used.contains(&format!("\n{framework}.")), "{name} uses {framework}");
        }
    }
}

#[test]
fn the_shared_part_of_oci_needs_only_models_and_errors() {
    let shared = ["artifact", "claims", "documents", "layers", "models", "unlisted"];
    for file in shared.map(|name| format!("crates/backends/src/oci/{name}.rs")) {
        let code = code(&root().join(&file));
        for named in named_after(&code, "registry_core::") {
            assert!(["models", "error"].contains(&named), "{file} names {named}");
        }
        for named in named_after(&code, "crate::") {
            assert_eq!(named, "oci", "in {file}");
        }
    }
}

#[test]
fn local_takes_from_oci_only_the_shared_part() {
    for path in paths(&root().join("crates/backends/src/local")) {
        for named in named_after(&code(&path), "crate::oci::") {
            assert!(
                [
                    "artifact",
                    "claims",
                    "documents",
                    "manifest_type",
                    "models",
                    "object",
                    "referrers_index",
                    "unlisted"
                ]
                .contains(&named),
                "{} names {named}",
                path.display()
            );
        }
    }
}

#[test]
fn files_are_of_a_size_to_be_read() {
    let mut sizes: Vec<(usize, PathBuf)> = sources()
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
fn one_file_of_a_crate_spells_the_base_path() {
    for path in sources() {
        let code = code(&path);
        let production = code.split("#[cfg(test)]\nmod tests").next().unwrap();
        // Tests of a module spell the paths that they expect.
        let may = ["crates/public/src/paths.rs", "crates/web/src/links/api.rs"]
            .map(|path| root().join(path))
            .contains(&path);
        assert!(may || !production.contains("\"/api/v1"), "{} spells it", path.display());
    }
}
