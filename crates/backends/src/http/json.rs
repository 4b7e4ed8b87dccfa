//! Bounded parsing of JSON from backends: three bytes of text can become hundreds in memory.

use registry_core::error::{Error, Result};
use serde::de::{DeserializeOwned, Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Estimated bytes per object: at least twice the largest type, as a growing list is held twice.
const OBJECT: usize = 384;
/// Estimated bytes per other value.
const VALUE: usize = 72;
/// Upper bound on the estimated size of one document, in bytes.
const DOCUMENT_MAX: usize = 8 * 1024 * 1024;
/// Maximum nesting depth. `serde_json` bounds the depth of values that become types, and passes over
/// all others without recursion, but takes a byte per level for these.
const DEPTH_MAX: usize = 128;

/// Parses one document. `BackendFaulty` if it does not parse, or would take too much memory.
pub fn document<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    document_of(json, &JsonSize::of(json))
}

/// Parses one document of this size like [`document`].
pub(super) fn document_of<T: DeserializeOwned>(json: &[u8], size: &JsonSize) -> Result<T> {
    if size.bytes() > DOCUMENT_MAX {
        return Err(Error::faulty("A backend's response has too many values"));
    }
    size.check_depth()?;
    serde_json::from_slice(json).map_err(broken)
}

/// Parses a JSON object like [`document`]. serde would accept an array as a struct.
pub fn object<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(Error::faulty("It is not a JSON object"));
    }
    document(json)
}

/// Calls `take` with each row of an array, one at a time. `BackendFaulty` or the error of `take`.
pub fn each_row(json: &[u8], take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    each_row_of(json, &JsonSize::of(json), take)
}

/// Calls `take` with each row of an array of this size like [`each_row`].
pub(super) fn each_row_of(
    json: &[u8],
    size: &JsonSize,
    take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    size.check_depth()?;
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

fn broken(error: serde_json::Error) -> Error {
    Error::faulty("A backend's response is not valid JSON").because(error)
}

/// Fails with `BackendFaulty` for deep nesting, also in the parts that a parser skips.
pub fn check_depth(json: &[u8]) -> Result<()> {
    JsonSize::of(json).check_depth()
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

/// Estimate of the memory that JSON takes when it is parsed, made while its text arrives.
#[derive(Debug, Default)]
pub(super) struct JsonSize {
    length: usize,
    objects: usize,
    values: usize,
    level: usize,
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl JsonSize {
    pub(super) fn of(json: &[u8]) -> Self {
        let mut size = Self::default();
        size.add(json);
        size
    }

    pub(super) fn add(&mut self, piece: &[u8]) {
        self.length = self.length.saturating_add(piece.len());
        for byte in piece {
            match byte {
                // Brackets and commas inside strings are text and add no values.
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                b'{' | b'[' if !self.in_text => {
                    self.objects += usize::from(*byte == b'{');
                    self.values += usize::from(*byte == b'[');
                    self.level += 1;
                    self.depth = self.depth.max(self.level);
                }
                b'}' | b']' if !self.in_text => self.level = self.level.saturating_sub(1),
                b',' if !self.in_text => self.values += 1,
                _ => {}
            }
        }
    }

    /// Returns the upper bound on the size in memory, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        // Saturating: the text is hostile input, and a wrapped sum would pass the bound.
        let built = self.objects.saturating_mul(OBJECT);
        self.length.saturating_add(built).saturating_add(self.values.saturating_mul(VALUE))
    }

    fn check_depth(&self) -> Result<()> {
        if self.depth > DEPTH_MAX {
            return Err(Error::faulty("A backend's response is nested too deeply"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_texts_has_no_weight_but_its_length() {
        for (json, objects, values) in [
            (r"{}", 1, 0),
            (r"[1,2,3]", 0, 3),
            (r#"{"a":"{,[\"{\\"}"#, 1, 0),
            (r#"[{"a":1},{"b":[]}]"#, 2, 3),
        ] {
            let built = objects * OBJECT + values * VALUE;
            assert_eq!(JsonSize::of(json.as_bytes()).bytes(), json.len() + built, "{json}");
            let mut in_pieces = JsonSize::default();
            json.as_bytes().chunks(1).for_each(|piece| in_pieces.add(piece));
            assert_eq!(in_pieces.bytes(), json.len() + built, "{json}");
        }
    }

    #[test]
    fn little_that_would_become_much_is_refused_before_it_does() {
        let read = |text: String| document::<Vec<serde_json::Value>>(text.as_bytes());
        let thousands = format!("[{}{{}}]", "{},".repeat(100_000));
        assert_eq!(
            read(thousands).unwrap_err().message(),
            "A backend's response has too many values"
        );
        let hundreds = format!("[{}{{}}]", "{},".repeat(5_000));
        assert_eq!(read(hundreds).unwrap().len(), 5_001);
    }

    /// Fields of one type, one passed over, and one kept as text.
    #[derive(serde::Deserialize)]
    struct Typed {
        #[serde(default)]
        inner: Option<Box<Typed>>,
        #[serde(default)]
        raw: Option<Box<RawValue>>,
    }

    #[test]
    fn a_hundred_thousand_levels_cost_no_stack_in_any_place() {
        let levels = 100_000;
        let nested = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let skipped = serde_json::from_str::<Typed>(&format!("{{\"other\":{nested}}}")).unwrap();
        assert!(skipped.inner.is_none(), "values without a place are passed over in a loop");
        let raw = serde_json::from_str::<Typed>(&format!("{{\"raw\":{nested}}}")).unwrap();
        assert_eq!(raw.raw.unwrap().get().len(), nested.len());
        let typed = format!("{}null{}", "{\"inner\":".repeat(levels), "}".repeat(levels));
        assert!(serde_json::from_str::<Typed>(&typed).is_err(), "128 levels of a type");
        assert!(serde_json::from_str::<serde_json::Value>(&nested).is_err());
        let cut = "[".repeat(levels);
        assert!(serde_json::from_str::<Typed>(&format!("{{\"other\":{cut}")).is_err());
    }

    #[test]
    fn deep_values_are_not_even_passed_over() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(each_row(nested(DEPTH_MAX).as_bytes(), |_| Ok(())).is_ok());
        assert!(each_row(nested(DEPTH_MAX + 1).as_bytes(), |_| Ok(())).is_err());
        assert!(document::<Typed>(format!("{{\"x\":{}}}", nested(100_000)).as_bytes()).is_err());
        let side_by_side = format!("[{}[]]", "[],".repeat(1_000));
        assert!(each_row(side_by_side.as_bytes(), |_| Ok(())).is_ok());
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
