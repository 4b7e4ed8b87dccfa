//! Streaming parser for the names on a page of a listing. Only one name is held at a time, so that
//! a page with very many short names takes as little memory as one with long names.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize as _;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

/// Calls `show` with each name in a field; `null` is an empty list. Returns the number of other
/// elements. Fails if the field is missing, or if the page also reports errors.
pub(super) fn each_name(
    page: &[u8],
    field: &'static str,
    show: impl FnMut(&str),
) -> serde_json::Result<usize> {
    let mut json = serde_json::Deserializer::from_slice(page);
    let unnamed = json.deserialize_map(NamesPage { field, show })?;
    // Text after the object indicates a damaged page, which may lack names.
    json.end()?;
    Ok(unnamed)
}

struct NamesPage<F> {
    field: &'static str,
    show: F,
}

impl<'de, F: FnMut(&str)> Visitor<'de> for NamesPage<F> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of names")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<usize, A::Error> {
        let mut unnamed = None;
        while let Some(field) = fields.next_key::<Cow<'de, str>>()? {
            if field == self.field {
                // Two fields of one name are ambiguous: parsers differ in which one counts.
                if unnamed.is_some() {
                    return Err(A::Error::custom("two lists"));
                }
                unnamed = Some(fields.next_value_seed(List(&mut self.show))?);
            } else if field == "errors" {
                // An error document may come with status 200, and a list beside it would be
                // incomplete.
                if !is_nothing(fields.next_value::<&RawValue>()?) {
                    return Err(A::Error::custom("errors in place of a list"));
                }
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        unnamed.ok_or_else(|| A::Error::custom(format_args!("no field {}", self.field)))
    }
}

fn is_nothing(errors: &RawValue) -> bool {
    let bare = errors.get().chars().filter(|c| !c.is_ascii_whitespace());
    let text: String = bare.take(5).collect();
    matches!(text.as_str(), "null" | "[]" | "{}")
}

struct List<'a, F>(&'a mut F);

impl<'de, F: FnMut(&str)> DeserializeSeed<'de> for List<'_, F> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, list: D) -> Result<usize, D::Error> {
        list.deserialize_option(self)
    }
}

impl<'de, F: FnMut(&str)> Visitor<'de> for List<'_, F> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_none<E>(self) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_some<D: Deserializer<'de>>(self, list: D) -> Result<usize, D::Error> {
        list.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<usize, A::Error> {
        let mut unnamed = 0;
        while let Some(name) = names.next_element_seed(Name)? {
            match name {
                Some(name) => (self.0)(&name),
                None => unnamed += 1,
            }
        }
        Ok(unnamed)
    }
}

/// Borrows the name from the page if it has no escapes. `None` if it is not a string.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Self::Value, D::Error> {
        let raw = <&'de RawValue>::deserialize(name)?.get();
        let plain = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Ok(match plain {
            Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
            Some(_) => serde_json::from_str(raw).ok().map(Cow::Owned),
            None => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(page: &str, field: &'static str) -> Option<(Vec<String>, usize)> {
        let mut names = Vec::new();
        let unnamed = each_name(page.as_bytes(), field, |name| names.push(name.to_owned())).ok()?;
        Some((names, unnamed))
    }

    #[test]
    fn pages_of_either_listing_are_read() {
        for (page, field, expected, unnamed) in [
            (r#"{"repositories":["a","b\u0063"]}"#, "repositories", &["a", "bc"][..], 0),
            (r#"{"name":{"x":[1]},"tags":["1.0"],"more":null}"#, "tags", &["1.0"], 0),
            (r#"{"name":"x","tags":null}"#, "tags", &[], 0),
            (r#"{"tags":[1,"1.0",null,["x"]],"errors":[]}"#, "tags", &["1.0"], 3),
            (r#"{"tags":["a"],"repositories":["b"]}"#, "tags", &["a"], 0),
        ] {
            let (names, found) = names(page, field).unwrap();
            assert_eq!(names, expected, "{page}");
            assert_eq!(found, unnamed, "{page}");
        }
        for nonsense in [
            "",
            "[]",
            "null",
            "{}",
            r#"{"tags":"a"}"#,
            r#"{"tags":{}}"#,
            r#"{"tags":["a"]"#,
            "{}x",
            r#"{"errors":[{"code":"x"}]}"#,
            r#"{"errors":["x"],"tags":null}"#,
            r#"{"message":"please log in"}"#,
            r#"{"repositories":["a"]}"#,
            r#"{"Tags":["a"]}"#,
            r#"{"tags":[],"tags":["a"]}"#,
        ] {
            assert_eq!(names(nonsense, "tags"), None, "{nonsense}");
        }
    }
}
