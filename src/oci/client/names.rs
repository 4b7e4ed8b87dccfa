//! The names on a page of a listing, one after the other, so that a page of the shortest names takes
//! no more room than one of long ones.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// Shows each name of a page of either listing; `null` is seen where there is nothing.
///
/// # Errors
/// It is no page of a listing.
pub(super) fn each_name(page: &[u8], show: impl FnMut(&str)) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_slice(page);
    json.deserialize_map(Page(show))?;
    json.end()
}

/// The object around the list.
struct Page<F>(F);

impl<'de, F: FnMut(&str)> Visitor<'de> for Page<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of names")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<(), A::Error> {
        let mut is_known = false;
        while let Some(field) = fields.next_key::<Cow<'de, str>>()? {
            if matches!(&*field, "repositories" | "tags") {
                if std::mem::replace(&mut is_known, true) {
                    return Err(A::Error::custom("two lists"));
                }
                fields.next_value_seed(List(&mut self.0))?;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The list, or nothing.
struct List<'a, F>(&'a mut F);

impl<'de, F: FnMut(&str)> DeserializeSeed<'de> for List<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, list: D) -> Result<(), D::Error> {
        list.deserialize_option(self)
    }
}

impl<'de, F: FnMut(&str)> Visitor<'de> for List<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, list: D) -> Result<(), D::Error> {
        list.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<(), A::Error> {
        while let Some(name) = names.next_element_seed(Name)? {
            (self.0)(&name);
        }
        Ok(())
    }
}

/// A name as it stands on the page, where that needs no change.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(page: &str) -> Option<Vec<String>> {
        let mut names = Vec::new();
        each_name(page.as_bytes(), |name| names.push(name.to_owned())).ok()?;
        Some(names)
    }

    #[test]
    fn pages_of_either_listing_are_read() {
        for (page, expected) in [
            (r#"{"repositories":["a","b\u0063"]}"#, &["a", "bc"][..]),
            (r#"{"name":{"x":[1]},"tags":["1.0"],"more":null}"#, &["1.0"]),
            (r#"{"name":"x","tags":null}"#, &[]),
            (r#"{"errors":[{"code":"x"}]}"#, &[]),
            (" {} ", &[]),
        ] {
            assert_eq!(names(page).unwrap(), expected, "{page}");
        }
        for nonsense in
            ["", "[]", "null", r#"{"tags":"a"}"#, r#"{"tags":[1]}"#, r#"{"tags":["a"]"#, "{}x"]
        {
            assert_eq!(names(nonsense), None, "{nonsense}");
        }
        assert_eq!(names(r#"{"tags":[],"repositories":[]}"#), None);
    }
}
