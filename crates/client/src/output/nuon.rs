//! NUON, the data notation of Nushell: tables, with sizes and times as values of their own.

use serde::Serialize;

use crate::failure::Result;
use crate::output::tree::OutputTree;

/// Fields that hold bytes, and fields that hold times.
const SIZES: [&str; 1] = ["size"];
const TIMES: [&str; 5] = ["published_at", "checked_at", "last_asked_at", "last_success", "since"];
/// Words that NUON would read as something else than text.
const KEYWORDS: [&str; 6] = ["true", "false", "null", "nan", "inf", "infinity"];

/// Formats objects as one table, or as a list if their fields differ.
pub(super) fn text<T: Serialize>(objects: &[T]) -> Result<String> {
    Ok(value("", &OutputTree::of(objects)?) + "\n")
}

fn value(field: &str, tree: &OutputTree) -> String {
    match tree {
        OutputTree::Null => "null".to_owned(),
        OutputTree::Bool(value) => value.to_string(),
        OutputTree::Number(number) if SIZES.contains(&field) => format!("{number}b"),
        OutputTree::Number(number) => number.to_string(),
        OutputTree::Text(text) if TIMES.contains(&field) && is_time(text) => text.clone(),
        OutputTree::Text(text) => quoted(text),
        OutputTree::List(items) => table(items).unwrap_or_else(|| list(items)),
        OutputTree::Record(fields) => {
            let fields = fields
                .iter()
                .map(|(name, tree)| format!("{}: {}", quoted(name), value(name, tree)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Formats records with the same fields as a table.
fn table(items: &[OutputTree]) -> Option<String> {
    let Some(OutputTree::Record(first)) = items.first() else { return None };
    if first.is_empty() {
        return None;
    }
    let columns: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    let mut rows = Vec::with_capacity(items.len());
    for item in items {
        let OutputTree::Record(fields) = item else { return None };
        if !fields.iter().map(|(name, _)| name.as_str()).eq(columns.iter().copied()) {
            return None;
        }
        let cells = fields.iter().map(|(name, tree)| value(name, tree));
        rows.push(format!("[{}]", cells.collect::<Vec<_>>().join(", ")));
    }
    let columns: Vec<String> = columns.into_iter().map(quoted).collect();
    Some(format!("[[{}]; {}]", columns.join(", "), rows.join(", ")))
}

fn list(items: &[OutputTree]) -> String {
    let items: Vec<String> = items.iter().map(|item| value("", item)).collect();
    format!("[{}]", items.join(", "))
}

/// Returns a bare word if NUON reads it as text, else a string in double quotes.
fn quoted(text: &str) -> String {
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !KEYWORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_word {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => quoted.extend(character.escape_unicode()),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns true for a time such as `2026-09-03T09:00:00Z`.
fn is_time(text: &str) -> bool {
    let form = "dddd-dd-ddTdd:dd:dd";
    text.ends_with('Z')
        && text.len() > form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            wanted => byte == wanted,
        })
        && text.bytes().skip(form.len()).all(|byte| byte.is_ascii_digit() || b".Z".contains(&byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_records_are_a_table_with_sizes_and_times() {
        let rows = json!([
            {"id": "provider/aws", "size": 3123, "published_at": "2026-09-03T09:00:00Z"},
            {"id": "aws", "size": null, "published_at": "soon"},
        ]);
        assert_eq!(
            text(rows.as_array().unwrap()).unwrap(),
            "[[id, published_at, size]; [\"provider/aws\", 2026-09-03T09:00:00Z, 3123b], \
             [aws, soon, null]]\n"
        );
    }

    #[test]
    fn other_values_are_lists_records_and_quoted_texts() {
        for (value, expected) in [
            (json!([]), "[]"),
            (json!([1, true, null]), "[1, true, null]"),
            (json!([{"a": 1}, {"b": [2.5]}]), "[{a: 1}, {b: [2.5]}]"),
            (
                json!(["true", "1.2.0", "", "a b", "x_1"]),
                "[\"true\", \"1.2.0\", \"\", \"a b\", x_1]",
            ),
            (json!(["q\"\\\u{1b}"]), "[\"q\\\"\\\\\\u{1b}\"]"),
            (json!([{"a-b": {"size": 1}}]), "[[\"a-b\"]; [{size: 1b}]]"),
        ] {
            assert_eq!(text(value.as_array().unwrap()).unwrap(), format!("{expected}\n"));
        }
    }
}
