//! The three memos that the specification names, and how questions go through them.

pub mod release;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::api::answers::{Provenance, Rendered};
use crate::api::list_memo::ListMemo;
use crate::api::readmes::Readmes;
use crate::api::views::{ExtensionView, VersionView};
use crate::cache::lru_cache::Memo;
use crate::catalog::Catalogue;
use crate::catalog::index::{Entry, View};
use crate::error::Result;
use crate::metrics::Metrics;
use crate::models::naming::{ExtensionId, ExtensionType};
use crate::models::source::Source;

/// The names of the caches in metrics.
pub const CACHES: [&str; 4] = ["list", "metadata", "versions", "artifact"];

/// How the memos are kept.
#[derive(Clone, Copy, Debug)]
pub struct MemoRules {
    /// Entries of each memo.
    pub capacity: NonZeroUsize,
    /// How long an entry lives.
    pub ttl: Duration,
    /// Whether lists are kept.
    pub lists: bool,
    /// Whether metadata and versions are kept.
    pub metadata: bool,
}

/// Lists, metadata and versions as they were last answered.
pub struct Memos {
    /// Key `list:{type}:{source}`.
    pub lists: Arc<Memo<Arc<ListMemo>>>,
    /// Key `{type}/{name}`; beside it `{type}/{name}/{version}/metadata` and
    /// `{type}/{name}/resolve?{constraint}&{prerelease}`.
    pub metadata: Arc<Memo<EntryMemo>>,
    /// Key `{type}/{name}/versions`.
    pub versions: Arc<Memo<EntryMemo>>,
    /// By version, and their texts by identity.
    pub readmes: Readmes,
    rules: MemoRules,
}

/// An answer made of one entry of the catalogue.
#[derive(Clone)]
pub struct EntryMemo {
    entry: Arc<Entry>,
    asked: Option<Source>,
    rendered: Rendered,
}

/// Which of an extension's two answers is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facet {
    /// Its latest version.
    Metadata,
    /// All its versions.
    Versions,
}

impl Memos {
    /// Empty memos that count into these metrics.
    #[must_use]
    pub fn new(rules: MemoRules, metrics: &Metrics) -> Self {
        let MemoRules { capacity, ttl, .. } = rules;
        Self {
            lists: Memo::new(capacity, ttl, metrics.cache("list")),
            metadata: Memo::new(capacity, ttl, metrics.cache("metadata")),
            versions: Memo::new(capacity, ttl, metrics.cache("versions")),
            readmes: Readmes::new(rules, metrics),
            rules,
        }
    }

    /// One list, from its memo or the catalogue.
    ///
    /// # Errors
    /// Nothing is known of the backends asked.
    pub async fn list(
        &self,
        catalogue: &Arc<Catalogue>,
        extension_type: Option<ExtensionType>,
        source: Option<Source>,
    ) -> Result<(Arc<ListMemo>, Provenance)> {
        let mut failed = false;
        if !self.rules.lists {
            failed = catalogue.round(source).await.is_err();
        }
        let view = catalogue.ready(source).await?;
        let key = list_key(extension_type, source);
        let hit = self.rules.lists.then(|| self.lists.get(&key, |list| list.holds(&view)));
        let hit = hit.flatten();
        let memo = hit.as_ref().map(|hit| hit.age);
        let list = hit.map_or_else(
            || Arc::new(ListMemo::new(&view, extension_type, source)),
            |hit| hit.value,
        );
        if self.rules.lists && memo.is_none() {
            self.lists.put(key, Arc::clone(&list));
        }
        Ok((list, provenance(catalogue, source, memo, failed)))
    }

    /// One extension's latest version or all its versions, from its memo or the catalogue.
    ///
    /// # Errors
    /// As [`Catalogue::find`].
    pub async fn extension(
        &self,
        catalogue: &Arc<Catalogue>,
        id: &ExtensionId,
        source: Option<Source>,
        facet: Facet,
    ) -> Result<(Rendered, Provenance)> {
        let memos = match facet {
            Facet::Metadata => &self.metadata,
            Facet::Versions => &self.versions,
        };
        let key = entry_key(id, source, facet);
        if self.rules.metadata {
            let view = catalogue.view();
            if let Some(hit) = memos.get(&key, |memo| memo.holds(&view)) {
                let provenance = provenance(catalogue, source, Some(hit.age), false);
                return Ok((hit.value.rendered, provenance));
            }
        }
        let failed = !self.rules.metadata && catalogue.refresh(id, source).await.is_err();
        let entry = match facet {
            Facet::Metadata => catalogue.find(id, source).await?,
            Facet::Versions => catalogue.find_whole(id, source).await?,
        };
        let rendered = render(&entry, source, facet)?;
        // What could not be read in time is told, and not kept: it may be there in a moment.
        let unread: Vec<Source> = match facet {
            Facet::Metadata => Vec::new(),
            Facet::Versions => entry.extension.unread().map(|release| release.source).collect(),
        };
        if self.rules.metadata && unread.is_empty() {
            memos.put(key, EntryMemo { entry, asked: source, rendered: rendered.clone() });
        }
        let mut provenance = provenance(catalogue, source, None, failed);
        provenance.freshness.lacks(unread);
        Ok((rendered, provenance))
    }
}

impl EntryMemo {
    /// Whether the catalogue still says the same of the extension.
    #[must_use]
    pub fn holds(&self, view: &View) -> bool {
        holds(view, &self.entry, self.asked)
    }
}

/// Whether the catalogue still says the same of an extension; `asked` of one backend, or of none.
pub(super) fn holds(view: &View, entry: &Arc<Entry>, asked: Option<Source>) -> bool {
    view.get(entry.id(), asked).is_some_and(|now| Arc::ptr_eq(now, entry))
}

fn render(entry: &Entry, source: Option<Source>, facet: Facet) -> Result<Rendered> {
    match facet {
        Facet::Metadata => Rendered::json(&ExtensionView::of(entry, source)),
        Facet::Versions => {
            let releases = entry.extension.releases().iter();
            let views: Vec<_> =
                releases.map(|release| VersionView::of(entry.id(), release, source)).collect();
            Rendered::json(&views)
        }
    }
}

fn provenance(
    catalogue: &Catalogue,
    source: Option<Source>,
    memo: Option<Duration>,
    failed: bool,
) -> Provenance {
    let mut freshness = catalogue.freshness(source);
    if failed {
        let unwell = catalogue.statuses().into_iter().filter(|(_, status)| !status.healthy);
        let unwell = unwell.map(|(unwell, _)| unwell);
        freshness.lacks(unwell.filter(|unwell| source.is_none_or(|asked| asked == *unwell)));
    }
    Provenance { freshness, memo }
}

fn list_key(extension_type: Option<ExtensionType>, source: Option<Source>) -> String {
    let extension_type = extension_type.map_or("all", ExtensionType::as_str);
    format!("list:{extension_type}:{}", source.map_or("all", Source::as_str))
}

fn entry_key(id: &ExtensionId, source: Option<Source>, facet: Facet) -> String {
    let mut key = id.to_string().to_ascii_lowercase();
    if facet == Facet::Versions {
        key.push_str("/versions");
    }
    if let Some(source) = source {
        key.push('@');
        key.push_str(source.as_str());
    }
    key
}
