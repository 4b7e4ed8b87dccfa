//! Pagination of lists: limits, and the `Link` header (RFC 8288).

/// Maximum value of `limit`.
pub const LIMIT_MAX: usize = 1000;
/// Default `limit` of a list of extensions.
pub const LIST_LIMIT: usize = 100;
/// Default `limit` of a search.
pub const SEARCH_LIMIT: usize = 50;

/// A page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    /// Maximum number of rows, 0 to [`LIMIT_MAX`].
    pub limit: usize,
    /// Number of rows to skip.
    pub offset: usize,
}

impl Page {
    /// Returns the rows of this page.
    pub fn of<'a, T>(&self, rows: &'a [T]) -> &'a [T] {
        let from = self.offset.min(rows.len());
        let to = from.saturating_add(self.limit).min(rows.len());
        rows.get(from..to).unwrap_or_default()
    }

    /// Returns the number of rows on this page, for a list of `total` rows.
    #[must_use]
    pub fn count(&self, total: usize) -> usize {
        total.saturating_sub(self.offset).min(self.limit)
    }

    /// Returns `Link` with the targets of other pages; `None` if there is no page to link to.
    #[must_use]
    pub fn links(&self, total: usize, target: impl Fn(Self) -> String) -> Option<String> {
        if self.limit == 0 {
            return None;
        }
        let last = total.saturating_sub(1) / self.limit * self.limit;
        let next = self.offset.saturating_add(self.limit);
        let mut places = vec![("first", 0)];
        if self.offset > 0 {
            // From beyond the end, `prev` leads to the last page instead of another empty one.
            let back = self.offset.min(last + self.limit).saturating_sub(self.limit);
            places.push(("prev", back));
        }
        if next < total {
            places.push(("next", next));
        }
        places.push(("last", last));
        let links = places.into_iter().map(|(name, offset)| {
            format!("<{}>; rel=\"{name}\"", target(Self { offset, ..*self }))
        });
        Some(links.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(limit: usize, offset: usize, total: usize) -> Option<String> {
        Page { limit, offset }
            .links(total, |page| format!("/x?limit={}&offset={}", page.limit, page.offset))
    }

    #[test]
    fn links_lead_through_all_pages() {
        assert_eq!(
            links(10, 10, 25).unwrap(),
            "</x?limit=10&offset=0>; rel=\"first\", \
             </x?limit=10&offset=0>; rel=\"prev\", \
             </x?limit=10&offset=20>; rel=\"next\", \
             </x?limit=10&offset=20>; rel=\"last\""
        );
        let beyond = links(10, 500, 25).unwrap();
        assert!(
            beyond.contains("offset=20>; rel=\"prev\"") && !beyond.contains("next"),
            "{beyond}"
        );
        let exact = links(10, 10, 20).unwrap();
        assert!(exact.contains("offset=10>; rel=\"last\"") && !exact.contains("next"), "{exact}");
        assert_eq!(links(0, 0, 25), None);
        assert!(links(usize::MAX, 0, 0).is_some());
    }

    #[test]
    fn pages_never_reach_outside() {
        let rows = [1, 2, 3];
        assert_eq!(Page { limit: 2, offset: 1 }.of(&rows), [2, 3]);
        assert_eq!(Page { limit: 2, offset: usize::MAX }.of(&rows), [0; 0]);
        assert_eq!(Page { limit: usize::MAX, offset: 0 }.of(&rows), [1, 2, 3]);
    }
}
