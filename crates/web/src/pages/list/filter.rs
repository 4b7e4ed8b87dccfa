//! Filters of a list as links. No link leads to an empty list.

use crate::extension_type::TypeView;
use crate::links::Links;
use crate::links::list_query::Sort;
use crate::pages::list::ListPage;

const KEYWORDS_MAX: usize = 12;

/// Link that adds or removes a filter.
pub(super) struct Filter {
    pub(super) label: String,
    pub(super) href: String,
    /// Number of rows behind the link.
    pub(super) count: Option<usize>,
    pub(super) is_on: bool,
}

/// Filters of which one is on.
pub(super) struct FilterGroup {
    pub(super) label: &'static str,
    pub(super) filters: Vec<Filter>,
}

impl ListPage {
    pub(super) fn has_filters(&self) -> bool {
        self.query.is_filtered() || self.total > 0
    }

    pub(super) fn filter_groups(&self, links: &Links) -> Vec<FilterGroup> {
        let groups = [
            FilterGroup { label: "Type", filters: self.type_filters(links) },
            FilterGroup { label: "Backend", filters: self.backend_filters(links) },
            FilterGroup { label: "Keyword", filters: self.keyword_filters(links) },
            FilterGroup { label: "Order", filters: self.orders(links) },
        ];
        // A single filter that is off would leave the same list.
        let is_choice =
            |filters: &[Filter]| filters.len() > 1 || filters.iter().any(|one| one.is_on);
        groups.into_iter().filter(|group| is_choice(&group.filters)).collect()
    }

    fn type_filters(&self, links: &Links) -> Vec<Filter> {
        let total = self.types.iter().map(|(_, count)| count).sum();
        let current = self.query.extension_type;
        let filter = |extension_type: Option<TypeView>, count| Filter {
            label: extension_type.map_or("All", TypeView::plural).to_owned(),
            href: links.list(&self.query.with_type(extension_type)),
            count: Some(count),
            is_on: current == extension_type,
        };
        let used = self.types.iter().filter(|(one, count)| *count > 0 || current == Some(*one));
        let each = used.map(|(one, count)| filter(Some(*one), *count));
        std::iter::once(filter(None, total)).chain(each).collect()
    }

    fn backend_filters(&self, links: &Links) -> Vec<Filter> {
        let current = self.query.backend.as_deref();
        let used = self.backends.iter();
        let used = used.filter(|(name, count)| *count > 0 || current == Some(name.as_str()));
        let filters = used.map(|(name, count)| {
            let is_on = current == Some(name.as_str());
            let target = (!is_on).then_some(name.as_str());
            let href = links.list(&self.query.with_backend(target));
            Filter { label: name.clone(), href, count: Some(*count), is_on }
        });
        filters.collect()
    }

    fn keyword_filters(&self, links: &Links) -> Vec<Filter> {
        let counted = self
            .keywords
            .iter()
            .filter(|(word, count)| *count > 0 && !self.query.has_keyword(word));
        let on = self.query.keywords.iter().map(|word| (word, None));
        let off = counted.map(|(word, count)| (word, Some(*count))).take(KEYWORDS_MAX);
        on.chain(off)
            .map(|(word, count): (&String, Option<usize>)| Filter {
                label: word.clone(),
                href: links.list(&self.query.with_keyword_toggled(word)),
                count,
                is_on: count.is_none(),
            })
            .collect()
    }

    fn orders(&self, links: &Links) -> Vec<Filter> {
        let by_name = if self.query.words.is_some() { "Best match" } else { "By name" };
        let order = |sort, label: &str| Filter {
            label: label.to_owned(),
            href: links.list(&self.query.sorted(sort)),
            count: None,
            is_on: self.query.sort == sort,
        };
        vec![order(Sort::Name, by_name), order(Sort::Published, "Newest first")]
    }
}
