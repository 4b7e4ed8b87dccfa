//! Facets: how many extensions each further restriction of a list leaves.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionType;

use crate::backend_order::BackendOrder;
use crate::index::entry::Entry;
use crate::index::rows::KeywordMark;
use crate::index::view::{Listed, View};
use crate::listing::filter::ListFilter;

/// Counts of extensions. Each count is the length of the list that the restriction leads to; empty
/// ones are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facets {
    /// By type, in the order of lists; `type` of the filter is not applied.
    pub types: Vec<(ExtensionType, usize)>,
    /// By backend, in the order of ownership: what each has, whether it owns the name or not. The
    /// scope of the filter is not applied.
    pub backends: Vec<(BackendId, usize)>,
    /// By keyword, in its most frequent spelling: most extensions first, then by keyword. The whole
    /// filter is applied, as further keywords restrict the list further.
    pub keywords: Vec<(String, usize)>,
}

impl Facets {
    /// Counts the extensions of a view within a filter; `keywords_max` of the keywords. One pass for
    /// types and keywords, and one for each backend.
    #[must_use]
    pub fn count(
        view: &View,
        filter: &ListFilter,
        backends: &BackendOrder,
        keywords_max: usize,
    ) -> Self {
        Self::of(filter, backends, keywords_max, |filter| filter.select(view))
    }

    /// Counts the extensions that match a search, like [`Facets::count`].
    #[must_use]
    pub fn of_search(
        view: &View,
        words: &str,
        filter: &ListFilter,
        backends: &BackendOrder,
        keywords_max: usize,
    ) -> Self {
        Self::of(filter, backends, keywords_max, |filter| filter.found(view, words))
    }

    fn of<'v, I: Iterator<Item = Listed<'v>>>(
        filter: &ListFilter,
        backends: &BackendOrder,
        keywords_max: usize,
        select: impl Fn(&ListFilter) -> I,
    ) -> Self {
        let mut types = ExtensionType::ALL.map(|extension_type| (extension_type, 0));
        let mut keywords = KeywordCounts::default();
        for (entry, row) in select(&ListFilter { extension_type: None, ..filter.clone() }) {
            let counts = types.iter_mut().filter(|(one, _)| *one == row.extension_type);
            counts.for_each(|(_, count)| *count += 1);
            if filter.extension_type.is_none_or(|wanted| wanted == row.extension_type) {
                row.keywords.iter().for_each(|keyword| keywords.add(entry, keyword));
            }
        }
        let backends = backends.iter().map(|backend| {
            let filter = ListFilter { scope: backend.into(), ..filter.clone() };
            (backend, select(&filter).count())
        });
        Self {
            types: types.into_iter().filter(|(_, count)| *count > 0).collect(),
            backends: backends.filter(|(_, count)| *count > 0).collect(),
            keywords: keywords.most_frequent(keywords_max),
        }
    }
}

/// Numbers of extensions by keyword, as spelled: the hashes of a mark are the key.
#[derive(Default)]
struct KeywordCounts<'v>(HashMap<(u64, u32), KeywordCount<'v>>);

/// Number of extensions that have a keyword, one of which spells it.
#[derive(Clone, Copy)]
struct KeywordCount<'v> {
    count: usize,
    mark: KeywordMark,
    entry: &'v Arc<Entry>,
}

impl<'v> KeywordCounts<'v> {
    fn add(&mut self, entry: &'v Arc<Entry>, mark: &KeywordMark) {
        let new = KeywordCount { count: 0, mark: *mark, entry };
        self.0.entry((mark.folded, mark.spelled)).or_insert(new).count += 1;
    }

    /// Joins spellings, and returns the keywords that most extensions have.
    fn most_frequent(self, max: usize) -> Vec<(String, usize)> {
        let mut joined: HashMap<u64, (usize, KeywordCount<'_>)> =
            HashMap::with_capacity(self.0.len());
        for one in self.0.into_values() {
            match joined.get_mut(&one.mark.folded) {
                Some((sum, shown)) => {
                    *sum += one.count;
                    if one.is_shown_before(shown) {
                        *shown = one;
                    }
                }
                None => {
                    joined.insert(one.mark.folded, (one.count, one));
                }
            }
        }
        let mut counts: Vec<(usize, KeywordCount<'_>)> = joined.into_values().collect();
        // The texts of few keywords are compared: those that come last, of equal counts, and before.
        if let Some(last) = max.checked_sub(1).filter(|last| *last < counts.len()) {
            let (_, (least, _), _) =
                counts.select_nth_unstable_by_key(last, |(sum, _)| Reverse(*sum));
            let least = *least;
            counts.retain(|(sum, _)| *sum >= least);
        }
        counts.sort_by_cached_key(|(sum, one)| (Reverse(*sum), one.text()));
        let most = counts.into_iter().take(max);
        most.map(|(sum, one)| (one.text().to_owned(), sum)).collect()
    }
}

impl<'v> KeywordCount<'v> {
    fn text(&self) -> &'v str {
        self.mark.text_of(&self.entry.extension).unwrap_or_default()
    }

    /// The most frequent spelling stands for the others.
    fn is_shown_before(&self, other: &Self) -> bool {
        other.count.cmp(&self.count).then_with(|| self.text().cmp(other.text())).is_lt()
    }
}

#[cfg(test)]
mod tests {
    use registry_core::models::scope::Scope;
    use registry_testing::ids::{about, id, tag};
    use registry_testing::memory::MemoryBackend;

