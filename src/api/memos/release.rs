//! Answers about one release, kept with the metadata of extensions.

use std::sync::Arc;

use crate::api::answers::{Provenance, Rendered};
use crate::api::memos::{EntryMemo, Memos, provenance};
use crate::api::metadata_view::MetadataView;
use crate::api::views::VersionView;
use crate::catalog::Catalogue;
use crate::catalog::details::Details;
use crate::catalog::resolve::Wanted;
use crate::error::Result;
use crate::models::naming::ExtensionId;
use crate::models::source::Source;
use crate::models::tag::Tag;

/// What is asked of a release, and which one.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// All of it.
    Metadata(&'a Tag),
    /// The version that a range picks.
    Resolve(&'a Wanted),
}

impl Question<'_> {
    /// `{type}/{name}/{what}`, `@{source}` appended where one was asked.
    fn key(self, id: &ExtensionId, source: Option<Source>) -> String {
        let id = id.to_string().to_ascii_lowercase();
        let what = match self {
            Self::Metadata(version) => format!("{version}/metadata"),
            Self::Resolve(Wanted { constraint, prereleases }) => {
                format!("resolve?{constraint}&{prereleases}")
            }
        };
        let asked = source.map(|source| format!("@{source}")).unwrap_or_default();
        format!("{id}/{what}{asked}")
    }

    async fn ask(
        self,
        catalogue: &Arc<Catalogue>,
        id: &ExtensionId,
        source: Option<Source>,
    ) -> Result<Details> {
        match self {
            Self::Metadata(version) => catalogue.find_details(id, version, source).await,
            Self::Resolve(wanted) => catalogue.resolve(id, wanted, source).await,
        }
    }

    fn render(self, found: &Details, source: Option<Source>) -> Result<Rendered> {
        let Details { entry, release, .. } = found;
        match self {
            Self::Metadata(_) => Rendered::json(&MetadataView::of(entry, release, source)),
            Self::Resolve(_) => Rendered::json(&VersionView::of(entry.id(), release, source)),
        }
    }
}

impl Memos {
    /// One release, from its memo or its backend. What a backend did not tell all of is answered
    /// and not kept.
    ///
    /// # Errors
    /// As [`Catalogue::find_details`] and [`Catalogue::resolve`].
    pub async fn release(
        &self,
        catalogue: &Arc<Catalogue>,
        id: &ExtensionId,
        question: Question<'_>,
        source: Option<Source>,
    ) -> Result<(Rendered, Provenance)> {
        let key = question.key(id, source);
        if self.rules.metadata {
            let view = catalogue.view();
            if let Some(hit) = self.metadata.get(&key, |memo| memo.holds(&view)) {
                let provenance = provenance(catalogue, source, Some(hit.age), false);
                return Ok((hit.value.rendered, provenance));
            }
        }
        let failed = !self.rules.metadata && catalogue.refresh(id, source).await.is_err();
        let found = question.ask(catalogue, id, source).await?;
        let rendered = question.render(&found, source)?;
        if self.rules.metadata && found.whole {
            let memo = EntryMemo { entry: found.entry, asked: source, rendered: rendered.clone() };
            self.metadata.put(key, memo);
        }
        Ok((rendered, provenance(catalogue, source, None, failed || !found.whole)))
    }
}
