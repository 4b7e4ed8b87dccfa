//! American spelling in code, comments and documents, so that one search finds every use of a word.

use std::fs;
use std::path::{Path, PathBuf};

/// Beginnings of British spellings, in lower case.
const BRITISH: [&str; 20] = [
    "catalogue",
    "organis",
    "licence",
    "behaviour",
    "honour",
    "colour",
    "favour",
    "neighbour",
    "recognis",
    "normalis",
    "initialis",
    "serialis",
    "synchronis",
    "optimis",
    "authoris",
    "analyse",
    "labell",
    "dialled",
    "dialling",
    "artefact",
];

/// Names that other programs know: metrics, a value of their labels, alerts and a state file; and a
/// fixture; the name of a file that publishers spell so.
const EXEMPT: [&str; 11] = [
    "extension_registry_catalogue_",
    "\"catalogue\"",
    "extensionregistrycatalogue",
    "catalogue.json",
    "search-catalogue",
    "`catalogue`",
    "blob, catalogue, contents",
    "\"licence\"",
    "\"licences\"",
    "license licenses licence",
    "    licences notices",
];

/// What is not ours to spell, and this list.
const LEFT_OUT: [&str; 3] = ["tests/fixtures", "tests/spelling.rs", "docs/demo.svg"];

fn files_below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn spelling_is_american() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> =
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Dockerfile", "Cargo.toml"]
            .map(|name| root.join(name))
            .into();
    for dir in ["src", "crates", "tests", "benches", "docs", "deploy", "scripts", ".github"] {
        files_below(&root.join(dir), &mut files);
    }
    assert!(files.len() > 300, "{} files", files.len());
    let mut found = Vec::new();
    for path in files {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if LEFT_OUT.iter().any(|left_out| name.starts_with(left_out)) {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            let exempted =
                EXEMPT.iter().fold(line.to_lowercase(), |line, name| line.replace(name, ""));
            if BRITISH.iter().any(|word| exempted.contains(word)) {
                found.push(format!("{name}:{}: {line}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "British spelling:\n{}", found.join("\n"));
}
