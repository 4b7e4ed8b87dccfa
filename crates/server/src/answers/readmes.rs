//! Cache of READMEs by version, in both forms; they stay available while a backend is down.

mod texts;

pub use crate::answers::readmes::texts::BYTES_MAX;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use registry_catalog::Catalog;
use registry_catalog::deadline::Deadline;
use registry_catalog::index::view::View;
use registry_core::caching::single_flight::{Same, SingleFlight};
use registry_core::error::{Error, Result};
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Release;
use registry_core::models::readme::Readme;
use tokio::time::Instant;

use crate::answers::answer::{Answer, CachedHit};
use crate::answers::entry::{AnswerContent, Generation};
use crate::answers::expiring_lru::{ExpiringLru, Hit};
use crate::answers::provenance::Provenance;
use crate::answers::query::ReadmeQuery;
use crate::answers::readmes::texts::{TextIdentity, Texts};
use crate::answers::rules::{self, ResponseCacheRules};
use crate::edge::accept::AcceptedForm;
use crate::edge::rendered::Rendered;
use crate::metrics::caches::CacheCounters;

// Without text and release, which may outlive the catalog's copy, in bytes.
const NAMED_BYTES: usize = 1024;

/// Cache of READMEs. Versions with the same README share the text and the rendered page.
pub struct Readmes {
    named: Arc<ExpiringLru<NamedRelease>>,
    texts: Arc<Texts>,
    questions: SingleFlight<(ReadmeQuery, Generation), ReadmeResult>,
    rules: ResponseCacheRules,
}

#[derive(Clone, Debug)]
struct NamedRelease {
    wanted: ReadmeQuery,
    release: Arc<Release>,
    readme: std::result::Result<TextIdentity, String>,
}

type ReadmeResult = std::result::Result<(TextIdentity, Rendered), String>;

impl NamedRelease {
    fn is_current(&self, view: &View) -> bool {
        let ReadmeQuery { id, version, scope } = &self.wanted;
        let entry = view.get(id, *scope);
        entry.and_then(|entry| entry.extension.find(version)) == Some(&self.release)
    }

    fn is_fresh(&self, age: Duration, rules: &ResponseCacheRules, view: &View) -> bool {
        let ttl = if self.readme.is_ok() { rules.ttl } else { rules.negative_ttl };
        rules.metadata && age < ttl && self.is_current(view)
    }
}

impl Readmes {
    /// Creates an empty cache.
    #[must_use]
    pub fn new(rules: ResponseCacheRules, counters: CacheCounters) -> Self {
        Self {
            named: ExpiringLru::new(rules.bounds(rules::BYTES_MAX), rules.stale_if_error, counters),
            texts: Arc::default(),
            questions: SingleFlight::default(),
            rules,
        }
    }

    /// Returns the README of a version, cached while the version is unchanged. After its time to
    /// live the backend is queried in the background; while that fails, the README of a changed
    /// version is returned as stale. Fails as `Reader::find_release`; `NotFound` without README.
    pub async fn readme(
        &self,
        catalog: &Arc<Catalog>,
        wanted: ReadmeQuery,
        form: AcceptedForm,
    ) -> Result<Answer> {
        let (view, now) = (catalog.store.view(), Instant::now());
        let known = self.named.look_up(&wanted.key(), now, |named| Some(named.clone()));
        let Some(Hit { value: named, age }) = known else {
            // A first read, and an expired "no README", must wait for the backend.
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
        if fresh || unwell || (self.rules.metadata && named.is_current(&view)) {
            self.counters().hit();
            if !fresh {
                // Polled once to start the request, which then continues in its own task.
                let _ = self.ask(catalog, &view, wanted).now_or_never();
            }
            return Ok(answer(text, form, kept(catalog, &named, age, unwell && !fresh, now)));
        }
        match self.asked(catalog, &view, wanted, form).await {
            Err(error) if !error.is_not_found() => {
                Ok(answer(text, form, kept(catalog, &named, age, true, Instant::now())))
            }
            answered => answered,
        }
    }

    /// Returns a fresh README from the cache, without waiting.
    #[must_use]
    pub fn cached(
        &self,
        catalog: &Catalog,
        wanted: &ReadmeQuery,
        form: AcceptedForm,
        now: Instant,
    ) -> Option<CachedHit<'_>> {
        let Hit { value: named, age } =
            self.named.look_up(&wanted.key(), now, |named| Some(named.clone()))?;
        let identity = named.readme.as_ref().ok()?;
        if !named.is_fresh(age, &self.rules, &catalog.store.view()) {
            return None;
        }
        let text = self.texts.held(identity, form)?;
        let answer = answer(text, form, kept(catalog, &named, age, false, now));
        Some(CachedHit { answer, counters: self.counters() })
    }

