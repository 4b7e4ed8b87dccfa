//! Pages of lists: `n` and `last` (distribution-spec, "Listing tags").

use axum::http::{HeaderValue, StatusCode};

use crate::api::extract::QueryString;
use crate::edge::problem::Problem;
use crate::oci::code::OciCode;

/// Maximum number of items of a page.
const ITEMS_MAX: usize = 10_000;

/// Page of a list that a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagedNames {
    /// Maximum number of items.
    pub count: usize,
    /// Item after which the page begins.
    pub last: Option<String>,
}

impl PagedNames {
    /// Reads the parameters; others are ignored.
    ///
    /// # Errors
    ///
    /// 400 if `n` is not a number.
    pub fn of(query: &QueryString) -> Result<Self, Problem> {
        let first = |name| query.all(name).next().filter(|value| !value.is_empty());
        let count = match first("n") {
            None => ITEMS_MAX,
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                // A number that does not fit is larger than every list.
                text.parse().map_or(ITEMS_MAX, |count: usize| count.min(ITEMS_MAX))
            }
            Some(_) => {
                let message = "n must be a number of items, 0 or more";
                let problem = Problem::new(StatusCode::BAD_REQUEST, message);
                return Err(OciCode::PaginationNumberInvalid.problem(problem));
            }
        };
        Ok(Self { count, last: first("last").map(str::to_owned) })
    }

    /// Returns the items of the page, and the last one if others follow. `items` are sorted.
    #[must_use]
    pub fn of_items<'a, T: AsRef<str>>(&self, items: &'a [T]) -> (&'a [T], Option<&'a str>) {
        let last = self.last.as_deref();
        let start = last.map_or(0, |last| items.partition_point(|item| item.as_ref() <= last));
        let rest = items.get(start..).unwrap_or_default();
        let Some(page) = rest.get(..self.count) else { return (rest, None) };
        let more = page.len() < rest.len();
        (page, page.last().filter(|_| more).map(AsRef::as_ref))
    }

    /// Returns `Link` to the page after this item, for the list at this path.
    #[must_use]
    pub fn link(&self, path: &str, last: &str) -> Option<HeaderValue> {
        // Names and tags have no character that a query would need to escape.
        let link = format!("<{path}?n={}&last={last}>; rel=\"next\"", self.count);
        HeaderValue::from_str(&link).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(query: &str) -> Result<PagedNames, Problem> {
        PagedNames::of(&QueryString::of(&format!("/v2/_catalog?{query}").parse().unwrap()).unwrap())
    }

    #[test]
    fn pages_are_what_the_parameters_say() {
        for (query, count, last) in [
            ("", ITEMS_MAX, None),
            ("n=", ITEMS_MAX, None),
            ("n=0", 0, None),
            ("n=5&last=b&ns=docker.io", 5, Some("b")),
            ("n=99999999999999999999999", ITEMS_MAX, None),
            ("last=", ITEMS_MAX, None),
        ] {
            let last = last.map(str::to_owned);
            assert_eq!(page(query).unwrap(), PagedNames { count, last }, "{query}");
        }
        for query in ["n=-1", "n=abc", "n=1.5", "n=%31a"] {
            assert_eq!(page(query).unwrap_err().status(), StatusCode::BAD_REQUEST, "{query}");
        }
    }

    proptest! {
        #[test]
        fn pages_in_turn_are_the_whole_list(
            items in prop::collection::btree_set("[a-z]{1,3}", 0..40),
            count in 1..12_usize,
        ) {
            let items: Vec<String> = items.into_iter().collect();
            let (mut seen, mut last) = (Vec::new(), None);
            for _ in 0..50 {
                let (page, more) = PagedNames { count, last }.of_items(&items);
                prop_assert!(page.len() <= count);
                seen.extend(page.iter().cloned());
                last = more.map(str::to_owned);
                if last.is_none() {
                    break;
                }
            }
            prop_assert_eq!(seen, items);
        }

        #[test]
        fn a_page_is_the_model(
            items in prop::collection::btree_set("[a-c]{1,3}", 0..20),
            count in 0..6_usize,
            last in prop::option::of("[a-d]{1,3}"),
        ) {
            let items: Vec<String> = items.into_iter().collect();
            let after: Vec<&String> =
                items.iter().filter(|item| last.as_ref().is_none_or(|last| *item > last)).collect();
            let (page, more) = PagedNames { count, last: last.clone() }.of_items(&items);
            let model: Vec<&String> = after.iter().take(count).copied().collect();
            prop_assert_eq!(page.iter().collect::<Vec<_>>(), model.clone());
            let expected = model.last().filter(|_| after.len() > count).map(|last| last.as_str());
            prop_assert_eq!(more, expected);
        }
    }
}
