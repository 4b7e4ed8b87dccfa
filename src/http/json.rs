//! Bounded parsing of JSON from backends: three bytes of text can become hundreds in memory.

use serde::de::{DeserializeOwned, Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::http::memory_budget::MemoryBudget;

/// Estimated bytes per object: at least twice the largest type, as a growing list is held twice.
const OBJECT: usize = 384;
/// Estimated bytes per other value.
const VALUE: usize = 72;
/// Upper bounds on the estimated size of one document, in bytes, with little and with much room.
const LITTLE: usize = 1024 * 1024;
const MUCH: usize = 8 * 1024 * 1024;
/// Maximum nesting depth, including skipped values.
const DEPTH: usize = 128;

/// Parses one document. `BackendFaulty` if it does not parse, or as oversized beyond the bound.
pub fn document<T: DeserializeOwned>(json: &[u8], room: MemoryBudget) -> Result<T> {
    let Shape { weight, depth } = shape_of(json);
    if weight > room.of(LITTLE, MUCH) {
        return Err(room.lacks(Error::faulty("A backend's response has too many values")));
    }
    if depth > DEPTH {
        return Err(too_deep());
    }
    serde_json::from_slice(json).map_err(broken)
}

/// Calls `take` with each row of an array, one at a time. `BackendFaulty` or the error of `take`.
pub fn each_row(json: &[u8], take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    check_depth(json)?;
    let mut list = serde_json::Deserializer::from_slice(json);
    // Serde errors only carry text, so that the error of `take` travels beside them.
    let mut refusal = None;
    let read = list.deserialize_seq(EachRow { take, refusal: &mut refusal });
    let read = read.and_then(|()| list.end());
    match refusal {
        Some(error) => Err(error),
        None => read.map_err(broken),
    }
}

/// Fails with `BackendFaulty` for deep nesting, also in the parts that a parser skips.
pub fn check_depth(json: &[u8]) -> Result<()> {
    if shape_of(json).depth > DEPTH { Err(too_deep()) } else { Ok(()) }
}

fn too_deep() -> Error {
    Error::faulty("A backend's response is nested too deeply")
}

fn broken(error: serde_json::Error) -> Error {
    Error::faulty("A backend's response is not valid JSON").because(error)
}

struct EachRow<'a, F> {
    take: F,
    refusal: &'a mut Option<Error>,
}

impl<'de, F: FnMut(&[u8]) -> Result<()>> Visitor<'de> for EachRow<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut rows: A) -> std::result::Result<(), A::Error> {
        while let Some(row) = rows.next_element::<&RawValue>()? {
            if let Err(error) = (self.take)(row.get().as_bytes()) {
                *self.refusal = Some(error);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

struct Shape {
    /// Upper bound on its size in memory, in bytes.
    weight: usize,
    depth: usize,
}

fn shape_of(json: &[u8]) -> Shape {
    let (mut objects, mut values) = (0_usize, 0_usize);
    let (mut level, mut depth) = (0_usize, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json {
        match byte {
            // Brackets and commas inside strings are text and add no values.
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                objects += usize::from(*byte == b'{');
                values += usize::from(*byte == b'[');
                level += 1;
                depth = depth.max(level);
            }
            b'}' | b']' if !in_text => level = level.saturating_sub(1),
            b',' if !in_text => values += 1,
            _ => {}
        }
    }
    // Saturating: the text is hostile input, and a wrapped sum would pass the bound.
    let built = objects.saturating_mul(OBJECT).saturating_add(values.saturating_mul(VALUE));
    Shape { weight: json.len().saturating_add(built), depth }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_texts_has_no_weight_but_its_length() {
        for (json, objects, values) in [
            (r#"{}"#, 1, 0),
            (r#"[1,2,3]"#, 0, 3),
            (r#"{"a":"{,[\"{\\"}"#, 1, 0),
            (r#"[{"a":1},{"b":[]}]"#, 2, 3),
        ] {
            let built = objects * OBJECT + values * VALUE;
            assert_eq!(shape_of(json.as_bytes()).weight, json.len() + built, "{json}");
        }
    }

    #[test]
    fn little_that_would_become_much_is_refused_before_it_does() {
        let empty = format!("[{}{{}}]", "{},".repeat(100_000));
        let refused = document::<Vec<serde_json::Value>>(empty.as_bytes(), MemoryBudget::Much);
        assert!(!refused.unwrap_err().is_oversized(), "there is no more room than that");
        let hundreds = format!("[{}{{}}]", "{},".repeat(5_000));
        let read = |room| document::<Vec<serde_json::Value>>(hundreds.as_bytes(), room);
        assert!(read(MemoryBudget::Little).unwrap_err().is_oversized());
        assert_eq!(read(MemoryBudget::Much).unwrap().len(), 5_001);
        assert!(!document::<u8>(b"x", MemoryBudget::Little).unwrap_err().is_oversized());
    }

    #[test]
    fn deep_values_are_not_even_passed_over() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(each_row(nested(DEPTH).as_bytes(), |_| Ok(())).is_ok());
        assert!(each_row(nested(DEPTH + 1).as_bytes(), |_| Ok(())).is_err());
        assert!(check_depth(nested(100_000).as_bytes()).is_err());
        let side_by_side = format!("[{}[]]", "[],".repeat(1_000));
        assert!(check_depth(side_by_side.as_bytes()).is_ok());
    }

    #[test]
    fn rows_come_one_by_one_until_one_is_refused() {
        let mut seen = Vec::new();
        let mut read = |json: &str| {
            seen.clear();
            let taken = each_row(json.as_bytes(), |row| {
                seen.push(String::from_utf8_lossy(row).into_owned());
                if row == b"3" { Err(Error::faulty("three")) } else { Ok(()) }
            });
            (taken.map_err(|error| error.message().to_owned()), seen.clone())
        };
        assert_eq!(read(r#"[1, {"a": [2]}]"#).1, ["1", r#"{"a": [2]}"#]);
        assert_eq!(read("[]"), (Ok(()), Vec::new()));
        let (refused, seen) = read("[3,4]");
        assert_eq!((refused, seen), (Err("three".to_owned()), vec!["3".to_owned()]));
        for broken in ["{}", "[1", "[1]x", "", "null", "[1,]"] {
            assert!(read(broken).0.is_err(), "{broken}");
        }
    }
}
