//! Answers about one release, kept with the metadata of extensions.

use crate::api::answers::{Provenance, Rendered};
use crate::api::memos::{EntryMemo, Memos, provenance};
use crate::api::metadata_view::MetadataView;
use crate::catalog::Catalogue;
use crate::error::Result;
use crate::models::naming::ExtensionId;
use crate::models::source::Source;
use crate::models::tag::Tag;

impl Memos {
    /// One version in full, from its memo or its backend. What a backend did not tell all of is
    /// answered and not kept.
    ///
    /// # Errors
    /// As [`Catalogue::find_details`].
    pub async fn release(
        &self,
        catalogue: &Catalogue,
        id: &ExtensionId,
        version: &Tag,
        source: Option<Source>,
    ) -> Result<(Rendered, Provenance)> {
        let key = release_key(id, &format!("{version}/metadata"), source);
        if self.rules.metadata {
            let view = catalogue.view();
            if let Some(hit) = self.metadata.get(&key, |memo| memo.holds(&view)) {
                let provenance = provenance(catalogue, source, Some(hit.age), false);
                return Ok((hit.value.rendered, provenance));
            }
        }
        let failed = !self.rules.metadata && catalogue.refresh(id, source).await.is_err();
        let found = catalogue.find_details(id, version, source).await?;
        let rendered = Rendered::json(&MetadataView::of(&found.entry, &found.release, source))?;
        if self.rules.metadata && found.whole {
            let memo = EntryMemo { entry: found.entry, asked: source, rendered: rendered.clone() };
            self.metadata.put(key, memo);
        }
        Ok((rendered, provenance(catalogue, source, None, failed || !found.whole)))
    }
}

/// `{type}/{name}/{what}`, `@{source}` appended where one was asked.
fn release_key(id: &ExtensionId, what: &str, source: Option<Source>) -> String {
    let id = id.to_string().to_ascii_lowercase();
    let asked = source.map(|source| format!("@{source}")).unwrap_or_default();
    format!("{id}/{what}{asked}")
}
