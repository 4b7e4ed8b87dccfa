//! docs/reliability.md and docs/security.md against the tests: each row has its test, and whatever
//! they name exists.

use std::fs;
use std::path::{Path, PathBuf};

/// The rows without a test of their own; the document says why.
const EXCUSED: [usize; 1] = [35];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> String {
    fs::read_to_string(root().join("docs/reliability.md")).unwrap()
}

/// All Rust sources below these directories, by their path from the root.
fn sources(directories: &[&str]) -> Vec<(String, String)> {
    let mut left: Vec<PathBuf> = directories.iter().map(|name| root().join(name)).collect();
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            found.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    found
}

/// The number and the last cell of each row whose number begins so.
fn rows(document: &str, prefix: &str) -> Vec<(usize, String)> {
    let numbered = |line: &str| {
        let mut cells = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim);
        let number = cells.next()?.strip_prefix(prefix)?.parse().ok()?;
        Some((number, cells.next_back()?.to_owned()))
    };
    document.lines().filter_map(numbered).collect()
}

/// What stands in backticks.
fn named(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_row_check_and_figure_is_told_once_and_in_order() {
    let document = document();
    for (prefix, count) in [("", 53), ("S", 24), ("R", 30), ("F", 34)] {
        let numbers: Vec<usize> = rows(&document, prefix).iter().map(|(row, _)| *row).collect();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "{prefix}");
    }
}

#[test]
fn every_row_names_exactly_the_files_that_test_it() {
    let tests = sources(&["tests"]);
    let mut untested = Vec::new();
    for (number, shown) in rows(&document(), "") {
        let test = format!("\nfn row_{number:02}_");
        let asynchronous = format!("\nasync fn row_{number:02}_");
        let testing = |text: &str| text.contains(&test) || text.contains(&asynchronous);
        let mut files: Vec<&str> =
            tests.iter().filter(|(_, text)| testing(text)).map(|(file, _)| &**file).collect();
        let mut told: Vec<&str> = named(&shown).filter(|name| name.starts_with("tests/")).collect();
        files.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, files, "row {number}");
        if files.is_empty() {
            untested.push(number);
        }
    }
    assert_eq!(untested, EXCUSED);
}

#[test]
fn whatever_shows_a_promise_exists() {
    let document = document();
    let code = sources(&["tests", "src", "crates", "benches"]);
    for prefix in ["", "S", "R", "F"] {
        for (number, shown) in rows(&document, prefix) {
            let mut names = named(&shown).peekable();
            let shows = names.peek().is_some() || shown.starts_with("not promised: ");
            assert!(shows, "{prefix}{number}: {shown}");
            for name in names {
                // A script, and what it is asked for; or a function.
                let (path, part) = name.split_once(' ').unwrap_or((name, ""));
                let is_there = match fs::read_to_string(root().join(path)) {
                    Ok(text) => text.contains(part),
                    Err(_) => code.iter().any(|(_, text)| text.contains(&format!("fn {name}("))),
                };
                assert!(is_there, "{prefix}{number} names {name}, which is not there");
            }
        }
    }
}

/// That page names files by their end, and tests by their beginning: `row_29`, `readmes.rs`.
#[test]
fn whatever_the_page_on_security_names_as_a_test_exists() {
    let document = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let code = sources(&["tests", "src", "crates"]);
    let mut named_tests = 0;
    for line in document.lines().filter(|line| line.starts_with("| ")) {
        let Some(cell) = line.trim_end_matches('|').rsplit('|').next() else { continue };
        // The table of actors names no tests.
        for name in named(cell).filter(|name| name.contains('_') || name.contains(".rs")) {
            let is_there = code
                .iter()
                .any(|(file, text)| file.ends_with(name) || text.contains(&format!("fn {name}")));
            assert!(is_there, "{name} is not there: {line}");
            named_tests += 1;
        }
    }
    assert!(named_tests > 60, "{named_tests}");
}
