//! READMEs as they were last answered: which one a version has, and its text in both forms. A
//! README that was read once outlives the outage of its backend.

mod texts;

pub use crate::api::readmes::texts::BYTES_MAX;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use crate::api::accept::Form;
use crate::api::answers::Provenance;
use crate::api::memos::kept::{Generation, generation};
use crate::api::memos::rules::{MemoRules, entry_key};
use crate::api::readmes::texts::{Identity, Texts};
use crate::api::rendered::Rendered;
use crate::backend::coalesce::Coalesced;
use crate::cache::lru_cache::{Hit, Memo};
use crate::catalog::Catalog;
use crate::catalog::index::View;
use crate::catalog::questions::Deadline;
use crate::error::{Error, Result};
use crate::metrics::caches::CacheCounters;
use crate::models::backend_id::BackendId;
use crate::models::extension::Release;
use crate::models::naming::ExtensionId;
use crate::models::readme::Readme;
use crate::models::scope::Scope;
use crate::models::tag::Tag;

/// What one entry takes up beside its text and its release, which outlives the catalog's: names.
const NAMED_BYTES: usize = 1024;

/// What was answered of READMEs. Versions that share one share its text and its page.
pub struct Readmes {
    named: Arc<Memo<Named>>,
    texts: Arc<Texts>,
    questions: Coalesced<(Wanted, Generation), Answer>,
    rules: MemoRules,
}

/// Which README is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Of which extension.
    pub id: ExtensionId,
    /// Of which version of it, or `latest`.
    pub version: Tag,
    /// Of which backend, instead of the owner.
    pub scope: Scope,
}

/// Which README a version has.
#[derive(Clone, Debug)]
struct Named {
    wanted: Wanted,
    release: Arc<Release>,
    /// Its identity, or the words in which the backend said that there is none.
    readme: std::result::Result<Identity, String>,
}

/// What a backend answered: an identity with its text, or the words in which it said no.
type Answer = std::result::Result<(Identity, Rendered), String>;

impl Wanted {
    fn key(&self) -> String {
        entry_key(&self.id, &format!("/{}/readme", self.version), self.scope)
    }
}

impl Named {
    /// Whether the catalog still says the same of the version.
    fn holds(&self, view: &View) -> bool {
        let Wanted { id, version, scope } = &self.wanted;
        let entry = view.get(id, *scope);
        entry.and_then(|entry| entry.extension.find(version)) == Some(&self.release)
    }

    fn is_fresh(&self, age: Duration, rules: &MemoRules, view: &View) -> bool {
        let ttl = if self.readme.is_ok() { rules.ttl } else { rules.negative_ttl };
        rules.metadata && age < ttl && self.holds(view)
    }
}

impl Readmes {
    /// Nothing yet.
    #[must_use]
    pub fn new(rules: MemoRules, counters: CacheCounters) -> Self {
        Self {
            named: Memo::new(rules.bounds(), rules.stale_if_error, counters),
            texts: Arc::default(),
            questions: Coalesced::default(),
            rules,
        }
    }

    /// The README of a version in this form.
    ///
    /// One that was read before is answered at once while the version is the same; once its time to
    /// live is over the backend is asked again behind the answer. While the backend fails it is
    /// answered whatever became of the version, and marked.
    ///
    /// # Errors
    /// As [`Catalog::find_release`]; `NotFound` also if the version has none.
    pub async fn readme(
        &self,
        catalog: &Arc<Catalog>,
        wanted: Wanted,
        form: Form,
    ) -> Result<(Rendered, Provenance)> {
        let view = catalog.view();
        let known = self.named.look_up(&wanted.key(), |_| true);
        let Some(Hit { value: named, age }) = known else {
            return self.asked(catalog, &view, wanted, form).await;
        };
        let fresh = named.is_fresh(age, &self.rules, &view);
        let identity = match &named.readme {
            Ok(identity) => identity,
            Err(words) if fresh => {
                self.counters().hit();
                return Err(Error::not_found(words));
            }
            Err(_) => return self.asked(catalog, &view, wanted, form).await,
        };
        let Some(text) = self.texts.get(identity, form).await? else {
            return self.asked(catalog, &view, wanted, form).await;
        };
        let unwell = is_unwell(catalog, named.release.backend);
        if fresh || unwell || (self.rules.metadata && named.holds(&view)) {
            self.counters().hit();
            if !fresh {
                // Begun, and left to go on behind the answer.
                let _ = self.ask(catalog, &view, wanted).now_or_never();
            }
            return Ok((text, kept(catalog, &named, age, unwell && !fresh)));
        }
        match self.asked(catalog, &view, wanted, form).await {
            Err(error) if !error.is_not_found() => Ok((text, kept(catalog, &named, age, true))),
            answered => answered,
        }
    }

