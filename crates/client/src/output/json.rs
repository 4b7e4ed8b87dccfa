//! JSON: an array, lines, and failures.

use std::fmt::Write as _;

use serde::Serialize;

use crate::failure::{ClientFailure, Result};

/// A failure as programs read it.
#[derive(Serialize)]
struct FailureBody<'a> {
    error: &'a str,
    message: String,
    hint: Option<&'a str>,
    exit: u8,
}

/// Formats one array with an object per line.
pub(super) fn array<T: Serialize>(objects: &[T]) -> Result<String> {
    let rows = objects.iter().map(object).collect::<Result<Vec<String>>>()?;
    Ok(if rows.is_empty() { "[]\n".to_owned() } else { format!("[{}]\n", rows.join(",\n ")) })
}

/// Formats one object per line.
pub(super) fn lines<T: Serialize>(objects: &[T]) -> Result<String> {
    let rows = objects.iter().map(object).collect::<Result<Vec<String>>>()?;
    Ok(rows.into_iter().map(|row| row + "\n").collect())
}

/// Formats a failure.
pub(super) fn failure(failure: &ClientFailure) -> String {
    let kind = failure.kind();
    let message = failure.messages().collect::<Vec<_>>().join("; ");
    let body =
        FailureBody { error: kind.word(), message, hint: failure.hint_text(), exit: kind.code() };
    // Texts and a number always have a JSON form.
    object(&body).map(|text| text + "\n").unwrap_or_default()
}

fn object<T: Serialize>(value: &T) -> Result<String> {
    let text = serde_json::to_string(value);
    let text =
        text.map_err(|error| ClientFailure::failed(format!("no JSON can be made: {error}")))?;
    Ok(without_controls(&text))
}

/// JSON allows the control characters from U+007F on, and terminals obey some.
fn without_controls(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            // Never an error: a string takes any text.
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn arrays_and_lines_have_an_object_per_line_without_controls() {
        assert_eq!(array::<u8>(&[]).unwrap(), "[]\n");
        assert_eq!(array(&["a", "b\u{9b}"]).unwrap(), "[\"a\",\n \"b\\u009b\"]\n");
        assert_eq!(lines(&[1, 2]).unwrap(), "1\n2\n");
    }

    #[test]
    fn a_failure_is_one_object_on_one_line() {
        let failures = vec![
            ClientFailure::new(FailureKind::NotFound, "a"),
            ClientFailure::failed("b").hint("c"),
        ];
        assert_eq!(
            failure(&ClientFailure::join(failures).unwrap()),
            "{\"error\":\"not_found\",\"message\":\"a; b\",\"hint\":null,\"exit\":3}\n"
        );
    }
}
