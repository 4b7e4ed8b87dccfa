//! The three memos that the specification names, and how questions go through them.

pub mod extension;
pub mod kept;
pub mod release;
pub mod rules;

use std::sync::Arc;

use crate::api::answers::Provenance;
use crate::api::list_memo::{self, ListMemo};
use crate::api::memos::kept::{Filled, Generation, Kept, Perishable, generation};
use crate::api::memos::rules::{MemoRules, scope_key};
use crate::api::readmes::{self, Readmes};
use crate::api::rendered::Rendered;
use crate::catalog::Catalog;
use crate::catalog::index::{Entry, View};
use crate::catalog::questions::Deadline;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::models::naming::{ExtensionId, ExtensionType};
use crate::models::public_url::PublicUrl;
use crate::models::scope::Scope;

/// The names of the caches in metrics.
pub const CACHES: [&str; 4] = ["list", "metadata", "versions", "artifact"];

/// The most bytes that all memos take: those of lists, which are at most sixteen, the four about one
/// extension, and the texts of READMEs.
pub const BYTES_MAX: usize = 16 * list_memo::BYTES_MAX + 4 * rules::BYTES_MAX + readmes::BYTES_MAX;

/// Lists, metadata and versions as they were last answered.
pub struct Memos {
    /// Key `list:{type}:{scope}`; a fill is of one revision of the view.
    pub lists: Kept<Arc<ListMemo>, u64>,
    /// Key `{type}/{name}`.
    pub metadata: Kept<EntryMemo, Generation>,
    /// Key `{type}/{name}/versions`.
    pub versions: Kept<EntryMemo, Generation>,
    /// Key `{type}/{name}/{version}/metadata` and `{type}/{name}/resolve?{constraint}&{prerelease}`;
    /// ours, beside the three of the specification.
    pub releases: Kept<EntryMemo, Generation>,
    /// By version, and their texts by identity; ours as well.
    pub readmes: Readmes,
    rules: MemoRules,
    public_url: Option<PublicUrl>,
}

/// An answer made of one entry of the catalog.
#[derive(Clone, Debug)]
pub struct EntryMemo {
    entry: Arc<Entry>,
    asked: Scope,
    rendered: Rendered,
}

impl Perishable for EntryMemo {
    fn holds(&self, view: &View) -> bool {
        view.get(self.entry.id(), self.asked).is_some_and(|now| Arc::ptr_eq(now, &self.entry))
    }

    fn weight(&self) -> usize {
        self.rendered.weight()
    }
}

impl Memos {
    /// Empty memos that count into these metrics. What they keep names `public_url` as the address of
    /// the service; `None`: its paths alone.
    #[must_use]
    pub fn new(rules: MemoRules, public_url: Option<PublicUrl>, metrics: &Metrics) -> Self {
        let bounds = rules.bounds();
        Self {
            lists: Kept::new(bounds, rules.ttl, metrics.cache("list")),
            metadata: Kept::new(bounds, rules.ttl, metrics.cache("metadata")),
            versions: Kept::new(bounds, rules.ttl, metrics.cache("versions")),
            releases: Kept::new(bounds, rules.ttl, metrics.our_cache("releases")),
            readmes: Readmes::new(rules, metrics.our_cache("readmes")),
            rules,
            public_url,
        }
    }

    /// Where clients reach the service, if that is known.
    #[must_use]
    pub const fn public_url(&self) -> Option<&PublicUrl> {
        self.public_url.as_ref()
    }

    /// One list, from its memo or the catalog.
    ///
    /// # Errors
    /// Nothing is known of the backends asked.
    pub async fn list(
        &self,
        catalog: &Arc<Catalog>,
        extension_type: Option<ExtensionType>,
        scope: Scope,
    ) -> Result<(Arc<ListMemo>, Provenance)> {
        if !self.rules.lists {
            let deadline = Deadline::of_a_read();
            let lacking = catalog.newest(scope, deadline).await;
            let view = catalog.ready_by(scope, deadline).await?;
            let list = ListMemo::new(&view, extension_type, scope, self.public_url.clone());
            let list = Arc::new(list);
            return Ok((list, Provenance::asked(catalog, scope, None, lacking)));
        }
        let view = catalog.ready(scope).await?;
        let key = list_key(extension_type, scope);
        if let Some(hit) = self.lists.get(&key, &view) {
            return Ok((hit.value, Provenance::kept(catalog, scope, None, hit.age)));
        }
        let (revision, public_url) = (view.revision, self.public_url.clone());
        let make = || async move {
            let value = Arc::new(ListMemo::new(&view, extension_type, scope, public_url));
            Ok(Filled { value, whole: true, lacking: Vec::new() })
        };
        let filled = self.lists.fill(catalog, key, revision, make).await?;
        Ok((filled.value, Provenance::asked(catalog, scope, None, filled.lacking)))
    }

    /// A question about one extension, through the memo of its answers.
    async fn through<Q: AboutOne>(
        &self,
        memos: &Kept<EntryMemo, Generation>,
        catalog: &Arc<Catalog>,
        question: &Q,
    ) -> Result<(Rendered, Provenance)> {
        let (id, scope) = question.subject();
        if !self.rules.metadata {
            let deadline = Deadline::of_a_read();
            let failing = catalog.newest_of(id, scope, deadline).await;
            let (question, public_url) = (question.clone(), self.public_url.clone());
            let mut filled = question.answer(Arc::clone(catalog), public_url, deadline).await?;
            filled.lacking.extend(failing);
            let provenance = Provenance::asked(catalog, scope, Some(id), filled.lacking);
            return Ok((filled.value.rendered, provenance));
        }
        let (key, view) = (question.key(), catalog.view());
        if let Some(hit) = memos.get(&key, &view) {
            catalog.still_answers(&hit.value.entry, scope)?;
            return Ok((hit.value.rendered, Provenance::kept(catalog, scope, Some(id), hit.age)));
        }
        let generation = generation(&view, id, scope);
        let (question, public_url) = (question.clone(), self.public_url.clone());
        let make = || question.answer(Arc::clone(catalog), public_url, Deadline::of_a_read());
        let filled = memos.fill(catalog, key, generation, make).await?;
        Ok((filled.value.rendered, Provenance::asked(catalog, scope, Some(id), filled.lacking)))
    }
}

/// A question about one extension whose answer is kept.
pub(super) trait AboutOne: Clone + Send {
    /// What it is about: an extension, of one backend or of its owner.
    fn subject(&self) -> (&ExtensionId, Scope);

    /// The key of its answer.
    fn key(&self) -> String;

    /// The answer, of the catalog and its backends.
    fn answer(
        self,
        catalog: Arc<Catalog>,
        public_url: Option<PublicUrl>,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Filled<EntryMemo>>> + Send + 'static;
}

fn list_key(extension_type: Option<ExtensionType>, scope: Scope) -> String {
    let extension_type = extension_type.map_or("all", ExtensionType::as_str);
    format!("list:{extension_type}:{}", scope_key(scope))
}