    /// Returns true if a version was found without a README a short time ago.
    #[must_use]
    pub fn is_missing(&self, catalog: &Catalog, wanted: &ReadmeQuery, now: Instant) -> bool {
        let hit = self.named.look_up(&wanted.key(), now, |named| Some(named.clone()));
        hit.is_some_and(|Hit { value: named, age }| {
            named.readme.is_err() && named.is_fresh(age, &self.rules, &catalog.store.view())
        })
    }

    /// Returns the number of cached entries that are still valid.
    #[must_use]
    pub fn count(&self, view: &View) -> usize {
        self.named.count(|named| named.is_current(view), str::to_owned)
    }

    /// Returns the counters of the cache.
    #[must_use]
    pub fn counters(&self) -> &CacheCounters {
        self.named.counters()
    }

    async fn asked(
        &self,
        catalog: &Arc<Catalog>,
        view: &View,
        wanted: ReadmeQuery,
        form: AcceptedForm,
    ) -> Result<Answer> {
        self.counters().miss();
        let (scope, id) = (wanted.scope, wanted.id.clone());
        let (identity, markdown) = Deadline::of_a_read()
            .wait(scope, self.ask(catalog, view, wanted))
            .await?
            .map_err(Error::not_found)?;
        let text = match form {
            AcceptedForm::Markdown => markdown,
            form => self.texts.rendered(&identity, form, markdown).await?,
        };
        Ok(answer(text, form, Provenance::asked(catalog, scope, Some(&id), Vec::new())))
    }

    async fn ask(
        &self,
        catalog: &Arc<Catalog>,
        view: &View,
        wanted: ReadmeQuery,
    ) -> Result<ReadmeResult> {
        let key = (wanted.clone(), view.get(&wanted.id, wanted.scope).cloned().map(Same));
        let (named, texts) = (Arc::clone(&self.named), Arc::clone(&self.texts));
        let (catalog, rules) = (Arc::clone(catalog), self.rules);
        let mut shared = true;
        let answer = self.questions.ask(&key, || {
            shared = false;
            async move {
                // A caller that missed just before the previous request completed arrives here just
                // afterwards.
                let known =
                    named.look_up(&wanted.key(), Instant::now(), |named| Some(named.clone()));
                if let Some(answer) = known.and_then(|hit| {
                    let fresh = hit.value.is_fresh(hit.age, &rules, &catalog.store.view());
                    if fresh { texts.answer(&hit.value.readme) } else { None }
                }) {
                    return Ok(answer);
                }
                let (release, answer) = read(&catalog, &wanted).await?;
                let readme = answer.as_ref().map(|(identity, text)| {
                    texts.keep(identity, AcceptedForm::Markdown, text);
                    Arc::clone(identity)
                });
                let readme = readme.map_err(Clone::clone);
                let weight = NAMED_BYTES + release.weight();
                named.put(wanted.key(), weight, NamedRelease { wanted, release, readme }, |_| true);
                Ok(answer)
            }
        });
        let answer = answer.await;
        if shared {
            self.counters().coalesced();
        }
        answer
    }
}

async fn read(
    catalog: &Arc<Catalog>,
    wanted: &ReadmeQuery,
) -> Result<(Arc<Release>, ReadmeResult)> {
    let ReadmeQuery { id, version, scope } = wanted;
    let (entry, release) = catalog.reader.find_release(id, version, *scope).await?;
    let answer = match catalog.syncer.readme(entry.id(), &release).await {
        Ok(Readme { identity, text }) => {
            let identity = TextIdentity::from(format!("{}:{identity}", release.backend));
            Ok((identity, Rendered::text(text, AcceptedForm::Markdown.content_type())))
        }
        Err(error) if error.is_not_found() => Err(error.message().to_owned()),
        Err(error) => return Err(error),
    };
    // Validity is checked against the catalog's copy, which may differ from the release just read.
    let known = entry.extension.find(version).cloned().unwrap_or(release);
    Ok((known, answer))
}

fn answer(rendered: Rendered, form: AcceptedForm, provenance: Provenance) -> Answer {
    Answer { content: AnswerContent::of(rendered, 0), provenance, form: Some(form) }
}

fn kept(
    catalog: &Catalog,
    named: &NamedRelease,
    age: Duration,
    unwell: bool,
    now: Instant,
) -> Provenance {
    let ReadmeQuery { id, scope, .. } = &named.wanted;
    let mut provenance = Provenance::kept(catalog, *scope, Some(id), age, now);
    provenance.freshness.lacks(unwell.then_some(named.release.backend));
    provenance
}

fn is_unwell(catalog: &Catalog, backend: BackendId) -> bool {
    !catalog.health.is_healthy(backend)
}
