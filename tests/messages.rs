//! Log lines, errors, help and documentation in the code are plain English: they hold none of the
//! phrases that operators stumbled over.

use std::fs;
use std::path::{Path, PathBuf};

/// Phrases of a private dialect, in lower case.
const REFUSED: [&str; 24] = [
    "nobody",
    "anybody",
    "everybody",
    "whoever",
    "somebody",
    "what is known",
    "is known of",
    "for now",
    "is asked",
    "are asked",
    "was asked",
    "is not asked",
    "asks for too much",
    "any more",
    "is none",
    "are none",
    " of ours",
    "that we may",
    "that we know",
    "who we are",
    "let in",
    "given out",
    "gives out",
    "looked through",
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The string literals of a source file above its unit tests, each with its line. Line breaks that
/// are escaped join the parts of a literal.
fn literals(text: &str) -> Vec<(usize, String)> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = rest.next() {
        match c {
            '\n' => line += 1,
            '/' if rest.peek() == Some(&'/') => {
                rest.by_ref().take_while(|c| *c != '\n').for_each(drop);
                line += 1;
            }
            '\'' => {
                // A character literal, which may be a quotation mark; a lifetime has no end.
                if rest.peek() == Some(&'\\') {
                    rest.next();
                    rest.next();
                } else if rest.peek() == Some(&'"') {
                    rest.next();
                }
            }
            '"' => {
                let begun = line;
                let raw = before == '#' || before == 'r';
                let mut literal = String::new();
                while let Some(c) = rest.next() {
                    match c {
                        '"' => break,
                        '\\' if !raw => match rest.next() {
                            Some('\n') => {
                                line += 1;
                                while rest.peek().is_some_and(|c| *c == ' ') {
                                    rest.next();
                                }
                            }
                            Some(_) => literal.push(' '),
                            None => {}
                        },
                        c => {
                            line += usize::from(c == '\n');
                            literal.push(c);
                        }
                    }
                }
                found.push((begun, literal));
            }
            _ => {}
        }
        before = c;
    }
    found
}

#[test]
fn texts_for_people_are_plain_english() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("crates"), &mut files);
    let mut refused = Vec::new();
    let mut seen = 0;
    for path in &files {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        for (line, literal) in literals(&fs::read_to_string(path).unwrap()) {
            seen += 1;
            if let Some(phrase) = phrase_in(&literal) {
                refused.push(format!("{name}:{line}: {phrase:?} in {literal:?}"));
            }
        }
    }
    assert!(seen > 1000, "{seen} literals");
    // Made of doc comments: help and the OpenAPI document.
    for made in ["docs/help.txt", "docs/openapi.json", "docs/metrics.md", "config.example.toml"] {
        for (number, line) in fs::read_to_string(root.join(made)).unwrap().lines().enumerate() {
            if let Some(phrase) = phrase_in(line) {
                refused.push(format!("{made}:{}: {phrase:?} in {line:?}", number + 1));
            }
        }
    }
    assert!(refused.is_empty(), "{} texts:\n{}", refused.len(), refused.join("\n"));
}

fn phrase_in(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    REFUSED.into_iter().find(|phrase| text.contains(phrase))
}

#[test]
fn literals_are_found_whatever_stands_around_them() {
    let text = "// \"no\"\nlet a = \"one \\\n   two\"; let c = '\"'; fn f<'a>() {}\nlet b = r#\"three\"#;\n\
                #[cfg(test)]\nmod tests { \"four\" }";
    let found: Vec<String> = literals(text).into_iter().map(|(_, literal)| literal).collect();
    assert_eq!(found, ["one two", "three"]);
}