    use super::*;
    use crate::{Catalog, Rules};

    async fn catalog() -> Arc<Catalog> {
        let (gitea, oci) =
            (MemoryBackend::new(BackendId::GITEA), MemoryBackend::new(BackendId::OCI));
        for (backend, name, keywords) in [
            (&gitea, "provider/a", &["Cloud", "dns"][..]),
            (&gitea, "provider/b", &["cloud", "CLOUD"]),
            (&gitea, "taskserv/c", &["dns", "straße"]),
            (&oci, "provider/a", &["cloud"]),
            (&oci, "cluster/d", &["cloud", "STRASSE"]),
        ] {
            backend.publish(&id(name), tag("1.0.0"), about("d", keywords), "x");
        }
        let catalog = Catalog::new(vec![Arc::new(gitea), Arc::new(oci)], Rules::for_tests());
        catalog.syncer.sync(Scope::All).await.unwrap();
        catalog
    }

    fn filter(
        extension_type: Option<ExtensionType>,
        scope: Scope,
        keywords: &[&str],
    ) -> ListFilter {
        let keywords = keywords.iter().map(|word| word.parse().unwrap()).collect();
        ListFilter { extension_type, scope, keywords }
    }

    #[tokio::test]
    async fn each_count_is_the_length_of_the_list_that_it_leads_to() {
        let catalog = catalog().await;
        let view = catalog.store.view();
        let types = [None, Some(ExtensionType::Provider), Some(ExtensionType::Cluster)];
        let scopes = [Scope::All, BackendId::GITEA.into(), BackendId::OCI.into()];
        let mut counted = 0;
        for (extension_type, scope) in
            types.iter().flat_map(|one| scopes.map(|scope| (*one, scope)))
        {
            for keywords in [&[][..], &["cloud"], &["cloud", "DNS"]] {
                let filter = filter(extension_type, scope, keywords);
                let facets = Facets::count(&view, &filter, &catalog.backends, 100);
                let length = |filter: &ListFilter| filter.select(&view).count();
                for (extension_type, count) in facets.types {
                    let extension_type = Some(extension_type);
                    assert_eq!(length(&ListFilter { extension_type, ..filter.clone() }), count);
                }
                for (backend, count) in facets.backends {
                    assert_eq!(
                        length(&ListFilter { scope: backend.into(), ..filter.clone() }),
                        count
                    );
                }
                for (keyword, count) in facets.keywords {
                    let further = filter.keywords.iter().cloned().chain([keyword.parse().unwrap()]);
                    let further = ListFilter { keywords: further.collect(), ..filter.clone() };
                    assert_eq!(length(&further), count, "{keyword} {filter:?}");
                    counted += 1;
                }
            }
        }
        assert!(counted > 20, "{counted}");
    }

    #[tokio::test]
    async fn spellings_of_a_keyword_are_one_and_the_most_frequent_come_first() {
        let catalog = catalog().await;
        let view = catalog.store.view();
        let facets = |max| Facets::count(&view, &ListFilter::default(), &catalog.backends, max);
        let keywords = facets(10).keywords;
        let keywords: Vec<_> =
            keywords.iter().map(|(word, count)| (word.as_str(), *count)).collect();
        assert_eq!(keywords, [("cloud", 3), ("STRASSE", 2), ("dns", 2)]);
        assert_eq!(facets(1).keywords.len(), 1);
        let types = [ExtensionType::Cluster, ExtensionType::Provider, ExtensionType::Taskserv];
        assert_eq!(facets(0).types, types.into_iter().zip([1, 2, 1]).collect::<Vec<_>>());
        assert_eq!(facets(0).backends, [(BackendId::GITEA, 3), (BackendId::OCI, 2)]);
    }
}
