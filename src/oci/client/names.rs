//! The names on a page of a listing, one after the other, so that a page of the shortest names takes
//! no more room than one of long ones.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize as _;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

/// Shows each name in this field of a page; `null` is seen where there is nothing. Answers how many
/// elements of the list are no names.
///
/// # Errors
/// It is no page of that listing: there is no such field, or errors stand beside it.
pub(super) fn each_name(
    page: &[u8],
    field: &'static str,
    show: impl FnMut(&str),
) -> serde_json::Result<usize> {
    let mut json = serde_json::Deserializer::from_slice(page);
    let unnamed = json.deserialize_map(Page { field, show })?;
    json.end()?;
    Ok(unnamed)
}

/// The object around the list.
struct Page<F> {
    field: &'static str,
    show: F,
}

impl<'de, F: FnMut(&str)> Visitor<'de> for Page<F> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of names")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<usize, A::Error> {
        let mut unnamed = None;
        while let Some(field) = fields.next_key::<Cow<'de, str>>()? {
            if field == self.field {
                if unnamed.is_some() {
                    return Err(A::Error::custom("two lists"));
                }
                unnamed = Some(fields.next_value_seed(List(&mut self.show))?);
            } else if field == "errors" {
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
    let bare = |c: &char| !c.is_ascii_whitespace();
    let text: String = errors.get().chars().filter(bare).take(5).collect();
    matches!(text.as_str(), "null" | "[]" | "{}")
}

/// The list, or nothing.
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

/// A name as it stands on the page, where that needs no change; `None` for what is none.
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
