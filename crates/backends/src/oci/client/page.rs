//! One page of a listing. Names are read one at a time, so that a page with very many short names takes
//! as little memory as one with long names.

use hyper::header::LINK;
use registry_core::error::{Error, Result};
use registry_core::models::digest::{Algorithm, Digest, DigestHasher};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use url::Url;

use crate::http::answer::UpstreamResponse;
use crate::http::json;
use crate::oci::link::LinkedList;
use crate::oci::object::from_object;

/// A page with this number of names, or a multiple, may be truncated.
const FULL: usize = 100;
/// Largest page size at which a registry truncates.
const FULL_MAX: usize = 1_000;

/// What a page says, without its names.
pub(super) struct NamePage {
    pub(super) url: Url,
    pub(super) named: usize,
    /// Number of elements that are no names.
    pub(super) unnamed: usize,
    pub(super) last: String,
    /// Digest of the names.
    pub(super) print: Digest,
    pub(super) link: Result<Option<Url>>,
}

impl NamePage {
    /// Reads a successful response, and calls `take` with each name in the field.
    pub(super) fn read(
        answer: &UpstreamResponse,
        field: &'static str,
        list: LinkedList<'_>,
        mut take: impl FnMut(&str),
    ) -> Result<Self> {
        answer.check_json()?;
        let (mut named, mut last) = (0, String::new());
        let mut print = DigestHasher::new(Algorithm::Sha256);
        let unnamed = each_name(&answer.body, field, |name| {
            named += 1;
            last.clear();
            last.push_str(name);
            print.update(name.as_bytes());
            print.update(b"\n");
            take(name);
        })
        .map_err(|error| Error::faulty("The registry's listing cannot be read").because(error))?;
        let links = answer.headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
        let link = list.next_page(&answer.url, links);
        let link = link.map_err(|error| Error::faulty(error.to_string()));
        Ok(Self { url: answer.url.clone(), named, unnamed, last, print: print.finish(), link })
    }

    /// Returns true if names may follow without a link to the next page, which is optional.
    pub(super) const fn may_be_cut(&self) -> bool {
        self.named.is_multiple_of(FULL) && self.named <= FULL_MAX
    }
}

#[derive(Deserialize)]
struct NameFields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    repositories: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    tags: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
}

/// Tells `null`, an empty list, from a missing field.
fn present<'de, D: Deserializer<'de>>(field: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(field).map(Some)
}

/// Calls `take` with each name in a field; `null` is an empty list. Returns the number of other
/// elements. Fails if the field is missing, or if the page also reports errors.
fn each_name(page: &[u8], field: &'static str, mut take: impl FnMut(&str)) -> Result<usize> {
    json::check_depth(page)?;
    let fields: NameFields<'_> =
        from_object(page).map_err(|error| Error::faulty("It is no listing").because(error))?;
    // An error document may come with status 200, and a list beside it would be incomplete.
    if fields.errors.is_some_and(|errors| !is_nothing(errors)) {
        return Err(Error::faulty("It has errors in place of a list"));
    }
    let list = if field == "tags" { fields.tags } else { fields.repositories };
    let list = list.ok_or_else(|| Error::faulty(format!("It has no field {field}")))?;
    let mut unnamed = 0;
    if list.get() != "null" {
        json::each_row(list.get().as_bytes(), |row| {
            match serde_json::from_slice::<String>(row) {
                Ok(name) => take(&name),
                Err(_) => unnamed += 1,
            }
            Ok(())
        })?;
    }
    Ok(unnamed)
}

fn is_nothing(errors: &RawValue) -> bool {
    let bare = errors.get().chars().filter(|c| !c.is_ascii_whitespace());
    let text: String = bare.take(5).collect();
    matches!(text.as_str(), "null" | "[]" | "{}")
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
