//! READMEs as they were last answered: which one a version has, and both forms of each text.

use std::sync::Arc;

use crate::api::accept::Form;
use crate::api::answers::{Provenance, Rendered};
use crate::api::markdown::page_of;
use crate::api::memos::{MemoRules, holds};
use crate::cache::lru_cache::Memo;
use crate::cache::weighted::Weighted;
use crate::catalog::Catalogue;
use crate::catalog::index::Entry;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Metrics;
use crate::models::naming::ExtensionId;
use crate::models::readme::Readme;
use crate::models::source::Source;
use crate::models::tag::Tag;

/// Bytes of texts and pages kept.
const TEXTS_MAX: usize = 16 * 1024 * 1024;

/// What was answered of READMEs. Versions that share one share its text and its page.
pub struct Readmes {
    named: Option<Arc<Memo<Named>>>,
    texts: Weighted<Rendered>,
}

/// Which README a version has.
#[derive(Clone)]
struct Named {
    entry: Arc<Entry>,
    asked: Option<Source>,
    /// Its identity, or the words in which the backend said that there is none.
    readme: std::result::Result<String, String>,
}

impl Readmes {
    /// Nothing yet. Questions are counted with those of the metadata memo, and kept where it is.
    #[must_use]
    pub fn new(rules: MemoRules, metrics: &Metrics) -> Self {
        let memo = || Memo::new(rules.capacity, rules.ttl, metrics.cache("metadata"));
        Self { named: rules.metadata.then(memo), texts: Weighted::new(TEXTS_MAX) }
    }

    /// The README of a version in this form.
    ///
    /// # Errors
    /// As [`Catalogue::find_release`]; `NotFound` also if the version has none.
    pub async fn readme(
        &self,
        catalogue: &Arc<Catalogue>,
        id: &ExtensionId,
        version: &Tag,
        source: Option<Source>,
        form: Form,
    ) -> Result<(Rendered, Provenance)> {
        let key = key_of(id, version, source);
        let view = catalogue.view();
        let holds = |named: &Named| holds(&view, &named.entry, named.asked);
        let hit = self.named.as_ref().and_then(|memo| memo.get(&key, holds));
        let freshness = catalogue.freshness(source);
        if let Some(hit) = hit {
            let identity = hit.value.readme.map_err(Error::not_found)?;
            if let Some(rendered) = self.kept(&identity, form).await? {
                return Ok((rendered, Provenance { freshness, memo: Some(hit.age) }));
            }
        }
        let readme = self.ask(catalogue, id, version, source, key).await?;
        let rendered = self.keep(readme, form).await?;
        Ok((rendered, Provenance { freshness, memo: None }))
    }

    /// Asks the backend, and remembers which README it named.
    async fn ask(
        &self,
        catalogue: &Arc<Catalogue>,
        id: &ExtensionId,
        version: &Tag,
        source: Option<Source>,
        key: String,
    ) -> Result<Readme> {
        let (entry, release) = catalogue.find_release(id, version, source).await?;
        let found = catalogue.readme(entry.id(), &release).await;
        let readme = match &found {
            Ok(readme) => Ok(format!("{}:{}", release.source, readme.identity)),
            Err(error) if error.is_not_found() => Err(error.message().to_owned()),
            Err(_) => return found,
        };
        if let Some(memo) = &self.named {
            memo.put(key, Named { entry, asked: source, readme: readme.clone() });
        }
        found.map(|found| Readme { identity: readme.unwrap_or_default(), ..found })
    }

    /// The text in this form, if it is held in any.
    async fn kept(&self, identity: &str, form: Form) -> Result<Option<Rendered>> {
        let held = self.texts.get(&key_of_text(identity, form));
        if held.is_some() || form == Form::Markdown {
            return Ok(held);
        }
        let Some(markdown) = self.texts.get(&key_of_text(identity, Form::Markdown)) else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(markdown.body()).into_owned();
        let readme = Readme { identity: identity.to_owned(), text };
        self.keep(readme, form).await.map(Some)
    }

    async fn keep(&self, readme: Readme, form: Form) -> Result<Rendered> {
        let Readme { identity, text } = readme;
        let markdown = Rendered::text(text.clone(), Form::Markdown.content_type());
        self.texts.put(
            key_of_text(&identity, Form::Markdown),
            markdown.body().len(),
            markdown.clone(),
        );
        if form == Form::Markdown {
            return Ok(markdown);
        }
        let failed = |error| Error::new(ErrorKind::Internal, "A page").because(error);
        // A mebibyte of Markdown is work for long enough to hold others up.
        let page = tokio::task::spawn_blocking(move || page_of(&text)).await.map_err(failed)?;
        let page = Rendered::text(page, form.content_type());
        self.texts.put(key_of_text(&identity, form), page.body().len(), page.clone());
        Ok(page)
    }
}

fn key_of(id: &ExtensionId, version: &Tag, source: Option<Source>) -> String {
    let asked = source.map(|source| format!("@{source}")).unwrap_or_default();
    format!("{}/{version}{asked}", id.to_string().to_ascii_lowercase())
}

fn key_of_text(identity: &str, form: Form) -> String {
    format!("{identity} {form:?}")
}
