//! Cache of README texts and pages by identity.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use parking_lot::Mutex;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::caching::single_flight::SingleFlight;
use registry_core::error::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

use crate::answers::markdown::{fragment_of, page_of};
use crate::edge::accept::AcceptedForm;
use crate::edge::rendered::Rendered;

/// Unique identity of a text: the kind of backend, and its commit or digest.
pub(super) type TextIdentity = Arc<str>;

const BOUNDS: LruBounds = LruBounds::new(10_000, BYTES_MAX);
/// Maximum total size of the cache, in bytes.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;

pub(super) struct Texts {
    held: Mutex<BoundedLru<(TextIdentity, AcceptedForm), Rendered>>,
    pages: SingleFlight<(TextIdentity, AcceptedForm), Rendered>,
    /// Permits for rendering: half of the cores stay free for everything else.
    makers: Arc<Semaphore>,
}

impl Default for Texts {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            held: Mutex::new(BoundedLru::new(BOUNDS)),
            pages: SingleFlight::default(),
            makers: Arc::new(Semaphore::new((processors / 2).max(1))),
        }
    }
}

impl Texts {
    pub(super) fn keep(&self, identity: &TextIdentity, form: AcceptedForm, text: &Rendered) {
        let key = (Arc::clone(identity), form);
        self.held.lock().put(key, text.weight() as u64, text.clone());
    }

    pub(super) fn held(&self, identity: &TextIdentity, form: AcceptedForm) -> Option<Rendered> {
        self.held.lock().get(&(Arc::clone(identity), form)).cloned()
    }

    pub(super) async fn get(
        self: &Arc<Self>,
        identity: &TextIdentity,
        form: AcceptedForm,
    ) -> Result<Option<Rendered>> {
        if let Some(held) = self.held(identity, form) {
            return Ok(Some(held));
        }
        match self.held(identity, AcceptedForm::Markdown) {
            Some(markdown) if form != AcceptedForm::Markdown => {
                self.rendered(identity, form, markdown).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    pub(super) fn answer<E: Clone>(
        &self,
        readme: &std::result::Result<TextIdentity, E>,
    ) -> Option<std::result::Result<(TextIdentity, Rendered), E>> {
        match readme {
            Ok(identity) => {
                let text = self.held(identity, AcceptedForm::Markdown)?;
                Some(Ok((Arc::clone(identity), text)))
            }
            Err(words) => Some(Err(words.clone())),
        }
    }

    /// Returns a Markdown text as HTML: as a page, or inside of one.
    pub(super) async fn rendered(
        self: &Arc<Self>,
        identity: &TextIdentity,
        form: AcceptedForm,
        markdown: Rendered,
    ) -> Result<Rendered> {
        if let Some(page) = self.held(identity, form) {
            return Ok(page);
        }
        let (this, of) = (Arc::clone(self), Arc::clone(identity));
        let key = (Arc::clone(identity), form);
        let page = self.pages.ask(&key, || async move {
            let broken = "A README could not be made a page";
            let turn = Arc::clone(&this.makers).acquire_owned().await;
            let turn =
                turn.map_err(|error| Error::new(ErrorKind::Internal, broken).because(error))?;
            // Rendering a mebibyte of Markdown would block other connections of the thread.
            let page = tokio::task::spawn_blocking(move || {
                let markdown = String::from_utf8_lossy(markdown.body());
                let html = if form == AcceptedForm::Fragment { fragment_of } else { page_of };
                let page = html(&markdown);
                drop(turn);
                page
            });
            let page = page.await;
            let page =
                page.map_err(|error| Error::new(ErrorKind::Internal, broken).because(error))?;
            let page = Rendered::text(page, form.content_type());
            this.keep(&of, form, &page);
            Ok(page)
        });
        page.await
    }
}