    /// How many it has named and would still answer.
    #[must_use]
    pub fn len(&self, view: &View) -> usize {
        self.named.len(|named| named.holds(view))
    }

    /// What is counted of it.
    #[must_use]
    pub fn counters(&self) -> &CacheCounters {
        self.named.counters()
    }

    async fn asked(
        &self,
        catalog: &Arc<Catalog>,
        view: &View,
        wanted: Wanted,
        form: Form,
    ) -> Result<(Rendered, Provenance)> {
        self.counters().miss();
        let (scope, id) = (wanted.scope, wanted.id.clone());
        let (identity, markdown) = Deadline::of_a_read()
            .wait(scope, self.ask(catalog, view, wanted))
            .await?
            .map_err(Error::not_found)?;
        let text = match form {
            Form::Markdown => markdown,
            Form::Html => self.texts.page_of(&identity, markdown).await?,
        };
        Ok((text, Provenance::asked(catalog, scope, Some(&id), Vec::new())))
    }

    /// Asks the backend, with everyone who asks the same meanwhile, and keeps the answer.
    async fn ask(&self, catalog: &Arc<Catalog>, view: &View, wanted: Wanted) -> Result<Answer> {
        let key = (wanted.clone(), generation(view, &wanted.id, wanted.scope));
        let (named, texts) = (Arc::clone(&self.named), Arc::clone(&self.texts));
        let (catalog, rules) = (Arc::clone(catalog), self.rules);
        let mut shared = true;
        let question = || {
            shared = false;
            async move {
                // Who missed just before the last question ended comes here just after it.
                let known = named.look_up(&wanted.key(), |_| true);
                if let Some(answer) = known.and_then(|hit| {
                    let fresh = hit.value.is_fresh(hit.age, &rules, &catalog.view());
                    if fresh { texts.answer(&hit.value.readme) } else { None }
                }) {
                    return Ok(answer);
                }
                let (release, answer) = read(&catalog, &wanted).await?;
                let readme = answer.as_ref().map(|(identity, text)| {
                    texts.keep(identity, Form::Markdown, text);
                    Arc::clone(identity)
                });
                let readme = readme.map_err(Clone::clone);
                let weight = NAMED_BYTES + release.weight();
                named.put(wanted.key(), weight, Named { wanted, release, readme }, |_| true);
                Ok(answer)
            }
        };
        let answer = self.questions.ask(&key, question).await;
        if shared {
            self.counters().coalesced();
        }
        answer
    }
}

/// What a backend says, and of which release as the catalog has it.
async fn read(catalog: &Arc<Catalog>, wanted: &Wanted) -> Result<(Arc<Release>, Answer)> {
    let Wanted { id, version, scope } = wanted;
    let (entry, release) = catalog.find_release(id, version, *scope).await?;
    let answer = match catalog.readme(entry.id(), &release).await {
        Ok(Readme { identity, text }) => {
            let identity = Identity::from(format!("{}:{identity}", release.backend));
            Ok((identity, Rendered::text(text, Form::Markdown.content_type())))
        }
        Err(error) if error.is_not_found() => Err(error.message().to_owned()),
        Err(error) => return Err(error),
    };
    // As the catalog has it, which is perhaps not as it was read now.
    let known = entry.extension.find(version).cloned().unwrap_or(release);
    Ok((known, answer))
}

/// A kept answer; its backend is marked where it fails.
fn kept(catalog: &Catalog, named: &Named, age: Duration, unwell: bool) -> Provenance {
    let mut provenance = Provenance::kept(catalog, named.wanted.scope, Some(&named.wanted.id), age);
    provenance.freshness.lacks(unwell.then_some(named.release.backend));
    provenance
}

fn is_unwell(catalog: &Catalog, backend: BackendId) -> bool {
    catalog.statuses().iter().any(|(of, status)| *of == backend && !status.healthy)
}
